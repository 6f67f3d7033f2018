//! Columns that minimise a quadratic, free in sign or not negative: codes under a dictionary.

use super::{finite, same};
use crate::error::{Result, TabularError};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Which signs a factor may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signs {
    /// Any.
    Free,
    /// None below zero: parts that only add up.
    NonNegative,
}

/// Lowers ½ tr(Vᵀ Q V) − tr(Cᵀ V) from `v` (r x m) on, each column by itself; `gram` is Q (r x r, positive
/// semi-definite), `cross` is C (r x m).
///
/// Not negative: `sweeps` of coordinate descent (hierarchical alternating least squares; Cichocki and Phan
/// 2009). Free: the solution itself, with Q lifted by 10⁻¹² of its mean diagonal where it is singular.
///
/// # Errors
/// Sizes that differ, or a Q that is not finite.
pub fn solve_quadratic(
    gram: &DMatrix<f64>,
    cross: &DMatrix<f64>,
    v: &mut DMatrix<f64>,
    signs: Signs,
    sweeps: usize,
) -> Result<()> {
    same("columns of the Gram matrix", gram.ncols(), gram.nrows())?;
    same("rows of the cross products", cross.nrows(), gram.nrows())?;
    same("rows of the codes", v.nrows(), gram.nrows())?;
    same("columns of the codes", v.ncols(), cross.ncols())?;
    finite("Gram matrix", gram)?;
    match signs {
        Signs::NonNegative => {
            for j in 0..v.ncols() {
                let c = cross.column(j);
                let mut x = v.column_mut(j);
                for _ in 0..sweeps {
                    descend(gram, c.as_slice(), x.as_mut_slice());
                }
            }
        }
        Signs::Free => {
            // As a step from `v`, so that a lifted Q still only lowers the value.
            let lift = 1e-12 * gram.trace() / gram.nrows() as f64 + f64::MIN_POSITIVE;
            let lifted = gram + DMatrix::identity(gram.nrows(), gram.nrows()) * lift;
            let factor = lifted.cholesky().ok_or_else(|| TabularError::Learner {
                learner: "codes",
                reason: "the Gram matrix is not positive".to_owned(),
            })?;
            *v += factor.solve(&(cross - gram * &*v));
        }
    }
    Ok(())
}

/// One round over the coordinates of one column.
fn descend(gram: &DMatrix<f64>, c: &[f64], x: &mut [f64]) {
    for k in 0..x.len() {
        let curvature = gram[(k, k)];
        // An atom of zeros explains nothing: its code stays.
        if curvature <= 0.0 {
            continue;
        }
        let column = gram.column(k);
        let slope: f64 = column.iter().zip(x.iter()).map(|(q, v)| q * v).sum();
        x[k] = (x[k] + (c[k] - slope) / curvature).max(0.0);
    }
}

/// Codes H (r x n) of the columns of `x` (p x n) under the dictionary `w` (p x r): they minimise
/// ‖x − W h‖² + l1 Σh, not negative by `sweeps` of coordinate descent, or free by least squares.
///
/// # Errors
/// Sizes that differ, values that are not finite, an l1 below 0, or an l1 with free signs.
pub fn encode(
    w: &DMatrix<f64>,
    x: &DMatrix<f64>,
    signs: Signs,
    l1: f64,
    sweeps: usize,
) -> Result<DMatrix<f64>> {
    same("rows of the cases", x.nrows(), w.nrows())?;
    finite("cases", x)?;
    if !(l1 >= 0.0 && l1.is_finite()) || (l1 > 0.0 && signs == Signs::Free) {
        return Err(TabularError::Parameter {
            name: "l1",
            value: l1,
            rule: "0 or more, and 0 for codes of free sign",
        });
    }
    let wt = w.transpose();
    let mut cross = &wt * x;
    cross.add_scalar_mut(-l1 / 2.0);
    let mut h = DMatrix::zeros(w.ncols(), x.ncols());
    solve_quadratic(&(&wt * w), &cross, &mut h, signs, sweeps)?;
    Ok(h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::uniform;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn codes_of_a_mixture_are_found_again() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let w = uniform(30, 4, 0.0, 1.0, &mut rng);
        let h = uniform(4, 9, 0.0, 1.0, &mut rng);
        let x = &w * &h;
        for signs in [Signs::Free, Signs::NonNegative] {
            let found = encode(&w, &x, signs, 0.0, 500).unwrap();
            assert!((found - &h).norm() < 1e-6, "{signs:?}");
        }
    }

    #[test]
    fn non_negative_codes_meet_the_conditions_of_optimality() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let w = uniform(20, 5, -1.0, 1.0, &mut rng);
        let x = uniform(20, 8, -1.0, 1.0, &mut rng);
        for l1 in [0.0, 0.7] {
            let h = encode(&w, &x, Signs::NonNegative, l1, 2000).unwrap();
            let mut gradient = w.tr_mul(&(&w * &h - &x)) * 2.0;
            gradient.add_scalar_mut(l1);
            for (g, v) in gradient.iter().zip(h.iter()) {
                assert!(*v >= 0.0 && *g > -1e-8 && (g * v).abs() < 1e-8, "{g} {v}");
            }
        }
    }

    #[test]
    fn a_penalty_makes_codes_smaller_and_is_refused_for_free_signs() {
        let w = DMatrix::from_row_slice(2, 1, &[1.0, 1.0]);
        let x = DMatrix::from_row_slice(2, 1, &[1.0, 1.0]);
        // min 2(1 - h)² + l1 h: h = 1 - l1/4.
        let h = encode(&w, &x, Signs::NonNegative, 1.0, 10).unwrap();
        assert!((h[0] - 0.75).abs() < 1e-12);
        assert!(encode(&w, &x, Signs::Free, 1.0, 10).is_err());
        assert!(encode(&w, &x, Signs::NonNegative, f64::NAN, 10).is_err());
    }
}
