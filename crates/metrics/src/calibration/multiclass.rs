//! Calibration of several classes: of the class called, and of every class against the rest.

use super::binning::Binning;
use super::error::calibration_error;
use crate::classification::{BinaryScores, MulticlassScores};
use crate::error::{Result, all_probabilities};
use serde::{Deserialize, Serialize};

/// Calibration errors of multiclass probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MulticlassCalibration {
    /// ECE of the highest probability against whether its class is right (Guo 2017).
    pub top_label: f64,
    /// Mean over the classes of their one-vs-rest ECE (Nixon 2019): the static one with equal-width bins,
    /// the adaptive one with equal-mass bins.
    pub class_wise: f64,
}

/// Calibration errors under a binning.
///
/// # Errors
/// Scores that are no probabilities; zero bins.
pub fn multiclass_calibration(
    data: &MulticlassScores,
    binning: Binning,
) -> Result<MulticlassCalibration> {
    let (hits, confidence): (Vec<bool>, Vec<f64>) = data.rows().map(top).unzip();
    let top_label = calibration_error(&BinaryScores::new(&hits, &confidence)?, binning)?.ece;
    let mut sum = 0.0;
    for k in 0..data.classes() {
        let (labels, scores): (Vec<bool>, Vec<f64>) =
            data.rows().map(|(t, row)| (t == k, row[k])).unzip();
        sum += calibration_error(&BinaryScores::new(&labels, &scores)?, binning)?.ece;
    }
    Ok(MulticlassCalibration {
        top_label,
        class_wise: sum / data.classes() as f64,
    })
}

/// Mean over samples of the summed squared distance to the true class (Brier 1950), 0 to 2.
///
/// # Errors
/// Scores that are no probabilities.
pub fn multiclass_brier(data: &MulticlassScores) -> Result<f64> {
    let (mut sum, mut n) = (0.0, 0);
    for (truth, row) in data.rows() {
        all_probabilities("scores", row)?;
        let distance = |(k, p): (usize, &f64)| (p - f64::from(u8::from(k == truth))).powi(2);
        sum += row.iter().enumerate().map(distance).sum::<f64>();
        n += 1;
    }
    Ok(sum / f64::from(n))
}

/// Whether the class with the highest score (the first of equals) is right, and that score.
fn top((truth, row): (usize, &[f64])) -> (bool, f64) {
    let mut best = 0;
    for k in 1..row.len() {
        if row[k] > row[best] {
            best = k;
        }
    }
    (best == truth, row[best])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sure_and_right_is_calibrated() {
        let data = MulticlassScores::new(&[0, 1], &[1.0, 0.0, 0.0, 1.0], 2).unwrap();
        let found = multiclass_calibration(&data, Binning::EqualWidth(10)).unwrap();
        assert_eq!((found.top_label, found.class_wise), (0.0, 0.0));
        assert_eq!(multiclass_brier(&data).unwrap(), 0.0);
        let wrong = MulticlassScores::new(&[1, 0], &[1.0, 0.0, 0.0, 1.0], 2).unwrap();
        assert_eq!(multiclass_brier(&wrong).unwrap(), 2.0);
        assert_eq!(
            multiclass_calibration(&wrong, Binning::EqualMass(2))
                .unwrap()
                .top_label,
            1.0
        );
    }
}
