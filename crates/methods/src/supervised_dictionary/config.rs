//! Settings of the study of dictionaries.

use super::tasks::TaskName;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is learned.
    pub tasks: Vec<TaskName>,
    /// Columns of the dictionary.
    pub rank: usize,
    /// Width and height of the images.
    pub size: usize,
    /// Words of the reports, the most frequent first.
    pub words: usize,
    /// ξ tried on the validation split; cases are scaled to a total variance of 1.
    pub xi: Vec<f64>,
    /// ν tried on the validation split.
    pub ridge: Vec<f64>,
    /// Iterations at most while settings are tried.
    pub trial_iterations: usize,
    /// Iterations at most of a fit.
    pub iterations: usize,
    /// Seeds, counting up from the run's.
    pub repeats: usize,
    /// Made-up sets of each kind.
    pub simulations: usize,
    /// Cases at most in each split; none means all.
    pub cases: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            tasks: TaskName::ALL.to_vec(),
            rank: 16,
            size: 32,
            words: 600,
            xi: vec![0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
            ridge: vec![0.01, 0.1, 1.0, 10.0, 100.0],
            trial_iterations: 80,
            iterations: 300,
            repeats: 5,
            simulations: 10,
            cases: None,
        }
    }
}

impl Settings for Config {
    /// Few cases of small images, two seeds.
    fn tiny() -> Self {
        Config {
            rank: 4,
            size: 12,
            words: 80,
            xi: vec![0.1, 1.0],
            ridge: vec![0.1, 1.0],
            trial_iterations: 10,
            iterations: 20,
            repeats: 2,
            simulations: 2,
            cases: Some(120),
            ..Config::default()
        }
    }

    /// Fails when a setting is out of range.
    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        let counts = [
            self.rank,
            self.words,
            self.trial_iterations,
            self.iterations,
            self.repeats,
        ];
        if self.tasks.is_empty() || counts.contains(&0) {
            return wrong("tasks, rank, words, iterations and repeats must be at least 1");
        }
        if self.size < 8 || self.simulations < 2 {
            return wrong(
                "images must have at least 8 pixels a side, and there must be 2 simulations",
            );
        }
        let weights = || self.xi.iter().chain(&self.ridge);
        if self.xi.is_empty() || self.ridge.is_empty() || !weights().all(|w| *w > 0.0) {
            return wrong("xi and ridge must be positive");
        }
        if self.rank > self.size * self.size || self.rank > self.words {
            return wrong("the rank must not be above the number of pixels or words");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_ranks_beyond_the_pixels_are_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let wide = Config {
            rank: 70,
            size: 8,
            ..Config::default()
        };
        assert!(wide.validate().is_err());
    }
}
