//! Pooling over all rows and columns of an image: mean, maximum, log-sum-exp.

use crate::parallel::{for_rows, grain_rows};
use crate::simd::multiversion;
use crate::view::{View, ViewMut};

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

/// `[n, h, w, c]` to `[n, 1, 1, c]`.
pub fn forward(kind: Global, x: View, out: ViewMut) {
    let (c, ld, pixels) = (x.dims.c, out.ld, x.dims.pixels());
    for_rows(out, 1, |n, chunk| {
        for row in chunk.chunks_mut(ld) {
            pool_image(kind, x.data, x.ld, n * pixels, pixels, &mut row[..c]);
        }
    });
}

multiversion! {
    fn pool_image(kind: Global, x: &[f32], ld: usize, first: usize, pixels: usize, out: &mut [f32]) {
        let c = out.len();
        let row = |p: usize| &x[(first + p) * ld..(first + p) * ld + c];
        if kind == Global::Avg {
            out.fill(0.0);
            for p in 0..pixels {
                out.iter_mut().zip(row(p)).for_each(|(o, &v)| *o += v);
            }
            out.iter_mut().for_each(|o| *o /= pixels as f32);
            return;
        }
        out.copy_from_slice(row(0));
        for p in 1..pixels {
            out.iter_mut().zip(row(p)).for_each(|(o, &v)| *o = if v > *o || v.is_nan() { v } else { *o });
        }
        if let Global::Lse(r) = kind {
            for (ch, o) in out.iter_mut().enumerate() {
                let sum: f32 = (0..pixels).map(|p| (r * (x[(first + p) * ld + ch] - *o)).exp()).sum();
                *o += (sum / pixels as f32).ln() / r;
            }
        }
    }
}

/// Gradient of the input; `x` and `y` are the input and output of the forward pass, which the mean does not need.
pub fn backward(kind: Global, x: Option<View>, y: Option<View>, dy: View, dx: ViewMut) {
    let (c, ld, pixels) = (dx.dims.c, dx.ld, dx.dims.pixels());
    let (Some(x), Some(y)) = (x, y) else { return avg_backward(dy, dx) };
    let r = match kind {
        Global::Avg => return avg_backward(dy, dx),
        Global::Max => return max_backward(x, y, dy, dx),
        Global::Lse(r) => r,
    };
    for_rows(dx, grain_rows(c), |first, chunk| {
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            let (n, values) = ((first + p) / pixels, x.row(first + p));
            for ch in 0..c {
                row[ch] = dy.row(n)[ch] * (r * (values[ch] - y.row(n)[ch])).exp() / pixels as f32;
            }
        }
    });
}

fn avg_backward(dy: View, dx: ViewMut) {
    let (c, ld, pixels) = (dx.dims.c, dx.ld, dx.dims.pixels());
    for_rows(dx, grain_rows(c), |first, chunk| {
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            let values = dy.row((first + p) / pixels);
            row[..c].iter_mut().zip(values).for_each(|(d, &g)| *d = g / pixels as f32);
        }
    });
}

fn max_backward(x: View, y: View, dy: View, dx: ViewMut) {
    let (c, ld, pixels) = (dx.dims.c, dx.ld, dx.dims.pixels());
    for_rows(dx, pixels, |first, chunk| {
        let n = first / pixels;
        let mut open = vec![true; c];
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            let values = x.row(first + p);
            for ch in 0..c {
                let hit = open[ch] && values[ch] == y.row(n)[ch];
                row[ch] = if hit { dy.row(n)[ch] } else { 0.0 };
                open[ch] &= !hit;
            }
        }
    });
}
