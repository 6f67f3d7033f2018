//! Why an object is not stored, found or deleted.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of the store. Messages name attributes and identifiers, never names or dates of patients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A unique identifier that is none (PS3.5, 9.1), so it cannot name a file either.
    #[error("{name} is no valid UID")]
    BadUid {
        /// Keyword of the attribute.
        name: &'static str,
    },
    /// An attribute that every stored object must have.
    #[error("attribute {name} is missing")]
    MissingAttribute {
        /// Keyword.
        name: &'static str,
    },
    /// The bytes are no DICOM data set.
    #[error(transparent)]
    Dicom(#[from] hilum_dicom::DicomError),
    /// The data set says something else than the request or the file meta information.
    #[error("the data set's {name} is not the one that was announced")]
    Mismatch {
        /// Keyword.
        name: &'static str,
    },
    /// Another object with the same SOP Instance UID is stored.
    #[error("another object with this SOP Instance UID is stored already")]
    Duplicate,
    /// The study or series is stored with another patient or study.
    #[error("the stored {level} with this UID belongs to another {parent}")]
    Conflict {
        /// `study` or `series`.
        level: &'static str,
        /// `patient` or `study`.
        parent: &'static str,
    },
    /// An object over the limit.
    #[error("{bytes} bytes are more than the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// No space is left.
    #[error("no space is left under {path}")]
    DiskFull {
        /// Where.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another process")]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// A file operation that failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error("index: {0}")]
    Database(#[from] sqlx::Error),
    /// The database was made by another version.
    #[error("the index has version {found}, this program knows {known}")]
    Version {
        /// Version in the database.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// A search that cannot be answered.
    #[error("search: {reason}")]
    Query {
        /// Why not.
        reason: String,
    },
}

/// Result with [`StoreError`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return StoreError::DiskFull {
                path: path.to_owned(),
            };
        }
        StoreError::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Kind in snake case, for tables of what was refused.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::BadUid { .. } => "bad_uid",
            StoreError::MissingAttribute { .. } => "missing_attribute",
            StoreError::Dicom(error) => error.kind(),
            StoreError::Mismatch { .. } => "mismatch",
            StoreError::Duplicate => "duplicate",
            StoreError::Conflict { .. } => "conflict",
            StoreError::TooLarge { .. } => "too_large",
            StoreError::DiskFull { .. } => "disk_full",
            StoreError::InUse { .. } => "in_use",
            StoreError::Io { .. } => "io",
            StoreError::Database(_) | StoreError::Version { .. } => "index",
            StoreError::Query { .. } => "query",
        }
    }
}
