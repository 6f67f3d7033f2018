//! What can be wrong with a set.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Bad {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting out of range.
    #[error("{name} = {value}: {range}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] hilum_volume::VolumeError),
    /// Projections.
    #[error(transparent)]
    Drr(#[from] hilum_drr::DrrError),
    /// Pictures.
    #[error(transparent)]
    Image(#[from] hilum_image::ImageError),
    /// Reports.
    #[error(transparent)]
    Text(#[from] hilum_text::TextError),
    /// Manifests.
    #[error(transparent)]
    Data(#[from] hilum_data::DataError),
    /// Scores.
    #[error(transparent)]
    Metric(#[from] hilum_metrics::MetricError),
}

impl SetError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        SetError::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn bad(path: &Path, reason: impl Into<String>) -> Self {
        SetError::Bad {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
