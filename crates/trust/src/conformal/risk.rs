//! Choosing a threshold of a multi-label set {k : score ≥ λ} so that a risk stays below a bound.
//!
//! - Conformal risk control (Angelopoulos 2024): the *expected* risk is at most α.
//! - RCPS with Hoeffding's bound (Bates 2021): the risk is at most α with probability 1 − δ.
//! - Learn then test (Angelopoulos 2022): for risks that are not monotone, Hoeffding-Bentkus p-values.

use crate::error::{Result, TrustError, finite, open_unit, shape};
use statrs::function::factorial::ln_binomial;

/// Mean over samples of the share of present labels left out, at each λ; 0 for a sample without present labels.
///
/// # Errors
/// Shapes that do not fit; scores that are not finite.
pub fn mean_false_negative_rate(
    scores: &[f64],
    labels: &[bool],
    classes: usize,
    lambdas: &[f64],
) -> Result<Vec<f64>> {
    mean_risk(scores, labels, classes, lambdas, |present, _, both| {
        share(present - both, present)
    })
}

/// Mean over samples of the share of wrong labels in the set, at each λ; 0 for an empty set.
///
/// # Errors
/// As [`mean_false_negative_rate`].
pub fn mean_false_discovery_rate(
    scores: &[f64],
    labels: &[bool],
    classes: usize,
    lambdas: &[f64],
) -> Result<Vec<f64>> {
    mean_risk(scores, labels, classes, lambdas, |_, chosen, both| {
        share(chosen - both, chosen)
    })
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn mean_risk(
    scores: &[f64],
    labels: &[bool],
    classes: usize,
    lambdas: &[f64],
    risk: impl Fn(usize, usize, usize) -> f64,
) -> Result<Vec<f64>> {
    shape("labels", labels.len(), scores.len())?;
    finite("scores", scores.iter().copied())?;
    if classes == 0 || scores.is_empty() || !scores.len().is_multiple_of(classes) {
        return Err(TrustError::Shape {
            what: "scores",
            got: scores.len(),
            expected: classes,
        });
    }
    let n = scores.len() / classes;
    let at = |lambda: &f64| {
        let rows = scores
            .chunks_exact(classes)
            .zip(labels.chunks_exact(classes));
        let sample = |(s, y): (&[f64], &[bool])| {
            let count = |f: &dyn Fn(usize) -> bool| (0..classes).filter(|k| f(*k)).count();
            let (present, chosen) = (count(&|k| y[k]), count(&|k| s[k] >= *lambda));
            risk(present, chosen, count(&|k| y[k] && s[k] >= *lambda))
        };
        rows.map(sample).sum::<f64>() / n as f64
    };
    Ok(lambdas.iter().map(at).collect())
}

/// Index of the largest λ with n/(n+1)·R(λ) + 1/(n+1) ≤ α; `risks` must not fall with λ (rising grid). Null
/// when none qualifies.
///
/// # Errors
/// α outside 0 to 1; risks that are not finite.
pub fn conformal_risk_control(risks: &[f64], n: usize, alpha: f64) -> Result<Option<usize>> {
    open_unit("alpha", alpha)?;
    finite("risks", risks.iter().copied())?;
    let n = n as f64;
    Ok(risks
        .iter()
        .rposition(|r| n / (n + 1.0) * r + 1.0 / (n + 1.0) <= alpha))
}

/// Index of the largest λ such that Hoeffding's upper bound is below α at it and at every smaller λ.
///
/// # Errors
/// α or δ outside 0 to 1; risks that are not finite.
pub fn rcps_hoeffding(risks: &[f64], n: usize, alpha: f64, delta: f64) -> Result<Option<usize>> {
    open_unit("alpha", alpha)?;
    open_unit("delta", delta)?;
    finite("risks", risks.iter().copied())?;
    let margin = ((1.0 / delta).ln() / (2.0 * n as f64)).sqrt();
    Ok(risks
        .iter()
        .take_while(|r| *r + margin < alpha)
        .count()
        .checked_sub(1))
}

/// Hoeffding-Bentkus p-value of "the risk exceeds α" from a mean of n losses between 0 and 1.
///
/// # Errors
/// α outside 0 to 1; a risk outside 0 to 1.
pub fn hoeffding_bentkus(risk: f64, n: usize, alpha: f64) -> Result<f64> {
    open_unit("alpha", alpha)?;
    if !(0.0..=1.0).contains(&risk) {
        return Err(TrustError::Parameter {
            name: "risk",
            value: risk,
            rule: "between 0 and 1",
        });
    }
    let r = risk.min(alpha);
    let term = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    let hoeffding = (-(n as f64) * (term(r, alpha) + term(1.0 - r, 1.0 - alpha))).exp();
    let up_to = (n as f64 * risk).ceil() as u64;
    let bentkus = std::f64::consts::E * binomial_cdf(up_to, n as u64, alpha);
    Ok(hoeffding.min(bentkus).min(1.0))
}

fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    let ln = |i: u64| ln_binomial(n, i) + i as f64 * p.ln() + (n - i) as f64 * (1.0 - p).ln();
    (0..=k.min(n)).map(|i| ln(i).exp()).sum::<f64>().min(1.0)
}

/// Indices of the λ whose p-value is at most δ over their number (Bonferroni).
///
/// # Errors
/// As [`hoeffding_bentkus`].
pub fn learn_then_test(risks: &[f64], n: usize, alpha: f64, delta: f64) -> Result<Vec<usize>> {
    open_unit("delta", delta)?;
    let p: Result<Vec<f64>> = risks
        .iter()
        .map(|r| hoeffding_bentkus(*r, n, alpha))
        .collect();
    let bar = delta / risks.len() as f64;
    Ok(p?
        .iter()
        .enumerate()
        .filter(|(_, p)| **p <= bar)
        .map(|(i, _)| i)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_qualifies_with_too_few_samples() {
        assert_eq!(conformal_risk_control(&[0.0, 0.1], 5, 0.1).unwrap(), None);
        assert_eq!(rcps_hoeffding(&[0.0, 0.1], 5, 0.1, 0.1).unwrap(), None);
        assert!(learn_then_test(&[0.0], 5, 0.1, 0.1).unwrap().is_empty());
        assert!(hoeffding_bentkus(1.5, 5, 0.1).is_err());
    }

    #[test]
    fn risks_of_a_small_case() {
        let (scores, labels) = ([0.9, 0.2, 0.6, 0.1], [true, true, false, false]);
        assert_eq!(
            mean_false_negative_rate(&scores, &labels, 2, &[0.5]).unwrap(),
            [0.25]
        );
        assert_eq!(
            mean_false_discovery_rate(&scores, &labels, 2, &[0.5]).unwrap(),
            [0.5]
        );
        assert!(mean_false_negative_rate(&scores, &labels, 3, &[0.5]).is_err());
    }
}
