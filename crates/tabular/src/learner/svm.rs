//! Support vector machines with soft margins (linfa, sequential minimal optimisation).

use super::{Fitted, Learner, failed, positive, same_columns};
use crate::error::Result;
use crate::matrix::{Matrix, check};
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};

/// Inner product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// x · z.
    Linear,
    /// exp(−γ |x − z|²) with γ this over the number of columns, which for standardised columns is 1 over the
    /// mean squared length of a row.
    Rbf(f64),
}

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Svm {
    /// Cost of a violated margin.
    pub cost: f64,
    /// Inner product.
    pub kernel: Kernel,
}

impl Learner for Svm {
    fn name(&self) -> &'static str {
        match self.kernel {
            Kernel::Linear => "linear SVM",
            Kernel::Rbf(_) => "RBF SVM",
        }
    }

    fn fit(&self, x: &Matrix, y: &[bool], _seed: u64) -> Result<Box<dyn Fitted>> {
        check(self.name(), x, y)?;
        positive("cost", self.cost)?;
        let records = Array2::from_shape_vec((x.rows(), x.columns()), x.values().to_vec())
            .map_err(|e| failed(self.name())(&e))?;
        let data = DatasetBase::new(records, Array1::from(y.to_vec()));
        let settings = linfa_svm::Svm::<f64, bool>::params().pos_neg_weights(self.cost, self.cost);
        let settings = match self.kernel {
            Kernel::Linear => settings.linear_kernel(),
            Kernel::Rbf(gamma) => {
                positive("gamma", gamma)?;
                // The library's kernel is exp(−|x − z|² / width).
                settings.gaussian_kernel(x.columns() as f64 / gamma)
            }
        };
        let model = settings.fit(&data).map_err(|e| failed(self.name())(&e))?;
        Ok(Box::new(Margin {
            model,
            columns: x.columns(),
        }))
    }
}

struct Margin {
    model: linfa_svm::Svm<f64, bool>,
    columns: usize,
}

impl Fitted for Margin {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        same_columns(x, self.columns)?;
        let margin = |row: &[f64]| self.model.weighted_sum(&ArrayView1::from(row)) - self.model.rho;
        Ok(x.iter_rows().map(margin).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_have_the_widest_margin_between_them() {
        // The closed form: w = (1, 0), b = -1, so that the two points lie on the margins.
        let x = Matrix::new(vec![0.0, 0.0, 2.0, 0.0], 2).unwrap();
        let svm = Svm {
            cost: 100.0,
            kernel: Kernel::Linear,
        };
        let model = svm.fit(&x, &[false, true], 0).unwrap();
        let probe = Matrix::new(vec![0.0, 0.0, 2.0, 0.0, 1.0, 5.0], 2).unwrap();
        let s = model.scores(&probe).unwrap();
        for (seen, wanted) in s.iter().zip([-1.0, 1.0, 0.0]) {
            assert!((seen - wanted).abs() < 1e-3, "{s:?}");
        }
    }

    #[test]
    fn a_cost_of_nothing_is_refused() {
        let x = Matrix::new(vec![0.0, 1.0], 1).unwrap();
        let svm = Svm {
            cost: 0.0,
            kernel: Kernel::Rbf(1.0),
        };
        assert!(svm.fit(&x, &[false, true], 0).is_err());
    }
}
