//! Points of the ROC and of the precision-recall curve, every distinct score kept.

use super::BinaryScores;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// One point of the ROC curve: positive means `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Lowest score called positive; null stands above every score (nothing is called positive).
    pub threshold: Option<f64>,
    /// 1 − specificity.
    pub fpr: f64,
    /// Sensitivity.
    pub tpr: f64,
}

/// One point of the precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrPoint {
    /// Lowest score called positive; null for the closing point at recall 0.
    pub threshold: Option<f64>,
    /// Positive predictive value.
    pub precision: f64,
    /// Sensitivity.
    pub recall: f64,
}

/// ROC points from (0, 0) to (1, 1), one per distinct score.
///
/// # Errors
/// [`crate::MetricError::SingleClass`].
pub fn roc_curve(data: &BinaryScores) -> Result<Vec<RocPoint>> {
    data.require_both("roc_curve")?;
    let (p, n) = (data.positives() as f64, data.negatives() as f64);
    let mut points = vec![RocPoint {
        threshold: None,
        fpr: 0.0,
        tpr: 0.0,
    }];
    points.extend(cumulative(data).map(|(score, tp, fp)| RocPoint {
        threshold: Some(score),
        fpr: fp as f64 / n,
        tpr: tp as f64 / p,
    }));
    Ok(points)
}

/// Precision-recall points from recall 0 (precision 1 by convention) up to recall 1.
///
/// # Errors
/// [`crate::MetricError::SingleClass`].
pub fn pr_curve(data: &BinaryScores) -> Result<Vec<PrPoint>> {
    data.require_both("pr_curve")?;
    let p = data.positives() as f64;
    let mut points = vec![PrPoint {
        threshold: None,
        precision: 1.0,
        recall: 0.0,
    }];
    points.extend(cumulative(data).map(|(score, tp, fp)| PrPoint {
        threshold: Some(score),
        precision: tp as f64 / (tp + fp) as f64,
        recall: tp as f64 / p,
    }));
    Ok(points)
}

/// `(score, true positives, false positives)` at each distinct score, highest first.
pub(crate) fn cumulative(data: &BinaryScores) -> impl Iterator<Item = (f64, usize, usize)> {
    let (mut tp, mut fp) = (0, 0);
    data.groups().map(move |(score, group)| {
        let hits = group.iter().filter(|&&i| data.labels()[i as usize]).count();
        tp += hits;
        fp += group.len() - hits;
        (score, tp, fp)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_start_and_end_where_they_must() {
        let data = BinaryScores::new(&[1_u8, 0, 1], &[0.9, 0.5, 0.5]).unwrap();
        let roc = roc_curve(&data).unwrap();
        assert_eq!(
            roc[0],
            RocPoint {
                threshold: None,
                fpr: 0.0,
                tpr: 0.0
            }
        );
        assert_eq!(
            roc[2],
            RocPoint {
                threshold: Some(0.5),
                fpr: 1.0,
                tpr: 1.0
            }
        );
        assert_eq!(
            pr_curve(&data).unwrap()[1],
            PrPoint {
                threshold: Some(0.9),
                precision: 1.0,
                recall: 0.5
            }
        );
    }
}
