//! The penalty of RAPS: given, or chosen on cases of its own (Angelopoulos 2021, appendix E).

use super::multiclass::check;
use super::ranked::{RankedConformal, SetRule};
use super::top_k::likelier;
use super::{SLACK, conformal_quantile};
use crate::error::{Result, TrustError};
use serde::{Deserialize, Serialize};

/// What a rank costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Regularisation {
    /// Penalty a rank beyond `free_ranks`; 0 is APS.
    pub penalty: f64,
    /// Ranks without penalty.
    pub free_ranks: usize,
}

/// Penalties that the paper tries.
const PENALTIES: [f64; 5] = [0.001, 0.01, 0.1, 0.2, 0.5];

impl Regularisation {
    /// The penalty of a rank, the likeliest label having rank 1.
    pub fn of(self, rank: usize) -> f64 {
        self.penalty * rank.saturating_sub(self.free_ranks) as f64
    }

    /// Chooses on cases that the sets are not calibrated on: free are as many ranks as cover the truth at α, and of the paper's five
    /// penalties the one with the smallest sets is taken, the smaller one where two tie.
    ///
    /// # Errors
    /// As [`RankedConformal::fit`]; too few cases for α.
    pub fn choose(
        probabilities: &[f64],
        truth: &[usize],
        classes: usize,
        alpha: f64,
    ) -> Result<Self> {
        check(probabilities, truth, classes)?;
        let rows = || probabilities.chunks_exact(classes);
        let ranks: Vec<f64> = rows()
            .zip(truth)
            .map(|(row, t)| (likelier(row, row[*t]) + 1) as f64)
            .collect();
        let Some(free) = conformal_quantile(&ranks, alpha)? else {
            return Err(TrustError::TooFew {
                what: "the choice of a penalty at this error rate",
                needed: (1.0 / alpha - 1.0 - SLACK).ceil() as usize,
                got: truth.len(),
            });
        };
        let mut best: Option<(usize, Regularisation)> = None;
        for penalty in PENALTIES {
            let rule = Regularisation {
                penalty,
                free_ranks: free as usize,
            };
            let fit = RankedConformal::fit(probabilities, truth, classes, alpha, rule)?;
            let mut labels = 0;
            for row in rows() {
                let set = fit.set(row, SetRule::IncludeCrossing)?;
                labels += set.iter().filter(|kept| **kept).count();
            }
            if best.is_none_or(|(fewest, _)| labels < fewest) {
                best = Some((labels, rule));
            }
        }
        Ok(best.map(|(_, rule)| rule).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_beyond_the_free_ones_cost() {
        let rule = Regularisation {
            penalty: 0.1,
            free_ranks: 2,
        };
        assert_eq!([1, 2, 3, 5].map(|r| rule.of(r)), [0.0, 0.0, 0.1, 0.1 * 3.0]);
    }

    #[test]
    fn free_ranks_cover_the_truth() {
        // The truth is the second likeliest in every case.
        let row = [0.5, 0.3, 0.1, 0.1];
        let probabilities: Vec<f64> = row.repeat(40);
        let rule = Regularisation::choose(&probabilities, &[1; 40], 4, 0.1).unwrap();
        assert_eq!(rule.free_ranks, 2);
        assert!(PENALTIES.contains(&rule.penalty));
    }

    #[test]
    fn too_few_cases_are_refused() {
        let found = Regularisation::choose(&[0.6, 0.4].repeat(8), &[0; 8], 2, 0.1);
        let wanted = TrustError::TooFew {
            what: "the choice of a penalty at this error rate",
            needed: 9,
            got: 8,
        };
        assert_eq!(found, Err(wanted));
        assert!(Regularisation::choose(&[0.6, 0.4].repeat(9), &[0; 9], 2, 0.1).is_ok());
    }
}
