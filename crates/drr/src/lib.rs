//! Digitally reconstructed radiographs.
//!
//! A [`Geometry`] places source and detector in the patient's space (LPS millimetres), [`attenuation`] turns Hounsfield
//! units into linear attenuation, [`mod@project`] adds it up along every ray, and [`look`] makes the line integrals
//! look like a radiograph. Masks and landmarks go through the same geometry.

pub mod attenuation;
mod columns;
pub mod error;
pub mod geometry;
pub mod look;
pub mod noise;
pub mod project;
pub mod ray;
mod samples;
pub mod structures;

pub use attenuation::{MU_WATER, Part};
pub use error::DrrError;
pub use geometry::{Beam, Geometry, Pose, View};
pub use look::Look;
pub use project::{Method, Projector};
