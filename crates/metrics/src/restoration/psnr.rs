//! Peak signal-to-noise ratio.

use crate::error::{MetricError, Result, all_finite, not_empty, same_length};

/// `10 log10(range² / mean squared error)` in decibels over all values, whatever their channel; `range` is the distance of the
/// lowest and highest possible value.
///
/// # Errors
/// Lengths that differ, nothing given, values that are not finite, a range that is not positive;
/// [`MetricError::Undefined`] for equal pictures.
pub fn psnr(truth: &[f32], restored: &[f32], range: f64) -> Result<f64> {
    same_length("truth", truth.len(), "restored", restored.len())?;
    not_empty("truth", truth.len())?;
    check_range(range)?;
    let squares = truth.iter().zip(restored).map(|(a, b)| {
        let gap = f64::from(*a) - f64::from(*b);
        gap * gap
    });
    let error = squares.sum::<f64>() / truth.len() as f64;
    all_finite("squared error", &[error])?;
    if error == 0.0 {
        return Err(MetricError::Undefined {
            metric: "psnr",
            reason: "both pictures are equal",
        });
    }
    Ok(10.0 * (range * range / error).log10())
}

pub(super) fn check_range(range: f64) -> Result<()> {
    if range > 0.0 && range.is_finite() {
        return Ok(());
    }
    Err(MetricError::Parameter {
        name: "range",
        value: range,
        rule: "above 0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_error_has_a_known_ratio_and_none_has_none() {
        // Squared errors 1, 0, 4, 3: mean 2; 10 log10(100 / 2).
        let restored = [1.0, 5.0, 2.0, 3f32.sqrt()];
        let got = psnr(&[0.0, 5.0, 0.0, 0.0], &restored, 10.0).unwrap();
        assert!((got - 16.989_700_043).abs() < 1e-6, "{got}");
        assert!(psnr(&[1.0], &[1.0], 1.0).unwrap_err().is_undefined());
        assert!(psnr(&[1.0], &[], 1.0).is_err() && psnr(&[], &[], 1.0).is_err());
        assert!(psnr(&[1.0], &[f32::NAN], 1.0).is_err() && psnr(&[1.0], &[0.0], 0.0).is_err());
    }
}
