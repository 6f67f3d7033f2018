//! APS (Romano 2020) and its regularised form RAPS (Angelopoulos 2021), with and without randomisation.

use super::multiclass::check;
use super::{Regularisation, SLACK, conformal_quantile};
use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};

/// Which labels a threshold keeps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetRule {
    /// Labels whose own score is at most the threshold; may be empty.
    Conforming,
    /// The same, but the likeliest label is always in.
    NeverEmpty,
    /// Labels until their total reaches the threshold, the one that crosses it included.
    IncludeCrossing,
    /// Labels whose score less this share of their own probability is at most the threshold: the rule whose coverage is 1 − α and no
    /// more when the fit was randomised and the share is uniform between 0 and 1, drawn for each case. May be empty.
    Randomised(f64),
}

/// Score of a label: total probability of all labels at least as likely, plus a penalty for its rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankedConformal {
    /// Permitted error rate.
    pub alpha: f64,
    /// Penalty of ranks; none is APS.
    #[serde(flatten)]
    pub regularisation: Regularisation,
    /// Classes.
    pub classes: usize,
    /// Threshold; null: every label.
    pub quantile: Option<f64>,
}

/// A label of a case.
#[derive(Clone, Copy, Default)]
struct Ranked {
    /// Total down to and with the label, plus its penalty.
    score: f64,
    /// Score of the label before it, 0 for the first.
    before: f64,
    /// Its own probability.
    own: f64,
    likeliest: bool,
}

impl RankedConformal {
    /// Fits on `probabilities[i * classes + k]`.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, values that are not finite, a negative penalty, α outside
    /// 0 to 1.
    pub fn fit(
        probabilities: &[f64],
        truth: &[usize],
        classes: usize,
        alpha: f64,
        regularisation: Regularisation,
    ) -> Result<Self> {
        let uniforms = vec![0.0; truth.len()];
        let given = (probabilities, truth, classes);
        Self::fit_randomised(given, alpha, regularisation, &uniforms)
    }

    /// Fits on scores less a share of the label's own probability, drawn uniformly between 0 and 1 for each case by the caller.
    ///
    /// # Errors
    /// As [`RankedConformal::fit`]; shares that are not one a case and between 0 and 1.
    pub fn fit_randomised(
        (probabilities, truth, classes): (&[f64], &[usize], usize),
        alpha: f64,
        regularisation: Regularisation,
        uniforms: &[f64],
    ) -> Result<Self> {
        check(probabilities, truth, classes)?;
        shape("uniforms", uniforms.len(), truth.len())?;
        for value in uniforms {
            share(*value)?;
        }
        let penalty = regularisation.penalty;
        if penalty.is_nan() || penalty < 0.0 {
            return Err(TrustError::Parameter {
                name: "penalty",
                value: penalty,
                rule: "0 or more",
            });
        }
        let mut fit = RankedConformal {
            alpha,
            regularisation,
            classes,
            quantile: None,
        };
        let scores: Vec<f64> = probabilities
            .chunks_exact(classes)
            .zip(truth)
            .zip(uniforms)
            .map(|((row, t), u)| fit.ranked(row)[*t].less(*u))
            .collect();
        fit.quantile = conformal_quantile(&scores, alpha)?;
        Ok(fit)
    }

    fn ranked(&self, row: &[f64]) -> Vec<Ranked> {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        let mut out = vec![Ranked::default(); row.len()];
        let (mut total, mut before) = (0.0, 0.0);
        for (rank, k) in order.into_iter().enumerate() {
            total += row[k];
            let score = total + self.regularisation.of(rank + 1);
            out[k] = Ranked {
                score,
                before,
                own: row[k],
                likeliest: rank == 0,
            };
            before = score;
        }
        out
    }

    /// Which labels are in the set of a case.
    ///
    /// # Errors
    /// A row of the wrong length or with values that are not finite; a share outside 0 to 1.
    pub fn set(&self, probabilities: &[f64], rule: SetRule) -> Result<Vec<bool>> {
        shape("probabilities", probabilities.len(), self.classes)?;
        finite("probabilities", probabilities.iter().copied())?;
        if let SetRule::Randomised(u) = rule {
            share(u)?;
        }
        let Some(q) = self.quantile else {
            return Ok(vec![true; self.classes]);
        };
        let inside = |label: Ranked| match rule {
            SetRule::Conforming => label.score <= q + SLACK,
            SetRule::NeverEmpty => label.likeliest || label.score <= q + SLACK,
            SetRule::IncludeCrossing => label.before < q - SLACK,
            SetRule::Randomised(u) => label.less(u) <= q + SLACK,
        };
        Ok(self.ranked(probabilities).into_iter().map(inside).collect())
    }
}

impl Ranked {
    fn less(self, share: f64) -> f64 {
        self.score - share * self.own
    }
}

fn share(value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(TrustError::Parameter {
        name: "uniform",
        value,
        rule: "between 0 and 1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(quantile: f64) -> RankedConformal {
        RankedConformal {
            alpha: 0.5,
            regularisation: Regularisation::default(),
            classes: 2,
            quantile: Some(quantile),
        }
    }

    #[test]
    fn never_empty_keeps_the_likeliest() {
        let set = |rule| fixed(0.1).set(&[0.3, 0.7], rule).unwrap();
        assert_eq!(set(SetRule::Conforming), [false, false]);
        assert_eq!(set(SetRule::NeverEmpty), [false, true]);
        assert_eq!(set(SetRule::IncludeCrossing), [false, true]);
        let negative = Regularisation {
            penalty: -1.0,
            free_ranks: 0,
        };
        assert!(RankedConformal::fit(&[0.3, 0.7], &[0], 2, 0.1, negative).is_err());
    }

    #[test]
    fn a_share_of_the_own_probability_is_let_off() {
        let set = |u| fixed(0.8).set(&[0.3, 0.7], SetRule::Randomised(u));
        assert_eq!(set(0.0).unwrap(), [false, true]);
        assert_eq!(set(0.9).unwrap(), [true, true]);
        assert!(set(1.5).is_err());
        let given = (&[0.3, 0.7][..], &[0_usize][..], 2);
        let plain = Regularisation::default();
        assert!(RankedConformal::fit_randomised(given, 0.1, plain, &[]).is_err());
        assert!(RankedConformal::fit_randomised(given, 0.1, plain, &[2.0]).is_err());
    }

    #[test]
    fn the_penalty_is_kept_beside_the_threshold() {
        let text = serde_json::to_string(&fixed(0.8)).unwrap();
        assert!(text.contains("\"penalty\":0.0") && text.contains("\"free_ranks\":0"));
        assert_eq!(
            serde_json::from_str::<RankedConformal>(&text).unwrap(),
            fixed(0.8)
        );
    }
}
