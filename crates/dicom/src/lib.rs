//! Reading of DICOM objects, and the one front door for image files of any supported kind.
//!
//! [`load()`] is what the rest of Hilum calls: a path and a recipe in, display values out, polarity corrected so that
//! bone is bright. [`DicomImage`] gives the stored values themselves.

pub mod codec;
pub mod error;
pub mod image;
mod jpegls;
pub mod load;
pub mod lut;
pub mod meta;
pub mod object;
pub mod pixels;
mod walk;
pub mod write;

pub use crate::error::DicomError;
pub use crate::image::{DicomImage, Displayed};
pub use crate::load::{FileKind, LoadError, LoadedImage, is_raster, load, load_bytes, load_frame};
pub use crate::meta::DicomMeta;
pub use crate::pixels::Frame;
pub use hilum_image::{Limits, Recipe};
