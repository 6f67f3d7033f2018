//! Work on masks: components, morphology, distances, outlines, run lengths, properties.

mod components;
mod contour;
mod distance;
mod morphology;
mod polygon;
mod properties;
mod rle;
mod shape;
mod thin;

pub use components::{Component, Connectivity, Labels, fill_holes, keep_largest, label};
pub use contour::outline;
pub use distance::{distance_transform, distance_transform_spaced};
pub use morphology::{
    close, close_disk, dilate, dilate_disk, dilate_square, erode, erode_disk, open, open_disk,
};
pub use properties::{Properties, properties, solidity};
pub use rle::Rle;
pub use shape::{euler_number, hull_pixels, perimeter};
pub use thin::thin;
