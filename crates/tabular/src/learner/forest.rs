//! Random forest (Breiman 2001) of probability trees (smartcore); see [`super::Tree`] for why regression.

use super::tree::{sizes, smoothed_logit};
use super::{Fitted, Learner, dense, failed, positive, same_columns, zero_one};
use crate::error::Result;
use crate::matrix::{Matrix, check};
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// Number of trees.
    pub trees: usize,
    /// Most splits on a way.
    pub depth: u16,
    /// Fewest rows in a leaf.
    pub leaf: usize,
    /// Columns tried at a split, as a power of their number: 0.5 is the square root.
    pub tried: f64,
}

impl Default for Forest {
    /// 100 fully grown trees, the square root of the columns at each split.
    fn default() -> Self {
        Forest {
            trees: 100,
            depth: 32,
            leaf: 1,
            tried: 0.5,
        }
    }
}

impl Learner for Forest {
    fn name(&self) -> &'static str {
        "random forest"
    }

    fn fit(&self, x: &Matrix, y: &[bool], seed: u64) -> Result<Box<dyn Fitted>> {
        check(self.name(), x, y)?;
        sizes(self.depth, self.leaf)?;
        positive("trees", self.trees as f64)?;
        positive("tried", self.tried)?;
        let columns = x.columns();
        let tried = (columns as f64).powf(self.tried).round() as usize;
        let parameters = RandomForestRegressorParameters {
            // The library counts the root as a level.
            max_depth: Some(self.depth.saturating_add(1)),
            min_samples_leaf: self.leaf,
            min_samples_split: 2 * self.leaf,
            n_trees: self.trees,
            m: Some(tried.clamp(1, columns)),
            keep_samples: false,
            seed,
        };
        let model = RandomForestRegressor::fit(&dense(x)?, &zero_one(y), parameters)
            .map_err(|e| failed(self.name())(&e))?;
        Ok(Box::new(Votes {
            model,
            columns,
            trees: self.trees as f64,
        }))
    }
}

struct Votes {
    model: RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>,
    columns: usize,
    trees: f64,
}

impl Fitted for Votes {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        let p = self.probabilities(x)?;
        Ok(p.into_iter()
            .map(|p| smoothed_logit(p, self.trees))
            .collect())
    }

    fn probabilities(&self, x: &Matrix) -> Result<Vec<f64>> {
        same_columns(x, self.columns)?;
        let p = self
            .model
            .predict(&dense(x)?)
            .map_err(|e| failed("random forest")(&e))?;
        // A mean of shares may pass 1 by rounding.
        Ok(p.into_iter().map(|p| p.clamp(0.0, 1.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::samples::checkers;

    #[test]
    fn seeds_make_different_forests() {
        let (x, y) = checkers(60, 1);
        let scores = |seed| Forest::default().fit(&x, &y, seed).unwrap().scores(&x);
        assert_ne!(scores(1).unwrap(), scores(2).unwrap());
    }

    #[test]
    fn a_forest_without_trees_is_refused() {
        let (x, y) = checkers(60, 1);
        let none = Forest {
            trees: 0,
            ..Forest::default()
        };
        assert!(none.fit(&x, &y, 1).is_err());
    }
}
