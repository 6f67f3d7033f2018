//! Sums, products, and the gate of squeeze and excitation.

use crate::parallel::{for_rows, grain_rows};
use crate::simd::multiversion;
use crate::view::{View, ViewMut};

/// `out = a + b`.
pub fn add(a: View, b: View, out: ViewMut) {
    let (c, ld) = (a.dims.c, out.ld);
    for_rows(out, grain_rows(c), |first, chunk| {
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            add_row(a.row(first + p), b.row(first + p), &mut row[..c]);
        }
    });
}

multiversion! {
    fn add_row(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a + b;
        }
    }
}

/// `out = a * b`; `b` has the pixels of `a` or one a image.
pub fn mul(a: View, b: View, out: ViewMut) {
    let (c, ld, pixels) = (a.dims.c, out.ld, a.dims.pixels());
    let gate = b.dims.pixels() != pixels;
    for_rows(out, grain_rows(c), |first, chunk| {
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            let at = first + p;
            mul_row(a.row(at), b.row(if gate { at / pixels } else { at }), &mut row[..c]);
        }
    });
}

multiversion! {
    fn mul_row(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a * b;
        }
    }
}

/// Gradient of the gate: `out[n, c] = sum over pixels of a * dy`.
pub fn gate_gradient(a: View, dy: View, out: ViewMut) {
    let (c, ld, pixels) = (a.dims.c, out.ld, a.dims.pixels());
    for_rows(out, 1, |n, chunk| {
        for row in chunk.chunks_mut(ld) {
            row[..c].fill(0.0);
            for p in n * pixels..(n + 1) * pixels {
                add_product(a.row(p), dy.row(p), &mut row[..c]);
            }
        }
    });
}

multiversion! {
    fn add_product(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o += a * b;
        }
    }
}
