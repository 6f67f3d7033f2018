//! What can be wrong with question sets and answers.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum QuizError {
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line that is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A set without a single case.
    #[error("{path}: no study gave a question: {reason}")]
    NoCases {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A folder that holds something already.
    #[error("{path} holds a set of questions already; take another folder")]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// Two studies of one name.
    #[error("there are two studies `{study}`")]
    Twice {
        /// The name.
        study: String,
    },
    /// A setting out of range.
    #[error("{name} = {value}: {range}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// Pictures.
    #[error(transparent)]
    Measure(#[from] hilum_measure::MeasureError),
    /// Intervals.
    #[error(transparent)]
    Metric(#[from] hilum_metrics::MetricError),
}

impl QuizError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        QuizError::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn line(path: &Path, line: usize, reason: impl ToString) -> Self {
        QuizError::Line {
            path: path.to_owned(),
            line,
            reason: reason.to_string(),
        }
    }
}
