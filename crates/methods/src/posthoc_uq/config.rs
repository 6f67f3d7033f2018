//! Settings of the study of uncertainty.

use crate::blocks::tables::Source;
use crate::error::{MethodError, Result};
use hilum_tabular::LearnerKind;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tables.
    pub tables: Vec<Source>,
    /// Learners; the paper's four.
    pub learners: Vec<LearnerKind>,
    /// Repeats with other folds, seeds counting up from the run's.
    pub repeats: usize,
    /// Folds of the development rows; the paper leaves one out.
    pub folds: usize,
    /// One part in so many of a training fold is for calibration.
    pub calibration: usize,
    /// Bins of the adaptive calibration error.
    pub bins: usize,
    /// Certainty from which a case is kept, as in the paper's best figures, the larger first.
    pub claimed: Vec<f64>,
    /// Cuts of the curves, rising.
    pub cuts: Vec<f64>,
    /// Permitted error rate of the sets.
    pub error_rate: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            tables: vec![
                Source::Lidc,
                Source::Jsrt,
                Source::Wisconsin,
                Source::Coimbra,
            ],
            learners: vec![
                LearnerKind::Logistic,
                LearnerKind::RbfSvm,
                LearnerKind::Boosting,
                LearnerKind::Forest,
            ],
            repeats: 5,
            folds: 5,
            calibration: 3,
            bins: 10,
            claimed: vec![0.9, 0.8],
            cuts: vec![0.6, 0.8, 0.9, 0.95],
            error_rate: 0.1,
        }
    }
}

impl Config {
    /// One repeat of two folds on the smaller tables.
    pub fn tiny() -> Self {
        Config {
            tables: vec![Source::Wisconsin, Source::Coimbra],
            repeats: 1,
            folds: 2,
            ..Config::default()
        }
    }

    /// Fails when a setting is out of range.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        let share = |v: f64| v > 0.0 && v < 1.0;
        if self.tables.is_empty() || self.learners.is_empty() || self.repeats == 0 {
            return wrong("at least one table, one learner and one repeat are needed");
        }
        if self.folds < 2 || self.calibration < 2 || self.bins == 0 {
            return wrong("folds and calibration must be at least 2, bins at least 1");
        }
        let mut cuts = self.claimed.iter().chain(&self.cuts);
        if !share(self.error_rate) || !cuts.all(|c| share(*c)) {
            return wrong("cuts and error rate must lie between 0 and 1");
        }
        if self.cuts.is_empty() || self.cuts.windows(2).any(|w| w[0] >= w[1]) {
            return wrong("cuts must rise");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_falling_cuts_are_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let falling = Config {
            cuts: vec![0.9, 0.8],
            ..Config::default()
        };
        assert!(falling.validate().is_err());
    }
}
