//! Pixel shuffle: channels become rows and columns (Shi et al. 2016, section 3.2; PyTorch's order of channels).

use crate::parallel::for_planes;
use crate::view::{LANES, View, ViewMut};

/// `out[n, c, y, x] = in[n, c r² + (y mod r) r + x mod r, y / r, x / r]`.
pub fn shuffle(src: View, r: usize, out: ViewMut) {
    let (from, to) = (src.dims, out.dims);
    assert!(from.n == to.n && from.c == to.c * r * r && (from.h * r, from.w * r) == (to.h, to.w));
    for_planes(out, |piece, chunk| {
        let lanes = to.lanes(piece.b);
        for (p, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (y, x) = ((piece.first + p) / to.w, (piece.first + p) % to.w);
            let at = (y / r * from.w + x / r) * LANES;
            let within = y % r * r + x % r;
            pixel[lanes..].fill(0.0);
            for (l, value) in pixel[..lanes].iter_mut().enumerate() {
                let channel = (piece.b * LANES + l) * r * r + within;
                *value = src.plane(piece.n, channel / LANES)[at + channel % LANES];
            }
        }
    });
}

/// The way back, which is its gradient.
pub fn gather(src: View, r: usize, out: ViewMut) {
    let (from, to) = (src.dims, out.dims);
    assert!(from.n == to.n && to.c == from.c * r * r && (to.h * r, to.w * r) == (from.h, from.w));
    for_planes(out, |piece, chunk| {
        let lanes = to.lanes(piece.b);
        for (p, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (y, x) = ((piece.first + p) / to.w, (piece.first + p) % to.w);
            pixel[lanes..].fill(0.0);
            for (l, value) in pixel[..lanes].iter_mut().enumerate() {
                let (channel, within) = (
                    (piece.b * LANES + l) / (r * r),
                    (piece.b * LANES + l) % (r * r),
                );
                let at = ((y * r + within / r) * from.w + x * r + within % r) * LANES;
                *value = src.plane(piece.n, channel / LANES)[at + channel % LANES];
            }
        }
    });
}
