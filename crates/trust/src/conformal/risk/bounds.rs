//! Upper bounds of a risk, and the largest threshold that they leave.

use super::Losses;
use crate::error::{Result, TrustError, finite, open_unit};
use serde::{Deserialize, Serialize};

/// How the risk is bounded from above by the losses of n samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Mean + √(ln(1/δ) / 2n) (Bates 2021, section 3.1).
    Hoeffding,
    /// Mean + √(2 s² ln(2/δ) / n) + 7 ln(2/δ) / 3(n − 1), s² the sample variance (Maurer and Pontil 2009, theorem 4).
    Bernstein,
    /// Smallest risk against which a bettor would have won 1/δ (Waudby-Smith and Ramdas; Bates 2021, proposition 5).
    Betting,
}

/// What is promised about the risk at the chosen threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// Largest risk.
    pub alpha: f64,
    /// Probability that the risk is larger all the same.
    pub delta: f64,
}

/// Upper bound of the risk at each λ that holds with probability 1 − δ. It may exceed 1.
///
/// # Errors
/// δ outside 0 to 1; fewer than two samples.
pub fn upper_bounds(losses: &Losses, bound: Bound, delta: f64) -> Result<Vec<f64>> {
    open_unit("delta", delta)?;
    if losses.samples() < 2 {
        return Err(TrustError::TooFew {
            what: "the upper bound of a risk",
            needed: 2,
            got: losses.samples(),
        });
    }
    let of = |column: &Vec<f64>| match bound {
        Bound::Hoeffding => mean(column) + hoeffding_margin(column.len(), delta),
        Bound::Bernstein => bernstein(column, delta),
        Bound::Betting => betting(column, delta),
    };
    Ok(losses.columns().iter().map(of).collect())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn hoeffding_margin(n: usize, delta: f64) -> f64 {
    ((1.0 / delta).ln() / (2.0 * n as f64)).sqrt()
}

fn bernstein(losses: &[f64], delta: f64) -> f64 {
    let (n, m) = (losses.len() as f64, mean(losses));
    let variance = losses.iter().map(|l| (l - m).powi(2)).sum::<f64>() / (n - 1.0);
    let log = (2.0 / delta).ln();
    m + (2.0 * variance * log / n).sqrt() + 7.0 * log / (3.0 * (n - 1.0))
}

/// Logarithm of the bettor's wealth after each sample, were `risk` the true one: Σ ln(1 − νᵢ (Lᵢ − risk)).
///
/// The stake νᵢ = min(1, √(2 ln(1/δ) / n σ²ᵢ₋₁)) depends on earlier samples only, so the wealth is a martingale at the true risk and by
/// Ville's inequality exceeds 1/δ at any time with probability δ at most. σ² starts at 1/4.
pub fn betting_log_wealth(losses: &[f64], risk: f64, delta: f64) -> Vec<f64> {
    let n = losses.len() as f64;
    let (mut sum, mut squares, mut variance, mut wealth) = (0.5, 0.25, 0.25, 0.0);
    let mut out = Vec::with_capacity(losses.len());
    for (i, loss) in losses.iter().enumerate() {
        let stake = (2.0 * (1.0 / delta).ln() / (n * variance)).sqrt().min(1.0);
        wealth += (1.0 - stake * (loss - risk)).ln();
        out.push(wealth);
        let seen = (i + 2) as f64;
        sum += loss;
        squares += (loss - sum / seen).powi(2);
        variance = squares / seen;
    }
    out
}

/// The wealth grows with the risk that is bet against, so the smallest risk it disproves is found by halving.
fn betting(losses: &[f64], delta: f64) -> f64 {
    let disproved = |risk: f64| {
        let wealth = betting_log_wealth(losses, risk, delta);
        wealth.iter().any(|w| *w > -delta.ln())
    };
    if !disproved(1.0) {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-12 {
        let middle = f64::midpoint(low, high);
        if disproved(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Index of the largest λ such that the bound is below α at it and at every smaller λ of the rising grid; null when the first λ fails.
///
/// # Errors
/// α or δ outside 0 to 1; fewer than two samples.
pub fn risk_controlling(losses: &Losses, bound: Bound, promise: Promise) -> Result<Option<usize>> {
    open_unit("alpha", promise.alpha)?;
    let bounds = upper_bounds(losses, bound, promise.delta)?;
    let safe = bounds.iter().take_while(|b| **b < promise.alpha).count();
    Ok(safe.checked_sub(1))
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

#[cfg(test)]
mod tests {
    use super::super::{Entry, LabelRisk};
    use super::*;
    use rand::{Rng, SeedableRng};

    /// One label that is always present, kept when its score reaches λ: the loss at λ is whether the score is below it.
    fn losses(scores: &[f64], lambdas: &[f64]) -> Losses {
        let labels = vec![true; scores.len()];
        let (entry, risk) = (Entry::AtLeast, LabelRisk::FalseNegatives);
        Losses::of(scores, &labels, 1, lambdas, entry, risk).unwrap()
    }

    #[test]
    fn nothing_qualifies_with_too_few_samples() {
        assert_eq!(conformal_risk_control(&[0.0, 0.1], 5, 0.1).unwrap(), None);
        let few = losses(&[0.5; 5], &[0.1, 0.2]);
        let promise = Promise {
            alpha: 0.1,
            delta: 0.1,
        };
        for bound in [Bound::Hoeffding, Bound::Bernstein, Bound::Betting] {
            assert_eq!(risk_controlling(&few, bound, promise).unwrap(), None);
        }
        let one = losses(&[0.5], &[0.1]);
        assert!(upper_bounds(&one, Bound::Hoeffding, 0.1).is_err());
        assert!(upper_bounds(&few, Bound::Hoeffding, 1.0).is_err());
    }

    #[test]
    fn the_bounds_hold_as_often_as_promised() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let rounds = 300;
        for bound in [Bound::Hoeffding, Bound::Bernstein, Bound::Betting] {
            let mut broken = 0;
            let mut width = 0.0;
            for _ in 0..rounds {
                let scores: Vec<f64> = (0..150).map(|_| rng.random()).collect();
                let found = upper_bounds(&losses(&scores, &[0.2]), bound, 0.1).unwrap()[0];
                broken += usize::from(found < 0.2);
                width += (found - 0.2) / f64::from(rounds);
            }
            // δ is 0.1: 30 of 300, with room for chance.
            assert!(broken <= 45, "{bound:?}: {broken}");
            assert!(width > 0.0 && width < 0.25, "{bound:?}: {width}");
        }
    }
}
