//! The pixel pipeline of Hilum, without files formats of DICOM and without tensors.
//!
//! Everything works on row-major [`Plane`]s. A chest radiograph on its way to a network is a [`Gray`] with
//! display values between 0 and 255, bone bright; a mask is a [`Mask`] with 0 or 255.
//!
//! Pixel coordinates follow `hilum_core`: column `x` to the right, row `y` down, origin at the outer corner of the
//! first pixel, so pixel `(0, 0)` covers `0..1` in both directions.

pub mod chest;
pub mod clahe;
pub mod decode;
pub mod draw;
pub mod error;
pub mod guard;
pub mod hash;
pub mod histogram;
pub mod mask;
pub mod plane;
pub mod recipe;
pub mod resize;
pub mod transform;

pub use clahe::clahe;
pub use decode::{Limits, Raster, RasterKind};
pub use error::ImageError;
pub use hash::DHash;
pub use plane::{Gray, Mask, Plane};
pub use recipe::Recipe;
pub use resize::{Kernel, resize};
pub use transform::{Fit, FitMode};
