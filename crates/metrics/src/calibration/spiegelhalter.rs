//! Spiegelhalter's test of calibration (1986).

use crate::classification::BinaryScores;
use crate::error::{MetricError, Result, all_probabilities};
use crate::statistics::normal_two_sided;
use serde::{Deserialize, Serialize};

/// Result of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spiegelhalter {
    /// Standard normal when the probabilities are right.
    pub z: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// z = Σ (y − p)(1 − 2p) / √ Σ (1 − 2p)² p (1 − p).
///
/// # Errors
/// Scores that are no probabilities; [`MetricError::Undefined`] when all are 0, ½ or 1.
pub fn spiegelhalter(data: &BinaryScores) -> Result<Spiegelhalter> {
    all_probabilities("scores", data.scores())?;
    let (mut sum, mut variance) = (0.0, 0.0);
    for (&y, &p) in data.labels().iter().zip(data.scores()) {
        sum += (f64::from(u8::from(y)) - p) * (1.0 - 2.0 * p);
        variance += (1.0 - 2.0 * p).powi(2) * p * (1.0 - p);
    }
    if variance <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "spiegelhalter",
            reason: "every probability is 0, 1/2 or 1",
        });
    }
    let z = sum / variance.sqrt();
    Ok(Spiegelhalter {
        z,
        p: normal_two_sided(z),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_undefined() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.5, 0.5]).unwrap();
        assert!(spiegelhalter(&data).unwrap_err().is_undefined());
    }
}
