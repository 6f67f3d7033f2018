//! The threshold in use, how it was chosen, and what it was measured to do, with intervals.

use crate::error::{Result, TrustError};
use hilum_core::OperatingPoint;
use hilum_metrics::ConfidenceInterval;
use hilum_metrics::classification::{
    BinaryScores, Confusion, at_sensitivity, at_specificity, youden,
};
use hilum_metrics::statistics::{ProportionMethod, proportion_ci};
use serde::{Deserialize, Serialize};

/// How the threshold is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatingRule {
    /// Largest sensitivity + specificity − 1, first maximum from the top.
    Youden,
    /// Highest threshold with at least this sensitivity.
    Sensitivity(f64),
    /// Lowest threshold with at least this specificity.
    Specificity(f64),
    /// A given threshold.
    Fixed(f64),
}

impl OperatingRule {
    fn name(&self) -> String {
        match self {
            OperatingRule::Youden => "youden".into(),
            OperatingRule::Sensitivity(v) => format!("sensitivity>={v}"),
            OperatingRule::Specificity(v) => format!("specificity>={v}"),
            OperatingRule::Fixed(v) => format!("fixed {v}"),
        }
    }
}

/// A chosen threshold with its measured performance on the split it was chosen on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TunedPoint {
    /// Positive means `probability >= threshold`.
    pub threshold: f64,
    /// E.g. `youden on val`.
    pub rule: String,
    /// Measured sensitivity; optimistic, for the threshold was chosen on the same data.
    pub sensitivity: f64,
    /// Its Wilson interval.
    pub sensitivity_interval: ConfidenceInterval,
    /// Measured specificity.
    pub specificity: f64,
    /// Its Wilson interval.
    pub specificity_interval: ConfidenceInterval,
    /// Positives in the split.
    pub positives: usize,
    /// Negatives in the split.
    pub negatives: usize,
}

impl TunedPoint {
    /// Chooses on calibrated probabilities of the split named `split`; intervals at 95 %.
    ///
    /// # Errors
    /// One class only; [`TrustError::Parameter`] when no threshold is better than calling nothing positive.
    pub fn choose(data: &BinaryScores, rule: OperatingRule, split: &str) -> Result<Self> {
        data.require_both("operating_point")?;
        let threshold = match rule {
            OperatingRule::Youden => youden(data)?.threshold,
            OperatingRule::Sensitivity(v) => at_sensitivity(data, v)?.threshold,
            OperatingRule::Specificity(v) => at_specificity(data, v)?.threshold,
            OperatingRule::Fixed(v) => Some(v),
        };
        let threshold = threshold.ok_or(TrustError::Parameter {
            name: "best threshold",
            value: f64::INFINITY,
            rule: "finite; the score is no better than calling nothing positive",
        })?;
        Self::measure(data, threshold, format!("{} on {split}", rule.name()))
    }

    /// Measures a threshold on another split, e.g. the test split.
    ///
    /// # Errors
    /// One class only.
    pub fn measure(data: &BinaryScores, threshold: f64, rule: String) -> Result<Self> {
        let table = Confusion::at_threshold(data, threshold);
        let wilson = |k, n| proportion_ci(k, n, 0.95, ProportionMethod::Wilson);
        Ok(TunedPoint {
            threshold,
            rule,
            sensitivity: table.sensitivity()?,
            sensitivity_interval: wilson(table.tp, data.positives())?,
            specificity: table.specificity()?,
            specificity_interval: wilson(table.tn, data.negatives())?,
            positives: data.positives(),
            negatives: data.negatives(),
        })
    }

    /// The operating point as a finding carries it.
    pub fn apply(&self, probability: f64) -> OperatingPoint {
        OperatingPoint {
            threshold: self.threshold,
            rule: self.rule.clone(),
            sensitivity: Some(self.sensitivity),
            specificity: Some(self.specificity),
            positive: probability >= self.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_goes_with_the_threshold() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0, 1], &[0.9, 0.6, 0.7, 0.1, 0.2]).unwrap();
        let point = TunedPoint::choose(&data, OperatingRule::Youden, "val").unwrap();
        assert_eq!(
            (point.threshold, point.rule.as_str()),
            (0.7, "youden on val")
        );
        assert!((point.sensitivity - 2.0 / 3.0).abs() < 1e-12 && point.specificity == 1.0);
        assert!(point.sensitivity_interval.low < point.sensitivity);
        assert!(point.apply(0.7).positive && !point.apply(0.69).positive);
        let wanted = TunedPoint::choose(&data, OperatingRule::Sensitivity(0.95), "val").unwrap();
        assert_eq!((wanted.threshold, wanted.sensitivity), (0.2, 1.0));
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<TunedPoint>(&text).unwrap(), point);
    }

    #[test]
    fn a_useless_score_has_no_operating_point() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.1, 0.9]).unwrap();
        assert!(TunedPoint::choose(&data, OperatingRule::Youden, "val").is_err());
    }
}
