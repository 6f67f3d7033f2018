//! Truncated singular value decomposition by randomised subspace iteration.

use super::{check_rank, finite, same, uniform};
use crate::error::Result;
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SvdOptions {
    /// Columns of the subspace beyond the rank.
    pub oversample: usize,
    /// Rounds of multiplying by the matrix and its transpose.
    pub rounds: usize,
    /// Seed of the first subspace.
    pub seed: u64,
}

impl Default for SvdOptions {
    /// Ten more columns and four rounds.
    fn default() -> Self {
        SvdOptions {
            oversample: 10,
            rounds: 4,
            seed: 0,
        }
    }
}

/// M ~ U diag(s) Vᵀ, singular values falling.
#[derive(Debug, Clone, PartialEq)]
pub struct TruncatedSvd {
    /// Left vectors, p x r; the largest entry of each is positive.
    pub u: DMatrix<f64>,
    /// Singular values.
    pub s: DVector<f64>,
    /// Right vectors, n x r.
    pub v: DMatrix<f64>,
    /// The whole subspace, p x (r + oversample): a start for a matrix nearby.
    pub subspace: DMatrix<f64>,
}

impl TruncatedSvd {
    /// U diag(s) Vᵀ.
    pub fn product(&self) -> DMatrix<f64> {
        self.scaled_u(1.0) * self.v.transpose()
    }

    /// U diag(s^power).
    pub fn scaled_u(&self, power: f64) -> DMatrix<f64> {
        let mut u = self.u.clone();
        for (mut column, s) in u.column_iter_mut().zip(self.s.iter()) {
            column *= s.powf(power);
        }
        u
    }
}

/// The `rank` largest singular values with their vectors (Halko, Martinsson and Tropp 2011, algorithms 4.4
/// and 5.1). `start` is a subspace of an earlier, similar matrix; fewer rounds are then enough.
///
/// # Errors
/// A rank of 0 or above the smaller side, values that are not finite, a start with other rows.
pub fn truncated_svd(
    m: &DMatrix<f64>,
    rank: usize,
    options: &SvdOptions,
    start: Option<&DMatrix<f64>>,
) -> Result<TruncatedSvd> {
    check_rank(rank, m.nrows(), m.ncols())?;
    finite("matrix", m)?;
    let mut q = match start {
        Some(start) => {
            same("rows of the start", start.nrows(), m.nrows())?;
            start.clone()
        }
        None => {
            let width = (rank + options.oversample).min(m.nrows().min(m.ncols()));
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            orthonormal(m * uniform(m.ncols(), width, -1.0, 1.0, &mut rng))
        }
    };
    for _ in 0..options.rounds {
        let z = orthonormal((q.transpose() * m).transpose());
        q = orthonormal(m * z);
    }
    // M ~ Q (Qᵀ M) and (Qᵀ M)ᵀ = Z R, so M ~ Q Rᵀ Zᵀ with a small Rᵀ.
    let qr = (q.transpose() * m).transpose().qr();
    let (u, s, v) = small_svd(&qr.r().transpose());
    let (mut u, mut v) = (&q * u.columns(0, rank), qr.q() * v.columns(0, rank));
    turn_signs(&mut u, &mut v);
    Ok(TruncatedSvd {
        u,
        s: s.rows(0, rank).into_owned(),
        v,
        subspace: q,
    })
}

fn orthonormal(m: DMatrix<f64>) -> DMatrix<f64> {
    m.qr().q()
}

/// All of a small square matrix, values falling.
fn small_svd(m: &DMatrix<f64>) -> (DMatrix<f64>, DVector<f64>, DMatrix<f64>) {
    let svd = m.clone().svd(true, true);
    let n = m.nrows();
    // Both were asked for.
    let u = svd.u.unwrap_or_else(|| DMatrix::identity(n, n));
    let vt = svd.v_t.unwrap_or_else(|| DMatrix::identity(n, n));
    (u, svd.singular_values, vt.transpose())
}

/// Vectors are known up to a common sign; this makes them the same every time.
fn turn_signs(u: &mut DMatrix<f64>, v: &mut DMatrix<f64>) {
    for k in 0..u.ncols() {
        if u[(u.column(k).icamax(), k)] < 0.0 {
            u.column_mut(k).neg_mut();
            v.column_mut(k).neg_mut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low_rank(noise: f64) -> DMatrix<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let left = uniform(40, 5, -1.0, 1.0, &mut rng);
        let right = uniform(5, 70, -1.0, 1.0, &mut rng);
        left * right + uniform(40, 70, -noise, noise, &mut rng)
    }

    #[test]
    fn values_and_product_are_those_of_the_full_decomposition() {
        let m = low_rank(0.1);
        let mine = truncated_svd(&m, 5, &SvdOptions::default(), None).unwrap();
        let full = m.clone().svd(true, true);
        for k in 0..5 {
            let expected = full.singular_values[k];
            assert!((mine.s[k] - expected).abs() < 1e-8 * expected, "{k}");
        }
        let (u, vt) = (full.u.unwrap(), full.v_t.unwrap());
        let s = DMatrix::from_diagonal(&full.singular_values.rows(0, 5).into_owned());
        let best = u.columns(0, 5) * s * vt.rows(0, 5);
        assert!((mine.product() - best).norm() < 1e-6 * m.norm());
        let gram = mine.u.tr_mul(&mine.u) - DMatrix::identity(5, 5);
        assert!(gram.norm() < 1e-12);
    }

    #[test]
    fn a_start_nearby_needs_no_rounds_but_one() {
        let m = low_rank(0.1);
        let once = truncated_svd(&m, 5, &SvdOptions::default(), None).unwrap();
        let options = SvdOptions {
            rounds: 1,
            ..SvdOptions::default()
        };
        let near = m.map(|v| v * 1.01);
        let again = truncated_svd(&near, 5, &options, Some(&once.subspace)).unwrap();
        assert!((again.s[4] / once.s[4] - 1.01).abs() < 1e-9);
    }

    #[test]
    fn a_rank_below_the_asked_gives_zeros_and_wrong_ranks_are_errors() {
        let m = DMatrix::from_element(6, 4, 2.0);
        let svd = truncated_svd(&m, 3, &SvdOptions::default(), None).unwrap();
        assert!((svd.s[0] - 2.0 * 24.0_f64.sqrt()).abs() < 1e-9 && svd.s[1] < 1e-9);
        assert!(truncated_svd(&m, 5, &SvdOptions::default(), None).is_err());
        assert!(truncated_svd(&m, 0, &SvdOptions::default(), None).is_err());
        let nan = DMatrix::from_element(3, 3, f64::NAN);
        assert!(truncated_svd(&nan, 1, &SvdOptions::default(), None).is_err());
    }
}
