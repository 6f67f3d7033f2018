//! What can go wrong with an explanation.

/// Error of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// A kernel refused its input, or a rule does not cover a layer.
    #[error(transparent)]
    Kernel(#[from] hilum_kernels::KernelError),
    /// No network was given.
    #[error("there is no network to explain")]
    NoMember,
    /// The network has no such output.
    #[error("the network has no output `{name}`")]
    NoOutput {
        /// Wanted output.
        name: String,
    },
    /// The network has no such layer.
    #[error("the network has no layer `{name}`; its last feature maps are those of `{last}`")]
    NoLayer {
        /// Wanted layer.
        name: String,
        /// The last layer whose activation has rows and columns.
        last: String,
    },
    /// A layer's activation has no rows and columns.
    #[error("layer `{name}` has no feature maps (its activation has shape {shape:?})")]
    NoMaps {
        /// Layer.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A class that the network does not answer.
    #[error("class {target} was asked for, the network has {classes}")]
    Target {
        /// Wanted class.
        target: usize,
        /// Classes there are.
        classes: usize,
    },
    /// As many targets as images are needed.
    #[error("{targets} targets for {images} images")]
    Targets {
        /// Targets given.
        targets: usize,
        /// Images given.
        images: usize,
    },
    /// Two things that must have one size do not.
    #[error("{what}: {got} values, expected {expected}")]
    Size {
        /// What has the wrong size.
        what: &'static str,
        /// Values it needs.
        expected: usize,
        /// Values it has.
        got: usize,
    },
    /// A setting out of its range.
    #[error("{name} must be {must}, got {got}")]
    Setting {
        /// Setting.
        name: &'static str,
        /// Its range, in words.
        must: &'static str,
        /// The value.
        got: String,
    },
    /// The input, a score or a map holds NaN or an infinity; no figure follows from it.
    #[error("{what} is not finite")]
    NotFinite {
        /// What.
        what: &'static str,
    },
    /// A method by a name that does not exist.
    #[error("unknown attribution `{name}`; there are {known}")]
    UnknownMethod {
        /// Name.
        name: String,
        /// Names there are.
        known: String,
    },
    /// A linear system without a single answer.
    #[error("{what}: the samples do not determine the attribution; take more")]
    Singular {
        /// Method.
        what: &'static str,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ExplainError>;
