//! KernelSHAP (Lundberg and Lee 2017, section 4.1) over segments of the image.

use super::{blend, check_segments, spread};
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use crate::segments::Segments;
use hilum_kernels::Tensor;
use nalgebra::{DMatrix, DVector};
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Settings of [`kernel_shap`].
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Coalitions; when there are no more than this at all, each is taken once and the values are exact.
    pub samples: usize,
    /// What absent segments show.
    pub baseline: Baseline,
    /// Seed.
    pub seed: u64,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            samples: 512,
            baseline: Baseline::Constant(0.0),
            seed: 0,
        }
    }
}

/// A set of present segments with its weight in the regression.
struct Coalition {
    present: Vec<bool>,
    weight: f64,
}

/// Shapley values of the segments by weighted regression, `[n, c, h, w]`. The sum of the segments' values is the
/// difference of the scores of image and baseline, which the regression is held to exactly.
///
/// # Errors
/// Fewer than two segments or too few samples; segments of another size; an input, target or baseline that does not fit.
pub fn kernel_shap(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    segments: &Segments,
    settings: &Kernel,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    check_segments(segments, extent)?;
    let count = segments.count();
    if count < 2 || settings.samples < count.min(1 << count.min(20)) {
        return Err(ExplainError::Setting {
            name: "samples",
            must: "at least the number of segments, of which two are needed",
            got: format!("{} for {count} segments", settings.samples),
        });
    }
    let coalitions = coalitions(count, settings);
    let mut out = Tensor::zeros(&x.shape);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        let scores = net.scores_of_changed(
            extent,
            targets[i],
            coalitions.len() + 2,
            |k, image| match k {
                0 => image.copy_from_slice(&base),
                1 => image.copy_from_slice(row),
                _ => blend(image, (row, &base), segments.map(), |s| {
                    coalitions[k - 2].present[s]
                }),
            },
        )?;
        let values = regress(&coalitions, &scores[2..], scores[0], scores[1])?;
        out.data[i * row.len()..(i + 1) * row.len()].copy_from_slice(&spread(
            &values,
            segments.map(),
            extent,
        ));
    }
    Ok(out)
}

/// All coalitions with the Shapley kernel, or pairs of a drawn coalition and its complement, drawn by that kernel.
fn coalitions(count: usize, settings: &Kernel) -> Vec<Coalition> {
    if count < 20 && (1usize << count) - 2 <= settings.samples {
        return (1..(1usize << count) - 1)
            .map(|bits| {
                let present: Vec<bool> = (0..count).map(|s| bits >> s & 1 == 1).collect();
                let size = bits.count_ones() as usize;
                Coalition {
                    present,
                    weight: size_weight(count, size) / choose(count, size),
                }
            })
            .collect();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let weights: Vec<f64> = (1..count).map(|size| size_weight(count, size)).collect();
    let total: f64 = weights.iter().sum();
    (0..settings.samples / 2)
        .flat_map(|_| {
            let size = draw_size(&weights, rng.random::<f64>() * total);
            let mut present = vec![false; count];
            for s in sample(&mut rng, count, size) {
                present[s] = true;
            }
            let absent = present.iter().map(|p| !p).collect();
            [present, absent].map(|present| Coalition {
                present,
                weight: 1.0,
            })
        })
        .collect()
}

/// Weight of all coalitions of one size together: the Shapley kernel times their number.
fn size_weight(count: usize, size: usize) -> f64 {
    (count - 1) as f64 / (size * (count - size)) as f64
}

fn choose(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64)
}

fn draw_size(weights: &[f64], mut left: f64) -> usize {
    for (i, w) in weights.iter().enumerate() {
        left -= w;
        if left < 0.0 {
            return i + 1;
        }
    }
    weights.len()
}

/// Weighted least squares held to the sum of the values: the last segment's value is what the others leave.
fn regress(coalitions: &[Coalition], scores: &[f64], empty: f64, full: f64) -> Result<Vec<f64>> {
    let count = coalitions.first().map_or(0, |c| c.present.len());
    let free = count - 1;
    let mut gram = DMatrix::zeros(free, free);
    let mut right = DVector::zeros(free);
    for (coalition, score) in coalitions.iter().zip(scores) {
        let bit = |s: usize| f64::from(u8::from(coalition.present[s]));
        let last = bit(free);
        let y = score - empty - last * (full - empty);
        let row = DVector::from_fn(free, |s, _| bit(s) - last);
        gram.syger(coalition.weight, &row, &row, 1.0);
        right.axpy(coalition.weight * y, &row, 1.0);
    }
    gram.fill_upper_triangle_with_lower_triangle();
    let solved = gram
        .cholesky()
        .ok_or(ExplainError::Singular { what: "KernelSHAP" })?;
    let mut values: Vec<f64> = solved.solve(&right).iter().copied().collect();
    values.push(full - empty - values.iter().sum::<f64>());
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapley values by their definition, over all orders' coalitions.
    fn exact(count: usize, score: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..count)
            .map(|s| {
                (0..1usize << count)
                    .filter(|bits| bits >> s & 1 == 0)
                    .map(|bits| {
                        let size = bits.count_ones() as usize;
                        let weight = 1.0 / (count as f64 * choose(count - 1, size));
                        weight * (score(bits | 1 << s) - score(bits))
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn all_coalitions_give_the_shapley_values() {
        let score = |bits: usize| {
            let b = |i: usize| (bits >> i & 1) as f64;
            b(0) * b(1) + 2.0 * b(2) - b(3) * b(4) * b(0) + 0.5
        };
        let all = coalitions(
            5,
            &Kernel {
                samples: 30,
                ..Kernel::default()
            },
        );
        let bits = |c: &Coalition| {
            (0..5)
                .map(|s| usize::from(c.present[s]) << s)
                .sum::<usize>()
        };
        let scores: Vec<f64> = all.iter().map(|c| score(bits(c))).collect();
        let values = regress(&all, &scores, score(0), score(31)).unwrap();
        for (a, b) in values.iter().zip(exact(5, score)) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }

    #[test]
    fn drawn_coalitions_come_in_pairs() {
        let drawn = coalitions(
            30,
            &Kernel {
                samples: 100,
                ..Kernel::default()
            },
        );
        assert_eq!(drawn.len(), 100);
        for pair in drawn.chunks(2) {
            assert!((0..30).all(|s| pair[0].present[s] != pair[1].present[s]));
        }
    }
}
