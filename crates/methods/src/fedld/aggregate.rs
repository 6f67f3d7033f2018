//! How the server makes one update of the clients' updates.
//!
//! An update is a client's tensor minus the global one. Everything below needs the m x m matrix of inner
//! products of m clients only, however long the tensors are.

use super::algorithm::Merge;
use nalgebra::{DMatrix, SymmetricEigen};

/// Eigenvalues below this share of the largest are rounding.
const FLAT: f64 = 1e-10;
/// Components of an eigenvector below this are zero: the client is orthogonal to the direction.
const ORTHOGONAL: f64 = 1e-7;

/// Inner products of updates.
pub fn gram(updates: &[&[f32]]) -> DMatrix<f64> {
    let m = updates.len();
    let mut gram = DMatrix::zeros(m, m);
    for i in 0..m {
        for j in 0..=i {
            let dot: f64 = updates[i]
                .iter()
                .zip(updates[j])
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum();
            gram[(i, j)] = dot;
            gram[(j, i)] = dot;
        }
    }
    gram
}

/// Weights of the clients' updates whose sum is the mean of the revised updates of FedLD:
/// gᵢ' = Σⱼ (sⱼ / Σ s) |gᵢ| sign⟨gᵢ, pⱼ⟩ pⱼ / |pⱼ| over the first ⌊kept · m⌋ principal directions pⱼ.
///
/// With K the Gram matrix and K e = m s e: pⱼ = Σₗ eⱼₗ gₗ, ⟨gᵢ, pⱼ⟩ = m sⱼ eⱼᵢ and |pⱼ|² = m sⱼ, so nothing as long
/// as a tensor is formed. The release turns pⱼ so that most clients agree with it; as sign and direction turn
/// together, that changes no gᵢ', and it is left out. A client orthogonal to a direction gets nothing of it,
/// where the release divides 0 by 0.
pub fn principal_weights(gram: &DMatrix<f64>, kept: f64) -> Vec<f64> {
    let m = gram.nrows();
    let mut weights = vec![0.0; m];
    let eigen = SymmetricEigen::new(gram / m as f64);
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    order.truncate(((kept * m as f64) as usize).max(1));
    let largest = eigen.eigenvalues[order[0]];
    order.retain(|&j| largest > 0.0 && eigen.eigenvalues[j] > FLAT * largest);
    let sum: f64 = order.iter().map(|&j| eigen.eigenvalues[j]).sum();
    for &j in &order {
        let s = eigen.eigenvalues[j];
        let e = eigen.eigenvectors.column(j);
        let pull: f64 = (0..m)
            .filter(|&i| e[i].abs() > ORTHOGONAL)
            .map(|i| gram[(i, i)].sqrt() * e[i].signum())
            .sum();
        let factor = s / sum * pull / m as f64 / (m as f64 * s).sqrt();
        for (l, w) in weights.iter_mut().enumerate() {
            *w += factor * e[l];
        }
    }
    weights
}

/// Squared length of a weighted sum of the updates.
fn length(gram: &DMatrix<f64>, weights: &[f64]) -> f64 {
    let w = nalgebra::DVector::from_column_slice(weights);
    (w.transpose() * gram * &w)[(0, 0)].max(0.0).sqrt()
}

/// Weights that make the plain mean as long as the principal gradients' update.
pub fn norm_matched_weights(gram: &DMatrix<f64>, kept: f64) -> Vec<f64> {
    let m = gram.nrows();
    let mean = vec![1.0 / m as f64; m];
    let (own, wanted) = (
        length(gram, &mean),
        length(gram, &principal_weights(gram, kept)),
    );
    // Updates that cancel have no direction to follow.
    let scale = if own > 0.0 { wanted / own } else { 0.0 };
    mean.iter().map(|w| w * scale).collect()
}

