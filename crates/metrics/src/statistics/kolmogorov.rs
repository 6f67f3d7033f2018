//! The two-sample Kolmogorov-Smirnov test.

use super::two_sample::{TestResult, check};
use crate::error::Result;
use nalgebra::DMatrix;

/// Largest gap between the two distribution functions, with the exact two-sided p-value (cost: product of the
/// sizes). Exact for samples without ties; conservative with ties.
///
/// # Errors
/// An empty sample or values that are not finite.
pub fn kolmogorov_smirnov(x: &[f64], y: &[f64]) -> Result<TestResult> {
    let d = statistic(x, y)?;
    Ok(TestResult {
        statistic: d,
        p: 1.0 - smirnov_below(d, x.len(), y.len()),
    })
}

/// The same statistic; p from the one-sample distribution at the effective size mn / (m + n) rounded, which
/// SciPy calls `asymp`. Use it when m times n is too large for [`kolmogorov_smirnov`].
///
/// # Errors
/// As [`kolmogorov_smirnov`].
pub fn kolmogorov_smirnov_asymptotic(x: &[f64], y: &[f64]) -> Result<TestResult> {
    let d = statistic(x, y)?;
    let effective = x.len() as f64 * y.len() as f64 / (x.len() + y.len()) as f64;
    Ok(TestResult {
        statistic: d,
        p: 1.0 - kolmogorov_below(d, effective.round().max(1.0) as u32),
    })
}

fn statistic(x: &[f64], y: &[f64]) -> Result<f64> {
    check("kolmogorov_smirnov", &[x, y], 1)?;
    let sorted = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v
    };
    let (a, b) = (sorted(x), sorted(y));
    let share = |v: &[f64], at: f64| v.partition_point(|w| *w <= at) as f64 / v.len() as f64;
    Ok(a.iter()
        .chain(&b)
        .map(|&at| (share(&a, at) - share(&b, at)).abs())
        .fold(0.0, f64::max))
}

/// P(D < d): lattice paths that stay within d, weighted on the way (Schröer and Trenkler 1995).
fn smirnov_below(d: f64, m: usize, n: usize) -> f64 {
    let (mf, nf) = (m as f64, n as f64);
    let bound = (0.5 + (d * mf * nf - 1e-7).floor()) / (mf * nf);
    let inside = |i: usize, j: usize| (i as f64 / mf - j as f64 / nf).abs() <= bound;
    let mut u: Vec<f64> = (0..=n).map(|j| f64::from(u8::from(inside(0, j)))).collect();
    for i in 1..=m {
        let w = i as f64 / (i as f64 + nf);
        u[0] = if inside(i, 0) { w * u[0] } else { 0.0 };
        for j in 1..=n {
            u[j] = if inside(i, j) {
                w * u[j] + u[j - 1]
            } else {
                0.0
            };
        }
    }
    u[n].clamp(0.0, 1.0)
}

/// P(D < d) for one sample of size n (Marsaglia, Tsang and Wang 2003).
fn kolmogorov_below(d: f64, n: u32) -> f64 {
    let nd = f64::from(n) * d;
    let k = nd.floor() as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - nd;
    let mut a = DMatrix::from_fn(m, m, |i, j| if i + 1 >= j { 1.0 } else { 0.0 });
    for i in 0..m {
        a[(i, 0)] -= h.powi(i as i32 + 1);
        a[(m - 1, i)] -= h.powi((m - i) as i32);
    }
    a[(m - 1, 0)] += if 2.0 * h > 1.0 {
        (2.0 * h - 1.0).powi(m as i32)
    } else {
        0.0
    };
    for i in 0..m {
        for j in 0..=i.min(m - 1) {
            for g in 1..=(i + 1 - j) {
                a[(i, j)] /= g as f64;
            }
        }
    }
    scaled_power(&a, k - 1, n).clamp(0.0, 1.0)
}

/// n! / n^n times the middle element of a^n, multiplied up step by step so that nothing overflows.
fn scaled_power(a: &DMatrix<f64>, middle: usize, n: u32) -> f64 {
    let mut row = DMatrix::from_fn(1, a.ncols(), |_, j| if j == middle { 1.0 } else { 0.0 });
    for i in 1..=n {
        row = &row * a * (f64::from(i) / f64::from(n));
    }
    row[(0, middle)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disjoint_samples_differ_exactly() {
        // Of the C(6, 3) = 20 arrangements two separate the samples.
        let test = kolmogorov_smirnov(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!(test.statistic, 1.0);
        assert!((test.p - 0.1).abs() < 1e-12);
        assert_eq!(kolmogorov_smirnov(&[1.0, 1.0], &[1.0, 1.0]).unwrap().p, 1.0);
        assert!(kolmogorov_smirnov(&[], &[1.0]).is_err());
    }

    #[test]
    fn the_published_example_of_the_one_sample_distribution() {
        // Marsaglia, Tsang and Wang (2003), section 3: n = 10, d = 0.274.
        assert!((kolmogorov_below(0.274, 10) - 0.628_479_615_456_504_3).abs() < 1e-12);
    }
}
