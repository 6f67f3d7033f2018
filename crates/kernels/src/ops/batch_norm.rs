//! Batch normalisation over `[n, h, w]` of each channel, alone or with the rectifier behind it.
//!
//! Training normalises with the biased variance and moves the running buffer by the unbiased one, as PyTorch.
//! The gradient recomputes the rectifier's mask from the input, so the input alone is kept.

use crate::conv::Affine;
use crate::parallel::{for_planes, sum_planes};
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// Statistics by channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f32>,
    /// Biased variance.
    pub var: Vec<f32>,
    /// 1 / sqrt(variance + eps).
    pub inv_std: Vec<f32>,
}

impl Moments {
    /// From known mean and variance (running statistics).
    pub fn fixed(mean: &[f32], var: &[f32], eps: f32) -> Self {
        let inv_std = var.iter().map(|&v| inv_std(f64::from(v), eps)).collect();
        Moments {
            mean: mean.to_vec(),
            var: var.to_vec(),
            inv_std,
        }
    }

    /// Of the values of a batch, in one pass: sums around a first guess of the mean (so that squares do not
    /// cancel), pieces added in double precision.
    pub fn of(x: View, eps: f32) -> Self {
        let c = x.dims.c;
        let pivots: Vec<f32> = (0..x.dims.blocks())
            .flat_map(|b| guess(x.plane(0, b)))
            .collect();
        let sums = sum_planes(x.dims, 2 * LANES, |piece, part| {
            let pixels = &x.plane(piece.n, piece.b)[piece.first * LANES..][..piece.count * LANES];
            shifted_sums(pixels, &pivots[piece.b * LANES..][..LANES], part);
        });
        let count = (x.dims.n * x.dims.pixels()) as f64;
        let mut out = Moments {
            mean: vec![0.0; c],
            var: vec![0.0; c],
            inv_std: vec![0.0; c],
        };
        for ch in 0..c {
            let at = ch / LANES * 2 * LANES + ch % LANES;
            let delta = sums[at] / count;
            let var = (sums[at + LANES] / count - delta * delta).max(0.0);
            out.mean[ch] = (f64::from(pivots[ch]) + delta) as f32;
            (out.var[ch], out.inv_std[ch]) = (var as f32, inv_std(var, eps));
        }
        out
    }

    /// Moves the running buffers towards the statistics of a batch of `count` values a channel.
    pub fn update_running(&self, mean: &mut [f32], var: &mut [f32], momentum: f32, count: usize) {
        let unbias = count as f32 / (count as f32 - 1.0);
        mean.iter_mut()
            .zip(&self.mean)
            .for_each(|(r, &m)| *r += momentum * (m - *r));
        var.iter_mut()
            .zip(&self.var)
            .for_each(|(r, &v)| *r += momentum * (v * unbias - *r));
    }

    /// The normalisation as `scale * x + shift`, over whole blocks.
    pub fn affine(&self, weight: &[f32], bias: &[f32]) -> Line {
        let c = self.mean.len();
        let stored = c.next_multiple_of(LANES);
        let mut line = Line {
            scale: vec![0.0; stored],
            shift: vec![0.0; stored],
        };
        for ch in 0..c {
            line.scale[ch] = self.inv_std[ch] * weight[ch];
            line.shift[ch] = bias[ch] - self.mean[ch] * line.scale[ch];
        }
        line
    }
}

/// `scale * x + shift` by channel, over whole blocks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Factors.
    pub scale: Vec<f32>,
    /// Terms.
    pub shift: Vec<f32>,
}

impl Line {
    /// As the kernels take it.
    pub fn map(&self, relu: bool) -> Affine<'_> {
        Affine {
            scale: &self.scale,
            shift: &self.shift,
            relu,
        }
    }
}

fn inv_std(var: f64, eps: f32) -> f32 {
    (1.0 / (var + f64::from(eps)).sqrt()) as f32
}

/// The mean of some sixty pixels spread over a plane.
fn guess(plane: &[f32]) -> [f32; LANES] {
    let step = (plane.len() / LANES).div_ceil(64);
    let mut sum = [0.0f32; LANES];
    let mut count = 0.0;
    for pixel in plane.chunks_exact(LANES).step_by(step) {
        (0..LANES).for_each(|l| sum[l] += pixel[l]);
        count += 1.0;
    }
    sum.map(|s| s / count)
}

multiversion! {
    fn shifted_sums(pixels: &[f32], pivot: &[f32], part: &mut [f32]) {
        let (mut sum, mut squares, mut first) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        first.copy_from_slice(pivot);
        for pixel in pixels.chunks_exact(LANES) {
            for l in 0..LANES {
                let d = pixel[l] - first[l];
                sum[l] += d;
                squares[l] += d * d;
            }
        }
        part[..LANES].copy_from_slice(&sum);
        part[LANES..].copy_from_slice(&squares);
    }
}

