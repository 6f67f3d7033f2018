//! Sums, products, and the gate of squeeze and excitation.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// `out = a + b`.
pub fn add(a: View, b: View, out: ViewMut) {
    assert!(a.dims == out.dims && b.dims == out.dims);
    for_planes(out, |piece, chunk| {
        add_chunk(
            &a.plane(piece.n, piece.b)[piece.first * LANES..],
            &b.plane(piece.n, piece.b)[piece.first * LANES..],
            chunk,
        );
    });
}

multiversion! {
    fn add_chunk(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a + b;
        }
    }
}

/// `out = a * b`; `b` has the extents of `a` or one pixel an image.
pub fn mul(a: View, b: View, out: ViewMut) {
    assert!(a.dims == out.dims);
    let gate = b.dims != a.dims;
    for_planes(out, |piece, chunk| {
        let x = &a.plane(piece.n, piece.b)[piece.first * LANES..];
        if gate {
            gate_chunk(x, b.plane(piece.n, piece.b), chunk);
        } else {
            mul_chunk(x, &b.plane(piece.n, piece.b)[piece.first * LANES..], chunk);
        }
    });
}

multiversion! {
    fn mul_chunk(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a * b;
        }
    }
}

multiversion! {
    fn gate_chunk(a: &[f32], gate: &[f32], out: &mut [f32]) {
        let mut g = [0.0f32; LANES];
        g.copy_from_slice(gate);
        for (o, a) in out.chunks_exact_mut(LANES).zip(a.chunks_exact(LANES)) {
            for l in 0..LANES {
                o[l] = a[l] * g[l];
            }
        }
    }
}

/// Gradient of the gate: `out[n, c] = sum over pixels of a * dy`.
pub fn gate_gradient(a: View, dy: View, out: ViewMut) {
    assert!(a.dims == dy.dims && out.dims.pixels() == 1);
    for_planes(out, |piece, chunk| {
        dot_pixels(a.plane(piece.n, piece.b), dy.plane(piece.n, piece.b), chunk)
    });
}

multiversion! {
    fn dot_pixels(a: &[f32], b: &[f32], out: &mut [f32]) {
        let mut acc = [0.0f32; LANES];
        for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
            for l in 0..LANES {
                acc[l] += a[l] * b[l];
            }
        }
        out.copy_from_slice(&acc);
    }
}
