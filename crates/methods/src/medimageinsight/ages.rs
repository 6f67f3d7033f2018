//! Ages out of vectors: the mean of neighbours, and a line with a squared penalty.

use crate::error::{MethodError, Result};
use nalgebra::{DMatrix, DVector};

/// A line through standardised columns.
#[derive(Debug, Clone)]
pub struct Ridge {
    means: Vec<f64>,
    scales: Vec<f64>,
    slopes: Vec<f64>,
    offset: f64,
}

impl Ridge {
    /// Minimises the sum of squared errors plus `penalty` times the sum of squared slopes.
    ///
    /// # Errors
    /// No rows, rows of other lengths or other numbers than targets, a penalty that is not positive.
    pub fn fit(rows: &[Vec<f32>], targets: &[f64], penalty: f64) -> Result<Self> {
        let columns = rows.first().map_or(0, Vec::len);
        let fits = columns > 0
            && rows.len() == targets.len()
            && rows.iter().all(|r| r.len() == columns)
            && penalty > 0.0;
        if !fits {
            return Err(MethodError::Config(
                "a line needs rows of one length with a target each, and a positive penalty"
                    .to_owned(),
            ));
        }
        let n = rows.len() as f64;
        let value = |i: usize, j: usize| f64::from(rows[i][j]);
        let mut x = DMatrix::from_fn(rows.len(), columns, value);
        let (mut means, mut scales) = (Vec::new(), Vec::new());
        for mut column in x.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
            let deviation = (column.norm_squared() / n).sqrt();
            // A column that never changes tells nothing.
            let scale = if deviation > 0.0 { deviation } else { 1.0 };
            column /= scale;
            means.push(mean);
            scales.push(scale);
        }
        let offset = targets.iter().sum::<f64>() / n;
        let y = DVector::from_iterator(rows.len(), targets.iter().map(|t| t - offset));
        let mut gram = x.transpose() * &x;
        (0..columns).for_each(|j| gram[(j, j)] += penalty);
        let solved = gram.cholesky().map(|c| c.solve(&(x.transpose() * y)));
        let slopes = solved.ok_or_else(|| {
            MethodError::Config("the line has no solution: values that are not finite".to_owned())
        })?;
        Ok(Ridge {
            means,
            scales,
            slopes: slopes.iter().copied().collect(),
            offset,
        })
    }

    /// The line's value at a row.
    pub fn at(&self, row: &[f32]) -> f64 {
        let parts = self.means.iter().zip(&self.scales).zip(&self.slopes);
        let sum: f64 = parts
            .zip(row)
            .map(|(((m, s), w), v)| (f64::from(*v) - m) / s * w)
            .sum();
        self.offset + sum
    }
}

/// Mean absolute error.
pub fn mean_error(said: &[f64], truth: &[f64]) -> f64 {
    let sum: f64 = said.iter().zip(truth).map(|(a, b)| (a - b).abs()).sum();
    sum / truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_penalty_shrinks_it() {
        let rows: Vec<Vec<f32>> = (0..30)
            .map(|i| vec![i as f32, ((i * 7) % 11) as f32, 4.0])
            .collect();
        let line = |r: &Vec<f32>| 3.0 + 2.0 * f64::from(r[0]) - f64::from(r[1]);
        let targets: Vec<f64> = rows.iter().map(line).collect();
        let fit = Ridge::fit(&rows, &targets, 1e-9).unwrap();
        let said: Vec<f64> = rows.iter().map(|r| fit.at(r)).collect();
        assert!(mean_error(&said, &targets) < 1e-6);
        assert!((fit.at(&[100.0, 0.0, 4.0]) - 203.0).abs() < 1e-5);
        let flat = Ridge::fit(&rows, &targets, 1e12).unwrap();
        let mean = targets.iter().sum::<f64>() / 30.0;
        assert!((flat.at(&rows[3]) - mean).abs() < 1e-3);
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        assert!(Ridge::fit(&[], &[], 1.0).is_err());
        assert!(Ridge::fit(&[vec![1.0]], &[1.0], 0.0).is_err());
        assert!(Ridge::fit(&[vec![1.0], vec![1.0, 2.0]], &[1.0, 2.0], 1.0).is_err());
        assert!(Ridge::fit(&[vec![f32::NAN], vec![1.0]], &[1.0, 2.0], 1.0).is_err());
    }
}
