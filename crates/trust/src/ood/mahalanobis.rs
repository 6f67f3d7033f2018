//! Squared Mahalanobis distance to the mean of the training features (Lee 2018, one class).

use crate::error::{Result, TrustError, finite, shape};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// How the covariance is made invertible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shrinkage {
    /// The sample covariance (n − 1); needs more samples than features.
    None,
    /// (1 − λ)·S + λ·(tr S / d)·I with a given λ.
    Fixed(f64),
    /// λ by Ledoit and Wolf (2004), on the covariance over n.
    LedoitWolf,
}

/// Mean and covariance of training features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mahalanobis {
    /// Mean of each feature.
    mean: Vec<f64>,
    /// Lower triangle of the Cholesky factor, row after row.
    factor: Vec<f64>,
    /// The λ in use.
    pub shrinkage: f64,
    /// Training samples.
    pub n: usize,
}

impl Mahalanobis {
    /// Fits on `features[i * dimensions + j]`.
    ///
    /// # Errors
    /// Shapes that do not fit, values that are not finite, fewer than two samples, λ outside 0 to 1, or
    /// [`TrustError::Singular`].
    pub fn fit<S: Copy + Into<f64>>(
        features: &[S],
        dimensions: usize,
        shrinkage: Shrinkage,
    ) -> Result<Self> {
        let features: Vec<f64> = features.iter().map(|v| (*v).into()).collect();
        finite("features", features.iter().copied())?;
        if dimensions == 0 || !features.len().is_multiple_of(dimensions) {
            return Err(TrustError::Shape {
                what: "features",
                got: features.len(),
                expected: dimensions,
            });
        }
        let n = features.len() / dimensions;
        if n < 2 {
            return Err(TrustError::TooFew {
                what: "a covariance",
                needed: 2,
                got: n,
            });
        }
        let mut x = DMatrix::from_row_slice(n, dimensions, &features);
        let mean = x.row_mean();
        for mut row in x.row_iter_mut() {
            row -= &mean;
        }
        let (covariance, lambda) = shrunk(&x, shrinkage)?;
        let singular = TrustError::Singular {
            dimensions,
            samples: n,
        };
        let factor = covariance.cholesky().ok_or(singular.clone())?.unpack();
        // Rounding can give a rank-deficient matrix a factor with a diagonal of dust.
        let diagonal = factor.diagonal();
        if diagonal.min() <= 1e-9 * diagonal.max() {
            return Err(singular);
        }
        let triangle = (0..dimensions)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .map(|at| factor[at])
            .collect();
        Ok(Mahalanobis {
            mean: mean.iter().copied().collect(),
            factor: triangle,
            shrinkage: lambda,
            n,
        })
    }

    /// Features a vector must have.
    pub fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// Squared distance of a feature vector.
    ///
    /// # Errors
    /// A vector of the wrong length or with values that are not finite.
    pub fn score<S: Copy + Into<f64>>(&self, features: &[S]) -> Result<f64> {
        shape("features", features.len(), self.mean.len())?;
        finite("features", features.iter().map(|v| (*v).into()))?;
        // Forward substitution: |L⁻¹(x − μ)|².
        let mut z: Vec<f64> = Vec::with_capacity(features.len());
        let mut row = 0;
        for (i, (v, m)) in features.iter().zip(&self.mean).enumerate() {
            let known: f64 = z
                .iter()
                .zip(&self.factor[row..row + i])
                .map(|(z, l)| z * l)
                .sum();
            z.push(((*v).into() - m - known) / self.factor[row + i]);
            row += i + 1;
        }
        Ok(DVector::from_vec(z).norm_squared())
    }
}

/// Shrunk covariance of centred rows, and its λ.
fn shrunk(x: &DMatrix<f64>, shrinkage: Shrinkage) -> Result<(DMatrix<f64>, f64)> {
    let (n, d) = (x.nrows() as f64, x.ncols() as f64);
    let scatter = x.tr_mul(x);
    let (covariance, lambda) = match shrinkage {
        Shrinkage::None => (scatter / (n - 1.0), 0.0),
        Shrinkage::Fixed(v) if (0.0..=1.0).contains(&v) => (scatter / (n - 1.0), v),
        Shrinkage::Fixed(v) => {
            return Err(TrustError::Parameter {
                name: "shrinkage",
                value: v,
                rule: "between 0 and 1",
            });
        }
        Shrinkage::LedoitWolf => {
            let lambda = ledoit_wolf(x, &scatter);
            (scatter / n, lambda)
        }
    };
    let mu = covariance.trace() / d;
    let mut out = covariance * (1.0 - lambda);
    for i in 0..x.ncols() {
        out[(i, i)] += lambda * mu;
    }
    Ok((out, lambda))
}

fn ledoit_wolf(x: &DMatrix<f64>, scatter: &DMatrix<f64>) -> f64 {
    let (n, d) = (x.nrows() as f64, x.ncols() as f64);
    // Σ over samples of |x|⁴ is the sum of all entries of (X²)ᵀ(X²).
    let fourth: f64 = x.row_iter().map(|r| r.norm_squared().powi(2)).sum();
    let squared = scatter.norm_squared() / (n * n);
    let mu = scatter.trace() / n / d;
    let beta = (fourth / n - squared) / (d * n);
    let delta = (squared - d * mu * mu) / d;
    if delta <= 0.0 {
        1.0
    } else {
        (beta.min(delta) / delta).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud() -> Vec<f64> {
        (0..60)
            .flat_map(|i| [f64::from(i * 13 % 17), f64::from(i * 7 % 11) * 0.1])
            .collect()
    }

    #[test]
    fn too_many_features_need_shrinkage() {
        let features = [1.0, 2.0, 3.0, 4.0, 6.0, 5.0];
        assert!(matches!(
            Mahalanobis::fit(&features, 3, Shrinkage::None),
            Err(TrustError::Singular { .. })
        ));
        let fit = Mahalanobis::fit(&features, 3, Shrinkage::Fixed(0.2)).unwrap();
        assert!(fit.score(&[1.0, 2.0, 3.0]).unwrap() > 0.0);
        assert!(Mahalanobis::fit(&features, 3, Shrinkage::Fixed(2.0)).is_err());
        assert!(Mahalanobis::fit(&features, 4, Shrinkage::None).is_err());
    }

    #[test]
    fn far_is_far_in_every_unit_and_json_keeps_it() {
        let fit = Mahalanobis::fit(&cloud(), 2, Shrinkage::LedoitWolf).unwrap();
        assert!((0.0..=1.0).contains(&fit.shrinkage));
        assert!(fit.score(&[8.0, 50.0]).unwrap() > fit.score(&[8.0, 0.5]).unwrap());
        let back: Mahalanobis =
            serde_json::from_str(&serde_json::to_string(&fit).unwrap()).unwrap();
        assert_eq!(back, fit);
        assert!(fit.score(&[1.0]).is_err());
        assert!(fit.score(&[f64::NAN, 1.0]).is_err());
    }
}
