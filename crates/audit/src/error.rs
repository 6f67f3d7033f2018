//! Why an audit gives no answer.

use hilum_image::ImageError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, AuditError>;

/// Why an audit gives no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuditError {
    /// Pixels that do not fit.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A score is not defined on these data.
    #[error(transparent)]
    Score(#[from] hilum_metrics::MetricError),
    /// Folds cannot be formed, or a fit has no optimum.
    #[error(transparent)]
    Fit(#[from] hilum_trust::TrustError),
    /// A table that cannot be read.
    #[error("{}: {reason}", path.display())]
    Table {
        /// The file.
        path: std::path::PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// No label at all.
    #[error(
        "`{finding}`: none of its {rows} rows is labelled, so nothing can be measured; fill the column `label` with 1 and 0"
    )]
    Unlabelled {
        /// The finding.
        finding: String,
        /// Its rows.
        rows: usize,
    },
    /// Labels of one class.
    #[error(
        "`{finding}`: all {rows} labelled rows are {class}, so nothing can be measured; add cases of the other class"
    )]
    OneClass {
        /// The finding.
        finding: String,
        /// Labelled rows.
        rows: usize,
        /// `present` or `absent`.
        class: &'static str,
    },
    /// A column of numbers that holds something else.
    #[error("case {id}: `{value}` in column `{column}` is no number; mend it or leave it empty")]
    NoNumber {
        /// The column.
        column: String,
        /// The case.
        id: String,
        /// What stands there.
        value: String,
    },
    /// A column of dates that holds something else.
    #[error(
        "case {id}: `{value}` in column `{column}` is no date; write YYYY, YYYY-MM or YYYY-MM-DD, or leave it empty"
    )]
    NoDate {
        /// The column.
        column: String,
        /// The case.
        id: String,
        /// What stands there.
        value: String,
    },
    /// Probabilities or labels that do not fit each other.
    #[error("{reason}")]
    Probabilities {
        /// What does not fit.
        reason: String,
    },
    /// A threshold that is no probability.
    #[error("the threshold {value} is no probability")]
    Threshold {
        /// The threshold.
        value: f64,
    },
    /// No two groups are large enough.
    #[error(
        "`{finding}`: no two groups have {least} present and {least} absent cases each, so nothing can be compared; take wider groups or more cases"
    )]
    NoGroups {
        /// The finding.
        finding: String,
        /// Cases of either class that a group needs.
        least: usize,
    },
    /// A mask without pixels: hiding nothing would pass for hiding the region.
    #[error(
        "the region's mask is empty after {spread} steps of spreading; leave this image out or spread less"
    )]
    EmptyRegion {
        /// Steps of dilation, negative for erosion.
        spread: i32,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} `{name}`; known: {known}")]
    UnknownName {
        /// Kind of thing.
        what: &'static str,
        /// Name given.
        name: String,
        /// Names that are known.
        known: String,
    },
}
