//! Principal components and ridge regression between sets of features.

use crate::error::{MethodError, Result};
use hilum_tabular::factor::{SvdOptions, truncated_svd};
use nalgebra::{Cholesky, DMatrix};

/// Column means and deviations of training rows; constant columns keep the deviation 1.
pub struct Scale(Vec<(f32, f32)>);

impl Scale {
    /// Fits on rows.
    pub fn fit(rows: &[Vec<f32>]) -> Self {
        let n = rows.len() as f64;
        let d = rows.first().map_or(0, Vec::len);
        let of = |k: usize| {
            let mean = rows.iter().map(|r| f64::from(r[k])).sum::<f64>() / n;
            let var = rows
                .iter()
                .map(|r| (f64::from(r[k]) - mean).powi(2))
                .sum::<f64>()
                / n;
            let deviation = if var > 1e-12 { var.sqrt() } else { 1.0 };
            (mean as f32, deviation as f32)
        };
        Scale((0..d).map(of).collect())
    }

    /// Standardised rows.
    pub fn apply(&self, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let one = |r: &Vec<f32>| {
            r.iter()
                .zip(&self.0)
                .map(|(v, (m, s))| (v - m) / s)
                .collect()
        };
        rows.iter().map(one).collect()
    }
}

fn matrix(rows: &[Vec<f32>]) -> DMatrix<f64> {
    let d = rows.first().map_or(0, Vec::len);
    DMatrix::from_fn(rows.len(), d, |i, k| f64::from(rows[i][k]))
}

/// The first principal directions of standardised rows, a column a direction.
pub struct Pca(DMatrix<f64>);

impl Pca {
    /// Fits `size` directions.
    ///
    /// # Errors
    /// More directions than rows or columns.
    pub fn fit(rows: &[Vec<f32>], size: usize, seed: u64) -> Result<Self> {
        let options = SvdOptions {
            seed,
            ..SvdOptions::default()
        };
        Ok(Pca(truncated_svd(&matrix(rows), size, &options, None)?.v))
    }

    /// Coordinates of rows.
    pub fn apply(&self, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
        to_rows(&(matrix(rows) * &self.0))
    }

    /// Rows rebuilt from coordinates.
    pub fn back(&self, codes: &[Vec<f32>]) -> Vec<Vec<f32>> {
        to_rows(&(matrix(codes) * self.0.transpose()))
    }
}

fn to_rows(m: &DMatrix<f64>) -> Vec<Vec<f32>> {
    m.row_iter()
        .map(|r| r.iter().map(|v| *v as f32).collect())
        .collect()
}

/// Predicts `to` of new rows from `from`, by ridge regression fitted on training rows; both are standardised by
/// the training rows, and predictions are of the standardised values.
///
/// # Errors
/// A penalty that leaves the normal equations singular.
pub fn ridge(
    from: &[Vec<f32>],
    to: &[Vec<f32>],
    new: &[Vec<f32>],
    penalty: f64,
) -> Result<Vec<Vec<f32>>> {
    let (x, y) = (matrix(from), matrix(to));
    let gram = x.transpose() * &x + DMatrix::identity(x.ncols(), x.ncols()) * penalty;
    let solver = Cholesky::new(gram)
        .ok_or_else(|| MethodError::Config("ridge regression: raise the penalty".to_owned()))?;
    Ok(to_rows(&(matrix(new) * solver.solve(&(x.transpose() * y)))))
}

/// Squared error of each row, and its squared length about the training means (zero once standardised): the two
/// sums that R² is made of.
pub fn squares(truth: &[Vec<f32>], said: &[Vec<f32>]) -> Vec<[f64; 2]> {
    truth
        .iter()
        .zip(said)
        .map(|(t, s)| {
            let off = t.iter().zip(s).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let all = t.iter().map(|a| f64::from(*a).powi(2)).sum();
            [off, all]
        })
        .collect()
}

/// 1 − Σ error / Σ length over weighted rows; `None` without length.
pub fn r_squared(squares: &[[f64; 2]], weights: &[f64]) -> Option<f64> {
    let sum = |k: usize| {
        squares
            .iter()
            .zip(weights)
            .map(|(s, w)| w * s[k])
            .sum::<f64>()
    };
    (sum(1) > 0.0).then(|| 1.0 - sum(0) / sum(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f32>> {
        (0..50)
            .map(|i| {
                let (a, b) = ((i as f32).sin(), (i as f32 * 0.3).cos());
                vec![a, b, 2.0 * a, a + b, 7.0]
            })
            .collect()
    }

    #[test]
    fn scaled_columns_have_deviation_one_and_constants_become_zero() {
        let rows = rows();
        let scaled = Scale::fit(&rows).apply(&rows);
        let square = |k: usize| scaled.iter().map(|r| r[k] * r[k]).sum::<f32>() / 50.0;
        assert!((square(0) - 1.0).abs() < 1e-4 && square(4).abs() < 1e-6);
    }

    #[test]
    fn two_components_rebuild_what_two_numbers_made() {
        let rows = rows();
        let x = Scale::fit(&rows).apply(&rows);
        let pca = Pca::fit(&x, 2, 1).unwrap();
        let back = pca.back(&pca.apply(&x));
        let ones = vec![1.0; 50];
        assert!(r_squared(&squares(&x, &back), &ones).unwrap() > 0.999);
        assert!(Pca::fit(&x, 9, 1).is_err());
    }

    #[test]
    fn ridge_finds_a_linear_rule_and_not_a_random_one() {
        let x = Scale::fit(&rows()).apply(&rows());
        let y: Vec<Vec<f32>> = x.iter().map(|r| vec![r[0] - 0.5 * r[1]]).collect();
        let ones = vec![1.0; 20];
        let said = ridge(&x[..30], &y[..30], &x[30..], 1e-3).unwrap();
        assert!(r_squared(&squares(&y[30..], &said), &ones).unwrap() > 0.99);
        let noise: Vec<Vec<f32>> = (0..50)
            .map(|i| vec![((i * 7919 % 50) as f32 - 25.0) / 15.0])
            .collect();
        let said = ridge(&x[..30], &noise[..30], &x[30..], 1e-3).unwrap();
        assert!(r_squared(&squares(&noise[30..], &said), &ones).unwrap() < 0.3);
        assert_eq!(r_squared(&[], &[]), None);
    }
}
