//! Tests that compare samples.

use super::contingency::chi_square_tail;
use super::normal::normal_two_sided;
use super::ranks::{midranks, tie_sum};
use crate::error::{MetricError, Result, all_finite, same_length};
use serde::{Deserialize, Serialize};
use statrs::function::beta::checked_beta_reg;

/// A statistic and its two-sided p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// The statistic.
    pub statistic: f64,
    /// p-value.
    pub p: f64,
}

/// P(|T| ≥ |t|) of Student's distribution.
pub(crate) fn t_two_sided(t: f64, dof: f64) -> Result<f64> {
    beta_tail(dof / 2.0, 0.5, dof / (dof + t * t))
}

/// P(F ≥ f).
fn f_tail(f: f64, between: f64, within: f64) -> Result<f64> {
    beta_tail(within / 2.0, between / 2.0, within / (within + between * f))
}

fn beta_tail(a: f64, b: f64, x: f64) -> Result<f64> {
    checked_beta_reg(a, b, x).map_err(|_| MetricError::Parameter {
        name: "degrees of freedom",
        value: 2.0 * a,
        rule: "above 0",
    })
}

pub(crate) fn check(metric: &'static str, samples: &[&[f64]], least: usize) -> Result<()> {
    for sample in samples {
        all_finite("sample", sample)?;
        if sample.len() < least {
            return Err(MetricError::Undefined {
                metric,
                reason: "a sample is too small",
            });
        }
    }
    Ok(())
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() - 1) as f64
}

/// Mann-Whitney U of `x` against `y`; normal approximation with ties and continuity correction.
///
/// # Errors
/// An empty sample, values that are not finite, or all values equal.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Result<TestResult> {
    check("mann_whitney", &[x, y], 1)?;
    let all: Vec<f64> = x.iter().chain(y).copied().collect();
    let (n1, n2, n) = (x.len() as f64, y.len() as f64, all.len() as f64);
    let ranks: f64 = midranks(&all)[..x.len()].iter().sum();
    let u = ranks - n1 * (n1 + 1.0) / 2.0;
    let ties = tie_sum(&all, |t| t * t * t - t);
    let sd = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    if sd.is_nan() || sd <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "mann_whitney",
            reason: "all values are equal",
        });
    }
    let z = ((u.max(n1 * n2 - u) - n1 * n2 / 2.0 - 0.5) / sd).max(0.0);
    Ok(TestResult {
        statistic: u,
        p: normal_two_sided(z),
    })
}

/// Wilcoxon's signed-rank test of pairs; zero differences dropped, normal approximation without continuity
/// correction; the statistic is the smaller rank sum.
///
/// # Errors
/// Lengths that differ, values that are not finite, or no difference other than 0.
pub fn wilcoxon_signed_rank(x: &[f64], y: &[f64]) -> Result<TestResult> {
    same_length("x", x.len(), "y", y.len())?;
    check("wilcoxon", &[x, y], 1)?;
    let d: Vec<f64> = x
        .iter()
        .zip(y)
        .map(|(a, b)| a - b)
        .filter(|d| *d != 0.0)
        .collect();
    if d.is_empty() {
        return Err(MetricError::Undefined {
            metric: "wilcoxon",
            reason: "every difference is 0",
        });
    }
    let size: Vec<f64> = d.iter().map(|v| v.abs()).collect();
    let plus: f64 = midranks(&size)
        .iter()
        .zip(&d)
        .filter(|(_, d)| **d > 0.0)
        .map(|(r, _)| r)
        .sum();
    let n = d.len() as f64;
    let total = n * (n + 1.0) / 2.0;
    let statistic = plus.min(total - plus);
    let sd =
        ((n * (n + 1.0) * (2.0 * n + 1.0) - tie_sum(&size, |t| t * t * t - t) / 2.0) / 24.0).sqrt();
    Ok(TestResult {
        statistic,
        p: normal_two_sided((statistic - total / 2.0) / sd),
    })
}

/// Welch's t test of two means.
///
/// # Errors
/// Fewer than two values in a sample, or no spread at all.
pub fn welch_t_test(x: &[f64], y: &[f64]) -> Result<TestResult> {
    check("t_test", &[x, y], 2)?;
    let (a, b) = (variance(x) / x.len() as f64, variance(y) / y.len() as f64);
    if a + b == 0.0 {
        return Err(MetricError::Undefined {
            metric: "t_test",
            reason: "neither sample varies",
        });
    }
    let dof = (a + b).powi(2) / (a * a / (x.len() - 1) as f64 + b * b / (y.len() - 1) as f64);
    let t = (mean(x) - mean(y)) / (a + b).sqrt();
    Ok(TestResult {
        statistic: t,
        p: t_two_sided(t, dof)?,
    })
}

