//! The conformal quantile.

use crate::error::{Result, finite, open_unit};

/// The ⌈(n + 1)(1 − α)⌉-th smallest score; null when that exceeds n (no finite threshold covers).
///
/// # Errors
/// α outside 0 to 1; scores that are not finite.
pub fn conformal_quantile(scores: &[f64], alpha: f64) -> Result<Option<f64>> {
    open_unit("alpha", alpha)?;
    finite("scores", scores.iter().copied())?;
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Rounding must not lift an exact product to the next integer.
    let rank = ((scores.len() + 1) as f64 * (1.0 - alpha) - 1e-9).ceil() as usize;
    Ok(sorted.get(rank.max(1) - 1).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_and_too_few_scores() {
        let scores: Vec<f64> = (1..=9).map(f64::from).collect();
        assert_eq!(conformal_quantile(&scores, 0.1).unwrap(), Some(9.0));
        assert_eq!(conformal_quantile(&scores, 0.5).unwrap(), Some(5.0));
        assert_eq!(conformal_quantile(&scores, 0.05).unwrap(), None);
        assert_eq!(conformal_quantile(&[], 0.1).unwrap(), None);
        assert!(conformal_quantile(&scores, 0.0).is_err());
    }
}