/// Applies the map to `x`.
pub fn affine(x: View, map: Affine, out: ViewMut) {
    assert!(x.dims == out.dims && map.scale.len() >= x.dims.c && map.shift.len() >= x.dims.c);
    for_planes(out, |piece, chunk| {
        let block = piece.b * LANES..(piece.b + 1) * LANES;
        let pixels = &x.plane(piece.n, piece.b)[piece.first * LANES..];
        affine_piece(
            pixels,
            &map.scale[block.clone()],
            &map.shift[block],
            map.relu,
            chunk,
        );
    });
}

multiversion! {
    fn affine_piece(x: &[f32], scale: &[f32], shift: &[f32], relu: bool, out: &mut [f32]) {
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        let (mut a, mut b) = ([0.0f32; LANES], [0.0f32; LANES]);
        a.copy_from_slice(scale);
        b.copy_from_slice(shift);
        for (o, x) in out.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)) {
            for l in 0..LANES {
                let y = a[l] * x[l] + b[l];
                o[l] = if y < floor { floor } else { y };
            }
        }
    }
}

/// Gradients of scale and shift.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// Of the shift: sum of the output's gradient.
    pub bias: Vec<f32>,
    /// Of the scale: sum of the output's gradient times the normalised input.
    pub weight: Vec<f32>,
}

/// Coefficients of one block, by lane: mean, scale, shift, and what the pass needs besides.
type Block = [[f32; LANES]; 5];

fn block(columns: [&[f32]; 5], b: usize) -> Block {
    columns.map(|values| {
        let mut lanes = [0.0; LANES];
        let part = &values[(b * LANES).min(values.len())..((b + 1) * LANES).min(values.len())];
        lanes[..part.len()].copy_from_slice(part);
        lanes
    })
}

/// Gradients of scale and shift. `map` is the normalisation that was applied; its rectifier masks `dy`.
pub fn backward_sums(x: View, dy: View, moments: &Moments, map: Affine) -> Sums {
    let c = x.dims.c;
    let sums = sum_planes(x.dims, 2 * LANES, |piece, part| {
        let at = piece.first * LANES..(piece.first + piece.count) * LANES;
        let lanes = block([&moments.mean, map.scale, map.shift, &[], &[]], piece.b);
        sums_piece(
            &x.plane(piece.n, piece.b)[at.clone()],
            &dy.plane(piece.n, piece.b)[at],
            &lanes,
            map.relu,
            part,
        );
    });
    let at = |ch: usize| ch / LANES * 2 * LANES + ch % LANES;
    Sums {
        bias: (0..c).map(|ch| sums[at(ch)] as f32).collect(),
        weight: (0..c)
            .map(|ch| (sums[at(ch) + LANES] * f64::from(moments.inv_std[ch])) as f32)
            .collect(),
    }
}

multiversion! {
    fn sums_piece(x: &[f32], dy: &[f32], lanes: &Block, relu: bool, part: &mut [f32]) {
        let [mean, scale, shift, ..] = *lanes;
        let (mut bias, mut weight) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (x, d) in x.chunks_exact(LANES).zip(dy.chunks_exact(LANES)) {
            for l in 0..LANES {
                let open = !relu || scale[l] * x[l] + shift[l] > 0.0;
                let d = if open { d[l] } else { 0.0 };
                bias[l] += d;
                weight[l] += d * (x[l] - mean[l]);
            }
        }
        part[..LANES].copy_from_slice(&bias);
        part[LANES..].copy_from_slice(&weight);
    }
}

/// Turns `dy` into the gradient of the input. `sums` is `None` for fixed statistics (evaluation).
pub fn backward_input(x: View, dy: ViewMut, moments: &Moments, map: Affine, sums: Option<&Sums>) {
    let (c, count) = (x.dims.c, (x.dims.n * x.dims.pixels()) as f32);
    // dx = scale * (d - mean(d) - xhat * mean(d xhat)) = scale * d + slope * (x - mean) + offset
    let (mut slope, mut offset) = (vec![0.0f32; c], vec![0.0f32; c]);
    if let Some(sums) = sums {
        for ch in 0..c {
            slope[ch] = -map.scale[ch] * sums.weight[ch] * moments.inv_std[ch] / count;
            offset[ch] = -map.scale[ch] * sums.bias[ch] / count;
        }
    }
    for_planes(dy, |piece, chunk| {
        let lanes = block(
            [&moments.mean, map.scale, map.shift, &slope, &offset],
            piece.b,
        );
        input_piece(
            &x.plane(piece.n, piece.b)[piece.first * LANES..],
            &lanes,
            map.relu,
            chunk,
        );
    });
}

multiversion! {
    fn input_piece(x: &[f32], lanes: &Block, relu: bool, dy: &mut [f32]) {
        let [mean, scale, shift, slope, offset] = *lanes;
        for (d, x) in dy.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)) {
            for l in 0..LANES {
                let open = !relu || scale[l] * x[l] + shift[l] > 0.0;
                let g = if open { d[l] } else { 0.0 };
                d[l] = scale[l] * g + slope[l] * (x[l] - mean[l]) + offset[l];
            }
        }
    }
}
