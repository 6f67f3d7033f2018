//! One decision tree (smartcore).
//!
//! A regression tree on 0 and 1: squared error splits where Gini impurity does (for two classes it is half of
//! it), and a leaf's mean is its share of positives, which the library's classifier does not give for forests.

use super::{Fitted, Learner, dense, failed, logit, same_columns, zero_one};
use crate::error::{Result, TabularError};
use crate::matrix::{Matrix, check};
use serde::{Deserialize, Serialize};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_regressor::{
    DecisionTreeRegressor, DecisionTreeRegressorParameters,
};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Most splits on a way.
    pub depth: u16,
    /// Fewest rows in a leaf.
    pub leaf: usize,
}

impl Default for Tree {
    /// Depth 32, leaves of one row: fully grown.
    fn default() -> Self {
        Tree { depth: 32, leaf: 1 }
    }
}

impl Learner for Tree {
    fn name(&self) -> &'static str {
        "decision tree"
    }

    fn fit(&self, x: &Matrix, y: &[bool], seed: u64) -> Result<Box<dyn Fitted>> {
        check(self.name(), x, y)?;
        sizes(self.depth, self.leaf)?;
        let parameters = DecisionTreeRegressorParameters {
            // The library counts the root as a level.
            max_depth: Some(self.depth.saturating_add(1)),
            min_samples_leaf: self.leaf,
            min_samples_split: 2 * self.leaf,
            seed: Some(seed),
        };
        let model = DecisionTreeRegressor::fit(&dense(x)?, &zero_one(y), parameters)
            .map_err(|e| failed(self.name())(&e))?;
        Ok(Box::new(Shares {
            model,
            columns: x.columns(),
        }))
    }
}

struct Shares {
    model: DecisionTreeRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>,
    columns: usize,
}

impl Fitted for Shares {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        let p = self.probabilities(x)?;
        Ok(p.into_iter().map(|p| smoothed_logit(p, 1.0)).collect())
    }

    fn probabilities(&self, x: &Matrix) -> Result<Vec<f64>> {
        same_columns(x, self.columns)?;
        self.model
            .predict(&dense(x)?)
            .map_err(|e| failed("decision tree")(&e))
    }
}

/// Log odds of a share among `n` votes with half a vote added on each side, so that they stay finite.
pub(super) fn smoothed_logit(share: f64, n: f64) -> f64 {
    logit((share * n + 0.5) / (n + 1.0))
}

/// Fails unless a tree can have this depth and these leaves.
pub(super) fn sizes(depth: u16, leaf: usize) -> Result<()> {
    for (name, value) in [("depth", usize::from(depth)), ("leaf", leaf)] {
        if value == 0 {
            return Err(TabularError::Parameter {
                name,
                value: 0.0,
                rule: "at least 1",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::samples::blobs;

    /// Sum of squared errors of the best single split, by trying all.
    fn best_split(x: &Matrix, y: &[f64]) -> f64 {
        let error = |own: &[f64]| {
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            own.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
        };
        let mut best = f64::INFINITY;
        for j in 0..x.columns() {
            for cut in x.column(j) {
                let side = |low: bool| -> Vec<f64> {
                    let own = x.column(j).zip(y).filter(|(v, _)| (*v <= cut) == low);
                    own.map(|(_, y)| *y).collect()
                };
                best = best.min(error(&side(true)) + error(&side(false)));
            }
        }
        best
    }

    #[test]
    fn a_stump_is_the_best_of_all_splits() {
        let (x, y) = blobs(40, 0.5, 9);
        let stump = Tree { depth: 1, leaf: 1 }.fit(&x, &y, 1).unwrap();
        let truth = zero_one(&y);
        let p = stump.probabilities(&x).unwrap();
        let seen: f64 = p.iter().zip(&truth).map(|(p, y)| (p - y).powi(2)).sum();
        let best = best_split(&x, &truth);
        assert!((seen - best).abs() < 1e-9, "{seen} {best}");
    }

    #[test]
    fn a_full_tree_knows_its_rows_by_heart() {
        let (x, y) = blobs(40, 0.1, 9);
        let tree = Tree::default().fit(&x, &y, 1).unwrap();
        assert_eq!(tree.probabilities(&x).unwrap(), zero_one(&y));
    }

    #[test]
    fn leaves_without_rows_are_refused() {
        let (x, y) = blobs(10, 0.5, 9);
        assert!(Tree { depth: 3, leaf: 0 }.fit(&x, &y, 1).is_err());
    }
}
