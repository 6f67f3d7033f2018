//! Bins of predicted probability and what was observed in them.

use crate::classification::BinaryScores;
use crate::error::{MetricError, Result, all_probabilities};
use serde::{Deserialize, Serialize};

/// How the unit interval is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binning {
    /// Bins [i/n, (i+1)/n), 1 in the last.
    EqualWidth(usize),
    /// Sorted (stable) and cut into n parts whose sizes differ by at most one, larger parts first.
    EqualMass(usize),
    /// Cut at the n-quantiles (linear between scores), equal scores in one bin, as scikit-learn's `quantile`.
    Quantile(usize),
}

/// One bin that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Entries.
    pub count: usize,
    /// Mean predicted probability.
    pub mean_predicted: f64,
    /// Share of positives.
    pub observed: f64,
}

impl ReliabilityBin {
    /// Distance between what was said and what was seen.
    pub fn gap(&self) -> f64 {
        (self.mean_predicted - self.observed).abs()
    }
}

/// The reliability curve: bins in order of probability, empty ones left out.
///
/// # Errors
/// Scores that are no probabilities; zero bins.
pub fn reliability_curve(data: &BinaryScores, binning: Binning) -> Result<Vec<ReliabilityBin>> {
    all_probabilities("scores", data.scores())?;
    let bins = match binning {
        Binning::EqualWidth(n) | Binning::EqualMass(n) | Binning::Quantile(n) => n,
    };
    if bins == 0 {
        return Err(MetricError::Parameter {
            name: "bins",
            value: 0.0,
            rule: "at least 1",
        });
    }
    Ok(match binning {
        Binning::EqualWidth(n) => equal_width(data, n),
        Binning::EqualMass(n) => equal_mass(data, n),
        Binning::Quantile(n) => quantile(data, n),
    })
}

fn equal_width(data: &BinaryScores, n: usize) -> Vec<ReliabilityBin> {
    by_place(data, n, |p| ((p * n as f64) as usize).min(n - 1))
}

fn quantile(data: &BinaryScores, n: usize) -> Vec<ReliabilityBin> {
    let mut sorted = data.scores().to_vec();
    sorted.sort_by(f64::total_cmp);
    let edge = |i: usize| {
        let at = (sorted.len() - 1) as f64 * i as f64 / n as f64;
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        low + (high - low) * at.fract()
    };
    let edges: Vec<f64> = (1..n).map(edge).collect();
    by_place(data, n, |p| edges.partition_point(|edge| *edge < p))
}

fn by_place(data: &BinaryScores, n: usize, place: impl Fn(f64) -> usize) -> Vec<ReliabilityBin> {
    let mut sums = vec![(0_usize, 0.0, 0_usize); n];
    for (&y, &p) in data.labels().iter().zip(data.scores()) {
        let bin = &mut sums[place(p)];
        *bin = (bin.0 + 1, bin.1 + p, bin.2 + usize::from(y));
    }
    sums.into_iter()
        .filter(|s| s.0 > 0)
        .map(|(count, p, hits)| bin(count, p, hits))
        .collect()
}

fn equal_mass(data: &BinaryScores, n: usize) -> Vec<ReliabilityBin> {
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by(|a, b| data.scores()[*a].total_cmp(&data.scores()[*b]));
    let (size, larger) = (data.len() / n, data.len() % n);
    let mut rest = &order[..];
    let mut bins = Vec::with_capacity(n);
    for i in 0..n {
        let (part, tail) = rest.split_at(size + usize::from(i < larger));
        rest = tail;
        if !part.is_empty() {
            let sum = part.iter().map(|&j| data.scores()[j]).sum();
            let hits = part.iter().filter(|&&j| data.labels()[j]).count();
            bins.push(bin(part.len(), sum, hits));
        }
    }
    bins
}

fn bin(count: usize, sum: f64, hits: usize) -> ReliabilityBin {
    ReliabilityBin {
        count,
        mean_predicted: sum / count as f64,
        observed: hits as f64 / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_falls_into_the_last_bin() {
        let data = BinaryScores::new(&[1_u8, 0], &[1.0, 0.5]).unwrap();
        let curve = reliability_curve(&data, Binning::EqualWidth(2)).unwrap();
        assert_eq!(curve.len(), 1);
        assert_eq!(curve[0].count, 2);
    }

    #[test]
    fn equal_scores_share_a_quantile_bin() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.2, 0.2, 0.2, 0.9]).unwrap();
        let curve = reliability_curve(&data, Binning::Quantile(2)).unwrap();
        assert_eq!(curve.iter().map(|b| b.count).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn mass_bins_differ_by_at_most_one() {
        let p: Vec<f64> = (0..7).map(|i| f64::from(i) / 10.0).collect();
        let data = BinaryScores::new(&[1_u8, 0, 1, 0, 1, 0, 1], &p).unwrap();
        let counts: Vec<_> = reliability_curve(&data, Binning::EqualMass(3))
            .unwrap()
            .iter()
            .map(|b| b.count)
            .collect();
        assert_eq!(counts, [3, 2, 2]);
        assert!(reliability_curve(&data, Binning::EqualMass(0)).is_err());
    }
}
