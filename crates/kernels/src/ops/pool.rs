//! Maximum and average pooling over windows.

use crate::parallel::for_rows;
use crate::simd::multiversion;
use crate::view::{Dims, View, ViewMut};

/// A sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Padding on both sides.
    pub padding: [usize; 2],
}

impl Window {
    /// Offsets `k` in the window that fall inside the input, for output place `o` on axis `a`.
    #[inline(always)]
    fn inside(&self, a: usize, o: usize, len: usize) -> std::ops::Range<usize> {
        let start = o * self.stride[a];
        self.padding[a].saturating_sub(start)..self.kernel[a].min((len + self.padding[a]).saturating_sub(start))
    }

    /// Output places whose window covers input place `i` on axis `a`.
    #[inline(always)]
    fn covering(&self, a: usize, i: usize, outputs: usize) -> std::ops::Range<usize> {
        let at = i + self.padding[a];
        let low = (at + 1).saturating_sub(self.kernel[a]).div_ceil(self.stride[a]);
        low..(at / self.stride[a] + 1).min(outputs)
    }
}

/// Maximum pooling; `place`, when given, receives for each output the offset `ky * kernel columns + kx` of its maximum (the first in row order).
pub fn max(x: View, window: &Window, out: ViewMut, place: Option<&mut [u8]>) {
    let (od, ld, c) = (out.dims, out.ld, out.dims.c);
    let step = od.w;
    match place {
        None => for_rows(out, step, |first, chunk| max_row(x, window, od, first, chunk, ld, &mut [])),
        Some(place) => {
            use rayon::prelude::*;
            assert_eq!(place.len(), od.len());
            let end = (od.rows() - 1) * ld + c;
            out.data[..end]
                .par_chunks_mut(step * ld)
                .zip(place.par_chunks_mut(step * c))
                .enumerate()
                .for_each(|(i, (chunk, place))| max_row(x, window, od, i * step, chunk, ld, place));
        }
    }
}

multiversion! {
    fn max_row(x: View, window: &Window, od: Dims, first: usize, chunk: &mut [f32], ld: usize, place: &mut [u8]) {
        let (n, oy, xd, c) = (first / od.pixels(), first / od.w % od.h, x.dims, od.c);
        for (ox, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(f32::NEG_INFINITY);
            let mut empty = [];
            let marks: &mut [u8] = if place.is_empty() { &mut empty } else { &mut place[ox * c..(ox + 1) * c] };
            for ky in window.inside(0, oy, xd.h) {
                let iy = oy * window.stride[0] + ky - window.padding[0];
                for kx in window.inside(1, ox, xd.w) {
                    let ix = ox * window.stride[1] + kx - window.padding[1];
                    let at = ((n * xd.h + iy) * xd.w + ix) * x.ld;
                    let src = &x.data[at..at + c];
                    let code = (ky * window.kernel[1] + kx) as u8;
                    if marks.is_empty() {
                        row.iter_mut().zip(src).for_each(|(o, &v)| *o = if v > *o || v.is_nan() { v } else { *o });
                    } else {
                        for ((o, m), &v) in row.iter_mut().zip(marks.iter_mut()).zip(src) {
                            let wins = v > *o || v.is_nan();
                            *m = if wins { code } else { *m };
                            *o = if wins { v } else { *o };
                        }
                    }
                }
            }
        }
    }
}

/// Gradient of maximum pooling from the places of the maxima.
pub fn max_backward(dy: View, place: &[u8], window: &Window, dx: ViewMut) {
    let (id, ld) = (dx.dims, dx.ld);
    assert_eq!(place.len(), dy.dims.len());
    for_rows(dx, id.w, |first, chunk| max_backward_row(dy, place, window, id, first, chunk, ld));
}

multiversion! {
    fn max_backward_row(dy: View, place: &[u8], window: &Window, id: Dims, first: usize, chunk: &mut [f32], ld: usize) {
        let (n, iy, od, c) = (first / id.pixels(), first / id.w % id.h, dy.dims, id.c);
        for (ix, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(0.0);
            for oy in window.covering(0, iy, od.h) {
                let ky = iy + window.padding[0] - oy * window.stride[0];
                for ox in window.covering(1, ix, od.w) {
                    let kx = ix + window.padding[1] - ox * window.stride[1];
                    let code = (ky * window.kernel[1] + kx) as u8;
                    let at = (n * od.h + oy) * od.w + ox;
                    let marks = &place[at * c..(at + 1) * c];
                    for ((d, &m), &g) in row.iter_mut().zip(marks).zip(dy.row(at)) {
                        *d += if m == code { g } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// Average pooling without padding.
pub fn avg(x: View, window: &Window, out: ViewMut) {
    let (od, ld) = (out.dims, out.ld);
    for_rows(out, od.w, |first, chunk| avg_row(x, window, od, first, chunk, ld));
}

multiversion! {
    fn avg_row(x: View, window: &Window, od: Dims, first: usize, chunk: &mut [f32], ld: usize) {
        let (n, oy, xd, c) = (first / od.pixels(), first / od.w % od.h, x.dims, od.c);
        let scale = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
        for (ox, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(0.0);
            for ky in 0..window.kernel[0] {
                let iy = oy * window.stride[0] + ky;
                for kx in 0..window.kernel[1] {
                    let ix = ox * window.stride[1] + kx;
                    row.iter_mut().zip(x.row((n * xd.h + iy) * xd.w + ix)).for_each(|(o, &v)| *o += v);
                }
            }
            row.iter_mut().for_each(|o| *o *= scale);
        }
    }
}

/// Gradient of average pooling.
pub fn avg_backward(dy: View, window: &Window, dx: ViewMut) {
    let (id, ld) = (dx.dims, dx.ld);
    for_rows(dx, id.w, |first, chunk| avg_backward_row(dy, window, id, first, chunk, ld));
}

multiversion! {
    fn avg_backward_row(dy: View, window: &Window, id: Dims, first: usize, chunk: &mut [f32], ld: usize) {
        let (n, iy, od, c) = (first / id.pixels(), first / id.w % id.h, dy.dims, id.c);
        let scale = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
        for (ix, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(0.0);
            for oy in window.covering(0, iy, od.h) {
                for ox in window.covering(1, ix, od.w) {
                    row.iter_mut().zip(dy.row((n * od.h + oy) * od.w + ox)).for_each(|(d, &g)| *d += g * scale);
                }
            }
        }
    }
}
