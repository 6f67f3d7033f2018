//! Bilinear resizing, PyTorch's `interpolate(mode="bilinear", antialias=False)`, and its gradient.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

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
            let at = if align_corners {
                o as f64 * scale
            } else {
                ((o as f64 + 0.5) * scale - 0.5).max(0.0)
            };
            let low = (at.floor() as usize).min(from - 1);
            let share = (at - low as f64) as f32;
            let high = (low + 1).min(from - 1);
            if high == low || share == 0.0 {
                vec![(low, 1.0)]
            } else {
                vec![(low, 1.0 - share), (high, share)]
            }
        });
        AxisWeights {
            taps: taps.collect(),
        }
    }

    /// The places that place `to` takes from, with their weights.
    pub fn taps(&self, to: usize) -> &[(usize, f32)] {
        &self.taps[to]
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
    for_planes(out, |piece, chunk| {
        mix_piece(
            x.plane(piece.n, piece.b),
            x.dims.w,
            rows,
            columns,
            piece.first,
            chunk,
        )
    });
}

multiversion! {
    fn mix_piece(plane: &[f32], width: usize, rows: &AxisWeights, columns: &AxisWeights, first: usize, chunk: &mut [f32]) {
        let to = columns.taps.len();
        for (p, out) in chunk.chunks_exact_mut(LANES).enumerate() {
            let mut sum = [0.0f32; LANES];
            for &(iy, wy) in &rows.taps[(first + p) / to] {
                for &(ix, wx) in &columns.taps[(first + p) % to] {
                    let weight = wy * wx;
                    let v = &plane[(iy * width + ix) * LANES..][..LANES];
                    for l in 0..LANES {
                        sum[l] += v[l] * weight;
                    }
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}
