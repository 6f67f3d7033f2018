//! The two-by-two table at a threshold and everything read off it.

use super::BinaryScores;
use crate::error::{MetricError, Result};
use serde::{Deserialize, Serialize};

/// Counts of decisions against labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Present, called present.
    pub tp: usize,
    /// Absent, called present.
    pub fp: usize,
    /// Absent, called absent.
    pub tn: usize,
    /// Present, called absent.
    pub fn_: usize,
}

impl Confusion {
    /// Counts at a threshold: positive means `score >= threshold`.
    pub fn at_threshold(data: &BinaryScores, threshold: f64) -> Self {
        let decisions = data.scores().iter().map(|s| *s >= threshold);
        Self::count(data.labels().iter().copied().zip(decisions))
    }

    /// Counts `(label, decision)` pairs.
    pub fn count(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut table = Confusion::default();
        for (label, decision) in pairs {
            match (label, decision) {
                (true, true) => table.tp += 1,
                (false, true) => table.fp += 1,
                (false, false) => table.tn += 1,
                (true, false) => table.fn_ += 1,
            }
        }
        table
    }

    /// Sum of two tables, for micro averages.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Confusion {
            tp: self.tp + other.tp,
            fp: self.fp + other.fp,
            tn: self.tn + other.tn,
            fn_: self.fn_ + other.fn_,
        }
    }

    /// All entries.
    pub fn total(&self) -> usize {
        self.tp + self.fp + self.tn + self.fn_
    }

    /// tp / (tp + fn): recall, true positive rate.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] without positives.
    pub fn sensitivity(&self) -> Result<f64> {
        ratio(
            "sensitivity",
            self.tp,
            self.tp + self.fn_,
            "there is no positive label",
        )
    }

    /// tn / (tn + fp).
    ///
    /// # Errors
    /// [`MetricError::Undefined`] without negatives.
    pub fn specificity(&self) -> Result<f64> {
        ratio(
            "specificity",
            self.tn,
            self.tn + self.fp,
            "there is no negative label",
        )
    }

    /// tp / (tp + fp): precision. Depends on the prevalence of the data.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when nothing was called positive.
    pub fn ppv(&self) -> Result<f64> {
        ratio(
            "ppv",
            self.tp,
            self.tp + self.fp,
            "nothing was called positive",
        )
    }

    /// tn / (tn + fn). Depends on the prevalence of the data.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when nothing was called negative.
    pub fn npv(&self) -> Result<f64> {
        ratio(
            "npv",
            self.tn,
            self.tn + self.fn_,
            "nothing was called negative",
        )
    }

    /// (tp + tn) / n.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] for an empty table.
    pub fn accuracy(&self) -> Result<f64> {
        ratio(
            "accuracy",
            self.tp + self.tn,
            self.total(),
            "the table is empty",
        )
    }

    /// Mean of sensitivity and specificity.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when a class is missing.
    pub fn balanced_accuracy(&self) -> Result<f64> {
        Ok((self.sensitivity()? + self.specificity()?) / 2.0)
    }

    /// Sensitivity + specificity − 1.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when a class is missing.
    pub fn youden_j(&self) -> Result<f64> {
        Ok(self.sensitivity()? + self.specificity()? - 1.0)
    }

    /// 2tp / (2tp + fp + fn).
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when there is neither a positive label nor a positive call.
    pub fn f1(&self) -> Result<f64> {
        ratio(
            "f1",
            2 * self.tp,
            2 * self.tp + self.fp + self.fn_,
            "no positive label and no positive call",
        )
    }

    /// Matthews' correlation of label and decision.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when a row or column of the table is empty.
    pub fn mcc(&self) -> Result<f64> {
        let [tp, fp, tn, fn_] = [self.tp, self.fp, self.tn, self.fn_].map(|v| v as f64);
        let product = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
        if product == 0.0 {
            return Err(MetricError::Undefined {
                metric: "mcc",
                reason: "labels or decisions are all of one class, so there is nothing to correlate",
            });
        }
        Ok((tp * tn - fp * fn_) / product.sqrt())
    }

    /// Cohen's κ between label and decision.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when chance agreement is complete.
    pub fn kappa(&self) -> Result<f64> {
        let n = self.total() as f64;
        let observed = self.accuracy()?;
        let called = (self.tp + self.fp) as f64 / n;
        let present = (self.tp + self.fn_) as f64 / n;
        let chance = called * present + (1.0 - called) * (1.0 - present);
        if chance >= 1.0 {
            return Err(MetricError::Undefined {
                metric: "kappa",
                reason: "labels and decisions are all of the same one class",
            });
        }
        Ok((observed - chance) / (1.0 - chance))
    }
}

fn ratio(metric: &'static str, part: usize, whole: usize, reason: &'static str) -> Result<f64> {
    if whole == 0 {
        Err(MetricError::Undefined { metric, reason })
    } else {
        Ok(part as f64 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_itself_is_positive() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.5, 0.5, 0.4, 0.6]).unwrap();
        let table = Confusion::at_threshold(&data, 0.5);
        assert_eq!(
            table,
            Confusion {
                tp: 1,
                fp: 2,
                tn: 0,
                fn_: 1
            }
        );
        assert_eq!(table.accuracy().unwrap(), 0.25);
    }

    #[test]
    fn empty_rows_are_undefined() {
        let table = Confusion {
            tp: 0,
            fp: 0,
            tn: 5,
            fn_: 0,
        };
        for result in [
            table.sensitivity(),
            table.ppv(),
            table.f1(),
            table.mcc(),
            table.kappa(),
        ] {
            assert!(result.unwrap_err().is_undefined());
        }
        assert_eq!(table.specificity().unwrap(), 1.0);
        assert!(Confusion::default().accuracy().is_err());
    }
}
