//! A parametric thorax.
//!
//! A [`Patient`] is drawn from a seed; [`timeline`] says which findings it has at each study. A [`Thorax`] is the
//! anatomy built from both, large organs as implicit surfaces and everything thin (ribs, vessels, airways, lines) as tubes.
//! [`render`] projects it: the soft parts from a grid, the tubes by exact chords, so fine detail does not depend on
//! the grid. Truth (masks, boxes, landmarks, measurements, report) comes from the same description.
//!
//! Lengths are millimetres in LPS, the origin lies between the lung roots.

pub mod anatomy;
pub mod block;
pub mod dataset;
pub mod error;
pub mod findings;
pub mod grid;
pub mod labels;
pub mod lobes;
pub mod noise;
pub mod parts;
pub mod patient;
pub mod random;
pub mod render;
pub mod report;
pub mod shapes;
pub mod skeleton;
pub mod solids;
pub mod timeline;
pub mod trees;
pub mod truth;

pub use anatomy::Thorax;
pub use error::PhantomError;
pub use patient::Patient;
