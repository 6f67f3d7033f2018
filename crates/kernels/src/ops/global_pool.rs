//! Pooling over all rows and columns of an image: mean, maximum, log-sum-exp.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// What to pool by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Global {
    /// Mean.
    Avg,
    /// Maximum; the gradient goes to its first place in row order.
    Max,
    /// m + ln(mean(exp(r (x - m)))) / r (Wang et al. 2017, section 3.2).
    Lse(f32),
}

/// `[n, c, h, w]` to `[n, c, 1, 1]`.
pub fn forward(kind: Global, x: View, out: ViewMut) {
    assert!(out.dims.pixels() == 1 && out.dims.c == x.dims.c && out.dims.n == x.dims.n);
    for_planes(out, |piece, chunk| {
        pool_plane(kind, x.plane(piece.n, piece.b), chunk)
    });
}

multiversion! {
    fn pool_plane(kind: Global, plane: &[f32], out: &mut [f32]) {
        let pixels = (plane.len() / LANES) as f32;
        let mut acc = [0.0f32; LANES];
        if kind == Global::Avg {
            for pixel in plane.chunks_exact(LANES) {
                for l in 0..LANES {
                    acc[l] += pixel[l];
                }
            }
            for l in 0..LANES {
                out[l] = acc[l] / pixels;
            }
            return;
        }
        out.copy_from_slice(&plane[..LANES]);
        for pixel in plane.chunks_exact(LANES) {
            for l in 0..LANES {
                out[l] = if pixel[l] > out[l] || pixel[l].is_nan() { pixel[l] } else { out[l] };
            }
        }
        if let Global::Lse(r) = kind {
            for pixel in plane.chunks_exact(LANES) {
                for l in 0..LANES {
                    acc[l] += (r * (pixel[l] - out[l])).exp();
                }
            }
            for l in 0..LANES {
                out[l] += (acc[l] / pixels).ln() / r;
            }
        }
    }
}

/// Gradient of the input; `x` and `y` are the input and output of the forward pass, which the mean does not need.
pub fn backward(kind: Global, x: Option<View>, y: Option<View>, dy: View, dx: ViewMut) {
    let pixels = dx.dims.pixels() as f32;
    match (kind, x, y) {
        (Global::Max, Some(x), Some(y)) => max_backward(x, y, dy, dx),
        (Global::Lse(r), Some(x), Some(y)) => for_planes(dx, |piece, chunk| {
            let (d, top) = (dy.plane(piece.n, piece.b), y.plane(piece.n, piece.b));
            let values = &x.plane(piece.n, piece.b)[piece.first * LANES..];
            for (o, v) in chunk
                .chunks_exact_mut(LANES)
                .zip(values.chunks_exact(LANES))
            {
                for l in 0..LANES {
                    o[l] = d[l] * (r * (v[l] - top[l])).exp() / pixels;
                }
            }
        }),
        _ => for_planes(dx, |piece, chunk| {
            let d = dy.plane(piece.n, piece.b);
            for o in chunk.chunks_exact_mut(LANES) {
                for l in 0..LANES {
                    o[l] = d[l] / pixels;
                }
            }
        }),
    }
}

fn max_backward(x: View, y: View, dy: View, dx: ViewMut) {
    let dims = dx.dims;
    for_planes(dx, |piece, chunk| {
        let (d, top, plane) = (
            dy.plane(piece.n, piece.b),
            y.plane(piece.n, piece.b),
            x.plane(piece.n, piece.b),
        );
        chunk.fill(0.0);
        for l in 0..dims.lanes(piece.b) {
            let place = plane
                .iter()
                .skip(l)
                .step_by(LANES)
                .position(|&v| v == top[l]);
            if let Some(p) = place.filter(|p| (piece.first..piece.first + piece.count).contains(p))
            {
                chunk[(p - piece.first) * LANES + l] = d[l];
            }
        }
    });
}
