//! Chest CT by classical means, lengths in millimetres throughout, voxels of unequal sides allowed.
//!
//! [`lungs`], [`airways`] and [`vessels`] find the three structures; [`surroundings`] measures what lies round a nodule (Qin et al. 2021,
//! "Relationship between pulmonary nodule malignancy and surrounding pleurae, airways and vessels"); [`lidc`] reads the nodules
//! of LIDC-IDRI.

pub mod airways;
mod branches;
pub mod error;
pub mod gap;
pub mod lidc;
pub mod lungs;
pub mod surroundings;
mod tip;
pub mod vessels;

pub use airways::{AirwayOptions, Airways};
pub use error::ChestCtError;
pub use surroundings::{Features, Near, Structures, SurroundingOptions};
