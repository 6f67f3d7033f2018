//! Structural similarity (Wang et al. 2004) with scikit-image's defaults: a uniform window of seven, the sample covariance, constants
//! 0.01 and 0.03, the mean over the windows that lie inside the picture.

use super::psnr::check_range;
use crate::error::{MetricError, Result, same_length};

/// Side of the window.
pub const WINDOW: usize = 7;
const K: [f64; 2] = [0.01, 0.03];

/// Similarity of two planes of one channel, rows of `width` values; -1 to 1. For several channels take the mean.
///
/// # Errors
/// Lengths that differ or are no multiple of `width`, sides below [`WINDOW`], a range that is not positive, values that are not finite.
pub fn ssim(truth: &[f32], restored: &[f32], width: usize, range: f64) -> Result<f64> {
    same_length("truth", truth.len(), "restored", restored.len())?;
    check_range(range)?;
    let height = truth.len().checked_div(width).unwrap_or(0);
    same_length("truth", truth.len(), "width times rows", width * height)?;
    if width.min(height) < WINDOW {
        return Err(MetricError::Parameter {
            name: "width",
            value: width.min(height) as f64,
            rule: "seven pixels a side or more",
        });
    }
    let (x, y) = (wide(truth), wide(restored));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<_>>();
    let sums = |v: &[f64]| window_sums(v, width, height);
    let (sx, sy) = (sums(&x), sums(&y));
    let (sxx, syy, sxy) = (
        sums(&product(&x, &x)),
        sums(&product(&y, &y)),
        sums(&product(&x, &y)),
    );
    let n = (WINDOW * WINDOW) as f64;
    let sample = n / (n - 1.0);
    let [c1, c2] = K.map(|k| (k * range) * (k * range));
    let each = (0..sx.len()).map(|i| {
        let (ux, uy) = (sx[i] / n, sy[i] / n);
        let vx = sample * (sxx[i] / n - ux * ux);
        let vy = sample * (syy[i] / n - uy * uy);
        let vxy = sample * (sxy[i] / n - ux * uy);
        (2.0 * ux * uy + c1) * (2.0 * vxy + c2) / ((ux * ux + uy * uy + c1) * (vx + vy + c2))
    });
    let mean = each.sum::<f64>() / sx.len() as f64;
    crate::error::all_finite("similarity", &[mean])?;
    Ok(mean)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Sums over every window inside the plane: along the rows, then along the columns.
fn window_sums(values: &[f64], width: usize, height: usize) -> Vec<f64> {
    let (w, h) = (width + 1 - WINDOW, height + 1 - WINDOW);
    let rows: Vec<f64> = (0..height * w)
        .map(|i| {
            let at = i / w * width + i % w;
            values[at..at + WINDOW].iter().sum()
        })
        .collect();
    (0..h * w)
        .map(|i| (0..WINDOW).map(|k| rows[i + k * w]).sum())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(n: usize, by: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * by + 3) % 17) as f32).collect()
    }

    /// One window: the formula written out.
    #[test]
    fn one_window_is_the_formula() {
        let (x, y) = (pattern(49, 5), pattern(49, 7));
        let mean = |v: &[f32]| v.iter().map(|v| f64::from(*v)).sum::<f64>() / 49.0;
        let (ux, uy) = (mean(&x), mean(&y));
        let cov = |a: &[f32], ua: f64, b: &[f32], ub: f64| {
            let each = a.iter().zip(b);
            each.map(|(a, b)| (f64::from(*a) - ua) * (f64::from(*b) - ub))
                .sum::<f64>()
                / 48.0
        };
        let (c1, c2) = (0.16f64 * 0.16, 0.48f64 * 0.48);
        let expected = (2.0 * ux * uy + c1) * (2.0 * cov(&x, ux, &y, uy) + c2)
            / ((ux * ux + uy * uy + c1) * (cov(&x, ux, &x, ux) + cov(&y, uy, &y, uy) + c2));
        let got = ssim(&x, &y, 7, 16.0).unwrap();
        assert!((got - expected).abs() < 1e-9, "{got} {expected}");
    }

    #[test]
    fn a_picture_is_like_itself_and_what_does_not_fit_is_refused() {
        let x = pattern(80, 5);
        assert!((ssim(&x, &x, 10, 16.0).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&x, &pattern(80, 7), 10, 16.0).unwrap() < 0.9);
        for (width, range) in [(9, 16.0), (16, 16.0), (0, 16.0), (10, -1.0)] {
            assert!(ssim(&x, &x, width, range).is_err(), "{width} {range}");
        }
    }
}
