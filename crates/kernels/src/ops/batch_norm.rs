//! Batch normalisation over `[n, h, w]` of each channel, alone or with the rectifier behind it.
//!
//! Training normalises with the biased variance and moves the running buffer by the unbiased one, as PyTorch.
//! The gradient takes the rectifier's mask from the output, so only the input and the output are kept.

use crate::parallel::{for_rows, grain_rows, rows_in, sum_rows};
use crate::simd::multiversion;
use crate::view::{View, ViewMut};

/// Mean and 1 / sqrt(variance + eps) by channel.
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
        Moments { mean: mean.to_vec(), var: var.to_vec(), inv_std }
    }

    /// Of the values of a batch. Each piece of rows is centred on its own mean before squares are summed,
    /// and pieces are combined in double precision (Chan, Golub, LeVeque 1983).
    pub fn of(x: View, eps: f32) -> Self {
        let (c, total) = (x.dims.c, x.dims.rows());
        let rows = grain_rows(c);
        let pieces = total.div_ceil(rows);
        let mut parts = vec![0.0f32; pieces * 2 * c];
        let dims = crate::view::Dims { n: pieces, h: 1, w: 1, c: 2 * c };
        for_rows(ViewMut::new(&mut parts, dims), 1, |i, part| {
            moments_piece(x, i * rows, ((i + 1) * rows).min(total), part);
        });
        let mut out = Moments { mean: vec![0.0; c], var: vec![0.0; c], inv_std: vec![0.0; c] };
        for ch in 0..c {
            let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
            for (i, part) in parts.chunks(2 * c).enumerate() {
                let n = (((i + 1) * rows).min(total) - i * rows) as f64;
                let delta = f64::from(part[ch]) - mean;
                squares += f64::from(part[c + ch]) + delta * delta * count * n / (count + n);
                mean += delta * n / (count + n);
                count += n;
            }
            let var = squares / count;
            (out.mean[ch], out.var[ch], out.inv_std[ch]) = (mean as f32, var as f32, inv_std(var, eps));
        }
        out
    }

    /// Moves the running buffers towards the statistics of a batch of `count` values a channel.
    pub fn update_running(&self, mean: &mut [f32], var: &mut [f32], momentum: f32, count: usize) {
        let unbias = count as f32 / (count as f32 - 1.0);
        mean.iter_mut().zip(&self.mean).for_each(|(r, &m)| *r += momentum * (m - *r));
        var.iter_mut().zip(&self.var).for_each(|(r, &v)| *r += momentum * (v * unbias - *r));
    }

    /// The normalisation as `scale * x + shift`.
    pub fn affine(&self, weight: &[f32], bias: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let scale: Vec<f32> = self.inv_std.iter().zip(weight).map(|(&i, &w)| i * w).collect();
        let shift = (0..scale.len()).map(|ch| bias[ch] - self.mean[ch] * scale[ch]).collect();
        (scale, shift)
    }
}

fn inv_std(var: f64, eps: f32) -> f32 {
    (1.0 / (var + f64::from(eps)).sqrt()) as f32
}

multiversion! {
    fn moments_piece(x: View, first: usize, end: usize, part: &mut [f32]) {
        let c = x.dims.c;
        let (mean, squares) = part.split_at_mut(c);
        for p in first..end {
            mean.iter_mut().zip(x.row(p)).for_each(|(m, &v)| *m += v);
        }
        let count = (end - first) as f32;
        mean.iter_mut().for_each(|m| *m /= count);
        for p in first..end {
            for ((s, &m), &v) in squares.iter_mut().zip(mean.iter()).zip(x.row(p)) {
                *s += (v - m) * (v - m);
            }
        }
    }
}

/// `out = scale * x + shift`, then max(0, .) when `relu`.
pub fn affine(x: View, scale: &[f32], shift: &[f32], relu: bool, out: ViewMut) {
    let (c, ld) = (x.dims.c, out.ld);
    assert!(x.dims == out.dims && scale.len() == c && shift.len() == c);
    for_rows(out, grain_rows(c), |first, chunk| affine_piece(x, first, scale, shift, relu, chunk, ld));
}

