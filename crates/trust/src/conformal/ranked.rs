//! APS (Romano 2020) and its regularised form RAPS (Angelopoulos 2021), without randomisation.

use super::multiclass::check;
use super::{SLACK, conformal_quantile};
use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};

/// Which labels a threshold keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetRule {
    /// Labels whose own score is at most the threshold; may be empty.
    Conforming,
    /// The same, but the likeliest label is always in.
    NeverEmpty,
    /// Labels until their total reaches the threshold, the one that crosses it included.
    IncludeCrossing,
}

/// Score of a label: total probability of all labels at least as likely, plus a penalty for its rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankedConformal {
    /// Permitted error rate.
    pub alpha: f64,
    /// Penalty a rank beyond `free_ranks`; 0 is APS.
    pub penalty: f64,
    /// Ranks without penalty.
    pub free_ranks: usize,
    /// Classes.
    pub classes: usize,
    /// Threshold; null: every label.
    pub quantile: Option<f64>,
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
        penalty: f64,
        free_ranks: usize,
    ) -> Result<Self> {
        check(probabilities, truth, classes)?;
        if penalty.is_nan() || penalty < 0.0 {
            return Err(TrustError::Parameter {
                name: "penalty",
                value: penalty,
                rule: "0 or more",
            });
        }
        let mut fit = RankedConformal {
            alpha,
            penalty,
            free_ranks,
            classes,
            quantile: None,
        };
        let own = |(row, t): (&[f64], &usize)| fit.scores(row)[*t].0;
        let scores: Vec<f64> = probabilities
            .chunks_exact(classes)
            .zip(truth)
            .map(own)
            .collect();
        fit.quantile = conformal_quantile(&scores, alpha)?;
        Ok(fit)
    }

    /// For each label its score, the total before it, and whether it is the likeliest.
    fn scores(&self, row: &[f64]) -> Vec<(f64, f64, bool)> {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        let mut out = vec![(0.0, 0.0, false); row.len()];
        let mut total = 0.0;
        for (rank, k) in order.into_iter().enumerate() {
            let before = total;
            total += row[k];
            let extra = (rank + 1).saturating_sub(self.free_ranks) as f64;
            out[k] = (total + self.penalty * extra, before, rank == 0);
        }
        out
    }

    /// Which labels are in the set of a case.
    ///
    /// # Errors
    /// A row of the wrong length or with values that are not finite.
    pub fn set(&self, probabilities: &[f64], rule: SetRule) -> Result<Vec<bool>> {
        shape("probabilities", probabilities.len(), self.classes)?;
        finite("probabilities", probabilities.iter().copied())?;
        let Some(q) = self.quantile else {
            return Ok(vec![true; self.classes]);
        };
        let inside = |(score, before, top): (f64, f64, bool)| match rule {
            SetRule::Conforming => score <= q + SLACK,
            SetRule::NeverEmpty => top || score <= q + SLACK,
            SetRule::IncludeCrossing => before < q - SLACK,
        };
        Ok(self.scores(probabilities).into_iter().map(inside).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_empty_keeps_the_likeliest() {
        let fit = RankedConformal {
            alpha: 0.5,
            penalty: 0.0,
            free_ranks: 0,
            classes: 2,
            quantile: Some(0.1),
        };
        assert_eq!(
            fit.set(&[0.3, 0.7], SetRule::Conforming).unwrap(),
            [false, false]
        );
        assert_eq!(
            fit.set(&[0.3, 0.7], SetRule::NeverEmpty).unwrap(),
            [false, true]
        );
        assert_eq!(
            fit.set(&[0.3, 0.7], SetRule::IncludeCrossing).unwrap(),
            [false, true]
        );
        assert!(RankedConformal::fit(&[0.3, 0.7], &[0], 2, 0.1, -1.0, 0).is_err());
    }
}
