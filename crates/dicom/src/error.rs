//! Why a DICOM object gives no image.

use hilum_image::ImageError;

/// Errors of reading DICOM.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DicomError {
    /// No DICOM prefix, no file meta information, and the first bytes are no data element either.
    #[error("not a DICOM object")]
    NotDicom,
    /// The data ends inside an element.
    #[error("the DICOM data ends too early: {what}")]
    Truncated {
        /// Where.
        what: String,
    },
    /// The data set cannot be parsed.
    #[error("the DICOM data set is damaged: {reason}")]
    Parse {
        /// The parser's words.
        reason: String,
    },
    /// An object without an image, e.g. a report or a plan.
    #[error("no pixel data (modality {modality}, SOP class {sop_class})")]
    NoPixelData {
        /// Modality or `unknown`.
        modality: String,
        /// SOP Class UID or `unknown`.
        sop_class: String,
    },
    /// Pixel data in an encoding that no decoder here can decode.
    #[error("transfer syntax {uid} is not supported")]
    UnsupportedTransferSyntax {
        /// Its UID.
        uid: String,
    },
    /// A photometric interpretation that is not read.
    #[error("photometric interpretation {value} is not supported: {reason}")]
    UnsupportedPhotometric {
        /// Its value.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// Samples of a kind that is not read, e.g. floating point.
    #[error("pixel format not supported: {what}")]
    UnsupportedPixels {
        /// Which.
        what: String,
    },
    /// An attribute that is needed is not there.
    #[error("attribute {name} is missing")]
    MissingAttribute {
        /// Keyword.
        name: &'static str,
    },
    /// An attribute with a value that makes no sense.
    #[error("attribute {name} has the value {value:?}: {reason}")]
    BadAttribute {
        /// Keyword.
        name: &'static str,
        /// Value.
        value: String,
        /// Why it is wrong.
        reason: &'static str,
    },
    /// Compressed pixel data that the decoder refuses.
    #[error("{codec} data of frame {frame} is damaged: {reason}")]
    Decode {
        /// Name of the encoding.
        codec: &'static str,
        /// Frame from 0.
        frame: usize,
        /// The decoder's words.
        reason: String,
    },
    /// Fewer frames than asked for.
    #[error("frame {frame} asked for, the object has {frames}")]
    NoSuchFrame {
        /// Frame from 0.
        frame: usize,
        /// Frames of the object.
        frames: usize,
    },
    /// Pixel work that failed, e.g. an image over the limits.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl DicomError {
    /// Kind in snake case for `reading.json` and error tables.
    pub fn kind(&self) -> &'static str {
        match self {
            DicomError::NotDicom => "not_an_image",
            DicomError::Truncated { .. } => "truncated",
            DicomError::Parse { .. }
            | DicomError::Decode { .. }
            | DicomError::BadAttribute { .. } => "corrupt",
            DicomError::NoPixelData { .. } => "no_pixel_data",
            DicomError::UnsupportedTransferSyntax { .. } => "unsupported_transfer_syntax",
            DicomError::UnsupportedPhotometric { .. } => "unsupported_photometric",
            DicomError::UnsupportedPixels { .. } => "unsupported_pixel_format",
            DicomError::MissingAttribute { .. } => "missing_attribute",
            DicomError::NoSuchFrame { .. } => "no_such_frame",
            DicomError::Image(error) => image_kind(error),
        }
    }
}

/// Kind of an [`ImageError`] in snake case.
pub(crate) fn image_kind(error: &ImageError) -> &'static str {
    match error {
        ImageError::TooLarge { .. } | ImageError::MemoryLimit { .. } => "too_large",
        ImageError::UnknownFormat => "not_an_image",
        ImageError::Truncated { .. } => "truncated",
        ImageError::Unsupported { .. } => "unsupported_pixel_format",
        _ => "corrupt",
    }
}
