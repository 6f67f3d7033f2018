//! Standardisation, fitted on training rows only.

use crate::error::{Result, TabularError};
use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Mean and deviation of each column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardiser {
    mean: Vec<f64>,
    /// A column that does not vary has 1, so that it becomes 0 and says nothing.
    deviation: Vec<f64>,
}

impl Standardiser {
    /// Fits on the rows given.
    ///
    /// # Errors
    /// No rows.
    pub fn fit(x: &Matrix) -> Result<Self> {
        if x.rows() == 0 {
            return Err(TabularError::Shape {
                what: "rows to standardise by",
                got: 0,
                expected: 1,
            });
        }
        let n = x.rows() as f64;
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for j in 0..x.columns() {
            let m = x.column(j).sum::<f64>() / n;
            let sd = (x.column(j).map(|v| (v - m).powi(2)).sum::<f64>() / n).sqrt();
            mean.push(m);
            // Rounding leaves a constant column with a deviation of about 1e-16 of its size.
            let flat = sd <= 1e-12 * m.abs().max(f64::MIN_POSITIVE);
            deviation.push(if flat { 1.0 } else { sd });
        }
        Ok(Standardiser { mean, deviation })
    }

    /// Columns with the training rows' mean 0 and deviation 1.
    ///
    /// # Errors
    /// Another number of columns than it was fitted on.
    pub fn apply(&self, x: &Matrix) -> Result<Matrix> {
        if x.columns() != self.mean.len() {
            return Err(TabularError::Shape {
                what: "columns",
                got: x.columns(),
                expected: self.mean.len(),
            });
        }
        Ok(x.map(|j, v| (v - self.mean[j]) / self.deviation[j]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_zero_and_one_and_constants_vanish() {
        let x = Matrix::new(vec![1.0, 0.1, 3.0, 0.1], 2).unwrap();
        let s = Standardiser::fit(&x).unwrap();
        assert_eq!(s.apply(&x).unwrap().values(), [-1.0, 0.0, 1.0, 0.0]);
        let new = Matrix::new(vec![5.0, 0.1], 2).unwrap();
        assert_eq!(s.apply(&new).unwrap().values(), [3.0, 0.0]);
    }
}
