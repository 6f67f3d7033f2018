//! LAC sets of a many-class problem (Sadinle 2019): one threshold for all labels, or one a class.

use super::{SLACK, conformal_quantile};
use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};

/// Keeps label k when 1 − p_k is at most the threshold of its class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MulticlassConformal {
    /// Permitted error rate.
    pub alpha: f64,
    /// Whether coverage holds within each class.
    pub label_conditional: bool,
    /// Threshold a class; null: always in.
    pub quantiles: Vec<Option<f64>>,
}

impl MulticlassConformal {
    /// Fits on `probabilities[i * classes + k]`.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, values that are not finite, α outside 0 to 1.
    pub fn fit(
        probabilities: &[f64],
        truth: &[usize],
        classes: usize,
        alpha: f64,
        label_conditional: bool,
    ) -> Result<Self> {
        check(probabilities, truth, classes)?;
        let score = |(row, t): (&[f64], &usize)| (*t, 1.0 - row[*t]);
        let scores: Vec<(usize, f64)> = probabilities
            .chunks_exact(classes)
            .zip(truth)
            .map(score)
            .collect();
        let of = |class: Option<usize>| {
            let own: Vec<f64> = scores
                .iter()
                .filter(|(t, _)| class.is_none_or(|c| c == *t))
                .map(|(_, s)| *s)
                .collect();
            conformal_quantile(&own, alpha)
        };
        let quantiles = (0..classes)
            .map(|k| of(label_conditional.then_some(k)))
            .collect::<Result<_>>()?;
        Ok(MulticlassConformal {
            alpha,
            label_conditional,
            quantiles,
        })
    }

    /// Which labels are in the set of a case.
    ///
    /// # Errors
    /// A row of the wrong length or with values that are not finite.
    pub fn set(&self, probabilities: &[f64]) -> Result<Vec<bool>> {
        shape("probabilities", probabilities.len(), self.quantiles.len())?;
        finite("probabilities", probabilities.iter().copied())?;
        let inside = |(p, q): (&f64, &Option<f64>)| q.is_none_or(|q| 1.0 - p <= q + SLACK);
        Ok(probabilities
            .iter()
            .zip(&self.quantiles)
            .map(inside)
            .collect())
    }
}

pub(crate) fn check(probabilities: &[f64], truth: &[usize], classes: usize) -> Result<()> {
    shape("probabilities", probabilities.len(), truth.len() * classes)?;
    finite("probabilities", probabilities.iter().copied())?;
    match truth.iter().find(|t| **t >= classes) {
        Some(bad) => Err(TrustError::Parameter {
            name: "class",
            value: *bad as f64,
            rule: "below the number of classes",
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_never_seen_is_always_in() {
        let fit = MulticlassConformal::fit(&[0.9, 0.1, 0.8, 0.2], &[0, 0], 2, 0.5, true).unwrap();
        assert_eq!(fit.quantiles[1], None);
        assert_eq!(fit.set(&[1.0, 0.0]).unwrap(), [true, true]);
        assert!(fit.set(&[1.0]).is_err());
        assert!(MulticlassConformal::fit(&[0.9, 0.1], &[2], 2, 0.5, true).is_err());
    }
}
