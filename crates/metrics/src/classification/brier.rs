//! Brier score: mean squared distance between probability and outcome.

use super::BinaryScores;
use super::auroc::check_weights;
use crate::error::{MetricError, Result, all_probabilities};

/// Mean of (p − y)²; lower is better, the scores must be probabilities. Defined for one class too.
///
/// # Errors
/// [`MetricError::OutOfRange`] when a score is no probability.
pub fn brier(data: &BinaryScores) -> Result<f64> {
    all_probabilities("scores", data.scores())?;
    Ok(squares(data).sum::<f64>() / data.len() as f64)
}

/// [`brier`] with a weight per labelled entry.
///
/// # Errors
/// As [`brier`]; also weights that are negative, not finite or all zero.
pub fn brier_weighted(data: &BinaryScores, weights: &[f64]) -> Result<f64> {
    all_probabilities("scores", data.scores())?;
    check_weights(data, weights)?;
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "brier",
            reason: "the weights sum to zero",
        });
    }
    Ok(squares(data).zip(weights).map(|(s, w)| s * w).sum::<f64>() / total)
}

fn squares(data: &BinaryScores) -> impl Iterator<Item = f64> {
    data.labels()
        .iter()
        .zip(data.scores())
        .map(|(&y, &p)| (p - f64::from(u8::from(y))).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_refused() {
        let data = BinaryScores::new(&[1_u8, 0], &[3.0, -1.0]).unwrap();
        assert!(matches!(
            brier(&data),
            Err(MetricError::OutOfRange { index: 0, .. })
        ));
    }

    #[test]
    fn a_half_everywhere_gives_a_quarter() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.5, 0.5]).unwrap();
        assert_eq!(brier(&data).unwrap(), 0.25);
        assert_eq!(brier_weighted(&data, &[1.0, 3.0]).unwrap(), 0.25);
        assert!(
            brier_weighted(&data, &[0.0, 0.0])
                .unwrap_err()
                .is_undefined()
        );
    }
}
