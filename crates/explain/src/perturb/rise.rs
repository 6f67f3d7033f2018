//! RISE: random masks weighed by the probability that they leave (Petsiuk et al. 2018, section 3.1).

use crate::error::{ExplainError, Result};
use crate::fidelity::Link;
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sum of the masks weighed by the target's probability of the masked image, divided by their number and by
/// `share`, the expected part of a mask that is on; `[n, 1, h, w]`. `masks` holds values from 0 to 1, mask after mask.
///
/// # Errors
/// Masks that are no multiple of the image's size; an input or target that does not fit.
pub fn rise(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    masks: &[f32],
    share: f64,
    link: Link,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    let pixels = extent.pixels();
    if masks.is_empty() || !masks.len().is_multiple_of(pixels) {
        return Err(ExplainError::Size {
            what: "masks",
            expected: pixels,
            got: masks.len(),
        });
    }
    let count = masks.len() / pixels;
    let mut out = Tensor::zeros(&[extent.n, 1, extent.h, extent.w]);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let logits = net.logits_of_changed(extent, count, |k, image| {
            let mask = &masks[k * pixels..(k + 1) * pixels];
            for (at, v) in image.iter_mut().enumerate() {
                *v = row[at] * mask[at % pixels];
            }
        })?;
        let map = &mut out.data[i * pixels..(i + 1) * pixels];
        for (mask, z) in masks.chunks(pixels).zip(&logits) {
            let weight = (link.score(z, targets[i]) / (count as f64 * share)) as f32;
            map.iter_mut().zip(mask).for_each(|(m, v)| *m += weight * v);
        }
    }
    Ok(out)
}

/// `count` smooth masks of `h` x `w`: a grid of `cells` x `cells`, each on with chance `share`, enlarged bilinearly
/// by one cell more than the image and cut at a random place.
pub fn random_masks(
    count: usize,
    (h, w): (usize, usize),
    cells: usize,
    share: f64,
    seed: u64,
) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (ch, cw) = (h.div_ceil(cells), w.div_ceil(cells));
    let side = cells + 2;
    let mut out = Vec::with_capacity(count * h * w);
    for _ in 0..count {
        let grid: Vec<f32> = (0..side * side)
            .map(|_| f32::from(u8::from(rng.random_bool(share))))
            .collect();
        let (dy, dx) = (rng.random_range(0..ch), rng.random_range(0..cw));
        for y in 0..h {
            let (gy, fy) = ((y + dy) / ch, ((y + dy) % ch) as f32 / ch as f32);
            for x in 0..w {
                let (gx, fx) = ((x + dx) / cw, ((x + dx) % cw) as f32 / cw as f32);
                let at = |a: usize, b: usize| grid[(gy + a) * side + gx + b];
                let top = at(0, 0) * (1.0 - fx) + at(0, 1) * fx;
                let bottom = at(1, 0) * (1.0 - fx) + at(1, 1) * fx;
                out.push(top * (1.0 - fy) + bottom * fy);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_lie_between_nothing_and_all_and_are_on_by_their_share() {
        let masks = random_masks(200, (20, 30), 7, 0.5, 1);
        assert_eq!(masks.len(), 200 * 600);
        assert!(masks.iter().all(|v| (0.0..=1.0).contains(v)));
        let mean = masks.iter().sum::<f32>() / masks.len() as f32;
        assert!((mean - 0.5).abs() < 0.03, "{mean}");
    }
}
