//! Isotonic regression by pooling adjacent violators; linear between its knots.

use crate::error::{Result, finite, shape};
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// A rising piecewise linear function, constant beyond its ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// Places, strictly rising.
    pub x: Vec<f64>,
    /// Values, not falling.
    pub y: Vec<f64>,
}

/// Entries of equal x: their place, weighted mean and weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) weight: f64,
}

impl Isotonic {
    /// Fits scores to labels.
    ///
    /// # Errors
    /// [`hilum_metrics::MetricError::SingleClass`].
    pub fn fit_binary(data: &BinaryScores) -> Result<Self> {
        data.require_both("isotonic")?;
        let y: Vec<f64> = data
            .labels()
            .iter()
            .map(|v| f64::from(u8::from(*v)))
            .collect();
        Self::fit(data.scores(), &y, None)
    }

    /// Fits any values, with weights if given. Equal x are merged to their weighted mean first.
    ///
    /// # Errors
    /// Nothing given, sizes that differ, values that are not finite, or weights that are not positive.
    pub fn fit(x: &[f64], y: &[f64], weights: Option<&[f64]>) -> Result<Self> {
        shape("y", y.len(), x.len())?;
        finite("x", x.iter().copied())?;
        finite("y", y.iter().copied())?;
        if let Some(w) = weights {
            shape("weights", w.len(), x.len())?;
            if let Some(bad) = w.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
                return Err(crate::TrustError::Parameter {
                    name: "weight",
                    value: *bad,
                    rule: "positive",
                });
            }
        }
        if x.is_empty() {
            return Err(crate::TrustError::TooFew {
                what: "isotonic regression",
                needed: 1,
                got: 0,
            });
        }
        let points = merge(x, y, weights);
        let fitted = pool(&points);
        Ok(Self::knots(&points, &fitted))
    }

    /// Keeps the ends and every point at which the function bends.
    fn knots(points: &[Point], fitted: &[f64]) -> Self {
        let last = points.len() - 1;
        let bends = |i: usize| {
            i == 0 || i == last || fitted[i] != fitted[i - 1] || fitted[i] != fitted[i + 1]
        };
        let kept: Vec<usize> = (0..points.len()).filter(|i| bends(*i)).collect();
        Isotonic {
            x: kept.iter().map(|i| points[*i].x).collect(),
            y: kept.iter().map(|i| fitted[*i]).collect(),
        }
    }

    /// Value at a place.
    pub fn value(&self, at: f64) -> f64 {
        let after = self.x.partition_point(|x| *x < at);
        match (after.checked_sub(1), self.x.get(after)) {
            (_, Some(x)) if *x == at => self.y[after],
            (Some(before), Some(x)) => {
                let share = (at - self.x[before]) / (x - self.x[before]);
                self.y[before] + share * (self.y[after] - self.y[before])
            }
            (None, Some(_)) => self.y[0],
            // A NaN is below nothing, so it arrives at the low end and must stay a NaN.
            (_, None) => self.y[self.y.len() - 1],
        }
        .max(if at.is_nan() {
            f64::NAN
        } else {
            f64::NEG_INFINITY
        })
    }
}

/// Points in rising order, equal x merged.
pub(crate) fn merge(x: &[f64], y: &[f64], weights: Option<&[f64]>) -> Vec<Point> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
    let mut points: Vec<Point> = Vec::new();
    for i in order {
        let w = weights.map_or(1.0, |w| w[i]);
        match points.last_mut() {
            Some(p) if p.x == x[i] => {
                p.mean = (p.mean * p.weight + y[i] * w) / (p.weight + w);
                p.weight += w;
            }
            _ => points.push(Point {
                x: x[i],
                mean: y[i],
                weight: w,
            }),
        }
    }
    points
}

/// Pools adjacent violators: the fitted value of each point.
pub(crate) fn pool(points: &[Point]) -> Vec<f64> {
    // (sum, weight, points) of each block
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(points.len());
    for p in points {
        let mut block = (p.mean * p.weight, p.weight, 1);
        while let Some(&(sum, weight, n)) = blocks.last() {
            if sum / weight < block.0 / block.1 {
                break;
            }
            block = (block.0 + sum, block.1 + weight, block.2 + n);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
        .iter()
        .flat_map(|(sum, weight, n)| std::iter::repeat_n(sum / weight, *n))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled_and_the_ends_clip() {
        let fit = Isotonic::fit(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, 0.0, 1.0], None).unwrap();
        assert_eq!(
            (
                fit.value(-9.0),
                fit.value(2.0),
                fit.value(3.0),
                fit.value(9.0)
            ),
            (0.0, 0.5, 0.5, 1.0)
        );
        assert_eq!(fit.value(3.5), 0.75);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(Isotonic::fit(&[], &[], None).is_err());
        assert!(Isotonic::fit(&[1.0], &[f64::NAN], None).is_err());
        assert!(Isotonic::fit(&[1.0], &[1.0], Some(&[0.0])).is_err());
    }
}
