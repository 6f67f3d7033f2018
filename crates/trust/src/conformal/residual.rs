//! Intervals of a measurement from the absolute errors of a calibration split.

use super::conformal_quantile;
use crate::error::Result;
use hilum_core::Interval;
use serde::{Deserialize, Serialize};

/// Half width of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AbsoluteResidual {
    /// Permitted error rate.
    pub alpha: f64,
    /// Half width in the unit of the measurement; null: too few calibration cases for any finite interval.
    pub half_width: Option<f64>,
    /// Calibration cases.
    pub n: usize,
}

impl AbsoluteResidual {
    /// Fits on errors (sign does not matter).
    ///
    /// # Errors
    /// α outside 0 to 1; errors that are not finite.
    pub fn fit(residuals: &[f64], alpha: f64) -> Result<Self> {
        let sizes: Vec<f64> = residuals.iter().map(|r| r.abs()).collect();
        Ok(AbsoluteResidual {
            alpha,
            half_width: conformal_quantile(&sizes, alpha)?,
            n: residuals.len(),
        })
    }

    /// The interval round a value; null when there is none.
    pub fn interval(&self, value: f64) -> Option<Interval> {
        self.half_width.map(|h| Interval {
            low: value - h,
            high: value + h,
            level: 1.0 - self.alpha,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_errors_give_no_interval() {
        assert_eq!(
            AbsoluteResidual::fit(&[0.1; 5], 0.1).unwrap().interval(0.5),
            None
        );
        let fit = AbsoluteResidual::fit(&[-0.02; 19], 0.1).unwrap();
        assert_eq!(
            fit.interval(0.5).map(|i| (i.low, i.high)),
            Some((0.48, 0.52))
        );
    }
}
