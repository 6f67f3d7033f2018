//! Logarithmic loss: mean negative log-likelihood of the labels.

use super::BinaryScores;
use crate::error::{Result, all_probabilities};

/// Probabilities are kept this far from 0 and 1, so that one sure mistake does not make the loss infinite.
pub(crate) const CLIP: f64 = 1e-15;

/// Mean of −ln p(label), natural logarithm, p clipped to 1e-15 from the ends. Defined for one class too.
///
/// # Errors
/// [`crate::MetricError::OutOfRange`] when a score is no probability.
pub fn log_loss(data: &BinaryScores) -> Result<f64> {
    all_probabilities("scores", data.scores())?;
    let sum: f64 = data
        .labels()
        .iter()
        .zip(data.scores())
        .map(|(&y, &p)| {
            let p = p.clamp(CLIP, 1.0 - CLIP);
            -(if y { p } else { 1.0 - p }).ln()
        })
        .sum();
    Ok(sum / data.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_everywhere_gives_ln_2_and_a_sure_mistake_is_finite() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.5, 0.5]).unwrap();
        assert!((log_loss(&data).unwrap() - std::f64::consts::LN_2).abs() < 1e-15);
        let data = BinaryScores::new(&[1_u8], &[0.0]).unwrap();
        assert!((log_loss(&data).unwrap() - 34.538).abs() < 1e-3);
    }
}
