//! The weights that one output pixel gives to a run of input pixels, along one axis.

use super::Kernel;
use std::f64::consts::PI;

/// Input pixels `start..start + weights.len()` and their weights (sum 1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tap {
    pub(super) start: usize,
    pub(super) weights: Vec<f64>,
}

/// Taps for columns and rows; each pair is (source, target) length.
pub(super) fn axis_taps(
    kernel: Kernel,
    columns: (usize, usize),
    rows: (usize, usize),
) -> (Vec<Tap>, Vec<Tap>) {
    let shrinks = columns.0 >= columns.1 && rows.0 >= rows.1;
    let one = |(source, target): (usize, usize)| match kernel {
        Kernel::CvArea if shrinks => each(target, |i| area(i, source, target)),
        Kernel::CvArea => each(target, |i| area_enlarged(i, source, target)),
        Kernel::PilNearest => pil_nearest(source, target),
        _ => each(target, |i| tap(kernel, i, source, target)),
    };
    (one(columns), one(rows))
}

fn each(target: usize, f: impl Fn(usize) -> Tap) -> Vec<Tap> {
    (0..target).map(f).collect()
}

/// Pillow walks by adding the scale, so that exact ties fall as its rounding errors do.
fn pil_nearest(source: usize, target: usize) -> Vec<Tap> {
    let scale = source as f64 / target as f64;
    let mut position = 0.5 * scale;
    let mut taps = Vec::with_capacity(target);
    for _ in 0..target {
        taps.push(single(position, source));
        position += scale;
    }
    taps
}

fn tap(kernel: Kernel, i: usize, source: usize, target: usize) -> Tap {
    let scale = source as f64 / target as f64;
    let centre = (i as f64 + 0.5) * scale;
    match kernel {
        Kernel::PilNearest | Kernel::TorchNearestExact => single(centre, source),
        Kernel::CvNearest => single(i as f64 * scale, source),
        // PyTorch computes the scale in float32.
        Kernel::TorchNearest => single(
            f64::from(i as f32 * (source as f32 / target as f32)),
            source,
        ),
        Kernel::PilBox => filtered(centre, scale, source, 0.5, box_filter),
        Kernel::PilBilinear | Kernel::TorchBilinearAntialias => {
            filtered(centre, scale, source, 1.0, triangle)
        }
        Kernel::PilBicubic | Kernel::TorchBicubicAntialias => {
            filtered(centre, scale, source, 2.0, |x| cubic(x, -0.5))
        }
        Kernel::PilLanczos => filtered(centre, scale, source, 3.0, lanczos3),
        Kernel::CvLinear | Kernel::TorchBilinear => linear(centre - 0.5, source),
        Kernel::TorchBilinearAlignCorners => linear(aligned(i, source, target), source),
        Kernel::CvCubic | Kernel::TorchBicubic => cubic_four(centre - 0.5, source),
        Kernel::TorchArea => adaptive_mean(i, source, target),
        Kernel::CvArea => area(i, source, target),
    }
}

fn single(position: f64, source: usize) -> Tap {
    Tap {
        start: (position.floor().max(0.0) as usize).min(source - 1),
        weights: vec![1.0],
    }
}

fn aligned(i: usize, source: usize, target: usize) -> f64 {
    if target > 1 {
        i as f64 * (source - 1) as f64 / (target - 1) as f64
    } else {
        0.0
    }
}

/// Pillow's `precompute_coeffs`: the filter widens with the scale when shrinking.
fn filtered(
    centre: f64,
    scale: f64,
    source: usize,
    support: f64,
    filter: impl Fn(f64) -> f64,
) -> Tap {
    let widened = scale.max(1.0);
    let support = support * widened;
    let first = (centre - support + 0.5).max(0.0) as usize;
    let last = ((centre + support + 0.5) as usize).min(source);
    let mut weights: Vec<f64> = (first..last)
        .map(|x| filter((x as f64 - centre + 0.5) / widened))
        .collect();
    let sum: f64 = weights.iter().sum();
    if sum != 0.0 {
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    Tap {
        start: first,
        weights,
    }
}

fn box_filter(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

fn lanczos3(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}

/// Two neighbours of `position` (in pixel centres), edges repeated.
fn linear(position: f64, source: usize) -> Tap {
    let clamped = position.clamp(0.0, (source - 1) as f64);
    let start = clamped.floor() as usize;
    let fraction = clamped - start as f64;
    if start + 1 < source {
        Tap {
            start,
            weights: vec![1.0 - fraction, fraction],
        }
    } else {
        Tap {
            start,
            weights: vec![1.0],
        }
    }
}

/// Four neighbours of `position` with a = -0.75, edges repeated.
fn cubic_four(position: f64, source: usize) -> Tap {
    let base = position.floor();
    let at = |k: i64| (base as i64 + k).clamp(0, source as i64 - 1) as usize;
    let start = at(-1);
    let mut weights = vec![0.0; at(2) - start + 1];
    for k in -1..=2 {
        weights[at(k) - start] += cubic(position - base - k as f64, -0.75);
    }
    Tap { start, weights }
}

/// Mean over `floor(i * s / t) .. ceil((i + 1) * s / t)`.
fn adaptive_mean(i: usize, source: usize, target: usize) -> Tap {
    let start = i * source / target;
    let end = ((i + 1) * source).div_ceil(target);
    Tap {
        start,
        weights: vec![1.0 / (end - start) as f64; end - start],
    }
}

/// Exact share of every source pixel in the target pixel.
fn area(i: usize, source: usize, target: usize) -> Tap {
    let scale = source as f64 / target as f64;
    let (from, to) = (
        i as f64 * scale,
        ((i + 1) as f64 * scale).min(source as f64),
    );
    let start = from.floor() as usize;
    let end = (to.ceil() as usize).clamp(start + 1, source);
    let share = |x: usize| ((x as f64 + 1.0).min(to) - (x as f64).max(from)).max(0.0);
    let mut weights: Vec<f64> = (start..end).map(share).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    Tap { start, weights }
}

/// OpenCV's `INTER_AREA` when it enlarges: linear with another placement of the samples.
fn area_enlarged(i: usize, source: usize, target: usize) -> Tap {
    let scale = source as f64 / target as f64;
    let start = (i as f64 * scale).floor();
    let fraction = (i as f64 + 1.0) - (start + 1.0) / scale;
    let fraction = if fraction <= 0.0 {
        0.0
    } else {
        fraction - fraction.floor()
    };
    linear(start + fraction, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        for kernel in Kernel::ALL {
            for (source, target) in [(256, 37), (37, 256), (1, 9), (9, 1), (100, 100)] {
                let (taps, _) = axis_taps(kernel, (source, target), (source, target));
                assert_eq!(taps.len(), target);
                for tap in taps {
                    assert!(
                        tap.start + tap.weights.len() <= source,
                        "{kernel:?} {source}->{target}"
                    );
                    assert!(
                        (tap.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                        "{kernel:?} {source}->{target}"
                    );
                }
            }
        }
    }
}
