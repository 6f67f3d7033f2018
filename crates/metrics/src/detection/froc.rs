//! Free-response ROC: sensitivity against false positives an image (CAMELYON16's score).

use crate::error::{MetricError, Result, all_finite};
use serde::{Deserialize, Serialize};

/// The curve, from the lowest threshold to the highest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Froc {
    /// False positives an image.
    pub false_positives_per_image: Vec<f64>,
    /// Share of targets found.
    pub sensitivity: Vec<f64>,
}

/// Curve from the scores of false positives, the best score of each found target (0 or left out: missed), the
/// number of targets and the number of images.
///
/// # Errors
/// Scores that are not finite; [`MetricError::Undefined`] without a target or an image.
pub fn froc(false_positives: &[f64], found: &[f64], targets: usize, images: usize) -> Result<Froc> {
    all_finite("false positives", false_positives)?;
    all_finite("found targets", found)?;
    if targets == 0 || images == 0 {
        return Err(MetricError::Undefined {
            metric: "froc",
            reason: "there is no target or no image",
        });
    }
    let mut thresholds: Vec<f64> = false_positives.iter().chain(found).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let at_least = |scores: &[f64], t: f64| scores.iter().filter(|s| **s >= t).count() as f64;
    // The lowest threshold would count missed targets (score 0) as found.
    let inner = thresholds.get(1..).unwrap_or(&[]);
    let curve = |scores: &[f64], scale: f64| -> Vec<f64> {
        inner
            .iter()
            .map(|t| at_least(scores, *t) / scale)
            .chain([0.0])
            .collect()
    };
    Ok(Froc {
        false_positives_per_image: curve(false_positives, images as f64),
        sensitivity: curve(found, targets as f64),
    })
}

impl Froc {
    /// Sensitivity at a number of false positives an image, linear between points, flat beyond them.
    pub fn sensitivity_at(&self, false_positives_per_image: f64) -> f64 {
        let x = false_positives_per_image;
        let points: Vec<(f64, f64)> = self
            .false_positives_per_image
            .iter()
            .copied()
            .zip(self.sensitivity.iter().copied())
            .rev()
            .collect();
        let Some(last) = points.iter().rposition(|(fp, _)| *fp <= x) else {
            return points.first().map_or(0.0, |p| p.1);
        };
        match points.get(last + 1) {
            Some(next) => {
                let (a, b) = (points[last], *next);
                a.1 + (x - a.0) / (b.0 - a.0) * (b.1 - a.1)
            }
            None => points[last].1,
        }
    }

    /// Mean sensitivity at 1/4, 1/2, 1, 2, 4 and 8 false positives an image.
    pub fn score(&self) -> f64 {
        [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
            .iter()
            .map(|x| self.sensitivity_at(*x))
            .sum::<f64>()
            / 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_find_is_undefined() {
        assert!(froc(&[0.5], &[], 0, 3).unwrap_err().is_undefined());
        assert!(froc(&[f64::NAN], &[], 1, 3).is_err());
    }
}
