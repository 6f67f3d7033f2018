//! Settings of the comparison of learners and searches.

use crate::blocks::tables::Source;
use crate::error::{MethodError, Result};
use hilum_tabular::{LearnerKind, Sampler};
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tables.
    pub tables: Vec<Source>,
    /// Learners: the paper's three, and boosted trees.
    pub learners: Vec<LearnerKind>,
    /// Repeats with other folds, seeds counting up from the run's.
    pub repeats: usize,
    /// Folds in which the tuned learners are measured.
    pub folds: usize,
    /// Folds of a training fold in which a point is judged.
    pub inner_folds: usize,
    /// Points tried by a search.
    pub trials: usize,
    /// The search that is compared with one at random.
    pub sampler: Sampler,
    /// Seeds of the comparison on the test function.
    pub function_seeds: u64,
    /// Points tried on the test function.
    pub function_trials: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            tables: vec![Source::Coimbra, Source::Wisconsin],
            learners: vec![
                LearnerKind::Logistic,
                LearnerKind::Tree,
                LearnerKind::Forest,
                LearnerKind::Boosting,
            ],
            repeats: 5,
            folds: 5,
            inner_folds: 3,
            trials: 30,
            sampler: Sampler::tpe(),
            function_seeds: 51,
            function_trials: 60,
        }
    }
}

impl Config {
    /// One repeat of two folds, few trials, the cheap learners.
    pub fn tiny() -> Self {
        Config {
            learners: vec![LearnerKind::Logistic, LearnerKind::Tree],
            repeats: 1,
            folds: 2,
            inner_folds: 2,
            trials: 12,
            function_seeds: 5,
            ..Config::default()
        }
    }

    /// Fails when a setting is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.tables.is_empty() || self.learners.is_empty() {
            return Err(MethodError::Config(
                "at least one table and one learner are needed".to_owned(),
            ));
        }
        if self.folds < 2 || self.inner_folds < 2 {
            return Err(MethodError::Config("folds must be at least 2".to_owned()));
        }
        let counts = [self.repeats, self.trials, self.function_trials];
        if counts.contains(&0) || self.function_seeds == 0 {
            return Err(MethodError::Config(
                "repeats, trials and seeds must be at least 1".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_no_trials_are_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let none = Config {
            trials: 0,
            ..Config::default()
        };
        assert!(none.validate().is_err());
    }
}