multiversion! {
    fn affine_piece(x: View, first: usize, scale: &[f32], shift: &[f32], relu: bool, chunk: &mut [f32], ld: usize) {
        let c = scale.len();
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        for (p, row) in chunk.chunks_mut(ld).enumerate() {
            let src = x.row(first + p);
            for (((o, &v), &a), &b) in row[..c].iter_mut().zip(src).zip(scale).zip(shift) {
                let y = a * v + b;
                *o = if y < floor { floor } else { y };
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

/// Gradients of scale and shift. With `relu`, `y` is the rectified output and masks `dy`.
pub fn backward_sums(x: View, y: Option<View>, dy: View, moments: &Moments) -> Sums {
    let c = x.dims.c;
    let sums = sum_rows(x.dims.rows(), grain_rows(c), 2 * c, |first, end, part| {
        sums_piece(x, y, dy, &moments.mean, first, end, part);
    });
    let weight = (0..c).map(|ch| (sums[c + ch] * f64::from(moments.inv_std[ch])) as f32).collect();
    Sums { bias: sums[..c].iter().map(|&s| s as f32).collect(), weight }
}

multiversion! {
    fn sums_piece(x: View, y: Option<View>, dy: View, mean: &[f32], first: usize, end: usize, part: &mut [f32]) {
        let c = mean.len();
        let (bias, weight) = part.split_at_mut(c);
        for p in first..end {
            let (xs, ds) = (&x.row(p)[..c], &dy.row(p)[..c]);
            match y {
                Some(y) => {
                    let ys = &y.row(p)[..c];
                    for ch in 0..c {
                        let d = if ys[ch] > 0.0 { ds[ch] } else { 0.0 };
                        bias[ch] += d;
                        weight[ch] += d * (xs[ch] - mean[ch]);
                    }
                }
                None => {
                    for ch in 0..c {
                        bias[ch] += ds[ch];
                        weight[ch] += ds[ch] * (xs[ch] - mean[ch]);
                    }
                }
            }
        }
    }
}

/// Turns `dy` into the gradient of the input. `sums` is `None` for fixed statistics (evaluation).
pub fn backward_input(x: View, y: Option<View>, dy: ViewMut, moments: &Moments, weight: &[f32], sums: Option<&Sums>) {
    let (c, ld, count) = (x.dims.c, dy.ld, x.dims.rows() as f32);
    // dx = scale * (d - mean(d) - xhat * mean(d xhat)) = scale * d + slope * x + offset
    let scale: Vec<f32> = (0..c).map(|ch| weight[ch] * moments.inv_std[ch]).collect();
    let (mut slope, mut offset) = (vec![0.0f32; c], vec![0.0f32; c]);
    if let Some(sums) = sums {
        for ch in 0..c {
            slope[ch] = -scale[ch] * sums.weight[ch] * moments.inv_std[ch] / count;
            offset[ch] = -scale[ch] * sums.bias[ch] / count;
        }
    }
    for_rows(dy, grain_rows(c), |first, chunk| {
        input_piece(x, y, first, [&scale, &slope, &offset, &moments.mean], chunk, ld);
    });
}

multiversion! {
    fn input_piece(x: View, y: Option<View>, first: usize, coefficients: [&[f32]; 4], chunk: &mut [f32], ld: usize) {
        let [scale, slope, offset, mean] = coefficients;
        let c = scale.len();
        let (slope, offset, mean) = (&slope[..c], &offset[..c], &mean[..c]);
        for p in 0..rows_in(chunk, ld) {
            let row = &mut chunk[p * ld..p * ld + c];
            let xs = &x.row(first + p)[..c];
            match y {
                Some(y) => {
                    let ys = &y.row(first + p)[..c];
                    for ch in 0..c {
                        let d = if ys[ch] > 0.0 { row[ch] } else { 0.0 };
                        row[ch] = scale[ch] * d + slope[ch] * (xs[ch] - mean[ch]) + offset[ch];
                    }
                }
                None => {
                    for ch in 0..c {
                        row[ch] = scale[ch] * row[ch] + slope[ch] * (xs[ch] - mean[ch]) + offset[ch];
                    }
                }
            }
        }
    }
}
