//! Agreement of masks: overlap, and distances of their surfaces under three named conventions.

mod distance;
mod mask;
mod overlap;
mod percentile;
mod surface;
mod surfel;
mod surfel_volume;

pub use distance::distance_to;
pub use mask::Mask;
pub use overlap::{Overlap, dice, iou, volumetric_similarity};
pub use surface::{HausdorffRule, SurfaceDistances};
pub use surfel::SurfelDistances;
