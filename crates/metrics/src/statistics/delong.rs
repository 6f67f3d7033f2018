//! DeLong's variance of the AUROC and the paired test, by midranks (DeLong 1988; Sun and Xu 2014).

use super::normal::{normal_two_sided, two_sided_z};
use super::ranks::midranks;
use crate::classification::BinaryScores;
use crate::error::{MetricError, Result, open_unit, same_length};
use crate::score::ConfidenceInterval;
use serde::{Deserialize, Serialize};

/// AUROCs of several scorers on the same entries, and their covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct DeLong {
    /// One AUROC per scorer.
    pub auc: Vec<f64>,
    /// Row-major covariance matrix (n − 1).
    pub covariance: Vec<f64>,
}

impl DeLong {
    /// Covariance of scorers `i` and `j`.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        self.covariance[i * self.auc.len() + j]
    }
}

/// Paired comparison of two scorers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeLongTest {
    /// AUROC of A.
    pub auc_a: f64,
    /// AUROC of B.
    pub auc_b: f64,
    /// (A − B) over its standard error.
    pub z: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// Wald interval of A − B.
    pub difference: ConfidenceInterval,
}

/// AUROCs and covariance of scorers of the same labels.
///
/// # Errors
/// Lengths that differ, scores that are not finite, or fewer than two members in a class.
pub fn delong(labels: &[bool], scorers: &[&[f64]]) -> Result<DeLong> {
    crate::error::not_empty("scorers", scorers.len())?;
    let data: Result<Vec<BinaryScores>> = scorers
        .iter()
        .map(|s| BinaryScores::new(labels, s))
        .collect();
    let data = data?;
    let (p, n) = (data[0].positives(), data[0].negatives());
    data[0].require_both("delong")?;
    if p < 2 || n < 2 {
        return Err(MetricError::Undefined {
            metric: "delong",
            reason: "each class needs two members or more",
        });
    }
    let parts: Vec<Placements> = data.iter().map(placements).collect();
    let auc: Vec<f64> = parts
        .iter()
        .map(|v| v.positives.iter().sum::<f64>() / p as f64)
        .collect();
    let k = parts.len();
    let mut covariance = vec![0.0; k * k];
    for i in 0..k {
        for j in 0..k {
            let both = |a: &[f64], b: &[f64]| centred_product(a, auc[i], b, auc[j]);
            covariance[i * k + j] = both(&parts[i].positives, &parts[j].positives) / p as f64
                + both(&parts[i].negatives, &parts[j].negatives) / n as f64;
        }
    }
    Ok(DeLong { auc, covariance })
}

struct Placements {
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

/// Share of the other class that each entry beats (for a negative: that beats it).
fn placements(data: &BinaryScores) -> Placements {
    let wins = wins_per_entry(data);
    let (p, n) = (data.positives() as f64, data.negatives() as f64);
    let of = |class: bool, scale: f64| {
        wins.iter()
            .zip(data.labels())
            .filter(|(_, y)| **y == class)
            .map(|(w, _)| w / scale)
            .collect()
    };
    Placements {
        positives: of(true, n),
        negatives: of(false, p),
    }
}

/// For a positive: negatives below it; for a negative: positives above it; ties count one half.
pub(crate) fn wins_per_entry(data: &BinaryScores) -> Vec<f64> {
    let joint = midranks(data.scores());
    let within = |class: bool| {
        let own: Vec<f64> = data
            .labels()
            .iter()
            .zip(data.scores())
            .filter(|(y, _)| **y == class)
            .map(|(_, s)| *s)
            .collect();
        midranks(&own)
    };
    let (mut own_p, mut own_n) = (within(true).into_iter(), within(false).into_iter());
    let positives = data.positives() as f64;
    let mut wins = Vec::with_capacity(data.len());
    for (rank, y) in joint.iter().zip(data.labels()) {
        let own = if *y { own_p.next() } else { own_n.next() };
        let others_below = rank - own.unwrap_or(0.0);
        wins.push(if *y {
            others_below
        } else {
            positives - others_below
        });
    }
    wins
}

fn centred_product(a: &[f64], mean_a: f64, b: &[f64], mean_b: f64) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - mean_a) * (y - mean_b))
        .sum::<f64>()
        / (a.len() - 1) as f64
}

