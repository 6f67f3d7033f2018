//! Temperature scaling (Guo 2017): one divisor for all logits, by minimising the negative log-likelihood.

use crate::calibrator::sigmoid;
use crate::error::{Result, TrustError, finite, shape};
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// p = sigmoid(z / T), or softmax(z / T).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// Above 1 the network was too sure.
    pub temperature: f64,
}

impl Temperature {
    /// Fits one logit a sample.
    ///
    /// # Errors
    /// One class only; [`TrustError::NoTemperature`] when the logits do not help, or separate the classes.
    pub fn fit_binary(data: &BinaryScores) -> Result<Self> {
        data.require_both("temperature")?;
        let slope = |beta: f64| {
            data.labels()
                .iter()
                .zip(data.scores())
                .map(|(y, z)| z * (sigmoid(beta * z) - f64::from(u8::from(*y))))
                .sum()
        };
        solve(slope)
    }

    /// Fits `classes` logits a sample, `logits[i * classes + k]`.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, logits that are not finite, or
    /// [`TrustError::NoTemperature`].
    pub fn fit_multiclass(logits: &[f64], truth: &[usize], classes: usize) -> Result<Self> {
        shape("logits", logits.len(), truth.len() * classes)?;
        finite("logits", logits.iter().copied())?;
        if let Some(bad) = truth.iter().find(|t| **t >= classes) {
            return Err(TrustError::Parameter {
                name: "class",
                value: *bad as f64,
                rule: "below the number of classes",
            });
        }
        let slope = |beta: f64| {
            let term = |(row, t): (&[f64], &usize)| {
                let p = softmax(row, 1.0 / beta);
                row.iter().zip(&p).map(|(z, p)| z * p).sum::<f64>() - row[*t]
            };
            logits.chunks_exact(classes).zip(truth).map(term).sum()
        };
        solve(slope)
    }

    /// Probability of a logit.
    pub fn probability(&self, logit: f64) -> f64 {
        sigmoid(logit / self.temperature)
    }

    /// Probabilities of a row of logits.
    pub fn softmax(&self, logits: &[f64]) -> Vec<f64> {
        softmax(logits, self.temperature)
    }
}

/// softmax(z / T).
pub(crate) fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = logits
        .iter()
        .map(|z| ((z - top) / temperature).exp())
        .collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|v| v / sum).collect()
}

/// Finds where the slope of the loss in β = 1/T crosses zero; the loss is convex in β.
fn solve(slope: impl Fn(f64) -> f64) -> Result<Temperature> {
    // ln β between −14 and 14: temperatures from one millionth to a million.
    let (mut low, mut high) = (-14.0_f64, 14.0_f64);
    if slope(low.exp()) >= 0.0 {
        return Err(TrustError::NoTemperature {
            reason: "the logits do not rise with the labels",
        });
    }
    if slope(high.exp()) <= 0.0 {
        return Err(TrustError::NoTemperature {
            reason: "the logits separate the classes; use Platt scaling",
        });
    }
    while high - low > 1e-13 {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if slope(middle.exp()) < 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    Ok(Temperature {
        temperature: (-(low + high) / 2.0).exp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_optimum_is_an_error() {
        let inverted = BinaryScores::new(&[1_u8, 0], &[-1.0, 1.0]).unwrap();
        assert!(matches!(
            Temperature::fit_binary(&inverted),
            Err(TrustError::NoTemperature { .. })
        ));
        let separated = BinaryScores::new(&[0_u8, 1], &[-1.0, 1.0]).unwrap();
        assert!(matches!(
            Temperature::fit_binary(&separated),
            Err(TrustError::NoTemperature { .. })
        ));
        assert!(Temperature::fit_multiclass(&[0.0, 1.0], &[2], 2).is_err());
    }
}
