//! Inductive Venn-ABERS predictors (Vovk and Petej 2014): two isotonic fits, one for each label the new case
//! might have, and so an interval of probabilities.

use crate::error::Result;
use crate::isotonic::{Point, merge, pool};
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// Probability if the new case were absent, and if it were present.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VennAbersInterval {
    /// Lower: fitted with the new case labelled absent.
    pub p0: f64,
    /// Upper: fitted with the new case labelled present.
    pub p1: f64,
}

impl VennAbersInterval {
    /// One number: p1 / (1 − p0 + p1), the choice that minimises the regret under log loss.
    pub fn probability(&self) -> f64 {
        self.p1 / (1.0 - self.p0 + self.p1)
    }
}

/// The two step functions, at the calibration scores and between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VennAbers {
    /// Calibration scores at which something changes, rising.
    knots: Vec<f64>,
    /// Value at each knot.
    at: Vec<VennAbersInterval>,
    /// Value below the first knot, between neighbours, above the last.
    between: Vec<VennAbersInterval>,
}

impl VennAbers {
    /// Fits on a calibration split. The cost is quadratic in the number of distinct scores.
    ///
    /// # Errors
    /// [`hilum_metrics::MetricError::SingleClass`].
    pub fn fit(data: &BinaryScores) -> Result<Self> {
        data.require_both("venn_abers")?;
        let y: Vec<f64> = data
            .labels()
            .iter()
            .map(|v| f64::from(u8::from(*v)))
            .collect();
        let points = merge(data.scores(), &y, None);
        let full = VennAbers {
            knots: points.iter().map(|p| p.x).collect(),
            at: (0..points.len())
                .map(|i| interval(&points, i, true))
                .collect(),
            between: (0..=points.len())
                .map(|i| interval(&points, i, false))
                .collect(),
        };
        Ok(full.compressed())
    }

    /// Drops knots at which nothing changes.
    fn compressed(self) -> Self {
        let mut out = VennAbers {
            knots: Vec::new(),
            at: Vec::new(),
            between: vec![self.between[0]],
        };
        for i in 0..self.knots.len() {
            if self.at[i] != self.between[i] || self.at[i] != self.between[i + 1] {
                out.knots.push(self.knots[i]);
                out.at.push(self.at[i]);
                out.between.push(self.between[i + 1]);
            }
        }
        out
    }

    /// Interval of a score.
    pub fn interval(&self, score: f64) -> VennAbersInterval {
        if score.is_nan() {
            return VennAbersInterval {
                p0: f64::NAN,
                p1: f64::NAN,
            };
        }
        let i = self.knots.partition_point(|k| *k < score);
        if self.knots.get(i) == Some(&score) {
            self.at[i]
        } else {
            self.between[i]
        }
    }
}

/// Refits with the new case at point `i` (`tied`) or just before it.
fn interval(points: &[Point], i: usize, tied: bool) -> VennAbersInterval {
    let with = |label: f64| {
        let mut points = points.to_vec();
        if tied {
            let p = &mut points[i];
            p.mean = (p.mean * p.weight + label) / (p.weight + 1.0);
            p.weight += 1.0;
        } else {
            points.insert(
                i,
                Point {
                    x: f64::NAN,
                    mean: label,
                    weight: 1.0,
                },
            );
        }
        pool(&points)[i]
    };
    VennAbersInterval {
        p0: with(0.0),
        p1: with(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_sure_and_wider_with_less_data() {
        let data = BinaryScores::new(&[0_u8, 0, 1, 1], &[-2.0, -1.0, 1.0, 2.0]).unwrap();
        let fit = VennAbers::fit(&data).unwrap();
        for s in [-9.0, -2.0, 0.0, 1.5, 9.0] {
            let i = fit.interval(s);
            assert!(
                i.p0 <= i.p1 && i.probability() > 0.0 && i.probability() < 1.0,
                "{s}: {i:?}"
            );
        }
        assert!(fit.interval(f64::NAN).p0.is_nan());
    }
}