/// Weights after gradient harmonisation: of each pair of whole updates that point against each other, each
/// loses its part along the other; then the mean with `shares`. `gram` is of the whole updates.
pub fn harmonised_weights(gram: &DMatrix<f64>, shares: &[f64]) -> Vec<f64> {
    let m = gram.nrows();
    // Row i of `mix` writes the i-th update as a sum of the ones that came.
    let mut mix = DMatrix::<f64>::identity(m, m);
    for i in 0..m {
        for j in 0..i {
            let (a, b) = (mix.row(i).clone_owned(), mix.row(j).clone_owned());
            let dot = (&a * gram * b.transpose())[(0, 0)];
            if dot >= 0.0 {
                continue;
            }
            let square = |v: &nalgebra::RowDVector<f64>| (v * gram * v.transpose())[(0, 0)];
            let (aa, bb) = (square(&a), square(&b));
            // Two updates that point against each other are not zero.
            mix.set_row(i, &(&a - &b * (dot / bb)));
            mix.set_row(j, &(&b - &a * (dot / aa)));
        }
    }
    let shares = nalgebra::RowDVector::from_row_slice(shares);
    (shares * mix).iter().copied().collect()
}

/// Weights of each client's update for one tensor. `whole` is the Gram matrix of the whole updates.
pub fn weights(
    merge: Merge,
    updates: &[&[f32]],
    shares: &[f64],
    whole: Option<&DMatrix<f64>>,
    kept: f64,
) -> Vec<f64> {
    let plain = || vec![1.0 / updates.len() as f64; updates.len()];
    match merge {
        Merge::Weighted => shares.to_vec(),
        Merge::Harmonised => whole.map_or(shares.to_vec(), |g| harmonised_weights(g, shares)),
        // A scalar has no direction.
        Merge::Principal | Merge::NormMatched if updates[0].len() < 2 => plain(),
        Merge::Principal => principal_weights(&gram(updates), kept),
        Merge::NormMatched => norm_matched_weights(&gram(updates), kept),
    }
}

