//! Made-up cases with a known dictionary: for convergence, for recovery, and for the paper's point.

use super::problem::Cases;
use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Cases with the factors that they were made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// Cases.
    pub cases: Cases,
    /// Dictionary, p x r.
    pub w: DMatrix<f64>,
}

/// Where the labels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelSource {
    /// From codes of the atoms that carry most of the values' energy: the best dictionary to rebuild with is
    /// the best to tell apart with.
    Strong,
    /// From codes of faint atoms, which a dictionary of the strong atoms' number does not afford.
    Faint,
}

fn uniform(rows: usize, columns: usize, low: f64, high: f64, rng: &mut ChaCha8Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.random_range(low..high))
}

/// Atoms with three values in ten at work, so that non-negative factors are found again.
fn sparse(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| {
        let on = rng.random_bool(0.3);
        let v = rng.random_range(0.3..1.0);
        if on { v } else { 0.0 }
    })
}

/// Classes drawn from softmax of `a` (K x n).
fn draw_labels(a: &DMatrix<f64>, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let p = hilum_tabular::factor::probabilities(a);
    let draw = |column: &[f64], u: f64| {
        let mut sum = 0.0;
        column
            .iter()
            .position(|p| {
                sum += p;
                u < sum
            })
            .unwrap_or(column.len() - 1)
    };
    let columns = p.as_slice().chunks_exact(p.nrows());
    columns.map(|c| draw(c, rng.random())).collect()
}

/// Low-rank cases with noise and one covariate, columns of mean energy 1; labels of two classes depend on
/// codes and covariate.
pub fn low_rank(p: usize, n: usize, rank: usize, noise: f64, seed: u64) -> Planted {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let w = sparse(p, rank, &mut rng);
    let h = sparse(rank, n, &mut rng);
    let z = uniform(1, n, -1.0, 1.0, &mut rng);
    let mut x = &w * &h + uniform(p, n, 0.0, 1.0, &mut rng) * noise;
    let size = (x.norm_squared() / n as f64).sqrt();
    x /= size;
    let slopes = DMatrix::from_fn(1, rank, |_, k| if k % 2 == 0 { 3.0 } else { -3.0 });
    let a = slopes * &h + &z;
    let y = draw_labels(&a, &mut rng);
    Planted {
        cases: Cases { x, y, z },
        w,
    }
}

/// Atoms of a [`contrast`] set: four strong ones.
pub const STRONG: usize = 4;
/// And two faint ones.
pub const FAINT: usize = 2;

/// Cases of forty values from four strong and two faint atoms; labels are logistic in the difference of two
/// codes. All splits of a seed share the atoms.
pub fn contrast(source: LabelSource, sizes: &[usize], seed: u64) -> Vec<Cases> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let strong = sparse(40, STRONG, &mut rng);
    let faint = sparse(40, FAINT, &mut rng) * 0.35;
    let one = |n: usize| {
        let (hs, hf) = (
            uniform(STRONG, n, 0.0, 1.0, &mut rng),
            uniform(FAINT, n, 0.0, 1.0, &mut rng),
        );
        let x = &strong * &hs + &faint * &hf + uniform(40, n, 0.0, 0.1, &mut rng);
        let codes = match source {
            LabelSource::Strong => &hs,
            LabelSource::Faint => &hf,
        };
        let difference: DVector<f64> = (codes.row(0) - codes.row(1)).transpose();
        let a = DMatrix::from_row_slice(1, n, difference.as_slice()) * 8.0;
        let y = draw_labels(&a, &mut rng);
        Cases {
            x,
            y,
            z: DMatrix::zeros(0, n),
        }
    };
    sizes.iter().copied().map(one).collect()
}

/// Mean absolute cosine of the planted atoms with those found, in the best one-to-one match; both p x r.
pub fn matched_cosine(planted: &DMatrix<f64>, found: &DMatrix<f64>) -> f64 {
    let r = planted.ncols();
    let cosine = |i: usize, j: usize| {
        let (a, b) = (planted.column(i), found.column(j));
        let norms = a.norm() * b.norm();
        if norms > 0.0 {
            (a.dot(&b) / norms).abs()
        } else {
            0.0
        }
    };
    let table: Vec<Vec<f64>> = (0..r)
        .map(|i| (0..found.ncols()).map(|j| cosine(i, j)).collect())
        .collect();
    best_match(&table, 0, &mut vec![false; found.ncols()]) / r as f64
}

/// Largest sum over one-to-one matches of the rows from `row` on; ranks are small.
fn best_match(table: &[Vec<f64>], row: usize, taken: &mut Vec<bool>) -> f64 {
    if row == table.len() {
        return 0.0;
    }
    let mut best = 0.0_f64;
    for j in 0..taken.len() {
        if !taken[j] {
            taken[j] = true;
            best = best.max(table[row][j] + best_match(table, row + 1, taken));
            taken[j] = false;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_both_classes_and_are_the_same_twice() {
        let a = low_rank(30, 200, 3, 0.05, 1);
        assert_eq!(a, low_rank(30, 200, 3, 0.05, 1));
        assert!(a.cases.y.contains(&0) && a.cases.y.contains(&1));
        for source in [LabelSource::Strong, LabelSource::Faint] {
            let parts = contrast(source, &[200, 100], 2);
            let positives: usize = parts[0].y.iter().sum();
            assert!((60..140).contains(&positives), "{positives}");
            assert_eq!(parts[1].x.shape(), (40, 100));
        }
    }

    #[test]
    fn atoms_in_another_order_and_size_match_wholly() {
        let w = low_rank(20, 50, 3, 0.0, 3).w;
        let mut turned = w.clone();
        turned.swap_columns(0, 2);
        turned *= 4.0;
        assert!((matched_cosine(&w, &turned) - 1.0).abs() < 1e-12);
    }
}
