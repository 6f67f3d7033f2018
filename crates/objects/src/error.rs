//! The errors of this crate.

use hilum_dicom::write::WriteError;
use hilum_dicom::{DicomError, LoadError};
use hilum_image::ImageError;
use std::path::PathBuf;

/// Why an object could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// A source image cannot be loaded again.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file is not the one that was read.
    #[error("{}: has changed since it was read (SHA-256 {found}, the reading has {expected})", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Hash in the reading.
        expected: String,
        /// Hash now.
        found: String,
    },
    /// The reading contradicts itself, so that nothing can be made of it.
    #[error("the reading cannot be written: {reason}")]
    Reading {
        /// What is wrong.
        reason: String,
    },
    /// A picture or mask that goes into an object cannot be used.
    #[error("{what}: {source}")]
    Picture {
        /// Which.
        what: String,
        /// Why.
        source: ImageError,
    },
    /// The encoder refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Not DICOM, truncated or damaged.
    #[error(transparent)]
    Dicom(#[from] DicomError),
    /// An object of another kind than can be read back.
    #[error(
        "SOP class {class} ({modality}) is neither a structured report, a segmentation nor an image"
    )]
    OtherObject {
        /// Its SOP Class UID.
        class: String,
        /// Its modality.
        modality: String,
    },
    /// A structured report that is not what was expected.
    #[error("the structured report cannot be read: {reason}")]
    Report {
        /// What is wrong.
        reason: String,
    },
    /// A segmentation that is not what was expected.
    #[error("the segmentation cannot be read: {reason}")]
    Segmentation {
        /// What is wrong.
        reason: String,
    },
    /// The objects do not tell enough to make a reading of them.
    #[error("no reading can be made: {reason}")]
    Incomplete {
        /// What is missing.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bundle could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl ObjectError {
    /// Kind in snake case for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            ObjectError::Load(error) => error.kind(),
            ObjectError::Changed { .. } => "changed",
            ObjectError::Reading { .. } => "reading",
            ObjectError::Picture { .. } => "image",
            ObjectError::Write(_) | ObjectError::Json(_) => "encoding",
            ObjectError::Dicom(error) => error.kind(),
            ObjectError::OtherObject { .. } => "other_object",
            ObjectError::Report { .. } => "report",
            ObjectError::Segmentation { .. } => "segmentation",
            ObjectError::Incomplete { .. } => "incomplete",
            ObjectError::Io { .. } => "io",
        }
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ObjectError>;
