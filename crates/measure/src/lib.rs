//! From masks of a frontal chest X-ray to landmarks, lines and the twelve indices of CheXStruct.
//!
//! A [`MaskSet`] holds the masks of one image by [`Structure`], whoever made them. [`measure`] takes all indices, one [`Outcome`]
//! each: the value with the points and lines that it was read from, the label by the index's threshold, and whether the value lies in
//! the tolerance band, where both labels count. What cannot be measured is null with a [`Refusal`], never a guess.
//! [`overlay`] draws it.
//!
//! Thresholds and bands are those of CheXStruct (Lee et al. 2025, arXiv 2505.18087); each index's file says where it differs.
//! Points are in pixels of the image, pixel `(0, 0)` covering `0..1`; the patient's right is on the left of the image.

mod airway;
mod aorta;
mod chest;
pub mod decision;
pub mod error;
pub mod index;
mod indices;
pub mod masks;
mod midline;
pub mod outcome;
pub mod overlay;
mod rows;
#[cfg(test)]
mod shapes;
pub mod structure;

pub use aorta::HEIGHTS;
pub use decision::Decision;
pub use error::{MeasureError, Refusal};
pub use index::Index;
pub use indices::{mean_curvature, measure, measure_one};
pub use masks::MaskSet;
pub use outcome::{NamedPoint, Outcome, Quantity};
pub use structure::Structure;
