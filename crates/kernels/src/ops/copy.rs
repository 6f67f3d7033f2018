//! Moving channels and pixels: copies and sums of views, channels placed anywhere, padding or cropping.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// Copies `src` into `out`, which has the same extents.
pub fn copy(src: View, out: ViewMut) {
    assert_eq!(src.dims, out.dims);
    for_planes(out, |piece, chunk| {
        chunk.copy_from_slice(&src.plane(piece.n, piece.b)[piece.first * LANES..][..chunk.len()]);
    });
}

/// Adds `src` to `out`.
pub fn accumulate(src: View, out: ViewMut) {
    assert_eq!(src.dims, out.dims);
    for_planes(out, |piece, chunk| {
        add_chunk(
            &src.plane(piece.n, piece.b)[piece.first * LANES..][..chunk.len()],
            chunk,
        );
    });
}

multiversion! {
    fn add_chunk(src: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(src).for_each(|(o, &s)| *o += s);
    }
}

/// Each input's channels behind those of the one before.
pub fn concat(inputs: &[View], mut out: ViewMut) {
    let mut offset = 0;
    for x in inputs {
        place_channels(*x, offset, out.reborrow());
        offset += x.dims.c;
    }
}

/// Copies the channels of `src` to the channels of `out` from `offset` on.
pub fn place_channels(src: View, offset: usize, mut out: ViewMut) {
    if offset.is_multiple_of(LANES)
        && (src.dims.c.is_multiple_of(LANES) || offset + src.dims.c == out.dims.c)
    {
        return copy(src, out.channels(offset / LANES, src.dims.c));
    }
    let (first, count) = (offset, src.dims.c);
    for_planes(out, |piece, chunk| {
        for l in 0..LANES {
            let channel = piece.b * LANES + l;
            if channel >= first && channel < first + count {
                let from = channel - first;
                let plane = &src.plane(piece.n, from / LANES)[piece.first * LANES..];
                for (o, s) in chunk.chunks_exact_mut(LANES).zip(plane.chunks_exact(LANES)) {
                    o[l] = s[from % LANES];
                }
            }
        }
    });
}

/// Copies (or adds, when `sum`) the channels of `src` from `offset` on into `out`: the gradient of a concatenation.
pub fn take_channels(src: View, offset: usize, sum: bool, out: ViewMut) {
    if offset.is_multiple_of(LANES) {
        let part = src.channels(offset / LANES, out.dims.c);
        return if sum {
            accumulate(part, out)
        } else {
            copy(part, out)
        };
    }
    let channels = out.dims.c;
    for_planes(out, |piece, chunk| {
        if !sum {
            chunk.fill(0.0);
        }
        for l in 0..LANES.min(channels - piece.b * LANES) {
            let from = offset + piece.b * LANES + l;
            let plane = &src.plane(piece.n, from / LANES)[piece.first * LANES..];
            for (o, s) in chunk.chunks_exact_mut(LANES).zip(plane.chunks_exact(LANES)) {
                o[l] += s[from % LANES];
            }
        }
    });
}

/// Copies the overlap of the two extents, counted from the top left; the rest of `out` is zero.
/// It is its own gradient with the sides exchanged.
pub fn fit(src: View, out: ViewMut) {
    let (from, to) = (src.dims, out.dims);
    assert!(from.n == to.n && from.c == to.c);
    for_planes(out, |piece, chunk| {
        let plane = src.plane(piece.n, piece.b);
        for (p, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
            let (y, x) = ((piece.first + p) / to.w, (piece.first + p) % to.w);
            if y < from.h && x < from.w {
                pixel.copy_from_slice(&plane[(y * from.w + x) * LANES..][..LANES]);
            } else {
                pixel.fill(0.0);
            }
        }
    });
}
