//! What stands for "nothing there" in an image.

use crate::error::{ExplainError, Result};
use crate::rows::Extent;

/// The picture that an attribution compares with, or fills holes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// One value everywhere; 0 is the mean of a standardised picture.
    Constant(f32),
    /// A picture of the input's size, `[c h w]`.
    Image(Vec<f32>),
    /// The input itself, blurred by a Gaussian of this deviation in pixels (Fong and Vedaldi 2017, section 4.1).
    Blur(f32),
}

impl Baseline {
    /// Values for one image `row` of `[c h w]` values.
    pub(crate) fn values(&self, row: &[f32], extent: Extent) -> Result<Vec<f32>> {
        match self {
            Baseline::Constant(v) if v.is_finite() => Ok(vec![*v; row.len()]),
            Baseline::Image(image) if image.len() == row.len() => {
                match image.iter().all(|v| v.is_finite()) {
                    true => Ok(image.clone()),
                    false => Err(not_finite()),
                }
            }
            Baseline::Image(image) => Err(ExplainError::Size {
                what: "baseline",
                expected: row.len(),
                got: image.len(),
            }),
            Baseline::Blur(sigma) if *sigma > 0.0 && sigma.is_finite() => Ok(row
                .chunks(extent.pixels())
                .flat_map(|plane| blur(plane, extent.w, *sigma))
                .collect()),
            Baseline::Blur(sigma) => Err(ExplainError::Setting {
                name: "blur",
                must: "a deviation above 0",
                got: sigma.to_string(),
            }),
            Baseline::Constant(_) => Err(not_finite()),
        }
    }
}

fn not_finite() -> ExplainError {
    ExplainError::NotFinite {
        what: "the baseline",
    }
}

/// Gaussian blur of a plane of width `w`, cut at three deviations, edges continued.
pub fn blur(plane: &[f32], w: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let kernel: Vec<f32> = (0..=reach)
        .map(|d| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    let h = plane.len() / w.max(1);
    let rows = pass(plane, &kernel, total, (h, w), |y, x| y * w + x);
    // The second pass walks columns as if they were rows.
    let turned = pass(&rows, &kernel, total, (w, h), |x, y| y * w + x);
    let mut out = vec![0.0; plane.len()];
    for x in 0..w {
        for y in 0..h {
            out[y * w + x] = turned[x * h + y];
        }
    }
    out
}

/// Blurs along lines; the result holds line after line.
fn pass(
    data: &[f32],
    kernel: &[f32],
    total: f32,
    (lines, len): (usize, usize),
    at: impl Fn(usize, usize) -> usize,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for line in 0..lines {
        for i in 0..len {
            let mut sum = kernel[0] * data[at(line, i)];
            for (d, k) in kernel.iter().enumerate().skip(1) {
                let (low, high) = (i.saturating_sub(d), (i + d).min(len - 1));
                sum += k * (data[at(line, low)] + data[at(line, high)]);
            }
            out.push(sum / total);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        n: 1,
        c: 1,
        h: 3,
        w: 5,
    };

    #[test]
    fn blur_keeps_even_pictures_and_spreads_a_point_evenly() {
        assert!(
            blur(&[2.0; 15], 5, 1.5)
                .iter()
                .all(|v| (v - 2.0).abs() < 1e-6)
        );
        let mut point = vec![0.0; 81];
        point[40] = 1.0;
        let out = blur(&point, 9, 1.0);
        assert!((out[39] - out[41]).abs() < 1e-7 && (out[31] - out[39]).abs() < 1e-7);
        assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn baselines_that_do_not_fit_are_refused() {
        let row = vec![1.0; 15];
        assert_eq!(
            Baseline::Constant(0.5).values(&row, EXTENT).unwrap(),
            vec![0.5; 15]
        );
        for bad in [
            Baseline::Image(vec![0.0; 3]),
            Baseline::Image(vec![f32::NAN; 15]),
            Baseline::Blur(0.0),
            Baseline::Constant(f32::INFINITY),
        ] {
            assert!(bad.values(&row, EXTENT).is_err(), "{bad:?}");
        }
    }
}
