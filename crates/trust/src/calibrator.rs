//! The fitted map from a network's logit to a probability, in the form that a weight file's card carries.

use crate::error::Result;
use crate::{HistogramBinning, Isotonic, Platt, Temperature, VennAbers};
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// Which calibrator to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibratorKind {
    /// The plain sigmoid.
    None,
    /// Sigmoid with slope and offset: for small calibration sets.
    Platt,
    /// Sigmoid with slope only.
    Temperature,
    /// Monotone step-and-line function: for large calibration sets.
    Isotonic,
    /// Constant in bins of equal mass.
    Histogram,
    /// Isotonic with an interval; never exactly 0 or 1.
    VennAbers,
}

/// A fitted calibrator; JSON `{"kind": "platt", "a": ..., "b": ...}`. Read it back with serde_json's feature
/// `float_roundtrip`, or thresholds may move by one last bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Calibrator {
    /// The plain sigmoid: not calibrated.
    None,
    /// See [`Platt`].
    Platt(Platt),
    /// See [`Temperature`].
    Temperature(Temperature),
    /// See [`Isotonic`].
    Isotonic(Isotonic),
    /// See [`HistogramBinning`].
    Histogram(HistogramBinning),
    /// See [`VennAbers`].
    VennAbers(VennAbers),
}

impl Calibrator {
    /// Fits on the logits and labels of a calibration split.
    ///
    /// # Errors
    /// One class only; a fit that has no optimum (see the kinds).
    pub fn fit(kind: CalibratorKind, logits: &BinaryScores) -> Result<Self> {
        Ok(match kind {
            CalibratorKind::None => Calibrator::None,
            CalibratorKind::Platt => Calibrator::Platt(Platt::fit(logits)?),
            CalibratorKind::Temperature => {
                Calibrator::Temperature(Temperature::fit_binary(logits)?)
            }
            CalibratorKind::Isotonic => Calibrator::Isotonic(Isotonic::fit_binary(logits)?),
            CalibratorKind::Histogram => Calibrator::Histogram(HistogramBinning::fit(logits, 15)?),
            CalibratorKind::VennAbers => Calibrator::VennAbers(VennAbers::fit(logits)?),
        })
    }

    /// Probability of a logit; NaN only for a NaN.
    pub fn probability(&self, logit: f64) -> f64 {
        match self {
            Calibrator::None => sigmoid(logit),
            Calibrator::Platt(c) => c.probability(logit),
            Calibrator::Temperature(c) => c.probability(logit),
            Calibrator::Isotonic(c) => c.value(logit),
            Calibrator::Histogram(c) => c.probability(logit),
            Calibrator::VennAbers(c) => c.interval(logit).probability(),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> CalibratorKind {
        match self {
            Calibrator::None => CalibratorKind::None,
            Calibrator::Platt(_) => CalibratorKind::Platt,
            Calibrator::Temperature(_) => CalibratorKind::Temperature,
            Calibrator::Isotonic(_) => CalibratorKind::Isotonic,
            Calibrator::Histogram(_) => CalibratorKind::Histogram,
            Calibrator::VennAbers(_) => CalibratorKind::VennAbers,
        }
    }
}

/// 1 / (1 + e^−z) without overflow.
pub(crate) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> BinaryScores {
        let logits: Vec<f64> = (0..300)
            .map(|i| f64::from(i * 7 % 101) / 20.0 - 2.5)
            .collect();
        let labels: Vec<bool> = (0..300_u32)
            .map(|i| f64::from(i * 37 % 100) / 100.0 < sigmoid(2.0 * logits[i as usize]))
            .collect();
        BinaryScores::new(&labels, &logits).unwrap()
    }

    #[test]
    fn every_kind_is_monotone_and_survives_json() {
        use CalibratorKind::*;
        for kind in [None, Platt, Temperature, Isotonic, VennAbers, Histogram] {
            let fitted = Calibrator::fit(kind, &data()).unwrap();
            let text = serde_json::to_string(&fitted).unwrap();
            let back: Calibrator = serde_json::from_str(&text).unwrap();
            assert_eq!((back.kind(), &back), (kind, &fitted));
            let p: Vec<f64> = (-60..=60)
                .map(|i| fitted.probability(f64::from(i) / 10.0))
                .collect();
            assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{kind:?}");
            // Histogram binning alone does not promise to keep the order.
            assert!(
                kind == Histogram || p.windows(2).all(|w| w[0] <= w[1] + 1e-12),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn one_class_cannot_be_calibrated() {
        use CalibratorKind::*;
        let one = BinaryScores::new(&[1_u8, 1], &[0.2, 0.4]).unwrap();
        for kind in [Platt, Temperature, Isotonic, VennAbers, Histogram] {
            assert!(Calibrator::fit(kind, &one).is_err(), "{kind:?}");
        }
    }
}
