//! Everything that can go wrong between a folder of files and a batch.

use std::path::{Path, PathBuf};

/// Errors of this crate. Table errors name the file, the row (1 is the first row after the header)
/// and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// A table lacks a column that its format requires.
    #[error("{path}: the column `{column}` is missing")]
    MissingColumn {
        /// The table.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// One row of a table cannot be used.
    #[error("{path}, row {row}: {reason}")]
    Row {
        /// The table.
        path: PathBuf,
        /// Row number, 1 for the first row after the header.
        row: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder that a published layout requires is not there.
    #[error("{root}: {set} needs {what}, which is not there")]
    Layout {
        /// The folder given.
        root: PathBuf,
        /// Which set's layout was expected.
        set: &'static str,
        /// What is missing.
        what: String,
    },
    /// A file is not what its name or place says.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An image cannot be decoded.
    #[error("{path}: cannot be decoded: {reason}")]
    Decode {
        /// The image.
        path: PathBuf,
        /// The decoder's words.
        reason: String,
    },
    /// A sample has no mask of that name.
    #[error("{path}: no mask `{mask}`")]
    NoMask {
        /// The image.
        path: PathBuf,
        /// The structure asked for.
        mask: String,
    },
    /// A finding code that the taxonomy does not have.
    #[error("`{0}` is not a code of the taxonomy")]
    UnknownCode(String),
    /// A name that the registry does not have.
    #[error("there is no data set `{0}`")]
    UnknownSet(String),
    /// A setting outside its range.
    #[error("`{name}` must be {wanted}, not {got}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What would be accepted.
        wanted: &'static str,
        /// What was given.
        got: String,
    },
}

/// Result with [`DataError`].
pub type Result<T> = std::result::Result<T, DataError>;

impl DataError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        DataError::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn row(path: &Path, row: u64, reason: impl Into<String>) -> Self {
        DataError::Row {
            path: path.to_owned(),
            row,
            reason: reason.into(),
        }
    }

    pub(crate) fn format(path: &Path, reason: impl ToString) -> Self {
        DataError::Format {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn setting(name: &'static str, wanted: &'static str, got: impl ToString) -> Self {
        DataError::Setting {
            name,
            wanted,
            got: got.to_string(),
        }
    }
}
