//! Low-rank factorisations and the regression on their codes: truncated singular values, non-negative
//! factors, non-negative codes, softmax regression with any quadratic penalty.
//!
//! Here a case is a *column*, as in the papers on dictionaries: X (p x n) ~ W (p x r) H (r x n).

mod codes;
mod nmf;
mod softmax;
mod svd;

pub use codes::{Signs, encode, solve_quadratic};
pub use nmf::{Nmf, NmfOptions, nmf};
pub use softmax::{Softmax, SoftmaxOptions, negative_log_likelihood, probabilities, residuals};
pub use svd::{SvdOptions, TruncatedSvd, truncated_svd};

use crate::error::{Result, TabularError};
use nalgebra::DMatrix;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Fails unless `got` is `expected`.
pub(crate) fn same(what: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(TabularError::Shape {
        what,
        got,
        expected,
    })
}

/// Fails unless 1 <= `rank` <= the smaller side.
pub(crate) fn check_rank(rank: usize, rows: usize, columns: usize) -> Result<()> {
    if rank >= 1 && rank <= rows.min(columns) {
        return Ok(());
    }
    Err(TabularError::Parameter {
        name: "rank",
        value: rank as f64,
        rule: "between 1 and the smaller side of the matrix",
    })
}

/// Fails at the first value that is not finite.
pub(crate) fn finite(what: &'static str, m: &DMatrix<f64>) -> Result<()> {
    let Some(at) = m.iter().position(|v| !v.is_finite()) else {
        return Ok(());
    };
    Err(TabularError::NotFinite {
        what,
        row: at % m.nrows() + 1,
        column: at / m.nrows() + 1,
        value: m[at],
    })
}

/// Uniform values in [low, high).
pub(crate) fn uniform(
    rows: usize,
    columns: usize,
    low: f64,
    high: f64,
    rng: &mut ChaCha8Rng,
) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.random_range(low..high))
}
