//! Settings of the study of joint super-resolution and classification.

use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use serde::{Deserialize, Serialize};

/// The super-resolution module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enlarger {
    /// Channels; 64 in the paper.
    pub channels: usize,
    /// Multi-features extraction blocks; 3 in the paper.
    pub blocks: usize,
    /// Distances of the taps of a block's chained branches; 1, 2, 4, 8 in the paper.
    pub dilations: Vec<usize>,
    /// The module makes the difference to the bicubic picture. Not in the paper; few passes teach a difference, not a picture.
    pub residual: bool,
}

/// The classifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    /// Channels of the stem; 32 in the paper.
    pub stem: usize,
    /// Channels within and after a unit, units and stride of each stage; (32, 64, 2, 1), (64, 128, 2, 2), (128, 128, 4, 1) in the paper.
    pub stages: Vec<[usize; 4]>,
    /// Groups of a unit's convolutions; 32 in the paper.
    pub groups: usize,
    /// Least width of a unit's bottleneck; 32 in the paper.
    pub least: usize,
    /// Hidden units before the logits; 256 in the paper.
    pub hidden: usize,
}

/// Weights of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Absolute error of the enlarged picture; 0.6.
    pub pixels: f64,
    /// Focal losses, half for the enlarged picture and half for the true one; 0.3.
    pub classes: f64,
    /// Contrastive term between the features of both; 0.1.
    pub contrast: f64,
    /// Focus; 5.
    pub gamma: f64,
    /// Temperature of the contrastive term; 2.
    pub temperature: f64,
}

/// What is enlarged and told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Stained patches of breast tissue with and without invasive ductal carcinoma.
    Histology,
    /// NIH films of 64 pixels, with and without a finding.
    Films,
}

impl TaskName {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            TaskName::Histology => "histology 40x",
            TaskName::Films => "chest films",
        }
    }

    /// Colours.
    pub fn channels(self) -> usize {
        match self {
            TaskName::Histology => 3,
            TaskName::Films => 1,
        }
    }
}

/// One task and how long it is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which.
    pub task: TaskName,
    /// Side of the true pictures; four times that of the small ones.
    pub side: usize,
    /// Passes of every network.
    pub epochs: usize,
    /// Training pictures at most.
    pub most: usize,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How much smaller the given pictures are, a power of two; 4 in the paper (and 8).
    pub scale: usize,
    /// Super-resolution module.
    pub enlarger: Enlarger,
    /// Classifier.
    pub judge: Judge,
    /// Weights of the loss.
    pub weights: Weights,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Pictures a batch; 4 in the paper.
    pub batch: usize,
    /// Optimiser; Adam in the paper.
    pub optimizer: OptimizerConfig,
    /// Learning rate over time; 0.001, times 0.95 every two passes, in the paper.
    pub schedule: Schedule,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            scale: 4,
            enlarger: Enlarger {
                channels: 16,
                blocks: 2,
                dilations: vec![1, 2, 4, 8],
                residual: true,
            },
            judge: Judge {
                stem: 16,
                stages: vec![[16, 16, 1, 1], [16, 32, 1, 2], [32, 32, 1, 1]],
                groups: 1,
                least: 8,
                hidden: 32,
            },
            weights: Weights {
                pixels: 0.6,
                classes: 0.3,
                contrast: 0.1,
                gamma: 5.0,
                temperature: 2.0,
            },
            tasks: vec![
                Task {
                    task: TaskName::Histology,
                    side: 48,
                    epochs: 6,
                    most: 600,
                },
                Task {
                    task: TaskName::Films,
                    side: 64,
                    epochs: 5,
                    most: 400,
                },
            ],
            batch: 8,
            optimizer: OptimizerConfig::AdamW {
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.0,
            },
            schedule: Schedule {
                base: 2e-3,
                warmup: 0.05,
                floor: 0.05,
            },
            seeds: 2,
        }
    }
}

impl Settings for Config {
    /// One seed, a pass, narrow networks on small crops.
    fn tiny() -> Self {
        let mut c = Config {
            enlarger: Enlarger {
                channels: 4,
                blocks: 1,
                dilations: vec![1, 2],
                residual: true,
            },
            judge: Judge {
                stem: 4,
                stages: vec![[4, 4, 1, 1], [4, 8, 1, 2]],
                groups: 2,
                least: 4,
                hidden: 4,
            },
            seeds: 1,
            ..Config::default()
        };
        for task in &mut c.tasks {
            (task.side, task.epochs, task.most) = (32, 1, 32);
        }
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.scale < 2 || !self.scale.is_power_of_two() {
            return wrong("the scale is a power of two, 2 or more: each step doubles the picture");
        }
        if self.enlarger.channels == 0 || self.enlarger.dilations.len() < 2 {
            return wrong("a block weighs two branches or more, of a channel or more");
        }
        let divided =
            |s: &[usize; 4]| s[0].is_multiple_of(self.judge.groups.max(1)) && !s.contains(&0);
        let stages = &self.judge.stages;
        if self.judge.groups == 0 || stages.is_empty() || !stages.iter().all(divided) {
            return wrong("stages need channels that the groups divide, a unit and a stride");
        }
        if self.judge.stem == 0 || self.judge.hidden == 0 || self.judge.least == 0 {
            return wrong("stem, bottleneck and hidden layer need a channel");
        }
        let w = &self.weights;
        let parts = [w.pixels, w.classes, w.contrast, w.gamma];
        if parts.iter().any(|v| !(v.is_finite() && *v >= 0.0))
            || !(w.temperature > 0.0 && w.temperature.is_finite())
        {
            return wrong("weights of the loss are 0 or more, the temperature above 0");
        }
        let fits = |t: &Task| {
            t.side >= 8 * self.scale && t.side.is_multiple_of(self.scale) && t.epochs > 0
        };
        if self.tasks.is_empty() || !self.tasks.iter().all(fits) {
            return wrong(
                "pictures have a side that the scale divides, eight small pixels at least, and a pass",
            );
        }
        let rate = self.schedule.base;
        if self.batch < 2 || self.seeds == 0 || !(rate > 0.0 && rate.is_finite()) {
            return wrong("two pictures a batch, a seed and a positive learning rate are needed");
        }
        Ok(())
    }
}

impl Config {
    /// Doublings.
    pub fn steps(&self) -> usize {
        self.scale.trailing_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        assert_eq!(Config::default().steps(), 2);
        let bad: [fn(&mut Config); 7] = [
            |c| c.scale = 3,
            |c| c.enlarger.dilations = vec![1],
            |c| c.judge.groups = 3,
            |c| c.weights.temperature = 0.0,
            |c| c.weights.gamma = f64::NAN,
            |c| c.tasks[0].side = 50,
            |c| c.batch = 1,
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
