//! Non-negative matrix factorisation by hierarchical alternating least squares.

use super::{Signs, check_rank, finite, solve_quadratic, uniform};
use crate::error::{Result, TabularError};
use nalgebra::DMatrix;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NmfOptions {
    /// Columns of the dictionary.
    pub rank: usize,
    /// Rounds over both factors, at most.
    pub rounds: usize,
    /// It ends when a round lowers the error by less than this share of it.
    pub tolerance: f64,
    /// Seed of the first factors.
    pub seed: u64,
}

/// X ~ W H without negative entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Nmf {
    /// Dictionary, p x r.
    pub w: DMatrix<f64>,
    /// Codes, r x n.
    pub h: DMatrix<f64>,
    /// ‖X − W H‖² after each round.
    pub errors: Vec<f64>,
}

/// Factors `x` (p x n, nothing below zero).
///
/// # Errors
/// A rank out of range, values below zero or not finite.
pub fn nmf(x: &DMatrix<f64>, options: &NmfOptions) -> Result<Nmf> {
    check_rank(options.rank, x.nrows(), x.ncols())?;
    finite("matrix", x)?;
    if let Some(value) = x.iter().find(|v| **v < 0.0) {
        return Err(TabularError::Parameter {
            name: "matrix entry",
            value: *value,
            rule: "0 or more",
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    // Factors whose product has the mean of the matrix.
    let scale = (x.mean() / options.rank as f64).sqrt() * 2.0;
    let mut w = uniform(x.nrows(), options.rank, 0.0, 1.0, &mut rng) * scale;
    let mut h = uniform(options.rank, x.ncols(), 0.0, 1.0, &mut rng) * scale;
    let total = x.norm_squared();
    let mut errors: Vec<f64> = Vec::new();
    for _ in 0..options.rounds {
        let wt = w.transpose();
        solve_quadratic(&(&wt * &w), &(&wt * x), &mut h, Signs::NonNegative, 2)?;
        let ht = h.transpose();
        let (gram, cross) = (&h * &ht, x * &ht);
        let mut wt = w.transpose();
        solve_quadratic(&gram, &cross.transpose(), &mut wt, Signs::NonNegative, 2)?;
        w = wt.transpose();
        let error = total - 2.0 * cross.dot(&w) + (&wt * &w).dot(&gram);
        let before = errors.last().copied().unwrap_or(f64::INFINITY);
        errors.push(error);
        if before - error < options.tolerance * before.abs() && before.is_finite() {
            break;
        }
    }
    Ok(Nmf { w, h, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(rank: usize) -> NmfOptions {
        NmfOptions {
            rank,
            rounds: 500,
            tolerance: 1e-9,
            seed: 1,
        }
    }

    #[test]
    fn a_planted_product_is_rebuilt_and_the_error_never_rises() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let x = uniform(25, 3, 0.0, 1.0, &mut rng) * uniform(3, 40, 0.0, 1.0, &mut rng);
        let found = nmf(&x, &options(3)).unwrap();
        assert!((&found.w * &found.h - &x).norm() < 1e-2 * x.norm());
        assert!(found.w.min() >= 0.0 && found.h.min() >= 0.0);
        let slack = 1e-12 * x.norm_squared();
        assert!(found.errors.windows(2).all(|e| e[1] <= e[0] + slack));
        assert_eq!(found, nmf(&x, &options(3)).unwrap());
    }

    #[test]
    fn negative_entries_and_wrong_ranks_are_errors() {
        let x = DMatrix::from_element(4, 4, -1.0);
        assert!(nmf(&x, &options(2)).is_err());
        assert!(nmf(&x.map(f64::abs), &options(5)).is_err());
    }
}
