//! Why an audit gives no answer.

use hilum_image::ImageError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, AuditError>;

/// Why an audit gives no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuditError {
    /// Pixels that do not fit.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A mask without pixels: hiding nothing would pass for hiding the region.
    #[error(
        "the region's mask is empty after {spread} steps of spreading; leave this image out or spread less"
    )]
    EmptyRegion {
        /// Steps of dilation, negative for erosion.
        spread: i32,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} `{name}`; known: {known}")]
    UnknownName {
        /// Kind of thing.
        what: &'static str,
        /// Name given.
        name: String,
        /// Names that are known.
        known: String,
    },
}
