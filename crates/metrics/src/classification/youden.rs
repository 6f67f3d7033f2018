//! Thresholds chosen on the ROC curve: Youden's index, a wanted sensitivity, a wanted specificity.

use super::BinaryScores;
use super::curves::cumulative;
use crate::error::{MetricError, Result, open_unit};
use serde::{Deserialize, Serialize};

/// A threshold and what it does on the data it was chosen on; positive means `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdPoint {
    /// Lowest score called positive; null when calling nothing positive is best (J = 0), which is no
    /// usable operating point.
    pub threshold: Option<f64>,
    /// Sensitivity.
    pub tpr: f64,
    /// 1 − specificity.
    pub fpr: f64,
    /// Youden's J = sensitivity + specificity − 1.
    pub j: f64,
}

/// The first maximum of J from the highest threshold down (Youden 1950).
///
/// # Errors
/// [`MetricError::SingleClass`].
pub fn youden(data: &BinaryScores) -> Result<ThresholdPoint> {
    data.require_both("youden")?;
    let (p, n) = (data.positives() as i128, data.negatives() as i128);
    let mut best = (0, None, 0, 0);
    for (score, tp, fp) in cumulative(data) {
        // J times n+ n-, in integers: equal values stay equal.
        let j = tp as i128 * n - fp as i128 * p;
        if j > best.0 {
            best = (j, Some(score), tp, fp);
        }
    }
    Ok(point(data, best.1, best.2, best.3))
}

/// The highest threshold whose sensitivity is at least `target`.
///
/// # Errors
/// [`MetricError::SingleClass`]; [`MetricError::Parameter`] unless `0 < target < 1`.
pub fn at_sensitivity(data: &BinaryScores, target: f64) -> Result<ThresholdPoint> {
    open_unit("target sensitivity", target)?;
    data.require_both("at_sensitivity")?;
    let p = data.positives() as f64;
    cumulative(data)
        .find(|(_, tp, _)| *tp as f64 / p >= target)
        .map(|(score, tp, fp)| point(data, Some(score), tp, fp))
        .ok_or(MetricError::Undefined {
            metric: "at_sensitivity",
            reason: "no threshold reaches the target",
        })
}

/// The lowest threshold whose specificity is at least `target`; null when no score reaches it.
///
/// # Errors
/// [`MetricError::SingleClass`]; [`MetricError::Parameter`] unless `0 < target < 1`.
pub fn at_specificity(data: &BinaryScores, target: f64) -> Result<ThresholdPoint> {
    open_unit("target specificity", target)?;
    data.require_both("at_specificity")?;
    let n = data.negatives() as f64;
    let found = cumulative(data)
        .take_while(|(_, _, fp)| 1.0 - *fp as f64 / n >= target)
        .last();
    Ok(found.map_or_else(
        || point(data, None, 0, 0),
        |(score, tp, fp)| point(data, Some(score), tp, fp),
    ))
}

fn point(data: &BinaryScores, threshold: Option<f64>, tp: usize, fp: usize) -> ThresholdPoint {
    let (tpr, fpr) = (
        tp as f64 / data.positives() as f64,
        fp as f64 / data.negatives() as f64,
    );
    ThresholdPoint {
        threshold,
        tpr,
        fpr,
        j: tpr - fpr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_wins() {
        // J is 0.5 at 0.9 and again at 0.3.
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.9, 0.6, 0.3, 0.1]).unwrap();
        assert_eq!(youden(&data).unwrap().threshold, Some(0.9));
    }

    #[test]
    fn wanted_sensitivity_and_specificity_are_reached() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.9, 0.6, 0.3, 0.1]).unwrap();
        let point = at_sensitivity(&data, 0.95).unwrap();
        assert_eq!(
            (point.threshold, point.tpr, point.fpr),
            (Some(0.3), 1.0, 0.5)
        );
        let point = at_specificity(&data, 0.9).unwrap();
        assert_eq!(
            (point.threshold, point.tpr, point.fpr),
            (Some(0.9), 0.5, 0.0)
        );
    }

    #[test]
    fn a_useless_score_gives_no_threshold() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.1, 0.9]).unwrap();
        assert_eq!(youden(&data).unwrap().threshold, None);
        assert_eq!(at_specificity(&data, 0.9).unwrap().threshold, None);
    }
}
