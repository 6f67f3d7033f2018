//! Volumes in patient space.
//!
//! A [`Volume`] is a grid of values, x fastest, with an [`Affine`] that takes the index of a voxel's centre to
//! millimetres in **LPS** (x to the patient's left, y to the back, z to the head: the axes of DICOM). NIfTI files,
//! whose axes are RAS, are turned on reading and writing and nowhere else.

pub mod affine;
pub mod branches;
pub mod components;
pub mod distance;
pub mod error;
pub mod flood;
pub mod load;
pub mod morphology;
pub mod nifti;
pub mod resample;
pub mod series;
pub mod series_write;
pub mod skeleton;
pub mod smooth;
pub mod vesselness;
pub mod volume;

pub use affine::Affine;
pub use error::VolumeError;
pub use load::{Loaded, Source, load};
pub use volume::Volume;

/// A point or direction in millimetres, LPS.
pub type Vec3 = [f64; 3];
