//! Learn then test (Angelopoulos 2022): each λ is a hypothesis "its risk exceeds α", so the risk need not be monotone.

use crate::error::{Result, TrustError, open_unit};
use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;

/// How the error of many tests together is kept below δ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Every p-value against δ over their number.
    Bonferroni,
    /// From the smallest p-value up, against δ over the number of those left, until one fails (Holm 1979).
    Holm,
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

/// Indices, rising, of the λ whose risk is at most α: all of them are with probability 1 − δ.
///
/// # Errors
/// As [`hoeffding_bentkus`]; δ outside 0 to 1.
pub fn learn_then_test(
    risks: &[f64],
    n: usize,
    alpha: f64,
    delta: f64,
    correction: Correction,
) -> Result<Vec<usize>> {
    open_unit("delta", delta)?;
    let p: Vec<f64> = risks
        .iter()
        .map(|r| hoeffding_bentkus(*r, n, alpha))
        .collect::<Result<_>>()?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let passes = |(rank, i): (usize, &usize)| {
        let tests = match correction {
            Correction::Bonferroni => p.len(),
            Correction::Holm => p.len() - rank,
        };
        p[*i] <= delta / tests as f64
    };
    let kept = order
        .iter()
        .enumerate()
        .take_while(|at| passes(*at))
        .count();
    order.truncate(kept);
    order.sort_unstable();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_samples_prove_nothing() {
        let none = learn_then_test(&[0.0], 5, 0.1, 0.1, Correction::Bonferroni).unwrap();
        assert!(none.is_empty());
        assert!(hoeffding_bentkus(1.5, 5, 0.1).is_err());
    }

    #[test]
    fn holm_keeps_what_bonferroni_keeps_and_more() {
        // Of 100 samples: p-values rise with the risk; 0.155 passes only once a smaller one has been rejected.
        let risks = [0.155, 0.02, 0.19];
        let p: Vec<f64> = risks
            .iter()
            .map(|r| hoeffding_bentkus(*r, 300, 0.2).unwrap())
            .collect();
        let delta = 2.5 * p[0];
        assert!(p[1] < delta / 3.0 && p[0] > delta / 3.0 && p[0] < delta / 2.0 && p[2] > delta);
        let of = |c| learn_then_test(&risks, 300, 0.2, delta, c).unwrap();
        assert_eq!(of(Correction::Bonferroni), [1]);
        assert_eq!(of(Correction::Holm), [0, 1]);
    }
}
