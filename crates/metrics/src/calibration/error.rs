//! Expected, maximum and root-mean-square calibration error.

use super::binning::{Binning, reliability_curve};
use crate::classification::BinaryScores;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Binned distances between probability and frequency of the positive class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// Mean gap weighted by the share of the bin (Naeini 2015).
    pub ece: f64,
    /// Largest gap; one crowded-out sample can set it.
    pub mce: f64,
    /// Root of the weighted mean squared gap.
    pub rmsce: f64,
}

/// Calibration errors under a binning; they grow with fewer samples a bin, so compare only at equal n.
///
/// # Errors
/// Scores that are no probabilities; zero bins.
pub fn calibration_error(data: &BinaryScores, binning: Binning) -> Result<CalibrationError> {
    let bins = reliability_curve(data, binning)?;
    let share = |count: usize| count as f64 / data.len() as f64;
    Ok(CalibrationError {
        ece: bins.iter().map(|b| share(b.count) * b.gap()).sum(),
        mce: bins.iter().map(|b| b.gap()).fold(0.0, f64::max),
        rmsce: bins
            .iter()
            .map(|b| share(b.count) * b.gap().powi(2))
            .sum::<f64>()
            .sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_gap() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 1], &[0.1, 0.1, 0.9, 0.9]).unwrap();
        let e = calibration_error(&data, Binning::EqualWidth(10)).unwrap();
        assert!((e.ece - 0.25).abs() < 1e-12 && (e.mce - 0.4).abs() < 1e-12);
    }
}
