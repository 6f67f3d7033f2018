//! What can go wrong between a file and its reading.

use hilum_core::{FailedPath, ReadError};
use std::path::{Path, PathBuf};

/// Error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The file gives no image.
    #[error(transparent)]
    Load(#[from] hilum_dicom::LoadError),
    /// A folder of models or images cannot be listed, or a file not read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A weight file is damaged or does not fit this version.
    #[error("model `{name}`: {reason}")]
    Model {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A network failed on an image.
    #[error("{}: model `{model}`: {source}", path.display())]
    Network {
        /// The image.
        path: PathBuf,
        /// Which model.
        model: String,
        /// Why.
        source: hilum_methods::MethodError,
    },
    /// A map could not be made or judged.
    #[error("{}: model `{model}`, {method}: {source}", path.display())]
    Explain {
        /// The image.
        path: PathBuf,
        /// Which model.
        model: String,
        /// Which attribution.
        method: String,
        /// Why.
        source: hilum_explain::ExplainError,
    },
    /// A calibration file or an index that does not fit.
    #[error("{}: {reason}", path.display())]
    Extra {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Pixel work failed.
    #[error("{}: {source}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        source: hilum_image::ImageError,
    },
    /// The reading could not be drawn or written.
    #[error(transparent)]
    Reading(#[from] hilum_reading::ReadingError),
    /// A defect of this program, caught so that the other files are still read.
    #[error("{}: internal error: {reason}; please report it", path.display())]
    Internal {
        /// The image.
        path: PathBuf,
        /// What the program said.
        reason: String,
    },
    /// The thread pool could not be started.
    #[error("cannot start {jobs} threads: {reason}")]
    Threads {
        /// Asked for.
        jobs: usize,
        /// Why not.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, PipelineError>;

impl PipelineError {
    /// Kind in snake case for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            PipelineError::Load(error) => error.kind(),
            PipelineError::Io { .. } => "io",
            PipelineError::Model { .. } => "model",
            PipelineError::Network { .. } => "network",
            PipelineError::Explain { .. } => "explain",
            PipelineError::Extra { .. } => "extra",
            PipelineError::Image { .. } => "image",
            PipelineError::Reading(error) => error.kind(),
            PipelineError::Internal { .. } => "internal",
            PipelineError::Threads { .. } => "threads",
        }
    }

    /// The line that stands for `path`.
    pub fn failed(&self, path: &Path) -> FailedPath {
        FailedPath {
            path: path.to_string_lossy().into_owned(),
            error: ReadError {
                kind: self.kind().to_owned(),
                message: self.to_string(),
            },
        }
    }
}
