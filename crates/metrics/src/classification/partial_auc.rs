//! Area under the left part of the ROC curve, standardised after McClish (1989).

use super::{BinaryScores, roc_curve};
use crate::error::{MetricError, Result};

/// Area up to `max_fpr`, standardised so that chance is 0.5 and a perfect ranking 1.
///
/// # Errors
/// [`MetricError::SingleClass`]; [`MetricError::Parameter`] unless `0 < max_fpr <= 1`.
pub fn partial_auc(data: &BinaryScores, max_fpr: f64) -> Result<f64> {
    if !(max_fpr > 0.0 && max_fpr <= 1.0) {
        return Err(MetricError::Parameter {
            name: "max_fpr",
            value: max_fpr,
            rule: "above 0 and at most 1",
        });
    }
    data.require_both("partial_auc")?;
    let mut area = 0.0;
    for w in roc_curve(data)?.windows(2) {
        let (a, b) = (w[0], w[1]);
        if a.fpr >= max_fpr {
            break;
        }
        let right = b.fpr.min(max_fpr);
        let share = if b.fpr > a.fpr {
            (right - a.fpr) / (b.fpr - a.fpr)
        } else {
            1.0
        };
        let height = a.tpr + share * (b.tpr - a.tpr);
        area += (right - a.fpr) * (a.tpr + height) / 2.0;
    }
    let chance = max_fpr * max_fpr / 2.0;
    Ok(0.5 * (1.0 + (area - chance) / (max_fpr - chance)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::auroc;

    #[test]
    fn the_whole_curve_is_the_auroc() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0, 1], &[0.9, 0.8, 0.5, 0.5, 0.1]).unwrap();
        assert!((partial_auc(&data, 1.0).unwrap() - auroc(&data).unwrap()).abs() < 1e-15);
        assert!(partial_auc(&data, 0.0).is_err());
    }
}
