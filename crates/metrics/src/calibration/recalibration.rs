//! Calibration slope and intercept: logistic regression of the outcome on the logit of the probability.

use crate::classification::BinaryScores;
use crate::error::{Result, all_probabilities};
use crate::statistics::{LogisticOptions, logistic_offset, logistic_regression};
use serde::{Deserialize, Serialize};

/// Probabilities are kept this far from 0 and 1 before the logit.
const CLIP: f64 = 1e-12;

/// Slope 1 and intercepts 0 mean calibrated (Cox 1958; Van Calster 2016).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recalibration {
    /// Below 1: too extreme. Above 1: too timid.
    pub slope: f64,
    /// Intercept fitted together with the slope.
    pub intercept: f64,
    /// Intercept with the slope held at 1: below 0 means that risks are overstated on the whole.
    pub in_the_large: f64,
}

/// Fits slope and intercepts.
///
/// # Errors
/// Scores that are no probabilities; [`crate::MetricError::SingleClass`];
/// [`crate::MetricError::NotConverged`] when the classes are separated.
pub fn recalibration(data: &BinaryScores) -> Result<Recalibration> {
    all_probabilities("scores", data.scores())?;
    data.require_both("calibration_slope")?;
    let logits: Vec<f64> = data
        .scores()
        .iter()
        .map(|p| p.clamp(CLIP, 1.0 - CLIP))
        .map(|p| (p / (1.0 - p)).ln())
        .collect();
    let options = LogisticOptions::default();
    let joint = logistic_regression(&logits, 1, data.labels(), &options)?;
    let in_the_large = logistic_offset(&logits, data.labels(), &options)?;
    Ok(Recalibration {
        slope: joint.coefficients[0],
        intercept: joint.intercept,
        in_the_large,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_is_undefined() {
        let data = BinaryScores::new(&[1_u8, 1], &[0.5, 0.6]).unwrap();
        assert!(recalibration(&data).unwrap_err().is_undefined());
    }
}
