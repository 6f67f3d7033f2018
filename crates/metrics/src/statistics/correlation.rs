//! Correlations with their p-values.

use super::normal::normal_two_sided;
use super::ranks::{midranks, tie_sum, tied_groups};
use super::two_sample::{TestResult, t_two_sided};
use crate::error::{MetricError, Result, all_finite, same_length};

/// Pearson's r; p from the t distribution with n − 2 degrees of freedom.
///
/// # Errors
/// Lengths that differ, values that are not finite, fewer than three pairs, or a constant side.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<TestResult> {
    check(x, y)?;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mx, b - my);
        (xx, yy, xy) = (xx + a * a, yy + b * b, xy + a * b);
    }
    if xx == 0.0 || yy == 0.0 {
        return Err(MetricError::Undefined {
            metric: "correlation",
            reason: "one side is constant",
        });
    }
    let r = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
    let dof = x.len() as f64 - 2.0;
    let p = if r.abs() == 1.0 {
        0.0
    } else {
        t_two_sided(r * (dof / (1.0 - r * r)).sqrt(), dof)?
    };
    Ok(TestResult { statistic: r, p })
}

/// Spearman's ρ: Pearson of the midranks.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<TestResult> {
    check(x, y)?;
    pearson(&midranks(x), &midranks(y))
}

/// Kendall's τ-b (ties corrected); p by the normal approximation. Quadratic in n.
///
/// # Errors
/// As [`pearson`].
pub fn kendall_b(x: &[f64], y: &[f64]) -> Result<TestResult> {
    let k = Kendall::new(x, y)?;
    Ok(TestResult {
        statistic: k.balance / ((k.pairs - k.x_ties) * (k.pairs - k.y_ties)).sqrt(),
        p: k.p(x, y),
    })
}

/// Kendall's τ-c (Stuart), for tables that are not square; p by the normal approximation. Quadratic in n.
///
/// # Errors
/// As [`pearson`].
pub fn kendall_c(x: &[f64], y: &[f64]) -> Result<TestResult> {
    let k = Kendall::new(x, y)?;
    let classes = tied_groups(x).len().min(tied_groups(y).len()) as f64;
    let n = x.len() as f64;
    Ok(TestResult {
        statistic: 2.0 * k.balance / (n * n * (classes - 1.0) / classes),
        p: k.p(x, y),
    })
}

struct Kendall {
    balance: f64,
    pairs: f64,
    x_ties: f64,
    y_ties: f64,
}

impl Kendall {
    fn new(x: &[f64], y: &[f64]) -> Result<Self> {
        check(x, y)?;
        let mut balance = 0_i64;
        for i in 0..x.len() {
            for j in 0..i {
                balance += sign(x[i] - x[j]) * sign(y[i] - y[j]);
            }
        }
        let n = x.len() as f64;
        let ties = |v: &[f64]| tie_sum(v, |t| t * (t - 1.0) / 2.0);
        let k = Kendall {
            balance: balance as f64,
            pairs: n * (n - 1.0) / 2.0,
            x_ties: ties(x),
            y_ties: ties(y),
        };
        if k.x_ties == k.pairs || k.y_ties == k.pairs {
            return Err(MetricError::Undefined {
                metric: "kendall",
                reason: "one side is constant",
            });
        }
        Ok(k)
    }

    fn p(&self, x: &[f64], y: &[f64]) -> f64 {
        let n = x.len() as f64;
        let m = n * (n - 1.0);
        let cubic = |v: &[f64]| tie_sum(v, |t| t * (t - 1.0) * (t - 2.0));
        let spread = |v: &[f64]| tie_sum(v, |t| t * (t - 1.0) * (2.0 * t + 5.0));
        let variance = (m * (2.0 * n + 5.0) - spread(x) - spread(y)) / 18.0
            + 2.0 * self.x_ties * self.y_ties / m
            + cubic(x) * cubic(y) / (9.0 * m * (n - 2.0));
        normal_two_sided(self.balance / variance.sqrt())
    }
}

fn sign(v: f64) -> i64 {
    i64::from(v > 0.0) - i64::from(v < 0.0)
}

fn check(x: &[f64], y: &[f64]) -> Result<()> {
    same_length("x", x.len(), "y", y.len())?;
    all_finite("x", x)?;
    all_finite("y", y)?;
    if x.len() < 3 {
        return Err(MetricError::Undefined {
            metric: "correlation",
            reason: "three pairs or more are needed",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_sides_are_undefined() {
        for test in [pearson, spearman, kendall_b, kendall_c] {
            assert!(
                test(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0])
                    .unwrap_err()
                    .is_undefined()
            );
            assert!(
                (test(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]).unwrap().statistic - 1.0).abs() < 1e-12
            );
        }
    }
}
