//! Branches weighed against each other, channel by channel (selective kernels, Li et al. 2019, section 3.1): the softmax over the
//! branches of one gate a channel.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// Shares of the branches in every lane of one block: `[branch][lane]`.
fn shares(gates: &[View], n: usize, b: usize) -> Vec<[f32; LANES]> {
    let rows: Vec<&[f32]> = gates.iter().map(|g| g.plane(n, b)).collect();
    let mut out = vec![[0.0f32; LANES]; gates.len()];
    for l in 0..LANES {
        let top = rows.iter().fold(f32::NEG_INFINITY, |t, r| t.max(r[l]));
        let mut total = 0.0;
        for (share, row) in out.iter_mut().zip(&rows) {
            share[l] = (row[l] - top).exp();
            total += share[l];
        }
        out.iter_mut().for_each(|share| share[l] /= total);
    }
    out
}

/// `out = sum over k of softmax(gates)_k * branch_k`.
pub fn select(gates: &[View], branches: &[View], out: ViewMut) {
    assert!(gates.len() == branches.len() && branches.iter().all(|b| b.dims == out.dims));
    for_planes(out, |piece, chunk| {
        chunk.fill(0.0);
        for (share, branch) in shares(gates, piece.n, piece.b).iter().zip(branches) {
            let x = &branch.plane(piece.n, piece.b)[piece.first * LANES..];
            add_weighed(x, share, chunk);
        }
    });
}

multiversion! {
    fn add_weighed(x: &[f32], share: &[f32; LANES], out: &mut [f32]) {
        for (o, x) in out.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)) {
            for l in 0..LANES {
                o[l] += x[l] * share[l];
            }
        }
    }
}

/// Gradient by branch `k`.
pub fn branch_gradient(gates: &[View], k: usize, dy: View, out: ViewMut) {
    assert_eq!(dy.dims, out.dims);
    for_planes(out, |piece, chunk| {
        chunk.fill(0.0);
        let share = shares(gates, piece.n, piece.b)[k];
        let dy = &dy.plane(piece.n, piece.b)[piece.first * LANES..];
        add_weighed(dy, &share, chunk);
    });
}

/// Gradient by gate `k`: `p_k (s_k - sum over j of p_j s_j)`, `s_j` the sum over the pixels of branch `j` times `dy`.
pub fn gate_gradient(gates: &[View], branches: &[View], k: usize, dy: View, out: ViewMut) {
    assert!(out.dims.pixels() == 1);
    for_planes(out, |piece, chunk| {
        let shares = shares(gates, piece.n, piece.b);
        let dy = dy.plane(piece.n, piece.b);
        let mut mean = [0.0f32; LANES];
        let mut own = [0.0f32; LANES];
        for (j, (share, branch)) in shares.iter().zip(branches).enumerate() {
            let mut sum = [0.0f32; LANES];
            dot(branch.plane(piece.n, piece.b), dy, &mut sum);
            for l in 0..LANES {
                mean[l] += share[l] * sum[l];
            }
            if j == k {
                own = sum;
            }
        }
        for l in 0..LANES {
            chunk[l] = shares[k][l] * (own[l] - mean[l]);
        }
    });
}

multiversion! {
    fn dot(a: &[f32], b: &[f32], sum: &mut [f32; LANES]) {
        for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
            for l in 0..LANES {
                sum[l] += a[l] * b[l];
            }
        }
    }
}
