//! LIME for images (Ribeiro et al. 2016, section 3.4).

use super::{blend, check_segments, spread};
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use crate::segments::Segments;
use hilum_kernels::Tensor;
use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Settings of [`lime`].
#[derive(Debug, Clone, PartialEq)]
pub struct Lime {
    /// Samples, each with every segment present by chance one half.
    pub samples: usize,
    /// Width of the kernel exp(-d^2 / width^2) over the cosine distance from the whole image.
    pub width: f64,
    /// Weight of the squared coefficients in the linear model; its intercept is free.
    pub ridge: f64,
    /// What absent segments show.
    pub baseline: Baseline,
    /// Seed.
    pub seed: u64,
}

impl Default for Lime {
    /// Width and ridge of the authors' image explainer (0.25 and 1).
    fn default() -> Self {
        Lime {
            samples: 512,
            width: 0.25,
            ridge: 1.0,
            baseline: Baseline::Constant(0.0),
            seed: 0,
        }
    }
}

/// Coefficients of a weighted ridge regression of the score on the presence of segments; `[n, c, h, w]`.
///
/// # Errors
/// Settings out of range; segments of another size; an input, target or baseline that does not fit.
pub fn lime(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    segments: &Segments,
    settings: &Lime,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    check_segments(segments, extent)?;
    let sound = settings.samples > 1 && settings.width > 0.0 && settings.ridge >= 0.0;
    if !sound {
        return Err(ExplainError::Setting {
            name: "samples, width, ridge",
            must: "at least 2, above 0, at least 0",
            got: format!(
                "{}, {}, {}",
                settings.samples, settings.width, settings.ridge
            ),
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let count = segments.count();
    // The first sample is the whole image, as in the authors' code.
    let present: Vec<Vec<bool>> = (0..settings.samples)
        .map(|k| (0..count).map(|_| rng.random::<bool>() || k == 0).collect())
        .collect();
    let mut out = Tensor::zeros(&x.shape);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        let scores = net.scores_of_changed(extent, targets[i], present.len(), |k, image| {
            blend(image, (row, &base), segments.map(), |s| present[k][s]);
        })?;
        let values = ridge(&present, &scores, settings)?;
        out.data[i * row.len()..(i + 1) * row.len()].copy_from_slice(&spread(
            &values,
            segments.map(),
            extent,
        ));
    }
    Ok(out)
}

/// Similarity to the whole image: d is one minus the cosine, which for presence is sqrt(share present).
fn weight(present: &[bool], width: f64) -> f64 {
    let on = present.iter().filter(|p| **p).count() as f64;
    let distance = 1.0 - (on / present.len() as f64).sqrt();
    (-(distance / width).powi(2)).exp()
}

/// Weighted ridge regression; the means are taken out first, so that the intercept is not shrunk.
fn ridge(present: &[Vec<bool>], scores: &[f64], settings: &Lime) -> Result<Vec<f64>> {
    let count = present[0].len();
    let weights: Vec<f64> = present.iter().map(|p| weight(p, settings.width)).collect();
    let total: f64 = weights.iter().sum();
    let bit = |p: &[bool], s: usize| f64::from(u8::from(p[s]));
    let mut centre = DVector::zeros(count);
    let mut mean = 0.0;
    for ((p, w), y) in present.iter().zip(&weights).zip(scores) {
        centre += DVector::from_fn(count, |s, _| w / total * bit(p, s));
        mean += w / total * y;
    }
    let mut gram = DMatrix::from_diagonal_element(count, count, settings.ridge);
    let mut right = DVector::zeros(count);
    for ((p, w), y) in present.iter().zip(&weights).zip(scores) {
        let row = DVector::from_fn(count, |s, _| bit(p, s)) - &centre;
        gram.syger(*w, &row, &row, 1.0);
        right.axpy(w * (y - mean), &row, 1.0);
    }
    gram.fill_upper_triangle_with_lower_triangle();
    let solved = gram
        .cholesky()
        .ok_or(ExplainError::Singular { what: "LIME" })?;
    Ok(solved.solve(&right).iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_score_gives_its_coefficients() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let present: Vec<Vec<bool>> = (0..400)
            .map(|_| (0..6).map(|_| rng.random::<bool>()).collect())
            .collect();
        let truth = [1.0, -2.0, 0.0, 0.5, 3.0, 0.0];
        let score = |p: &Vec<bool>| {
            1.5 + p
                .iter()
                .zip(truth)
                .map(|(p, t)| f64::from(u8::from(*p)) * t)
                .sum::<f64>()
        };
        let scores: Vec<f64> = present.iter().map(score).collect();
        let settings = Lime {
            ridge: 1e-9,
            ..Lime::default()
        };
        for (a, b) in ridge(&present, &scores, &settings)
            .unwrap()
            .iter()
            .zip(truth)
        {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn nearer_samples_weigh_more() {
        assert_eq!(weight(&[true; 4], 0.25), 1.0);
        assert!(
            weight(&[true, true, false, true], 0.25) > weight(&[true, false, false, true], 0.25)
        );
    }
}
