//! Maximum and average pooling over windows.

use crate::parallel::{Piece, for_planes, for_planes_marked};
use crate::simd::multiversion;
use crate::view::{Dims, LANES, View, ViewMut};

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
    /// Offsets in the window that fall inside the input, for output place `o` on axis `a`.
    #[inline(always)]
    fn inside(&self, a: usize, o: usize, len: usize) -> std::ops::Range<usize> {
        let start = o * self.stride[a];
        self.padding[a].saturating_sub(start)
            ..self.kernel[a].min((len + self.padding[a]).saturating_sub(start))
    }

    /// Output places whose window covers input place `i` on axis `a`.
    #[inline(always)]
    fn covering(&self, a: usize, i: usize, outputs: usize) -> std::ops::Range<usize> {
        let at = i + self.padding[a];
        let low = (at + 1)
            .saturating_sub(self.kernel[a])
            .div_ceil(self.stride[a]);
        low..(at / self.stride[a] + 1).min(outputs)
    }
}

/// The lanes of one pixel.
#[inline(always)]
fn lanes(plane: &[f32], pixel: usize) -> &[f32; LANES] {
    let (groups, _) = plane.as_chunks::<LANES>();
    &groups[pixel]
}

/// Maximum pooling; `places`, when given, receives for each stored value of the output the offset
/// `ky * kernel columns + kx` of its maximum (the first in row order).
pub fn max(x: View, window: &Window, out: ViewMut, places: Option<&mut [u8]>) {
    let od = out.dims;
    match places {
        None => for_planes(out, |piece, chunk| max_piece(x, window, od, piece, chunk)),
        Some(places) => for_planes_marked(out, places, |piece, chunk, marks| {
            max_piece_marked(x, window, od, piece, chunk, marks)
        }),
    }
}

multiversion! {
    fn max_piece(x: View, window: &Window, od: Dims, piece: Piece, chunk: &mut [f32]) {
        let (xd, plane) = (x.dims, x.plane(piece.n, piece.b));
        for (p, out) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (oy, ox) = ((piece.first + p) / od.w, (piece.first + p) % od.w);
            let mut best = [f32::NEG_INFINITY; LANES];
            for ky in window.inside(0, oy, xd.h) {
                let iy = oy * window.stride[0] + ky - window.padding[0];
                for kx in window.inside(1, ox, xd.w) {
                    let ix = ox * window.stride[1] + kx - window.padding[1];
                    let v = lanes(plane, iy * xd.w + ix);
                    for l in 0..LANES {
                        best[l] = if (v[l] > best[l]) | v[l].is_nan() { v[l] } else { best[l] };
                    }
                }
            }
            out.copy_from_slice(&best);
        }
    }
}

multiversion! {
    fn max_piece_marked(x: View, window: &Window, od: Dims, piece: Piece, chunk: &mut [f32], marks: &mut [u8]) {
        let (xd, plane) = (x.dims, x.plane(piece.n, piece.b));
        for ((p, out), marks) in chunk.chunks_exact_mut(LANES).enumerate().zip(marks.chunks_exact_mut(LANES)) {
            let (oy, ox) = ((piece.first + p) / od.w, (piece.first + p) % od.w);
            let mut best = [f32::NEG_INFINITY; LANES];
            let mut place = [0u32; LANES];
            for ky in window.inside(0, oy, xd.h) {
                let iy = oy * window.stride[0] + ky - window.padding[0];
                for kx in window.inside(1, ox, xd.w) {
                    let ix = ox * window.stride[1] + kx - window.padding[1];
                    let code = (ky * window.kernel[1] + kx) as u32;
                    let v = lanes(plane, iy * xd.w + ix);
                    // Without a short circuit, so that it becomes one masked move of all lanes.
                    let wins: [bool; LANES] = std::array::from_fn(|l| (v[l] > best[l]) | v[l].is_nan());
                    place = std::array::from_fn(|l| if wins[l] { code } else { place[l] });
                    best = std::array::from_fn(|l| if wins[l] { v[l] } else { best[l] });
                }
            }
            out.copy_from_slice(&best);
            for l in 0..LANES {
                marks[l] = place[l] as u8;
            }
        }
    }
}

/// Gradient of maximum pooling from the places of the maxima.
pub fn max_backward(dy: View, places: &[u8], window: &Window, dx: ViewMut) {
    let id = dx.dims;
    assert_eq!(places.len(), dy.dims.stored());
    for_planes(dx, |piece, chunk| {
        max_backward_piece(dy, places, window, id, piece, chunk)
    });
}

multiversion! {
    fn max_backward_piece(dy: View, places: &[u8], window: &Window, id: Dims, piece: Piece, chunk: &mut [f32]) {
        let (od, plane) = (dy.dims, dy.plane(piece.n, piece.b));
        let marks = &places[piece.n * od.image() + piece.b * od.plane()..][..od.plane()];
        for (p, out) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (iy, ix) = ((piece.first + p) / id.w, (piece.first + p) % id.w);
            let mut sum = [0.0f32; LANES];
            for oy in window.covering(0, iy, od.h) {
                let ky = iy + window.padding[0] - oy * window.stride[0];
                for ox in window.covering(1, ix, od.w) {
                    let kx = ix + window.padding[1] - ox * window.stride[1];
                    let code = (ky * window.kernel[1] + kx) as u8;
                    let at = (oy * od.w + ox) * LANES;
                    let (m, g) = (&marks[at..][..LANES], lanes(plane, at / LANES));
                    for l in 0..LANES {
                        sum[l] += if m[l] == code { g[l] } else { 0.0 };
                    }
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}

/// Average pooling without padding.
pub fn avg(x: View, window: &Window, out: ViewMut) {
    let od = out.dims;
    for_planes(out, |piece, chunk| avg_piece(x, window, od, piece, chunk));
}

multiversion! {
    fn avg_piece(x: View, window: &Window, od: Dims, piece: Piece, chunk: &mut [f32]) {
        let (xd, plane) = (x.dims, x.plane(piece.n, piece.b));
        let scale = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
        for (p, out) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (oy, ox) = ((piece.first + p) / od.w, (piece.first + p) % od.w);
            let mut sum = [0.0f32; LANES];
            for iy in oy * window.stride[0]..oy * window.stride[0] + window.kernel[0] {
                for ix in ox * window.stride[1]..ox * window.stride[1] + window.kernel[1] {
                    let v = &plane[(iy * xd.w + ix) * LANES..][..LANES];
                    for l in 0..LANES {
                        sum[l] += v[l];
                    }
                }
            }
            for l in 0..LANES {
                out[l] = sum[l] * scale;
            }
        }
    }
}

/// Gradient of average pooling.
pub fn avg_backward(dy: View, window: &Window, dx: ViewMut) {
    let id = dx.dims;
    for_planes(dx, |piece, chunk| {
        avg_backward_piece(dy, window, id, piece, chunk)
    });
}

multiversion! {
    fn avg_backward_piece(dy: View, window: &Window, id: Dims, piece: Piece, chunk: &mut [f32]) {
        let (od, plane) = (dy.dims, dy.plane(piece.n, piece.b));
        let scale = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
        for (p, out) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (iy, ix) = ((piece.first + p) / id.w, (piece.first + p) % id.w);
            let mut sum = [0.0f32; LANES];
            for oy in window.covering(0, iy, od.h) {
                for ox in window.covering(1, ix, od.w) {
                    let g = &plane[(oy * od.w + ox) * LANES..][..LANES];
                    for l in 0..LANES {
                        sum[l] += g[l] * scale;
                    }
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}
