//! Gradient-boosted trees with logistic loss in the manner of XGBoost (Chen and Guestrin 2016), by forust.

use super::{Fitted, Learner, failed, positive, same_columns, zero_one};
use crate::error::Result;
use crate::matrix::{Matrix, check};
use forust_ml::GradientBooster;
use forust_ml::objective::ObjectiveType;
use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Boosting {
    /// Number of trees.
    pub rounds: usize,
    /// Shrinkage of each tree.
    pub rate: f64,
    /// Most splits on a way.
    pub depth: usize,
    /// Squared penalty on the leaves.
    pub penalty: f64,
    /// Share of the rows that each tree sees.
    pub rows: f64,
}

impl Default for Boosting {
    /// XGBoost's defaults: 100 rounds at 0.3, depth 6, penalty 1, all rows.
    fn default() -> Self {
        Boosting {
            rounds: 100,
            rate: 0.3,
            depth: 6,
            penalty: 1.0,
            rows: 1.0,
        }
    }
}

impl Learner for Boosting {
    fn name(&self) -> &'static str {
        "boosted trees"
    }

    fn fit(&self, x: &Matrix, y: &[bool], seed: u64) -> Result<Box<dyn Fitted>> {
        check(self.name(), x, y)?;
        positive("rate", self.rate)?;
        positive("rows", self.rows)?;
        positive("rounds", self.rounds as f64)?;
        positive("depth", self.depth as f64)?;
        let mut model = GradientBooster::default()
            .set_objective_type(ObjectiveType::LogLoss)
            .set_iterations(self.rounds)
            .set_learning_rate(self.rate as f32)
            .set_max_depth(self.depth)
            .set_l2(self.penalty as f32)
            .set_subsample(self.rows.min(1.0) as f32)
            // The library's own threads would make sums depend on their number.
            .set_parallel(false)
            .set_seed(seed);
        if self.rows < 1.0 {
            model = model.set_sample_method(forust_ml::sampler::SampleMethod::Random);
        }
        let values = x.column_major();
        let data = forust_ml::Matrix::new(&values, x.rows(), x.columns());
        model
            .fit_unweighted(&data, &zero_one(y), None)
            .map_err(|e| failed(self.name())(&e))?;
        Ok(Box::new(Sum {
            model,
            columns: x.columns(),
        }))
    }
}

struct Sum {
    model: GradientBooster,
    columns: usize,
}

impl Fitted for Sum {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        same_columns(x, self.columns)?;
        let values = x.column_major();
        let data = forust_ml::Matrix::new(&values, x.rows(), x.columns());
        Ok(self.model.predict(&data, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::sigmoid;

    #[test]
    fn one_round_is_one_newton_step_in_each_leaf() {
        // Base score: log odds of 1/2, so gradients are ±1/2 and hessians 1/4. A leaf of 6 equal labels moves
        // by rate · (6 · 1/2) / (6 · 1/4 + penalty).
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let y: Vec<bool> = (0..12).map(|i| i >= 6).collect();
        let x = Matrix::new(values, 1).unwrap();
        let one = Boosting {
            rounds: 1,
            rate: 0.5,
            depth: 1,
            penalty: 1.0,
            rows: 1.0,
        };
        let s = one.fit(&x, &y, 0).unwrap().scores(&x).unwrap();
        let step = 0.5 * 3.0 / (1.5 + 1.0);
        assert!(
            (s[0] + step).abs() < 1e-5 && (s[11] - step).abs() < 1e-5,
            "{s:?}"
        );
        assert!(sigmoid(s[11]) > 0.6);
    }
}
