//! Intervals of a share k of n.

use super::normal::two_sided_z;
use crate::error::{MetricError, Result, open_unit};
use crate::score::ConfidenceInterval;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

/// Which interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProportionMethod {
    /// Wilson's score interval: the default here, good at small n and near 0 and 1.
    Wilson,
    /// Exact: never covers less than nominal.
    ClopperPearson,
    /// Wilson's centre with a Wald width.
    AgrestiCoull,
    /// Equal-tailed posterior under Jeffreys' prior.
    Jeffreys,
    /// The textbook interval; too short near 0 and 1.
    Wald,
}

impl ProportionMethod {
    fn name(self) -> &'static str {
        match self {
            ProportionMethod::Wilson => "wilson",
            ProportionMethod::ClopperPearson => "clopper-pearson",
            ProportionMethod::AgrestiCoull => "agresti-coull",
            ProportionMethod::Jeffreys => "jeffreys",
            ProportionMethod::Wald => "wald",
        }
    }
}

/// Interval of k of n, clipped to 0 to 1.
///
/// # Errors
/// [`MetricError::Undefined`] for n = 0; [`MetricError::Parameter`] for k > n or a bad level.
pub fn proportion_ci(
    k: usize,
    n: usize,
    level: f64,
    method: ProportionMethod,
) -> Result<ConfidenceInterval> {
    open_unit("level", level)?;
    if n == 0 {
        return Err(MetricError::Undefined {
            metric: "proportion",
            reason: "there is nothing to take a share of",
        });
    }
    if k > n {
        return Err(MetricError::Parameter {
            name: "k",
            value: k as f64,
            rule: "at most n",
        });
    }
    let (kf, nf) = (k as f64, n as f64);
    let z = two_sided_z(level);
    let tail = (1.0 - level) / 2.0;
    let (low, high) = match method {
        ProportionMethod::Wilson => wilson(kf, nf, z),
        ProportionMethod::AgrestiCoull => wald(kf + z * z / 2.0, nf + z * z, z),
        ProportionMethod::Wald => wald(kf, nf, z),
        ProportionMethod::Jeffreys => (
            beta_quantile(kf + 0.5, nf - kf + 0.5, tail)?,
            beta_quantile(kf + 0.5, nf - kf + 0.5, 1.0 - tail)?,
        ),
        ProportionMethod::ClopperPearson => (
            if k == 0 {
                0.0
            } else {
                beta_quantile(kf, nf - kf + 1.0, tail)?
            },
            if k == n {
                1.0
            } else {
                beta_quantile(kf + 1.0, nf - kf, 1.0 - tail)?
            },
        ),
    };
    Ok(ConfidenceInterval {
        low: low.max(0.0),
        high: high.min(1.0),
        level,
        method: method.name().into(),
    })
}

fn wilson(k: f64, n: f64, z: f64) -> (f64, f64) {
    let (p, z2) = (k / n, z * z);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // At the ends the true limits are 0 and 1; the difference would leave rounding dust.
    (
        if k == 0.0 { 0.0 } else { centre - half },
        if k == n { 1.0 } else { centre + half },
    )
}

fn wald(k: f64, n: f64, z: f64) -> (f64, f64) {
    let p = k / n;
    let half = z * (p * (1.0 - p) / n).sqrt();
    (p - half, p + half)
}

/// Quantile of Beta(a, b), polished by bisection on the distribution function.
fn beta_quantile(a: f64, b: f64, q: f64) -> Result<f64> {
    let beta = Beta::new(a, b).map_err(|_| MetricError::Parameter {
        name: "beta shape",
        value: a.min(b),
        rule: "above 0 and finite",
    })?;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // 200 halvings reach neighbouring floats from anywhere in the unit interval.
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if beta.cdf(middle) < q {
            low = middle
        } else {
            high = middle
        }
    }
    Ok((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_exact_and_nothing_is_undefined() {
        let wilson = proportion_ci(0, 10, 0.95, ProportionMethod::Wilson).unwrap();
        assert_eq!(wilson.low, 0.0);
        assert_eq!(
            proportion_ci(10, 10, 0.95, ProportionMethod::ClopperPearson)
                .unwrap()
                .high,
            1.0
        );
        assert!(
            proportion_ci(0, 0, 0.95, ProportionMethod::Wilson)
                .unwrap_err()
                .is_undefined()
        );
        assert!(proportion_ci(3, 2, 0.95, ProportionMethod::Wilson).is_err());
    }
}
