//! Histogram binning (Zadrozny and Elkan 2001): the share of positives in bins of equal mass.

use crate::error::{Result, TrustError};
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// A step function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramBinning {
    /// A score at or above `edges[i]` is past bin `i`; one fewer than bins.
    pub edges: Vec<f64>,
    /// Share of positives in each bin, with one half added to both counts so that it is never 0 or 1.
    pub values: Vec<f64>,
}

impl HistogramBinning {
    /// Fits at most `bins` bins; equal scores are never parted, so there may be fewer.
    ///
    /// # Errors
    /// [`hilum_metrics::MetricError::SingleClass`]; fewer samples than bins; zero bins.
    pub fn fit(data: &BinaryScores, bins: usize) -> Result<Self> {
        data.require_both("histogram_binning")?;
        if bins == 0 {
            return Err(TrustError::Parameter {
                name: "bins",
                value: 0.0,
                rule: "at least 1",
            });
        }
        if data.len() < bins {
            return Err(TrustError::TooFew {
                what: "histogram binning",
                needed: bins,
                got: data.len(),
            });
        }
        let rising: Vec<usize> = data.order().iter().rev().map(|i| *i as usize).collect();
        let (mut edges, mut values) = (Vec::new(), Vec::new());
        let mut start = 0;
        for bin in 1..=bins {
            let mut end = bin * data.len() / bins;
            // Moves the cut up past equal scores.
            while end < rising.len()
                && end > 0
                && data.scores()[rising[end]] == data.scores()[rising[end - 1]]
            {
                end += 1;
            }
            if end <= start {
                continue;
            }
            let hits = rising[start..end]
                .iter()
                .filter(|i| data.labels()[**i])
                .count();
            values.push((hits as f64 + 0.5) / ((end - start) as f64 + 1.0));
            if end == rising.len() {
                break;
            }
            edges.push(data.scores()[rising[end]]);
            start = end;
        }
        Ok(HistogramBinning { edges, values })
    }

    /// Probability of a score.
    pub fn probability(&self, score: f64) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        self.values[self.edges.partition_point(|e| *e <= score)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_not_parted() {
        let data =
            BinaryScores::new(&[0_u8, 1, 0, 1, 1, 1], &[0.0, 1.0, 1.0, 1.0, 2.0, 3.0]).unwrap();
        let fit = HistogramBinning::fit(&data, 3).unwrap();
        assert_eq!(fit.edges, [2.0]);
        assert_eq!(fit.probability(1.0), 2.5 / 5.0);
        assert_eq!(fit.probability(2.0), 2.5 / 3.0);
        assert!(HistogramBinning::fit(&data, 7).is_err());
    }
}
