//! Between `[n, c, h, w]` outside and blocks of sixteen channels inside.

use crate::parallel::Shared;
use crate::parallel::{for_each, for_planes};
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// `[n, c, h, w]` to blocks; filling lanes become zero.
pub fn to_blocked(src: &[f32], out: ViewMut) {
    let dims = out.dims;
    let (pixels, c) = (dims.pixels(), dims.c);
    assert_eq!(src.len(), dims.values());
    for_planes(out, |piece, chunk| {
        let first = (piece.n * c + piece.b * LANES) * pixels + piece.first;
        interleave(&src[first..], pixels, dims.lanes(piece.b), chunk);
    });
}

multiversion! {
    fn interleave(src: &[f32], pixels: usize, lanes: usize, chunk: &mut [f32]) {
        if lanes < LANES {
            chunk.fill(0.0);
        }
        let count = chunk.len() / LANES;
        for l in 0..lanes {
            let values = &src[l * pixels..][..count];
            for (pixel, &value) in chunk.chunks_exact_mut(LANES).zip(values) {
                pixel[l] = value;
            }
        }
    }
}

/// Blocks to `[n, c, h, w]`.
pub fn to_planar(src: View, out: &mut [f32]) {
    let dims = src.dims;
    let (pixels, blocks) = (dims.pixels(), dims.blocks());
    assert_eq!(out.len(), dims.values());
    let shared = Shared::new(out);
    let per_task = (1024 / pixels).max(1);
    for_each((dims.n * blocks).div_ceil(per_task), |task| {
        for i in task * per_task..((task + 1) * per_task).min(dims.n * blocks) {
            let (n, b) = (i / blocks, i % blocks);
            let lanes = dims.lanes(b);
            // SAFETY: each block's channels are its own part of `out`.
            let part = unsafe { shared.slice((n * dims.c + b * LANES) * pixels, lanes * pixels) };
            deinterleave(src.plane(n, b), pixels, part);
        }
    });
}

multiversion! {
    fn deinterleave(plane: &[f32], pixels: usize, out: &mut [f32]) {
        for (l, values) in out.chunks_exact_mut(pixels).enumerate() {
            for (value, pixel) in values.iter_mut().zip(plane.chunks_exact(LANES)) {
                *value = pixel[l];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Dims;

    #[test]
    fn there_and_back() {
        for (n, c, h, w) in [(1, 1, 1, 1), (2, 17, 3, 5), (3, 32, 40, 50), (5, 3, 1, 7)] {
            let dims = Dims { n, h, w, c };
            let src: Vec<f32> = (0..dims.values()).map(|i| i as f32).collect();
            let mut blocked = vec![f32::NAN; dims.stored()];
            to_blocked(&src, ViewMut::new(&mut blocked, dims));
            assert!(blocked.iter().all(|v| !v.is_nan()));
            let mut back = vec![0.0; src.len()];
            to_planar(View::new(&blocked, dims), &mut back);
            assert_eq!(src, back);
        }
    }
}
