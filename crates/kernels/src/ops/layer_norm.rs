//! Normalisation over the channels of each place (Ba et al. 2016).

use rayon::prelude::*;

use crate::parallel::{for_planes, sum_planes};
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// Places handled by one task.
const PLACES: usize = 64;

/// Two numbers of every place, image after image.
type Pairs = Vec<[f32; 2]>;

/// Mean and reciprocal deviation of every place.
pub fn moments(x: View, eps: f32) -> Pairs {
    places(x, |n, first, out| {
        let planes: Vec<&[f32]> = (0..x.dims.blocks()).map(|b| x.plane(n, b)).collect();
        moments_of(&planes, x.dims.c, first, eps, out);
    })
}

/// Calls `body(image, first place, its pairs)` for runs of places.
fn places(x: View, body: impl Fn(usize, usize, &mut [[f32; 2]]) + Sync) -> Pairs {
    let pixels = x.dims.pixels();
    let mut out = vec![[0.0; 2]; x.dims.n * pixels];
    out.par_chunks_mut(pixels).enumerate().for_each(|(n, of)| {
        of.par_chunks_mut(PLACES)
            .enumerate()
            .for_each(|(i, run)| body(n, i * PLACES, run));
    });
    out
}

multiversion! {
    fn moments_of(planes: &[&[f32]], channels: usize, first: usize, eps: f32, out: &mut [[f32; 2]]) {
        let count = channels as f32;
        for (i, pair) in out.iter_mut().enumerate() {
            let at = (first + i) * LANES;
            let mut sum = [0.0f32; LANES];
            each_block(planes, channels, at, |v, lanes, _| (0..lanes).for_each(|l| sum[l] += v[l]));
            let mean = total(&sum) / count;
            let mut squares = [0.0f32; LANES];
            each_block(planes, channels, at, |v, lanes, _| {
                (0..lanes).for_each(|l| squares[l] += (v[l] - mean) * (v[l] - mean));
            });
            *pair = [mean, 1.0 / (total(&squares) / count + eps).sqrt()];
        }
    }
}

/// Calls `body(values, lanes that hold channels, block)` for the blocks of one place.
#[inline(always)]
fn each_block(
    planes: &[&[f32]],
    channels: usize,
    at: usize,
    mut body: impl FnMut(&[f32], usize, usize),
) {
    for (b, plane) in planes.iter().enumerate() {
        let values = &plane[at..at + LANES];
        match channels - b * LANES {
            // A constant number of lanes, so that the loops over them become vectors.
            LANES.. => body(values, LANES, b),
            lanes => body(values, lanes, b),
        }
    }
}

#[inline(always)]
fn total(lanes: &[f32; LANES]) -> f32 {
    lanes.iter().sum()
}

/// Values of a parameter with the last block filled up with zeros.
fn filled(values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    out.resize(values.len().next_multiple_of(LANES), 0.0);
    out
}

/// `out = (x - mean) / deviation * weight + bias`.
pub fn forward(x: View, weight: &[f32], bias: &[f32], eps: f32, out: ViewMut) {
    let (pairs, weight, bias) = (moments(x, eps), filled(weight), filled(bias));
    let pixels = x.dims.pixels();
    for_planes(out, |piece, chunk| {
        scale(
            &x.plane(piece.n, piece.b)[piece.first * LANES..],
            &pairs[piece.n * pixels + piece.first..],
            &weight[piece.b * LANES..],
            &bias[piece.b * LANES..],
            chunk,
        );
    });
}

multiversion! {
    fn scale(x: &[f32], pairs: &[[f32; 2]], weight: &[f32], bias: &[f32], out: &mut [f32]) {
        let (weight, bias) = (&weight[..LANES], &bias[..LANES]);
        let places = x.chunks_exact(LANES).zip(pairs);
        for (o, (v, [mean, inverse])) in out.chunks_exact_mut(LANES).zip(places) {
            for l in 0..LANES {
                o[l] = (v[l] - mean) * inverse * weight[l] + bias[l];
            }
        }
    }
}