/// Adds the weighted updates to a tensor.
pub fn add(tensor: &mut [f32], updates: &[&[f32]], weights: &[f64]) {
    for (k, v) in tensor.iter_mut().enumerate() {
        let step: f64 = updates
            .iter()
            .zip(weights)
            .map(|(u, w)| f64::from(u[k]) * w)
            .sum();
        *v = (f64::from(*v) + step) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(m: usize, d: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..m)
            .map(|_| (0..d).map(|_| rng.random_range(-1.0..1.0)).collect())
            .collect()
    }

    fn step(updates: &[Vec<f32>], merge: Merge, kept: f64) -> Vec<f32> {
        let rows: Vec<&[f32]> = updates.iter().map(Vec::as_slice).collect();
        let shares = vec![1.0 / rows.len() as f64; rows.len()];
        let whole = gram(&rows);
        let w = weights(merge, &rows, &shares, Some(&whole), kept);
        let mut out = vec![0.0; rows[0].len()];
        add(&mut out, &rows, &w);
        out
    }

    fn close(a: &[f32], b: &[f32], within: f32) -> bool {
        a.iter().zip(b).all(|(x, y)| (x - y).abs() <= within)
    }

    /// The card's formula with full vectors, one direction after the other.
    fn principal_by_definition(updates: &[Vec<f32>], kept: f64) -> Vec<f32> {
        let (m, d) = (updates.len(), updates[0].len());
        let g = DMatrix::from_fn(m, d, |i, k| f64::from(updates[i][k]));
        let eigen = SymmetricEigen::new(&g * g.transpose() / m as f64);
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        order.truncate(((kept * m as f64) as usize).max(1));
        let sum: f64 = order.iter().map(|&j| eigen.eigenvalues[j]).sum();
        let mut out = nalgebra::DVector::<f64>::zeros(d);
        for &j in &order {
            let mut p = g.transpose() * eigen.eigenvectors.column(j);
            let agree = (0..m)
                .filter(|&i| g.row(i).transpose().dot(&p) >= 0.0)
                .count();
            if agree < m - agree {
                p = -p;
            }
            let unit = &p / p.norm();
            for i in 0..m {
                let row = g.row(i).transpose();
                let sign = row.dot(&p).signum();
                out += &unit * (eigen.eigenvalues[j] / sum * row.norm() * sign / m as f64);
            }
        }
        out.iter().map(|v| *v as f32).collect()
    }

    #[test]
    fn identical_clients_give_the_mean() {
        let one = random(1, 40, 1).remove(0);
        let all = vec![one.clone(); 5];
        assert!(close(&step(&all, Merge::Principal, 0.8), &one, 1e-5));
        assert!(close(&step(&all, Merge::NormMatched, 0.8), &one, 1e-5));
        assert!(close(&step(&all, Merge::Harmonised, 0.8), &one, 1e-6));
    }

    #[test]
    fn orthogonal_updates_with_all_directions_are_weighted_by_their_squares() {
        // g_i' = (|g_i|² / Σ |g|²) g_i: each is its own principal direction.
        let lengths = [3.0_f32, 2.0, 1.0];
        let updates: Vec<Vec<f32>> = (0..3)
            .map(|i| {
                (0..6)
                    .map(|k| if k == i { lengths[i] } else { 0.0 })
                    .collect()
            })
            .collect();
        let got = step(&updates, Merge::Principal, 1.0);
        let total = 14.0;
        for i in 0..3 {
            let expected = lengths[i].powi(3) / total / 3.0;
            assert!((got[i] - expected).abs() < 1e-6, "{} {expected}", got[i]);
        }
    }

    #[test]
    fn the_gram_form_is_the_definition_and_the_calibrated_sign_changes_nothing() {
        for seed in 0..4 {
            let updates = random(5, 300, seed);
            let mine = step(&updates, Merge::Principal, 0.8);
            assert!(close(&mine, &principal_by_definition(&updates, 0.8), 1e-5));
        }
    }

    #[test]
    fn the_order_of_clients_does_not_matter() {
        let updates = random(5, 60, 2);
        let mut turned = updates.clone();
        turned.rotate_left(2);
        for merge in [Merge::Principal, Merge::NormMatched] {
            assert!(close(
                &step(&updates, merge, 0.8),
                &step(&turned, merge, 0.8),
                1e-5
            ));
        }
    }

    #[test]
    fn one_client_against_a_majority_does_not_turn_it() {
        let one = random(1, 50, 3).remove(0);
        let mut all = vec![one.clone(); 5];
        all[2].iter_mut().for_each(|v| *v = -*v);
        let got = step(&all, Merge::Principal, 0.8);
        // Three of five more go along than against.
        let expected: Vec<f32> = one.iter().map(|v| v * 0.6).collect();
        assert!(close(&got, &expected, 1e-5));
    }

    #[test]
    fn norm_matching_keeps_the_direction_of_the_mean_and_the_length_of_the_principal_step() {
        let updates = random(4, 80, 5);
        let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        let (a, b) = (
            step(&updates, Merge::NormMatched, 0.8),
            step(&updates, Merge::Principal, 0.8),
        );
        assert!((norm(&a) - norm(&b)).abs() < 1e-4);
        let mean = step(&updates, Merge::Weighted, 0.8);
        let cosine: f32 = a.iter().zip(&mean).map(|(x, y)| x * y).sum::<f32>();
        assert!((cosine / norm(&a) / norm(&mean) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn harmonisation_leaves_agreeing_updates_and_parts_conflicting_ones() {
        let agree = vec![vec![1.0, 0.5], vec![0.5, 1.0]];
        assert!(close(
            &step(&agree, Merge::Harmonised, 1.0),
            &[0.75, 0.75],
            1e-6
        ));
        // (1, 0) and (-1, 1): each keeps what is orthogonal to the other.
        let fight = vec![vec![1.0, 0.0], vec![-1.0, 1.0]];
        assert!(close(
            &step(&fight, Merge::Harmonised, 1.0),
            &[0.25, 0.75],
            1e-6
        ));
    }

    #[test]
    fn updates_of_zero_move_nothing() {
        let none = vec![vec![0.0; 8]; 3];
        for merge in [Merge::Principal, Merge::NormMatched, Merge::Harmonised] {
            assert_eq!(step(&none, merge, 0.8), vec![0.0; 8]);
        }
    }
}
