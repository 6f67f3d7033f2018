//! Moving channels and pixels: strided copies (concatenation), sums of them, padding or cropping.

use crate::parallel::{for_rows, grain_rows};
use crate::simd::multiversion;
use crate::view::{View, ViewMut};

/// Copies `src` into `out`, which has the same extents and maybe another row stride.
pub fn copy(src: View, out: ViewMut) {
    assert_eq!(src.dims, out.dims);
    let (c, ld) = (src.dims.c, out.ld);
    for_rows(out, grain_rows(c), |first, chunk| {
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            row[..c].copy_from_slice(src.row(first + p));
        }
    });
}

/// Adds `src` to `out`.
pub fn accumulate(src: View, out: ViewMut) {
    assert_eq!(src.dims, out.dims);
    let (c, ld) = (src.dims.c, out.ld);
    for_rows(out, grain_rows(c), |first, chunk| {
        if ld == c && src.ld == c {
            add_chunk(&src.data[first * c..first * c + chunk.len()], chunk);
        } else {
            for (p, row) in chunk.chunks_mut(ld).enumerate() {
                add_chunk(src.row(first + p), &mut row[..c]);
            }
        }
    });
}

multiversion! {
    fn add_chunk(src: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(src).for_each(|(o, &s)| *o += s);
    }
}

/// Copies the overlap of the two extents, counted from the top left; the rest of `out` is zero.
/// It is its own gradient with the sides exchanged.
pub fn fit(src: View, out: ViewMut) {
    let (from, to) = (src.dims, out.dims);
    assert!(from.n == to.n && from.c == to.c);
    let (c, ld) = (to.c, out.ld);
    for_rows(out, to.w, |first, chunk| {
        let (n, y) = (first / to.pixels(), first / to.w % to.h);
        for (x, row) in chunk.chunks_mut(ld).enumerate() {
            if y < from.h && x < from.w {
                row[..c].copy_from_slice(src.row((n * from.h + y) * from.w + x));
            } else {
                row[..c].fill(0.0);
            }
        }
    });
}
