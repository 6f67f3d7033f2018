//! Measures of uncertainty, in nats: from one distribution, from an ensemble, from Dirichlet evidence, from
//! logits.

use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};
use statrs::function::gamma::{digamma, ln_gamma};

/// Shannon entropy; 0·ln 0 is 0.
pub fn entropy(probabilities: &[f64]) -> f64 {
    -probabilities
        .iter()
        .filter(|p| **p > 0.0)
        .map(|p| p * p.ln())
        .sum::<f64>()
}

/// Uncertainty of an ensemble (or of dropout samples) about one case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EnsembleUncertainty {
    /// Entropy of the mean: total.
    pub predictive_entropy: f64,
    /// Mean entropy: from noise in the data.
    pub expected_entropy: f64,
    /// Their difference (BALD): from disagreement of the members.
    pub mutual_information: f64,
    /// Share of members that do not vote for the class with most votes.
    pub variation_ratio: f64,
}

/// Uncertainty of `members[m * classes + k]` about one case.
///
/// # Errors
/// Nothing given, a shape that does not fit, or values that are not finite.
pub fn ensemble(members: &[f64], classes: usize) -> Result<EnsembleUncertainty> {
    if classes == 0 || members.is_empty() || !members.len().is_multiple_of(classes) {
        return Err(TrustError::Shape {
            what: "members",
            got: members.len(),
            expected: classes,
        });
    }
    finite("members", members.iter().copied())?;
    let count = members.len() / classes;
    let mut mean = vec![0.0; classes];
    let mut votes = vec![0_usize; classes];
    let mut expected = 0.0;
    for row in members.chunks_exact(classes) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, p)| *m += p / count as f64);
        expected += entropy(row) / count as f64;
        votes[first_maximum(row)] += 1;
    }
    let total = entropy(&mean);
    let most = votes.iter().max().copied().unwrap_or(0);
    Ok(EnsembleUncertainty {
        predictive_entropy: total,
        expected_entropy: expected,
        mutual_information: total - expected,
        variation_ratio: 1.0 - most as f64 / count as f64,
    })
}

fn first_maximum(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

/// What Dirichlet evidence says about one case (Sensoy 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirichletUncertainty {
    /// K / S: 1 without evidence.
    pub vacuity: f64,
    /// e / S.
    pub belief: Vec<f64>,
    /// α / S.
    pub probability: Vec<f64>,
    /// Marginal variances.
    pub variance: Vec<f64>,
    /// Entropy of the mean distribution.
    pub predictive_entropy: f64,
    /// Mean entropy under the Dirichlet.
    pub expected_entropy: f64,
    /// Their difference.
    pub mutual_information: f64,
    /// Entropy of the Dirichlet itself.
    pub differential_entropy: f64,
}

/// Reads evidence (0 or more a class), α = evidence + 1.
///
/// # Errors
/// Nothing given; evidence that is negative or not finite.
pub fn dirichlet(evidence: &[f64]) -> Result<DirichletUncertainty> {
    finite("evidence", evidence.iter().copied())?;
    if let Some(bad) = evidence.iter().find(|e| **e < 0.0) {
        return Err(TrustError::Parameter {
            name: "evidence",
            value: *bad,
            rule: "0 or more",
        });
    }
    if evidence.is_empty() {
        return Err(TrustError::TooFew {
            what: "Dirichlet uncertainty",
            needed: 1,
            got: 0,
        });
    }
    let k = evidence.len() as f64;
    let alpha: Vec<f64> = evidence.iter().map(|e| e + 1.0).collect();
    let s: f64 = alpha.iter().sum();
    let probability: Vec<f64> = alpha.iter().map(|a| a / s).collect();
    let predictive_entropy = entropy(&probability);
    let expected_entropy: f64 = alpha
        .iter()
        .map(|a| a / s * (digamma(s + 1.0) - digamma(a + 1.0)))
        .sum();
    let ln_beta = alpha.iter().map(|a| ln_gamma(*a)).sum::<f64>() - ln_gamma(s);
    let spread: f64 = alpha.iter().map(|a| (a - 1.0) * digamma(*a)).sum();
    Ok(DirichletUncertainty {
        vacuity: k / s,
        belief: evidence.iter().map(|e| e / s).collect(),
        variance: alpha
            .iter()
            .map(|a| a * (s - a) / (s * s * (s + 1.0)))
            .collect(),
        probability,
        predictive_entropy,
        expected_entropy,
        mutual_information: predictive_entropy - expected_entropy,
        differential_entropy: ln_beta + (s - k) * digamma(s) - spread,
    })
}

/// Energy score −T·ln Σ exp(z/T): higher for cases unlike the training data (Liu 2020).
///
/// # Errors
/// Nothing given, logits that are not finite, or a temperature that is not positive.
pub fn energy(logits: &[f64], temperature: f64) -> Result<f64> {
    finite("logits", logits.iter().copied())?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(TrustError::Parameter {
            name: "temperature",
            value: temperature,
            rule: "above 0",
        });
    }
    let top = max_logit(logits)?;
    let sum: f64 = logits.iter().map(|z| ((z - top) / temperature).exp()).sum();
    Ok(-top - temperature * sum.ln())
}

/// Largest logit: lower for cases unlike the training data.
///
/// # Errors
/// Nothing given.
pub fn max_logit(logits: &[f64]) -> Result<f64> {
    shape("logits", usize::from(!logits.is_empty()), 1)?;
    Ok(logits.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Largest softmax probability (Hendrycks 2017).
///
/// # Errors
/// Nothing given; logits that are not finite.
pub fn max_softmax(logits: &[f64]) -> Result<f64> {
    finite("logits", logits.iter().copied())?;
    let top = max_logit(logits)?;
    Ok(1.0 / logits.iter().map(|z| (z - top).exp()).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_agree_leave_only_noise() {
        let u = ensemble(&[0.7, 0.3, 0.7, 0.3], 2).unwrap();
        assert!(u.mutual_information.abs() < 1e-15 && u.variation_ratio == 0.0);
        assert!(ensemble(&[0.7, 0.3, 0.7], 2).is_err());
        assert!(dirichlet(&[-1.0]).is_err());
        assert!(energy(&[], 1.0).is_err());
    }
}
