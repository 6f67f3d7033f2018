//! Occlusion by a sliding window (Zeiler and Fergus 2014, section 4.2) and ablation of given groups of pixels.

use super::{blend, check_segments, spread};
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use crate::segments::Segments;
use hilum_kernels::Tensor;

/// Settings of [`occlusion`].
#[derive(Debug, Clone, PartialEq)]
pub struct Occlusion {
    /// Rows and columns of the window, which covers all channels.
    pub window: [usize; 2],
    /// Its step.
    pub stride: [usize; 2],
    /// What it shows instead.
    pub baseline: Baseline,
}

impl Occlusion {
    /// Windows of a fifteenth of the image, half overlapping: 15 x 15 at 8 pixels for 224, as in card 20's paper.
    pub fn for_size(h: usize, w: usize) -> Self {
        let window = [h.div_ceil(15).max(1), w.div_ceil(15).max(1)];
        Occlusion {
            window,
            stride: window.map(|v| v.div_ceil(2)),
            baseline: Baseline::Constant(0.0),
        }
    }

    fn validate(&self, extent: Extent) -> Result<()> {
        let fits = self.window[0] <= extent.h && self.window[1] <= extent.w;
        let moves = (0..2).all(|a| (1..=self.window[a]).contains(&self.stride[a]));
        if fits && moves {
            return Ok(());
        }
        Err(ExplainError::Setting {
            name: "window and stride",
            must: "a window inside the image and a stride from 1 to the window",
            got: format!("{:?} and {:?}", self.window, self.stride),
        })
    }
}

/// First pixels of the windows along an axis; the last window is cut at the edge.
fn starts(len: usize, window: usize, stride: usize) -> Vec<usize> {
    (0..=(len - window).div_ceil(stride))
        .map(|i| i * stride)
        .collect()
}

/// Score of the image minus its score with the window covered, averaged where windows overlap; `[n, c, h, w]`.
///
/// # Errors
/// A window or stride that does not fit; an input, target or baseline that does not.
pub fn occlusion(net: &Net, x: &Tensor, targets: &[usize], settings: &Occlusion) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    settings.validate(extent)?;
    let [wh, ww] = settings.window;
    let columns = starts(extent.w, ww, settings.stride[1]);
    let windows: Vec<[usize; 4]> = starts(extent.h, wh, settings.stride[0])
        .into_iter()
        .flat_map(|y| columns.iter().map(move |&x| (y, x)))
        .map(|(y, x)| [y, (y + wh).min(extent.h), x, (x + ww).min(extent.w)])
        .collect();
    let mut out = Tensor::zeros(&x.shape);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        // The first image is the whole one.
        let scores = net.scores_of_changed(extent, targets[i], windows.len() + 1, |k, image| {
            image.copy_from_slice(row);
            if k > 0 {
                for at in covered(windows[k - 1], extent) {
                    image[at.clone()].copy_from_slice(&base[at]);
                }
            }
        })?;
        let map = average(&windows, &scores, extent);
        out.data[i * row.len()..(i + 1) * row.len()].copy_from_slice(&map);
    }
    Ok(out)
}

/// Places of a window's lines in an image `[c h w]`.
fn covered(
    [y0, y1, x0, x1]: [usize; 4],
    extent: Extent,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..extent.c).flat_map(move |c| {
        (y0..y1).map(move |y| {
            let line = c * extent.pixels() + y * extent.w;
            line + x0..line + x1
        })
    })
}

fn average(windows: &[[usize; 4]], scores: &[f64], extent: Extent) -> Vec<f32> {
    let (mut sum, mut count) = (vec![0.0f64; extent.row()], vec![0u32; extent.row()]);
    for (window, score) in windows.iter().zip(&scores[1..]) {
        for i in covered(*window, extent).flatten() {
            sum[i] += scores[0] - score;
            count[i] += 1;
        }
    }
    sum.iter()
        .zip(&count)
        .map(|(s, &n)| (s / f64::from(n.max(1))) as f32)
        .collect()
}

/// Score of the image minus its score without a segment, for every segment; `[n, c, h, w]`.
///
/// # Errors
/// Segments of another size; an input, target or baseline that does not fit.
pub fn feature_ablation(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    segments: &Segments,
    baseline: &Baseline,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    check_segments(segments, extent)?;
    let mut out = Tensor::zeros(&x.shape);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = baseline.values(row, extent)?;
        let count = segments.count() + 1;
        let scores = net.scores_of_changed(extent, targets[i], count, |k, image| {
            blend(image, (row, &base), segments.map(), |s| s + 1 != k);
        })?;
        let drops: Vec<f64> = scores[1..].iter().map(|s| scores[0] - s).collect();
        out.data[i * row.len()..(i + 1) * row.len()].copy_from_slice(&spread(
            &drops,
            segments.map(),
            extent,
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_axis_and_end_at_the_edge() {
        assert_eq!(starts(16, 3, 1).len(), 14);
        assert_eq!(starts(16, 5, 3), vec![0, 3, 6, 9, 12]);
        assert_eq!(starts(16, 4, 2), vec![0, 2, 4, 6, 8, 10, 12]);
        assert_eq!(starts(8, 8, 4), vec![0]);
    }
}
