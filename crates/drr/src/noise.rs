//! Seeded normal noise and Gaussian blur.

use hilum_image::{Gray, Plane};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// Standard normal values, the same for a seed whatever the number of threads: every row has a stream of its own.
pub fn normal(width: usize, height: usize, seed: u64) -> Gray {
    let mut out = Plane::filled(width, height, 0f32);
    out.data
        .par_chunks_mut(width)
        .enumerate()
        .for_each(|(y, row)| {
            let mut stream = ChaCha8Rng::seed_from_u64(seed);
            stream.set_stream(y as u64);
            for pair in row.chunks_mut(2) {
                // Box and Muller, 1958.
                let unit = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
                let (u, v) = (unit(stream.next_u32()), unit(stream.next_u32()));
                let radius = (-2.0 * u.ln()).sqrt();
                let (s, c) = (std::f64::consts::TAU * v).sin_cos();
                pair[0] = (radius * c) as f32;
                if let Some(second) = pair.get_mut(1) {
                    *second = (radius * s) as f32;
                }
            }
        });
    out
}

/// Gaussian blur with `sigma` in pixels, the outermost pixels continued outwards. Over 4 pixels three
/// running means of whole pixels stand for it, whose width is within 6 % of it.
pub fn blur(image: &Gray, sigma: f64) -> Gray {
    if sigma < 0.05 {
        return image.clone();
    }
    let once = rows(image, sigma);
    transpose(&rows(&transpose(&once), sigma))
}

fn transpose(image: &Gray) -> Gray {
    Plane::from_fn(image.height, image.width, |x, y| {
        image.data[x * image.width + y]
    })
}

fn rows(image: &Gray, sigma: f64) -> Gray {
    let mut out = image.clone();
    let kernel = kernel(sigma);
    let width = image.width;
    out.data.par_chunks_mut(width).for_each(|row| {
        if sigma > 4.0 {
            (0..3).for_each(|_| mean(row, sigma));
        } else {
            let line = row.to_vec();
            let radius = kernel.len() as isize / 2;
            for (x, v) in row.iter_mut().enumerate() {
                let tap = |(k, w): (usize, &f32)| {
                    w * line
                        [(x as isize + k as isize - radius).clamp(0, width as isize - 1) as usize]
                };
                *v = kernel.iter().enumerate().map(tap).sum();
            }
        }
    });
    out
}

fn kernel(sigma: f64) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as i64;
    let weights: Vec<f64> = (-radius..=radius)
        .map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// One running mean whose variance is a third of sigma squared.
fn mean(row: &mut [f32], sigma: f64) {
    let radius = (((4.0 * sigma * sigma + 1.0).sqrt() - 1.0) / 2.0)
        .round()
        .max(1.0) as isize;
    let last = row.len() as isize - 1;
    let line: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
    let at = |x: isize| line[x.clamp(0, last) as usize];
    let mut sum: f64 = (-radius..=radius).map(at).sum();
    for (x, v) in row.iter_mut().enumerate() {
        *v = (sum / (2 * radius + 1) as f64) as f32;
        sum += at(x as isize + radius + 1) - at(x as isize - radius);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_moments_and_its_seed() {
        let n = normal(201, 200, 7);
        let count = n.data.len() as f64;
        let mean = n.data.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = n.data.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
        assert_eq!(n, normal(201, 200, 7));
        assert_ne!(n, normal(201, 200, 8));
    }

    #[test]
    fn blur_keeps_the_sum_and_spreads_by_sigma() {
        for sigma in [0.8, 3.0, 9.0] {
            let mut dot = Plane::filled(129, 129, 0f32);
            dot.data[64 * 129 + 64] = 1.0;
            let b = blur(&dot, sigma);
            let sum: f32 = b.data.iter().sum();
            let spread: f64 = (0..129 * 129)
                .map(|at| f64::from(b.data[at]) * ((at % 129) as f64 - 64.0).powi(2))
                .sum();
            assert!((sum - 1.0).abs() < 1e-3, "{sum}");
            assert!(
                (spread.sqrt() / sigma - 1.0).abs() < 0.06,
                "{sigma}: {}",
                spread.sqrt()
            );
        }
    }
}
