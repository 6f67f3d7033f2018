//! Largest value and percentile of a list of distances.

use crate::error::Result;
use crate::statistics::percentile;

/// `fraction` quantile with linear interpolation.
pub(crate) fn quantile(distances: &[f64], fraction: f64) -> Result<f64> {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, fraction)
}

/// Mean.
pub(crate) fn mean(distances: &[f64]) -> f64 {
    distances.iter().sum::<f64>() / distances.len() as f64
}
