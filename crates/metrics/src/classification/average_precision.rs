//! Average precision (the step sum) and, apart from it, the trapezoid area under the PR curve.

use super::BinaryScores;
use super::auroc::{check_weights, group_weights};
use super::curves::pr_curve;
use crate::error::{MetricError, Result};

const NAME: &str = "average_precision";

/// AP = Σ (R_k − R_{k−1}) P_k over the distinct scores from the highest down; no interpolation.
/// Its value for a scorer without skill is the prevalence, so read it beside `n+`.
///
/// # Errors
/// [`MetricError::SingleClass`] when one class is missing: without negatives every scorer gets 1.
pub fn average_precision(data: &BinaryScores) -> Result<f64> {
    data.require_both(NAME)?;
    let (mut ap, mut tp, mut seen) = (0.0, 0_usize, 0_usize);
    for (_, group) in data.groups() {
        let hits = group.iter().filter(|&&i| data.labels()[i as usize]).count();
        tp += hits;
        seen += group.len();
        ap += hits as f64 * tp as f64 / seen as f64;
    }
    Ok(ap / data.positives() as f64)
}

/// [`average_precision`] with a weight per labelled entry.
///
/// # Errors
/// As [`average_precision`]; also weights that are negative, not finite, or zero for all positives.
pub fn average_precision_weighted(data: &BinaryScores, weights: &[f64]) -> Result<f64> {
    check_weights(data, weights)?;
    data.require_both(NAME)?;
    let (mut ap, mut tp, mut seen) = (0.0, 0.0, 0.0);
    for (_, group) in data.groups() {
        let (p, n) = group_weights(data, group, weights);
        tp += p;
        seen += p + n;
        if seen > 0.0 {
            ap += p * tp / seen;
        }
    }
    if tp <= 0.0 {
        return Err(MetricError::Undefined {
            metric: NAME,
            reason: "the weights of the positives sum to zero",
        });
    }
    Ok(ap / tp)
}

/// Trapezoid area under the precision-recall curve. It interpolates linearly, which is too hopeful
/// (Davis and Goadrich 2006); given because some papers report it.
///
/// # Errors
/// [`MetricError::SingleClass`].
pub fn pr_auc_trapezoid(data: &BinaryScores) -> Result<f64> {
    data.require_both("pr_auc_trapezoid")?;
    let points = pr_curve(data)?;
    Ok(points
        .windows(2)
        .map(|w| (w[1].recall - w[0].recall) * (w[1].precision + w[0].precision) / 2.0)
        .sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_score_gives_the_prevalence() {
        let data = BinaryScores::new(&[1_u8, 0, 0, 0], &[0.5; 4]).unwrap();
        assert_eq!(average_precision(&data).unwrap(), 0.25);
    }

    #[test]
    fn weights_of_one_change_nothing_and_zero_is_undefined() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.9, 0.8, 0.7, 0.6]).unwrap();
        let plain = average_precision(&data).unwrap();
        assert!((plain - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        assert!((plain - average_precision_weighted(&data, &[1.0; 4]).unwrap()).abs() < 1e-15);
        assert!(
            average_precision_weighted(&data, &[0.0, 1.0, 0.0, 1.0])
                .unwrap_err()
                .is_undefined()
        );
    }
}
