//! The Shapiro-Wilk test of normality in Royston's approximation (AS R94, 1995).

use super::normal::{normal_cdf, normal_quantile};
use super::two_sample::TestResult;
use crate::error::{MetricError, Result, all_finite};

/// W and its p-value, for 3 to 5,000 values.
///
/// # Errors
/// Values that are not finite; fewer than 3 or more than 5,000; [`MetricError::Undefined`] when all are equal.
pub fn shapiro_wilk(values: &[f64]) -> Result<TestResult> {
    all_finite("values", values)?;
    let n = values.len();
    if !(3..=5000).contains(&n) {
        return Err(MetricError::Parameter {
            name: "number of values",
            value: n as f64,
            rule: "between 3 and 5,000, where the approximation was fitted",
        });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = sorted.iter().sum::<f64>() / n as f64;
    let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
    if squares == 0.0 {
        return Err(MetricError::Undefined {
            metric: "shapiro_wilk",
            reason: "all values are equal",
        });
    }
    let weights = weights(n);
    let slope: f64 = weights
        .iter()
        .enumerate()
        .map(|(i, a)| a * (sorted[n - 1 - i] - sorted[i]))
        .sum();
    let w = (slope * slope / squares).min(1.0);
    Ok(TestResult {
        statistic: w,
        p: p_value(w, n),
    })
}

/// Weights of the differences between the i-th largest and i-th smallest value.
fn weights(n: usize) -> Vec<f64> {
    if n == 3 {
        return vec![0.5_f64.sqrt()];
    }
    let count = n as f64;
    // Blom's scores of the lower half, made positive.
    let m: Vec<f64> = (1..=n / 2)
        .map(|i| -normal_quantile((i as f64 - 0.375) / (count + 0.25)))
        .collect();
    let square = 2.0 * m.iter().map(|v| v * v).sum::<f64>();
    let root = 1.0 / count.sqrt();
    let first = m[0] / square.sqrt()
        + polynomial(
            &[0.0, 0.221_157, -0.147_981, -2.071_19, 4.434_685, -2.706_056],
            root,
        );
    if n <= 5 {
        let scale = ((square - 2.0 * m[0] * m[0]) / (1.0 - 2.0 * first * first)).sqrt();
        return std::iter::once(first)
            .chain(m[1..].iter().map(|v| v / scale))
            .collect();
    }
    let second = m[1] / square.sqrt()
        + polynomial(
            &[
                0.0, 0.042_981, -0.293_762, -1.752_461, 5.682_633, -3.582_633,
            ],
            root,
        );
    let scale = ((square - 2.0 * m[0] * m[0] - 2.0 * m[1] * m[1])
        / (1.0 - 2.0 * first * first - 2.0 * second * second))
        .sqrt();
    [first, second]
        .into_iter()
        .chain(m[2..].iter().map(|v| v / scale))
        .collect()
}

fn p_value(w: f64, n: usize) -> f64 {
    let count = n as f64;
    if n == 3 {
        let p = 6.0 / std::f64::consts::PI * (w.sqrt().asin() - 0.75_f64.sqrt().asin());
        return p.max(0.0);
    }
    let tail = (1.0 - w).ln();
    let z = if n <= 11 {
        let bound = polynomial(&[-2.273, 0.459], count);
        if tail >= bound {
            return 0.0;
        }
        let mean = polynomial(&[0.544, -0.399_78, 0.025_054, -6.714e-4], count);
        let sd = polynomial(&[1.3822, -0.778_57, 0.062_767, -0.002_032_2], count).exp();
        (-(bound - tail).ln() - mean) / sd
    } else {
        let log = count.ln();
        let mean = polynomial(&[-1.5861, -0.310_82, -0.083_751, 0.003_891_5], log);
        let sd = polynomial(&[-0.4803, -0.082_676, 0.003_030_2], log).exp();
        (tail - mean) / sd
    };
    normal_cdf(-z)
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_of_normal_scores_is_normal_and_an_outlier_is_not() {
        let line: Vec<f64> = (1..40)
            .map(|i| normal_quantile(f64::from(i) / 40.0))
            .collect();
        assert!(shapiro_wilk(&line).unwrap().p > 0.9);
        let mut wild = line.clone();
        wild[0] = -40.0;
        assert!(shapiro_wilk(&wild).unwrap().p < 1e-6);
    }

    #[test]
    fn few_and_equal_values() {
        assert!((shapiro_wilk(&[1.0, 2.0, 3.0]).unwrap().statistic - 1.0).abs() < 1e-12);
        assert!(shapiro_wilk(&[1.0, 1.0, 1.0]).unwrap_err().is_undefined());
        assert!(shapiro_wilk(&[1.0, 2.0]).is_err());
        assert!((4..12).all(|n| {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i * i)).collect();
            (0.0..=1.0).contains(&shapiro_wilk(&values).unwrap().p)
        }));
    }
}
