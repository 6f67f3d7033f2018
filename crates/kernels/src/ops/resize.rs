//! Bilinear resizing, PyTorch's `interpolate(mode="bilinear", antialias=False)`, and its gradient.

use crate::parallel::for_rows;
use crate::simd::multiversion;
use crate::view::{Dims, View, ViewMut};

/// For each place on one axis: the places it takes from and their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisWeights {
    taps: Vec<Vec<(usize, f32)>>,
}

impl AxisWeights {
    /// From `from` places to `to`.
    pub fn new(from: usize, to: usize, align_corners: bool) -> Self {
        let scale = match (align_corners, to) {
            (true, 1) => 0.0,
            (true, _) => (from - 1) as f64 / (to - 1) as f64,
            (false, _) => from as f64 / to as f64,
        };
        let taps = (0..to).map(|o| {
            let at = if align_corners { o as f64 * scale } else { ((o as f64 + 0.5) * scale - 0.5).max(0.0) };
            let low = (at.floor() as usize).min(from - 1);
            let share = (at - low as f64) as f32;
            let high = (low + 1).min(from - 1);
            if high == low || share == 0.0 { vec![(low, 1.0)] } else { vec![(low, 1.0 - share), (high, share)] }
        });
        AxisWeights { taps: taps.collect() }
    }

    /// The transposed relation over `from` places: who takes from each place, and how much.
    pub fn transposed(&self, from: usize) -> Self {
        let mut taps = vec![Vec::new(); from];
        for (o, list) in self.taps.iter().enumerate() {
            for &(i, weight) in list {
                taps[i].push((o, weight));
            }
        }
        AxisWeights { taps }
    }
}

/// Resizes `x` to the extents of `out`.
pub fn bilinear(x: View, align_corners: bool, out: ViewMut) {
    let rows = AxisWeights::new(x.dims.h, out.dims.h, align_corners);
    let columns = AxisWeights::new(x.dims.w, out.dims.w, align_corners);
    mix(x, &rows, &columns, out);
}

/// Gradient of [`bilinear`].
pub fn bilinear_backward(dy: View, align_corners: bool, dx: ViewMut) {
    let rows = AxisWeights::new(dx.dims.h, dy.dims.h, align_corners).transposed(dx.dims.h);
    let columns = AxisWeights::new(dx.dims.w, dy.dims.w, align_corners).transposed(dx.dims.w);
    mix(dy, &rows, &columns, dx);
}

fn mix(x: View, rows: &AxisWeights, columns: &AxisWeights, out: ViewMut) {
    let (od, ld) = (out.dims, out.ld);
    for_rows(out, od.w, |first, chunk| mix_row(x, rows, columns, od, first, chunk, ld));
}

multiversion! {
    fn mix_row(x: View, rows: &AxisWeights, columns: &AxisWeights, od: Dims, first: usize, chunk: &mut [f32], ld: usize) {
        let (n, oy, xd, c) = (first / od.pixels(), first / od.w % od.h, x.dims, od.c);
        for (ox, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(0.0);
            for &(iy, wy) in &rows.taps[oy] {
                for &(ix, wx) in &columns.taps[ox] {
                    let weight = wy * wx;
                    row.iter_mut().zip(x.row((n * xd.h + iy) * xd.w + ix)).for_each(|(o, &v)| *o += v * weight);
                }
            }
        }
    }
}