fn single(data: &BinaryScores) -> Result<(f64, f64)> {
    let fit = delong(data.labels(), &[data.scores()])?;
    let (auc, variance) = (fit.auc[0], fit.covariance[0]);
    if variance <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "delong",
            reason: "the classes are perfectly separated (or all tied), so the estimated variance is zero",
        });
    }
    Ok((auc, variance))
}

/// Interval of the AUROC on the logit scale: stays between 0 and 1.
///
/// # Errors
/// [`MetricError::SingleClass`]; [`MetricError::Undefined`] when the variance is zero or the area 0 or 1.
pub fn delong_ci(data: &BinaryScores, level: f64) -> Result<ConfidenceInterval> {
    open_unit("level", level)?;
    let (auc, variance) = single(data)?;
    let half = two_sided_z(level) * variance.sqrt() / (auc * (1.0 - auc));
    let logit = (auc / (1.0 - auc)).ln();
    let back = |x: f64| 1.0 / (1.0 + (-x).exp());
    Ok(ConfidenceInterval {
        low: back(logit - half),
        high: back(logit + half),
        level,
        method: "delong-logit".into(),
    })
}

/// Wald interval of the AUROC, not clipped: may leave 0 to 1 when n is small.
///
/// # Errors
/// As [`delong_ci`].
pub fn delong_ci_wald(data: &BinaryScores, level: f64) -> Result<ConfidenceInterval> {
    open_unit("level", level)?;
    let (auc, variance) = single(data)?;
    let half = two_sided_z(level) * variance.sqrt();
    Ok(ConfidenceInterval {
        low: auc - half,
        high: auc + half,
        level,
        method: "delong-wald".into(),
    })
}

/// Paired test of two scorers of the same entries.
///
/// # Errors
/// Those of [`delong`]; [`MetricError::Undefined`] when the difference has no variance (same ranking).
pub fn delong_test(labels: &[bool], a: &[f64], b: &[f64], level: f64) -> Result<DeLongTest> {
    open_unit("level", level)?;
    same_length("scores of A", a.len(), "scores of B", b.len())?;
    let fit = delong(labels, &[a, b])?;
    let variance = fit.covariance(0, 0) + fit.covariance(1, 1) - 2.0 * fit.covariance(0, 1);
    let difference = fit.auc[0] - fit.auc[1];
    // The sum cancels to rounding error when both rank alike.
    if variance <= 1e-14 {
        return Err(MetricError::Undefined {
            metric: "delong",
            reason: "the difference has no variance: both scorers rank the entries alike",
        });
    }
    let se = variance.sqrt();
    let half = two_sided_z(level) * se;
    Ok(DeLongTest {
        auc_a: fit.auc[0],
        auc_b: fit.auc[1],
        z: difference / se,
        p: normal_two_sided(difference / se),
        difference: ConfidenceInterval {
            low: difference - half,
            high: difference + half,
            level,
            method: "delong-wald".into(),
        },
    })
}

/// Standard error of an AUROC from the counts alone (Hanley and McNeil 1982).
///
/// # Errors
/// [`MetricError::SingleClass`]; an area outside 0 to 1.
pub fn hanley_mcneil_se(auc: f64, positives: usize, negatives: usize) -> Result<f64> {
    crate::error::all_probabilities("auc", &[auc])?;
    if positives == 0 || negatives == 0 {
        return Err(MetricError::SingleClass {
            metric: "hanley_mcneil",
            positives,
            negatives,
        });
    }
    let (p, n) = (positives as f64, negatives as f64);
    let q1 = auc / (2.0 - auc);
    let q2 = 2.0 * auc * auc / (1.0 + auc);
    Ok(
        ((auc * (1.0 - auc) + (p - 1.0) * (q1 - auc * auc) + (n - 1.0) * (q2 - auc * auc))
            / (p * n))
            .sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_separation_has_no_interval() {
        let data = BinaryScores::new(&[1_u8, 1, 0, 0], &[0.9, 0.8, 0.2, 0.1]).unwrap();
        assert!(delong_ci(&data, 0.95).unwrap_err().is_undefined());
    }

    #[test]
    fn the_same_scorer_twice_is_undefined() {
        let labels = [true, false, true, false, true];
        let scores = [0.9, 0.8, 0.7, 0.3, 0.2];
        assert!(
            delong_test(&labels, &scores, &scores, 0.95)
                .unwrap_err()
                .is_undefined()
        );
        assert!(
            delong(&[true, false], &[&[0.1, 0.2]])
                .unwrap_err()
                .is_undefined()
        );
    }
}
