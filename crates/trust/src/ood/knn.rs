//! Distance to the k-th nearest training feature vector (Sun 2022).

use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};

/// Training features, scaled to length one unless told otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnnDistance {
    dimensions: usize,
    /// Which neighbour counts.
    pub k: usize,
    /// Whether vectors are scaled to length one before they are compared.
    pub normalised: bool,
    bank: Vec<f32>,
}

impl KnnDistance {
    /// Keeps `features[i * dimensions + j]`.
    ///
    /// # Errors
    /// Shapes that do not fit, values that are not finite, a zero vector to be normalised, or fewer than `k`
    /// samples.
    pub fn fit(features: &[f32], dimensions: usize, k: usize, normalised: bool) -> Result<Self> {
        if dimensions == 0 || !features.len().is_multiple_of(dimensions) {
            return Err(TrustError::Shape {
                what: "features",
                got: features.len(),
                expected: dimensions,
            });
        }
        let n = features.len() / dimensions;
        if k == 0 || n < k {
            return Err(TrustError::TooFew {
                what: "nearest neighbours",
                needed: k.max(1),
                got: n,
            });
        }
        let mut bank = Vec::with_capacity(features.len());
        for row in features.chunks_exact(dimensions) {
            bank.extend(prepared(row, normalised)?);
        }
        Ok(KnnDistance {
            dimensions,
            k,
            normalised,
            bank,
        })
    }

    /// Euclidean distance to the k-th nearest.
    ///
    /// # Errors
    /// A vector of the wrong length, with values that are not finite, or of length zero.
    pub fn score(&self, features: &[f32]) -> Result<f64> {
        shape("features", features.len(), self.dimensions)?;
        let query = prepared(features, self.normalised)?;
        let gap = |row: &[f32]| -> f64 {
            row.iter()
                .zip(&query)
                .map(|(a, b)| f64::from(a - b) * f64::from(a - b))
                .sum()
        };
        let mut squared: Vec<f64> = self.bank.chunks_exact(self.dimensions).map(gap).collect();
        let (_, kth, _) = squared.select_nth_unstable_by(self.k - 1, f64::total_cmp);
        Ok(kth.sqrt())
    }
}

fn prepared(row: &[f32], normalised: bool) -> Result<Vec<f32>> {
    finite("features", row.iter().map(|v| f64::from(*v)))?;
    if !normalised {
        return Ok(row.to_vec());
    }
    let length = row
        .iter()
        .map(|v| f64::from(*v) * f64::from(*v))
        .sum::<f64>()
        .sqrt();
    if length == 0.0 {
        return Err(TrustError::Parameter {
            name: "length of a feature vector",
            value: 0.0,
            rule: "above 0",
        });
    }
    Ok(row
        .iter()
        .map(|v| (f64::from(*v) / length) as f32)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kth_neighbour() {
        let bank = [0.0, 0.0, 3.0, 4.0, 6.0, 8.0];
        let fit = KnnDistance::fit(&bank, 2, 2, false).unwrap();
        assert_eq!(fit.score(&[0.0, 0.0]).unwrap(), 5.0);
        assert!(KnnDistance::fit(&bank, 2, 4, false).is_err());
        assert!(KnnDistance::fit(&bank, 2, 1, true).is_err());
        assert!(fit.score(&[0.0]).is_err());
    }
}
