//! What can go wrong with networks and weights.

use std::path::PathBuf;

/// Error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// A kernel refused its input.
    #[error(transparent)]
    Kernel(#[from] hilum_kernels::KernelError),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A weight file is not what it should be.
    #[error("weight file: {0}")]
    Weights(String),
    /// Weights do not fit the network.
    #[error(
        "weights do not fit the network: {missing} keys missing ({first_missing}), {misshaped} with another shape ({first_misshaped})"
    )]
    Mismatch {
        /// Number of missing keys.
        missing: usize,
        /// The first of them.
        first_missing: String,
        /// Number of keys with another shape.
        misshaped: usize,
        /// The first of them.
        first_misshaped: String,
    },
    /// An image does not meet the input contract.
    #[error("input contract: {0}")]
    Contract(String),
    /// Training cannot go on.
    #[error("training stopped: {0}")]
    Training(String),
    /// A run folder belongs to another configuration.
    #[error(
        "{path}: this run was started with another configuration ({what} differs); choose another folder or delete it"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// JSON that should be there is not.
    #[error("{what}: {source}")]
    Json {
        /// Which document.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A device that is not there, or that failed.
    #[error("device {name}: {reason}")]
    Device {
        /// As it was asked for.
        name: String,
        /// Why.
        reason: String,
    },
    /// A task's own failure.
    #[error("{0}")]
    Task(String),
}

impl NnError {
    /// Wraps an I/O error with its path.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        NnError::Io {
            path: path.to_owned(),
            source,
        }
    }
}