/// Student's t test of the mean difference of pairs.
///
/// # Errors
/// Fewer than two pairs, lengths that differ, or differences that do not vary.
pub fn paired_t_test(x: &[f64], y: &[f64]) -> Result<TestResult> {
    same_length("x", x.len(), "y", y.len())?;
    check("t_test", &[x, y], 2)?;
    let d: Vec<f64> = x.iter().zip(y).map(|(a, b)| a - b).collect();
    let spread = variance(&d);
    if spread == 0.0 {
        return Err(MetricError::Undefined {
            metric: "t_test",
            reason: "the differences do not vary",
        });
    }
    let t = mean(&d) / (spread / d.len() as f64).sqrt();
    Ok(TestResult {
        statistic: t,
        p: t_two_sided(t, d.len() as f64 - 1.0)?,
    })
}

/// Kruskal-Wallis H with ties corrected.
///
/// # Errors
/// Fewer than two samples, an empty sample, or all values equal.
pub fn kruskal_wallis(samples: &[&[f64]]) -> Result<TestResult> {
    check("kruskal_wallis", samples, 1)?;
    let all: Vec<f64> = samples.iter().flat_map(|s| s.iter().copied()).collect();
    let n = all.len() as f64;
    let correction = 1.0 - tie_sum(&all, |t| t * t * t - t) / (n * n * n - n);
    if samples.len() < 2 || correction.is_nan() || correction <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "kruskal_wallis",
            reason: "one sample only or all values equal",
        });
    }
    let ranks = midranks(&all);
    let mut rest = &ranks[..];
    let mut sum = 0.0;
    for sample in samples {
        let (own, tail) = rest.split_at(sample.len());
        rest = tail;
        sum += own.iter().sum::<f64>().powi(2) / sample.len() as f64;
    }
    let h = (12.0 / (n * (n + 1.0)) * sum - 3.0 * (n + 1.0)) / correction;
    Ok(TestResult {
        statistic: h,
        p: chi_square_tail(h, samples.len() - 1),
    })
}

/// Levene's test of equal spread around the median (Brown and Forsythe).
///
/// # Errors
/// Fewer than two samples, fewer than two values in one, or no spread at all.
pub fn levene(samples: &[&[f64]]) -> Result<TestResult> {
    check("levene", samples, 2)?;
    let undefined = MetricError::Undefined {
        metric: "levene",
        reason: "one sample only or no spread",
    };
    if samples.len() < 2 {
        return Err(undefined);
    }
    let distances: Vec<Vec<f64>> = samples
        .iter()
        .map(|s| {
            let m = median(s);
            s.iter().map(|v| (v - m).abs()).collect()
        })
        .collect();
    let n: usize = distances.iter().map(Vec::len).sum();
    let grand = distances.iter().flatten().sum::<f64>() / n as f64;
    let between: f64 = distances
        .iter()
        .map(|d| d.len() as f64 * (mean(d) - grand).powi(2))
        .sum();
    let within: f64 = distances
        .iter()
        .map(|d| variance(d) * (d.len() - 1) as f64)
        .sum();
    if within == 0.0 {
        return Err(undefined);
    }
    let (k, rest) = ((samples.len() - 1) as f64, (n - samples.len()) as f64);
    let w = between / k / (within / rest);
    Ok(TestResult {
        statistic: w,
        p: f_tail(w, k, rest)?,
    })
}

fn median(x: &[f64]) -> f64 {
    let mut v = x.to_vec();
    v.sort_by(f64::total_cmp);
    let half = v.len() / 2;
    if v.len().is_multiple_of(2) {
        (v[half - 1] + v[half]) / 2.0
    } else {
        v[half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_without_spread_are_undefined() {
        let flat = [1.0, 1.0, 1.0];
        for result in [
            mann_whitney(&flat, &flat),
            wilcoxon_signed_rank(&flat, &flat),
            welch_t_test(&flat, &flat),
            paired_t_test(&flat, &flat),
            kruskal_wallis(&[&flat, &flat]),
            levene(&[&flat, &flat]),
        ] {
            assert!(result.unwrap_err().is_undefined());
        }
        assert!(mann_whitney(&[f64::NAN], &flat).is_err());
    }
}
