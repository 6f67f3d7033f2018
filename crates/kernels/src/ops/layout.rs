//! Between `[n, c, h, w]` outside and `[n, h, w, c]` inside, for activations and for weights.

use crate::parallel::for_rows;
use crate::view::{Dims, View, ViewMut};

/// `[n, c, h, w]` to `[n, h, w, c]`.
pub fn to_channels_last(src: &[f32], out: ViewMut) {
    let dims = out.dims;
    let (pixels, c, ld) = (dims.pixels(), dims.c, out.ld);
    for_rows(out, pixels, |first, chunk| {
        let image = &src[first / pixels * pixels * c..][..pixels * c];
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            for (ch, value) in row[..c].iter_mut().enumerate() {
                *value = image[ch * pixels + p];
            }
        }
    });
}

/// `[n, h, w, c]` to `[n, c, h, w]`.
pub fn to_channels_first(src: View, out: &mut [f32]) {
    let (pixels, c) = (src.dims.pixels(), src.dims.c);
    let images = Dims { n: src.dims.n, h: 1, w: 1, c: pixels * c };
    for_rows(ViewMut::new(out, images), 1, |n, image| {
        for (ch, plane) in image.chunks_mut(pixels).enumerate() {
            for (p, value) in plane.iter_mut().enumerate() {
                *value = src.data[(n * pixels + p) * src.ld + ch];
            }
        }
    });
}

/// Weight `[o, i, taps]` to `[taps, i, o]`, for one group's block of the array.
pub fn taps_in_out(src: &[f32], [o, i, taps]: [usize; 3], out: &mut [f32]) {
    for ch in 0..o {
        for k in 0..i {
            for t in 0..taps {
                out[(t * i + k) * o + ch] = src[(ch * i + k) * taps + t];
            }
        }
    }
}

/// Weight `[taps, i, o]` to `[o, i, taps]`.
pub fn out_in_taps(src: &[f32], [o, i, taps]: [usize; 3], out: &mut [f32]) {
    for ch in 0..o {
        for k in 0..i {
            for t in 0..taps {
                out[(ch * i + k) * taps + t] = src[(t * i + k) * o + ch];
            }
        }
    }
}

/// Weight `[o, i, taps]` to `[taps, o, i]`.
pub fn taps_out_in(src: &[f32], [o, i, taps]: [usize; 3], out: &mut [f32]) {
    for ch in 0..o {
        for k in 0..i {
            for t in 0..taps {
                out[(t * o + ch) * i + k] = src[(ch * i + k) * taps + t];
            }
        }
    }
}
