//! Logistic regression with a squared penalty on the slopes (smartcore, L-BFGS).

use super::{Fitted, Learner, dense, failed, positive, same_columns};
use crate::error::Result;
use crate::matrix::{Matrix, check};
use serde::{Deserialize, Serialize};
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Half of this times the sum of squared slopes is added to the summed log loss; the offset is free.
    pub penalty: f64,
}

impl Default for Logistic {
    /// Penalty 1.
    fn default() -> Self {
        Logistic { penalty: 1.0 }
    }
}

impl Learner for Logistic {
    fn name(&self) -> &'static str {
        "logistic regression"
    }

    fn fit(&self, x: &Matrix, y: &[bool], _seed: u64) -> Result<Box<dyn Fitted>> {
        check(self.name(), x, y)?;
        // Without a penalty, separated classes have no finite fit.
        positive("penalty", self.penalty)?;
        let labels: Vec<u32> = y.iter().map(|v| u32::from(*v)).collect();
        let parameters = LogisticRegressionParameters::default().with_alpha(self.penalty);
        let fit: LogisticRegression<f64, u32, DenseMatrix<f64>, Vec<u32>> =
            LogisticRegression::fit(&dense(x)?, &labels, parameters)
                .map_err(|e| failed(self.name())(&e))?;
        let slopes = fit.coefficients().iterator(0).copied().collect();
        Ok(Box::new(Line {
            slopes,
            offset: *fit.intercept().get((0, 0)),
        }))
    }
}

struct Line {
    slopes: Vec<f64>,
    offset: f64,
}

impl Fitted for Line {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        same_columns(x, self.slopes.len())?;
        let score = |row: &[f64]| {
            let dot: f64 = row.iter().zip(&self.slopes).map(|(v, w)| v * w).sum();
            dot + self.offset
        };
        Ok(x.iter_rows().map(score).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::samples::blobs;
    use crate::learner::sigmoid;

    #[test]
    fn the_gradient_of_the_penalised_loss_vanishes() {
        let (x, y) = blobs(60, 0.8, 4);
        let model = Logistic { penalty: 0.5 }.fit(&x, &y, 0).unwrap();
        let scores = model.scores(&x).unwrap();
        // Slopes and offset from three points.
        let probe = Matrix::new(vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0], 2).unwrap();
        let at = model.scores(&probe).unwrap();
        let errors: Vec<f64> = scores
            .iter()
            .zip(&y)
            .map(|(s, y)| sigmoid(*s) - f64::from(u8::from(*y)))
            .collect();
        for j in 0..2 {
            let slope = at[j + 1] - at[0];
            let g: f64 = x.column(j).zip(&errors).map(|(v, e)| v * e).sum();
            assert!((g + 0.5 * slope).abs() < 1e-3, "column {j}: {g} {slope}");
        }
        assert!(errors.iter().sum::<f64>().abs() < 1e-3);
    }

    #[test]
    fn a_table_of_two_by_two_has_its_closed_form() {
        // 3 of 4 positive at x = 1 and 1 of 4 at x = -1: slope ln 3 and no offset.
        let values = [[1.0; 4], [-1.0; 4]].concat();
        let y = [true, true, true, false, true, false, false, false];
        let x = Matrix::new(values, 1).unwrap();
        let model = Logistic { penalty: 1e-9 }.fit(&x, &y, 0).unwrap();
        let s = model.scores(&x).unwrap();
        assert!((s[0] - 3.0_f64.ln()).abs() < 1e-3 && (s[4] + 3.0_f64.ln()).abs() < 1e-3);
    }
}
