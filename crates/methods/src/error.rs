//! What can go wrong with a method.

use std::path::PathBuf;

/// Error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// The data that a method needs are not there.
    #[error(
        "{what} needs {path}, which is not there; give the data folder with --data or HILUM_DATA"
    )]
    NoData {
        /// Which method or model.
        what: String,
        /// What is missing.
        path: PathBuf,
    },
    /// There are too few examples to train or measure on.
    #[error("{what}: {found} examples where at least {needed} are needed")]
    TooFew {
        /// Of what.
        what: String,
        /// Found.
        found: usize,
        /// Needed.
        needed: usize,
    },
    /// A method that another one builds on has not been trained.
    #[error("the model `{0}` is not there; train it first (`hilum train {0}`)")]
    NoModel(String),
    /// A configuration is out of range.
    #[error("configuration: {0}")]
    Config(String),
    /// A model's card does not fit what is asked of it.
    #[error("model `{model}`: {reason}")]
    Card {
        /// Which.
        model: String,
        /// Why.
        reason: String,
    },
    /// A client of a federation whose message does not fit, or that failed.
    #[error("{client}: {source}")]
    Client {
        /// Which.
        client: String,
        /// Why.
        source: Box<MethodError>,
    },
    /// Clients in other processes.
    #[cfg(feature = "federation")]
    #[error(transparent)]
    Federation(hilum_federation::FederationError),
    /// More memory than there may be.
    #[error(
        "{what} needs {needed} bytes at once where {limit} may be held; allow more or have fewer clients"
    )]
    Memory {
        /// What.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The training was stopped; calling it again goes on.
    #[error("stopped; the same command goes on from the last whole epoch")]
    Stopped,
    /// Texts.
    #[error(transparent)]
    Text(#[from] hilum_text::TextError),
    /// Networks and weights.
    #[error(transparent)]
    Nn(#[from] hilum_nn::NnError),
    /// Kernels.
    #[error(transparent)]
    Kernel(#[from] hilum_kernels::KernelError),
    /// Data.
    #[error(transparent)]
    Data(#[from] hilum_data::DataError),
    /// Pixels.
    #[error(transparent)]
    Image(#[from] hilum_image::ImageError),
    /// Files of images.
    #[error(transparent)]
    Load(#[from] hilum_dicom::LoadError),
    /// Scores.
    #[error(transparent)]
    Metric(#[from] hilum_metrics::MetricError),
    /// Tables and learners on them.
    #[error(transparent)]
    Tabular(#[from] hilum_tabular::TabularError),
    /// Chest CTs.
    #[cfg(feature = "ct")]
    #[error(transparent)]
    ChestCt(#[from] hilum_chestct::ChestCtError),
    /// Calibration and the like.
    #[error(transparent)]
    Trust(#[from] hilum_trust::TrustError),
    /// Attributions.
    #[error(transparent)]
    Explain(#[from] hilum_explain::ExplainError),
    /// Audits.
    #[error(transparent)]
    Audit(#[from] hilum_audit::AuditError),
    /// Generated images.
    #[error(transparent)]
    Phantom(#[from] hilum_phantom::PhantomError),
    /// A file.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

#[cfg(feature = "federation")]
impl From<hilum_federation::FederationError> for MethodError {
    fn from(error: hilum_federation::FederationError) -> Self {
        match error {
            hilum_federation::FederationError::Stopped => MethodError::Stopped,
            other => MethodError::Federation(other),
        }
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, MethodError>;
