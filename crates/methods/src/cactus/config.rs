//! Settings of the study of views and quality grades.

use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::InputContract;
use hilum_nn::backbones::ResNetConfig;
use hilum_nn::contract::Scaling;
use serde::{Deserialize, Serialize};

/// Passes over the training pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passes {
    /// The first component: naming views.
    pub views: usize,
    /// The second: grading, begun with the first one's encoder. Training from scratch and multi-task training get the passes
    /// of both.
    pub grades: usize,
    /// Fine-tuning on the few pictures of a view that comes later.
    pub later: usize,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures; 224 in the paper.
    pub side: usize,
    /// Encoder; ResNet-18 at its full width of 64 in the paper.
    pub encoder: ResNetConfig,
    /// Hidden units of the grading head.
    pub hidden: usize,
    /// Batches, optimiser, learning rate, jitter; its `epochs` are set by `passes`.
    pub train: ShortConfig,
    /// Passes.
    pub passes: Passes,
    /// Weight of the squared error beside the cross entropy in multi-task training; grades are scaled to -1 to 1.
    pub grade_weight: f64,
    /// Phantom patients.
    pub phantoms: u64,
    /// One of so many phantom patients is asked.
    pub asked: u64,
    /// Pictures of each class of films for training at most.
    pub films: usize,
    /// Pictures of the later view that are given, and of each old view that is rehearsed.
    pub few: usize,
    /// Share of the learning rate when a view is added.
    pub later_rate: f32,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            side: 64,
            encoder: ResNetConfig::basic(&[2, 2, 2, 2], 16),
            hidden: 32,
            train: ShortConfig {
                batch: 16,
                jitter: (0.0, 3),
                ..ShortConfig::default()
            },
            passes: Passes {
                views: 8,
                grades: 10,
                later: 8,
            },
            grade_weight: 1.0,
            phantoms: 48,
            asked: 3,
            films: 150,
            few: 12,
            later_rate: 0.3,
            seeds: 5,
        }
    }
}

impl Settings for Config {
    /// One seed, a pass or two, few pictures.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            encoder: ResNetConfig::basic(&[1, 1], 4),
            hidden: 4,
            passes: Passes {
                views: 1,
                grades: 1,
                later: 1,
            },
            phantoms: 4,
            asked: 2,
            films: 12,
            few: 3,
            seeds: 1,
            ..Config::default()
        };
        c.train.batch = 8;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        self.train.validate()?;
        if self.passes.views == 0 || self.passes.grades == 0 || self.passes.later == 0 {
            return wrong("every component needs a pass");
        }
        if self.asked < 2 || self.phantoms < 2 * self.asked {
            return wrong("two phantom patients are asked at least, and as many learned from");
        }
        if self.few < 2 || self.films < self.few {
            return wrong(
                "two pictures of the later view at least, and no more than films a class",
            );
        }
        if self.seeds == 0 || self.hidden == 0 || self.encoder.layers.is_empty() {
            return wrong("a seed, a hidden unit and a stage are needed");
        }
        let share = self.later_rate > 0.0 && self.later_rate <= 1.0;
        let weighed = self.grade_weight > 0.0 && self.grade_weight.is_finite();
        if !(share && weighed) {
            return wrong("later_rate lies between 0 and 1, grade_weight is above 0");
        }
        Ok(())
    }
}

impl Config {
    /// Input contract. Scaling is fixed: standardising each picture would take away what tells its exposure.
    pub fn contract(&self) -> InputContract {
        InputContract {
            scaling: Scaling::Fixed {
                mean: 0.5,
                deviation: 0.25,
            },
            ..InputContract::square(self.side)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let bad: [fn(&mut Config); 6] = [
            |c| c.passes.later = 0,
            |c| c.phantoms = 5,
            |c| c.asked = 1,
            |c| c.few = 1,
            |c| c.later_rate = 0.0,
            |c| c.grade_weight = f64::NAN,
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
