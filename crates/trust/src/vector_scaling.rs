//! Vector scaling (Guo 2017, section 4.2): a factor and an offset for each class's logit.

use crate::error::{Result, TrustError, finite, shape};
use crate::temperature::softmax;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Newton steps at most.
const STEPS: usize = 200;
/// Added to the curvature: offsets are determined up to a common shift.
const RIDGE: f64 = 1e-9;

/// p = softmax(w ∘ z + b).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorScaling {
    /// Factor of each class.
    pub factors: Vec<f64>,
    /// Offset of each class; they sum to zero.
    pub offsets: Vec<f64>,
}

impl VectorScaling {
    /// Fits `classes` logits a sample, `logits[i * classes + k]`, by minimising the mean negative
    /// log-likelihood, which is convex, from w = 1 and b = 0.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, logits that are not finite; [`TrustError::NoTemperature`]
    /// when the loss has no minimum (the logits separate the classes).
    pub fn fit(logits: &[f64], truth: &[usize], classes: usize) -> Result<Self> {
        shape("logits", logits.len(), truth.len() * classes)?;
        finite("logits", logits.iter().copied())?;
        if truth.is_empty() || classes < 2 {
            return Err(TrustError::TooFew {
                what: "vector scaling",
                needed: 2,
                got: truth.len().min(classes),
            });
        }
        if let Some(bad) = truth.iter().find(|t| **t >= classes) {
            return Err(TrustError::Parameter {
                name: "class",
                value: *bad as f64,
                rule: "below the number of classes",
            });
        }
        let mut fit = VectorScaling {
            factors: vec![1.0; classes],
            offsets: vec![0.0; classes],
        };
        let mut loss = fit.loss(logits, truth);
        for _ in 0..STEPS {
            let (gradient, curvature) = fit.derivatives(logits, truth);
            if gradient.amax() < 1e-10 {
                return fit.settled(loss);
            }
            let step = curvature.cholesky().map(|c| c.solve(&gradient)).ok_or(
                TrustError::NoTemperature {
                    reason: "the logits do not determine the factors",
                },
            )?;
            let (next, lower) = fit.line_search(&step, loss, logits, truth);
            if loss - lower <= 1e-15 * loss.abs() {
                return fit.settled(loss);
            }
            (fit, loss) = (next, lower);
            if fit.factors.iter().any(|w| w.abs() > 1e6) {
                break;
            }
        }
        Err(TrustError::NoTemperature {
            reason: "the logits separate the classes",
        })
    }

    /// Probabilities of a row of logits.
    ///
    /// # Errors
    /// Another number of logits than was fitted.
    pub fn probabilities(&self, logits: &[f64]) -> Result<Vec<f64>> {
        shape("logits", logits.len(), self.factors.len())?;
        Ok(softmax(&self.scaled(logits), 1.0))
    }

    /// Mean negative log-likelihood.
    pub fn loss(&self, logits: &[f64], truth: &[usize]) -> f64 {
        let term = |(row, t): (&[f64], &usize)| {
            let z = self.scaled(row);
            let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            top + z.iter().map(|v| (v - top).exp()).sum::<f64>().ln() - z[*t]
        };
        logits
            .chunks_exact(self.factors.len())
            .zip(truth)
            .map(term)
            .sum::<f64>()
            / truth.len() as f64
    }

    fn scaled(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(&self.factors)
            .zip(&self.offsets)
            .map(|((z, w), b)| w * z + b)
            .collect()
    }

    /// Gradient and curvature in (factors, offsets).
    fn derivatives(&self, logits: &[f64], truth: &[usize]) -> (DVector<f64>, DMatrix<f64>) {
        let k = self.factors.len();
        let mut gradient = DVector::zeros(2 * k);
        let mut curvature = DMatrix::identity(2 * k, 2 * k) * (RIDGE * truth.len() as f64);
        for (row, t) in logits.chunks_exact(k).zip(truth) {
            let p = softmax(&self.scaled(row), 1.0);
            // Each class's logit moves by its own z with the factor and by 1 with the offset.
            let reach = |i: usize| if i < k { (i, row[i]) } else { (i - k, 1.0) };
            for i in 0..2 * k {
                let (a, u) = reach(i);
                gradient[i] += u * (p[a] - f64::from(u8::from(a == *t)));
                for j in 0..2 * k {
                    let (b, v) = reach(j);
                    let own = if a == b { p[a] } else { 0.0 };
                    curvature[(i, j)] += u * v * (own - p[a] * p[b]);
                }
            }
        }
        let n = truth.len() as f64;
        (gradient / n, curvature / n)
    }

    /// The Newton step, halved until the loss falls.
    fn line_search(
        &self,
        step: &DVector<f64>,
        loss: f64,
        logits: &[f64],
        truth: &[usize],
    ) -> (Self, f64) {
        let k = self.factors.len();
        let mut length = 1.0;
        while length > 1e-10 {
            let next = VectorScaling {
                factors: (0..k).map(|i| self.factors[i] - length * step[i]).collect(),
                offsets: (0..k)
                    .map(|i| self.offsets[i] - length * step[k + i])
                    .collect(),
            };
            let lower = next.loss(logits, truth);
            if lower < loss {
                return (next, lower);
            }
            length /= 2.0;
        }
        (self.clone(), loss)
    }

    /// The fit with its offsets centred, unless it drives the loss to nothing.
    fn settled(mut self, loss: f64) -> Result<Self> {
        if loss < 1e-6 {
            return Err(TrustError::NoTemperature {
                reason: "the logits separate the classes",
            });
        }
        let mean = self.offsets.iter().sum::<f64>() / self.offsets.len() as f64;
        self.offsets.iter_mut().for_each(|b| *b -= mean);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_a_known_distortion() {
        // Frequencies that softmax(z) gives exactly, in hundredths; then z is distorted.
        let rows = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.5]];
        let (mut logits, mut truth) = (Vec::new(), Vec::new());
        for row in rows {
            let p = softmax(&row, 1.0);
            let ones = (p[1] * 10_000.0).round() as usize;
            for i in 0..10_000 {
                logits.extend([2.0 * row[0] + 1.0, 2.0 * row[1]]);
                truth.push(usize::from(i < ones));
            }
        }
        let fit = VectorScaling::fit(&logits, &truth, 2).unwrap();
        let p = fit.probabilities(&[1.0, 0.0]).unwrap();
        assert!((p[0] - 0.5).abs() < 1e-3, "{fit:?}");
        assert!(fit.offsets.iter().sum::<f64>().abs() < 1e-12);
    }

    #[test]
    fn classes_that_logits_separate_have_no_fit() {
        assert!(
            VectorScaling::fit(
                &[2.0, 0.0, 1.0, 0.0, -1.0, 0.0, -3.0, 0.0],
                &[0, 0, 1, 1],
                2
            )
            .is_err()
        );
        assert!(VectorScaling::fit(&[1.0, 0.0], &[2], 2).is_err());
    }
}