/// Gradient of the input: `(w dy - mean(w dy) - x̂ mean(w dy x̂)) / deviation`, x̂ the normalised input.
pub fn backward_input(x: View, dy: View, weight: &[f32], pairs: &[[f32; 2]], dx: ViewMut) {
    let weight = filled(weight);
    let pixels = x.dims.pixels();
    let means = places(x, |n, first, out| {
        let planes = |of: View<'_>| -> Vec<Vec<f32>> {
            let run = first * LANES..(first + out.len()) * LANES;
            (0..of.dims.blocks())
                .map(|b| of.plane(n, b)[run.clone()].to_vec())
                .collect()
        };
        let (xs, dys) = (planes(x), planes(dy));
        let of_run = &pairs[n * pixels + first..];
        gradient_means(&xs, &dys, x.dims.c, &weight, of_run, out);
    });
    for_planes(dx, |piece, chunk| {
        let from = piece.first * LANES;
        gradient_chunk(
            &x.plane(piece.n, piece.b)[from..],
            &dy.plane(piece.n, piece.b)[from..],
            &weight[piece.b * LANES..],
            &pairs[piece.n * pixels + piece.first..],
            &means[piece.n * pixels + piece.first..],
            chunk,
        );
    });
}

multiversion! {
    fn gradient_means(xs: &[Vec<f32>], dys: &[Vec<f32>], channels: usize, weight: &[f32], pairs: &[[f32; 2]], out: &mut [[f32; 2]]) {
        for (i, (pair, [mean, inverse])) in out.iter_mut().zip(pairs).enumerate() {
            let (mut plain, mut along) = ([0.0f32; LANES], [0.0f32; LANES]);
            for (b, (x, dy)) in xs.iter().zip(dys).enumerate() {
                let (x, dy) = (&x[i * LANES..][..LANES], &dy[i * LANES..][..LANES]);
                let w = &weight[b * LANES..][..LANES];
                for l in 0..LANES.min(channels - b * LANES) {
                    let d = dy[l] * w[l];
                    plain[l] += d;
                    along[l] += d * (x[l] - mean) * inverse;
                }
            }
            *pair = [total(&plain) / channels as f32, total(&along) / channels as f32];
        }
    }
}

multiversion! {
    fn gradient_chunk(x: &[f32], dy: &[f32], weight: &[f32], pairs: &[[f32; 2]], means: &[[f32; 2]], out: &mut [f32]) {
        let weight = &weight[..LANES];
        for (i, o) in out.chunks_exact_mut(LANES).enumerate() {
            let (x, dy) = (&x[i * LANES..][..LANES], &dy[i * LANES..][..LANES]);
            let ([mean, inverse], [plain, along]) = (pairs[i], means[i]);
            for l in 0..LANES {
                o[l] = inverse * (dy[l] * weight[l] - plain - (x[l] - mean) * inverse * along);
            }
        }
    }
}

/// Gradients of scale and shift.
pub fn backward_params(x: View, dy: View, pairs: &[[f32; 2]]) -> (Vec<f32>, Vec<f32>) {
    let (dims, pixels) = (x.dims, x.dims.pixels());
    let sums = sum_planes(dims, 2 * LANES, |piece, part| {
        let from = piece.first * LANES;
        let to = from + piece.count * LANES;
        param_sums(
            &x.plane(piece.n, piece.b)[from..to],
            &dy.plane(piece.n, piece.b)[from..to],
            &pairs[piece.n * pixels + piece.first..],
            part,
        );
    });
    let pick = |shift: usize| {
        (0..dims.c)
            .map(|c| sums[c / LANES * 2 * LANES + shift + c % LANES] as f32)
            .collect()
    };
    (pick(0), pick(LANES))
}

multiversion! {
    fn param_sums(x: &[f32], dy: &[f32], pairs: &[[f32; 2]], part: &mut [f32]) {
        let (scale, shift) = part.split_at_mut(LANES);
        let places = x.chunks_exact(LANES).zip(dy.chunks_exact(LANES)).zip(pairs);
        for ((x, dy), [mean, inverse]) in places {
            for l in 0..LANES {
                scale[l] += dy[l] * (x[l] - mean) * inverse;
                shift[l] += dy[l];
            }
        }
    }
}
