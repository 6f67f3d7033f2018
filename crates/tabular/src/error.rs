//! What can be wrong with a table, a fold or a fit.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, TabularError>;

/// Error of this crate. Rows count from 1, the header not included.
#[derive(Debug, thiserror::Error)]
pub enum TabularError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no table.
    #[error("{path}: {source}")]
    Csv {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A column that is asked for is not there.
    #[error("{path}: the column `{column}` is missing; there are: {}", .found.join(", "))]
    MissingColumn {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },
    /// A feature that is empty, not a number, or not finite.
    #[error(
        "{path}, row {row}, column `{column}`: `{value}` is not a finite number; drop the row or fill it in before"
    )]
    NotANumber {
        /// Which file.
        path: PathBuf,
        /// Row.
        row: usize,
        /// Column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A label that the rule does not name.
    #[error("{path}, row {row}: the label `{value}` is neither positive, negative nor null")]
    UnknownLabel {
        /// Which file.
        path: PathBuf,
        /// Row.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// Every label is null, or there are no rows.
    #[error("{what}: none of the {rows} rows has a label; there is nothing to learn from")]
    NoLabels {
        /// Of what.
        what: String,
        /// Rows seen.
        rows: usize,
    },
    /// One class only.
    #[error(
        "{what}: {positives} positive and {negatives} negative rows; both classes are needed: take more rows, fewer folds or another label"
    )]
    SingleClass {
        /// Of what.
        what: String,
        /// Positive rows.
        positives: usize,
        /// Negative rows.
        negatives: usize,
    },
    /// Sizes that do not fit.
    #[error("{what}: {got} where {expected} are expected")]
    Shape {
        /// Of what.
        what: &'static str,
        /// Found.
        got: usize,
        /// Expected.
        expected: usize,
    },
    /// A value that is not finite.
    #[error("{what}, row {row}, column {column}: {value} is not finite")]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// An option outside its range.
    #[error("`{name}` = {value} must be {rule}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// A learner could not be fitted or applied.
    #[error("{learner}: {reason}")]
    Learner {
        /// Which.
        learner: &'static str,
        /// The library's words.
        reason: String,
    },
    /// A search could not go on.
    #[error("hyper-parameter search: {0}")]
    Search(String),
}
