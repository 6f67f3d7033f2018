//! Fréchet distance between Gaussians fitted to two sets of features (Heusel 2017).

use super::Features;
use crate::error::{MetricError, Result};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// ‖μ₁ − μ₂‖² + tr(S₁ + S₂ − 2 (S₁S₂)^½), covariances with n − 1. It falls with more samples, so compare
/// only at equal n; below the number of components the covariance has not full rank.
///
/// # Errors
/// Vectors of different length; [`MetricError::Undefined`] with fewer than two vectors on a side.
pub fn frechet_distance(real: &Features, fake: &Features) -> Result<f64> {
    real.require_same_width(fake)?;
    if real.len() < 2 || fake.len() < 2 {
        return Err(MetricError::Undefined {
            metric: "fid",
            reason: "a covariance needs two vectors or more on each side",
        });
    }
    let ((mean_a, a), (mean_b, b)) = (moments(real), moments(fake));
    let root = square_root(&a);
    // (S₁S₂)^½ has the trace of (S₁^½ S₂ S₁^½)^½, which is symmetric.
    let product = &root * &b * &root;
    let eigen = SymmetricEigen::new((&product + product.transpose()) / 2.0).eigenvalues;
    let cross: f64 = eigen.iter().map(|v| v.max(0.0).sqrt()).sum();
    Ok((mean_a - mean_b).norm_squared() + a.trace() + b.trace() - 2.0 * cross)
}

fn moments(set: &Features) -> (DVector<f64>, DMatrix<f64>) {
    let (n, d) = (set.len(), set.width());
    let mut mean = DVector::zeros(d);
    for row in set.rows() {
        mean += DVector::from_row_slice(row);
    }
    mean /= n as f64;
    let centred = DMatrix::from_fn(n, d, |i, j| set.row(i)[j] - mean[j]);
    (mean, centred.transpose() * &centred / (n as f64 - 1.0))
}

fn square_root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = SymmetricEigen::new(matrix.clone());
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_at_no_distance_from_itself_and_a_shift_counts_squared() {
        let a = Features::new(&[0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 1.0], 2).unwrap();
        let values: Vec<f64> = a.rows().flat_map(|r| [r[0] + 3.0, r[1]]).collect();
        let b = Features::new(&values, 2).unwrap();
        assert!(frechet_distance(&a, &a).unwrap().abs() < 1e-9);
        assert!((frechet_distance(&a, &b).unwrap() - 9.0).abs() < 1e-9);
        let one = Features::new(&[0.0, 0.0], 2).unwrap();
        assert!(frechet_distance(&a, &one).unwrap_err().is_undefined());
    }
}
