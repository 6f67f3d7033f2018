//! Why an object is not de-identified.

/// Errors of de-identification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeidError {
    /// A file that cannot be read.
    #[error(transparent)]
    Dicom(#[from] hilum_dicom::DicomError),
    /// A data set that cannot be written.
    #[error("cannot write the data set: {0}")]
    Write(String),
    /// Options that contradict each other.
    #[error("{0}")]
    Options(String),
    /// A secret that is too short to be one.
    #[error("a secret has at least 16 bytes")]
    Secret,
}

/// Result with [`DeidError`].
pub type Result<T, E = DeidError> = std::result::Result<T, E>;
