//! What can go wrong with pixels.

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImageError {
    /// Width times height does not give the number of values.
    #[error("a plane of {width}x{height} needs {expected} values, got {got}")]
    Shape {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Values that would fit.
        expected: usize,
        /// Values that came.
        got: usize,
    },
    /// Two planes that must be of one size are not.
    #[error("sizes differ: {left_width}x{left_height} and {right_width}x{right_height}")]
    SizeMismatch {
        /// Width of the first.
        left_width: usize,
        /// Height of the first.
        left_height: usize,
        /// Width of the second.
        right_width: usize,
        /// Height of the second.
        right_height: usize,
    },
    /// A size of zero where pixels are needed.
    #[error("{what} has a side of zero: {width}x{height}")]
    ZeroSize {
        /// What it is about.
        what: &'static str,
        /// Width.
        width: usize,
        /// Height.
        height: usize,
    },
    /// More pixels or bytes than allowed; nothing was allocated.
    #[error("{width}x{height} is over the limit of {max_side} per side and {max_pixels} pixels")]
    TooLarge {
        /// Width in the header.
        width: u64,
        /// Height in the header.
        height: u64,
        /// Largest side allowed.
        max_side: u64,
        /// Most pixels allowed.
        max_pixels: u64,
    },
    /// The decoder asked for more memory than allowed.
    #[error("decoding needs more memory than the limit of {max_bytes} bytes")]
    MemoryLimit {
        /// Most bytes allowed.
        max_bytes: u64,
    },
    /// The bytes are no PNG, JPEG or TIFF.
    #[error("not a PNG, JPEG or TIFF")]
    UnknownFormat,
    /// The data ends too early.
    #[error("the {format} data ends too early")]
    Truncated {
        /// Format name.
        format: &'static str,
    },
    /// The decoder refused the data.
    #[error("the {format} data is damaged: {reason}")]
    Corrupt {
        /// Format name.
        format: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// A variant of the format that is not read, e.g. floating-point TIFF.
    #[error("{format}: {what} is not supported")]
    Unsupported {
        /// Format name.
        format: &'static str,
        /// What is not.
        what: String,
    },
    /// A parameter outside its range.
    #[error("{name} = {value} is out of range: {range}")]
    Parameter {
        /// Parameter name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A rectangle that leaves the image.
    #[error("rectangle at ({x}, {y}) of {w}x{h} leaves the image of {width}x{height}")]
    OutOfBounds {
        /// Left.
        x: usize,
        /// Top.
        y: usize,
        /// Width.
        w: usize,
        /// Height.
        h: usize,
        /// Image width.
        width: usize,
        /// Image height.
        height: usize,
    },
    /// A run-length code that does not fit its size.
    #[error("run lengths sum to {sum}, the mask has {expected} pixels")]
    RunLength {
        /// Sum of the runs.
        sum: usize,
        /// Pixels of the mask.
        expected: usize,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} {name:?}; known: {known}")]
    UnknownName {
        /// Kind of thing.
        what: &'static str,
        /// Name given.
        name: String,
        /// Names that are known.
        known: &'static str,
    },
    /// Encoding failed.
    #[error("encoding PNG failed: {reason}")]
    Encode {
        /// The encoder's words.
        reason: String,
    },
}
