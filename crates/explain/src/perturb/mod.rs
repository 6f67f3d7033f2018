//! Attributions from what happens to the score when parts of the image are taken away.

mod additive;
mod lime;
mod occlusion;
mod rise;
mod shapley;

pub use additive::{Kernel, kernel_shap};
pub use lime::{Lime, lime};
pub use occlusion::{Occlusion, feature_ablation, occlusion};
pub use rise::{random_masks, rise};
pub use shapley::{Shapley, shapley_sampling};

use crate::error::{ExplainError, Result};
use crate::rows::Extent;
use crate::segments::Segments;

/// Refuses segments of another size than the image.
pub(crate) fn check_segments(segments: &Segments, extent: Extent) -> Result<()> {
    if segments.map().len() == extent.pixels() {
        return Ok(());
    }
    Err(ExplainError::Size {
        what: "segments",
        expected: extent.pixels(),
        got: segments.map().len(),
    })
}

/// Writes the image with the segments that are not `present` taken from `base`.
pub(crate) fn blend(
    image: &mut [f32],
    (row, base): (&[f32], &[f32]),
    map: &[u32],
    present: impl Fn(usize) -> bool,
) {
    for (i, v) in image.iter_mut().enumerate() {
        let segment = map[i % map.len()] as usize;
        *v = if present(segment) { row[i] } else { base[i] };
    }
}

/// One value a segment, spread over its pixels, in every channel alike.
pub(crate) fn spread(values: &[f64], map: &[u32], extent: Extent) -> Vec<f32> {
    (0..extent.row())
        .map(|i| values[map[i % map.len()] as usize] as f32)
        .collect()
}
