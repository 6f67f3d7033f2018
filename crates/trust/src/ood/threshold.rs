//! The score above which a case is too unlike the data, at a chosen false alarm rate.

use crate::conformal::conformal_quantile;
use crate::error::{Result, TrustError};
use serde::{Deserialize, Serialize};

/// A threshold with the false alarm rate it was set for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OodThreshold {
    /// Scores strictly above are flagged.
    pub threshold: f64,
    /// Share of ordinary cases that may be flagged.
    pub false_alarm_rate: f64,
    /// Ordinary held-out cases it was set on.
    pub n: usize,
}

impl OodThreshold {
    /// Sets the threshold on the scores of *held-out* ordinary cases (those of the fit are too small). The
    /// conformal rank makes the rate hold for a new ordinary case.
    ///
    /// # Errors
    /// A rate outside 0 to 1, scores that are not finite, or [`TrustError::TooFew`] for that rate.
    pub fn fit(scores: &[f64], false_alarm_rate: f64) -> Result<Self> {
        let threshold =
            conformal_quantile(scores, false_alarm_rate)?.ok_or(TrustError::TooFew {
                what: "an out-of-distribution threshold at this rate",
                needed: (1.0 / false_alarm_rate - 1e-9).ceil() as usize - 1,
                got: scores.len(),
            })?;
        Ok(OodThreshold {
            threshold,
            false_alarm_rate,
            n: scores.len(),
        })
    }

    /// Whether a score is flagged; a NaN is.
    pub fn flags(&self, score: f64) -> bool {
        score.is_nan() || score > self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_needs_enough_cases() {
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        let t = OodThreshold::fit(&scores, 0.01).unwrap();
        assert!(t.flags(99.5) && !t.flags(99.0) && t.flags(f64::NAN));
        assert_eq!(
            OodThreshold::fit(&scores[..98], 0.01),
            Err(TrustError::TooFew {
                what: "an out-of-distribution threshold at this rate",
                needed: 99,
                got: 98
            })
        );
    }
}
