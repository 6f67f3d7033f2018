//! Kernel distance: squared maximum mean discrepancy, unbiased with the cubic polynomial kernel (KID,
//! Binkowski 2018), and biased with a Gaussian kernel.

use super::Features;
use crate::error::{MetricError, Result, same_length};
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// KID over subsets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelDistance {
    /// Mean over the subsets.
    pub mean: f64,
    /// Standard deviation over the subsets (n).
    pub sd: f64,
    /// Value of each subset.
    pub subsets: Vec<f64>,
}

/// KID of `subsets` random subsets of `size` vectors of each side; subset `b` uses stream `b` of ChaCha8.
///
/// # Errors
/// Vectors of different length; no subset; a subset larger than a side or smaller than two.
pub fn kernel_distance(
    real: &Features,
    fake: &Features,
    subsets: usize,
    size: usize,
    seed: u64,
) -> Result<KernelDistance> {
    if size < 2 || size > real.len().min(fake.len()) {
        return Err(MetricError::Parameter {
            name: "size",
            value: size as f64,
            rule: "2 or more, and at most the vectors of each side",
        });
    }
    let draw = |b: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(b as u64);
        let mut of = |set: &Features| sample(&mut rng, set.len(), size).into_vec();
        (of(real), of(fake))
    };
    let (of_real, of_fake): (Vec<_>, Vec<_>) = (0..subsets).map(draw).unzip();
    kernel_distance_of(real, fake, &of_real, &of_fake)
}

/// KID of given subsets.
///
/// # Errors
/// As [`kernel_distance`]; subsets that do not pair up or name vectors that are not there.
pub fn kernel_distance_of(
    real: &Features,
    fake: &Features,
    of_real: &[Vec<usize>],
    of_fake: &[Vec<usize>],
) -> Result<KernelDistance> {
    crate::error::not_empty("subsets", of_real.len())?;
    same_length(
        "subsets of the one",
        of_real.len(),
        "subsets of the other",
        of_fake.len(),
    )?;
    let one =
        |(a, b): (&Vec<usize>, &Vec<usize>)| polynomial_mmd(&real.subset(a)?, &fake.subset(b)?);
    let subsets: Vec<f64> = of_real
        .iter()
        .zip(of_fake)
        .map(one)
        .collect::<Result<_>>()?;
    let n = subsets.len() as f64;
    let mean = subsets.iter().sum::<f64>() / n;
    let sd = (subsets.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    Ok(KernelDistance { mean, sd, subsets })
}

/// Unbiased squared MMD with the kernel (x·y/d + 1)³; it can be negative.
///
/// # Errors
/// Vectors of different length; [`MetricError::Undefined`] with fewer than two vectors on a side.
pub fn polynomial_mmd(real: &Features, fake: &Features) -> Result<f64> {
    real.require_same_width(fake)?;
    let (m, n) = (real.len() as f64, fake.len() as f64);
    if m < 2.0 || n < 2.0 {
        return Err(MetricError::Undefined {
            metric: "kid",
            reason: "the unbiased estimate needs two vectors or more on each side",
        });
    }
    let d = real.width() as f64;
    let kernel = |a: &[f64], b: &[f64]| (dot(a, b) / d + 1.0).powi(3);
    let within = |set: &Features, n: f64| {
        let all = sum(set, set, kernel);
        let own: f64 = set.rows().map(|r| kernel(r, r)).sum();
        (all - own) / (n * (n - 1.0))
    };
    Ok(within(real, m) + within(fake, n) - 2.0 * sum(real, fake, kernel) / (m * n))
}

/// Biased squared MMD with the kernel exp(−‖x − y‖² / 2σ²).
///
/// # Errors
/// Vectors of different length; a σ that is not positive.
pub fn rbf_mmd(real: &Features, fake: &Features, sigma: f64) -> Result<f64> {
    real.require_same_width(fake)?;
    if !(sigma > 0.0 && sigma.is_finite()) {
        return Err(MetricError::Parameter {
            name: "sigma",
            value: sigma,
            rule: "positive and finite",
        });
    }
    let kernel = |a: &[f64], b: &[f64]| {
        let squared: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
        (-squared / (2.0 * sigma * sigma)).exp()
    };
    let mean = |a: &Features, b: &Features| sum(a, b, kernel) / (a.len() * b.len()) as f64;
    Ok(mean(real, real) + mean(fake, fake) - 2.0 * mean(real, fake))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn sum(a: &Features, b: &Features, kernel: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    a.rows()
        .map(|x| b.rows().map(|y| kernel(x, y)).sum::<f64>())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(shift: f64) -> Features {
        let values: Vec<f64> = (0..40)
            .map(|i| f64::from(i * 7 % 13) / 5.0 + shift)
            .collect();
        Features::new(&values, 2).unwrap()
    }

    #[test]
    fn distance_grows_with_a_shift_and_subsets_repeat() {
        let (near, far) = (
            rbf_mmd(&set(0.0), &set(0.1), 1.0).unwrap(),
            rbf_mmd(&set(0.0), &set(2.0), 1.0).unwrap(),
        );
        assert!(near < far && rbf_mmd(&set(0.0), &set(0.0), 1.0).unwrap().abs() < 1e-12);
        let kid = |seed| kernel_distance(&set(0.0), &set(1.0), 5, 8, seed).unwrap();
        assert_eq!(kid(3), kid(3));
        assert_ne!(kid(3), kid(4));
        assert!(kernel_distance(&set(0.0), &set(1.0), 5, 21, 0).is_err());
    }
}
