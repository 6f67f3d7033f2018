//! Settings of the study.

use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::ResNetConfig;
use hilum_nn::optim::{OptimizerConfig, Schedule};
use serde::{Deserialize, Serialize};

/// Whose lesions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Made-up ultrasound pictures with speckle.
    Speckle,
    /// Mammograms of mini-MIAS.
    Mammograms,
}

impl TaskName {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            TaskName::Speckle => "speckle phantom",
            TaskName::Mammograms => "mammograms",
        }
    }
}

/// One task with the shares of its training pictures that have a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Which.
    pub task: TaskName,
    /// Shares.
    pub shares: Vec<f64>,
}

/// How coarse boxes are made of clean ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Largest shift along either axis as a share of the side.
    pub shift: f64,
    /// Natural logarithms of the least and the largest factor of a side.
    pub scale: [f64; 2],
}

/// Steps of the trainings. Every arm has as many, so that more pictures are not more training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// Of a detector.
    pub detector: usize,
    /// Of a classifier of crops.
    pub classifier: usize,
    /// Of the unified network, from the detector's weights.
    pub unified: usize,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures.
    pub side: usize,
    /// Trunk of the detector and of the unified network.
    pub trunk: ResNetConfig,
    /// Side in pixels of the box that offsets are counted from.
    pub anchor: f64,
    /// Weight of cells that hold a lesion against those that hold none.
    pub hit_weight: f32,
    /// Weight of the box offsets in the detector's loss.
    pub box_weight: f64,
    /// Side of the crops, and what is seen round a box as a share of its sides.
    pub crop: (usize, f64),
    /// Trunk of the classifier of crops.
    pub classifier: ResNetConfig,
    /// Pictures a step.
    pub batch: usize,
    /// Steps.
    pub steps: Steps,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Learning rate over time.
    pub schedule: Schedule,
    /// Largest shift of training pictures in pixels.
    pub shift: usize,
    /// Injected into the clean boxes.
    pub noise: Noise,
    /// Candidates made of a drawn box: how many, and how far off.
    pub jitter: (usize, Noise),
    /// Overlap with the drawn box from which on a detector's box is a candidate.
    pub near: f64,
    /// Detector's boxes that are looked at.
    pub top: usize,
    /// Probabilities closer than this are a tie.
    pub tie: f64,
    /// Temperature of the distillation.
    pub temperature: f64,
    /// Its weight in the loss.
    pub distil: f64,
    /// Tasks.
    pub studies: Vec<Study>,
    /// Pictures of the phantom.
    pub phantoms: usize,
    /// Folds; five in the paper.
    pub folds: usize,
    /// Seeds of coarse boxes and trainings; pictures and folds are those of the first.
    pub seeds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            side: 96,
            trunk: ResNetConfig::basic(&[1, 1, 1], 12),
            anchor: 28.0,
            hit_weight: 4.0,
            box_weight: 2.0,
            crop: (32, 0.2),
            classifier: ResNetConfig::basic(&[1, 1], 12),
            batch: 16,
            steps: Steps {
                detector: 300,
                classifier: 200,
                unified: 200,
            },
            optimizer: OptimizerConfig::default(),
            schedule: Schedule {
                base: 3e-3,
                warmup: 0.05,
                floor: 0.01,
            },
            shift: 6,
            noise: Noise {
                shift: 0.3,
                scale: [-0.15, 0.6],
            },
            jitter: (
                24,
                Noise {
                    shift: 0.3,
                    scale: [-0.6, 0.2],
                },
            ),
            near: 0.3,
            top: 5,
            tie: 0.01,
            temperature: 3.0,
            distil: 0.5,
            studies: vec![
                Study {
                    task: TaskName::Speckle,
                    shares: vec![0.2, 0.5],
                },
                Study {
                    task: TaskName::Mammograms,
                    shares: vec![0.5],
                },
            ],
            phantoms: 360,
            folds: 3,
            seeds: 5,
        }
    }
}

impl Settings for Config {
    /// A few steps of very small networks.
    fn tiny() -> Self {
        let mut c = Config {
            side: 48,
            trunk: ResNetConfig::basic(&[1, 1], 4),
            anchor: 16.0,
            crop: (16, 0.2),
            classifier: ResNetConfig::basic(&[1], 4),
            batch: 8,
            steps: Steps {
                detector: 6,
                classifier: 4,
                unified: 4,
            },
            jitter: (3, Config::default().jitter.1),
            phantoms: 40,
            folds: 2,
            seeds: 1,
            ..Config::default()
        };
        c.studies.iter_mut().for_each(|s| s.shares = vec![0.5]);
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.side < 32 || self.crop.0 < 8 || self.anchor.is_nan() || self.anchor <= 1.0 {
            return wrong("pictures, crops or the anchor are too small");
        }
        let steps = self.steps;
        if [steps.detector, steps.classifier, steps.unified].contains(&0) || self.batch < 2 {
            return wrong("a step and two pictures a step are needed");
        }
        let share = |s: &f64| *s > 0.0 && *s <= 1.0;
        if self.studies.is_empty() || !self.studies.iter().all(|s| s.shares.iter().all(share)) {
            return wrong("a task is needed, and shares above 0 and up to 1");
        }
        if self.folds < 2 || self.seeds == 0 || self.phantoms < 8 || self.top == 0 {
            return wrong("two folds, a seed, eight phantoms and a box to look at are needed");
        }
        if !(self.temperature > 0.0 && self.tie > 0.0 && self.distil >= 0.0) {
            return wrong(
                "temperature and tie must be positive, the distillation's weight not negative",
            );
        }
        let order = |n: &Noise| n.shift >= 0.0 && n.scale[0] <= n.scale[1];
        if !order(&self.noise) || !order(&self.jitter.1) {
            return wrong("shifts must not be negative, and scales in order");
        }
        Ok(())
    }
}

impl Config {
    /// Training of the classifier of crops on `cases` of them, in about its number of steps.
    pub fn crops(&self, cases: usize, steps: usize) -> ShortConfig {
        let a_pass = (cases / self.batch).max(1);
        ShortConfig {
            epochs: steps.div_ceil(a_pass).max(1),
            batch: self.batch,
            optimizer: self.optimizer,
            schedule: self.schedule,
            jitter: (0.5, 2),
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
            |c| c.folds = 1,
            |c| c.seeds = 0,
            |c| c.studies[0].shares = vec![0.0],
            |c| c.temperature = 0.0,
            |c| c.noise.scale = [1.0, 0.0],
            |c| c.steps.unified = 0,
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }

    #[test]
    fn few_crops_are_seen_as_often_in_all_as_many() {
        let c = Config::default();
        assert_eq!(c.crops(160, 200).epochs, 20);
        assert_eq!(c.crops(10, 200).epochs, 200);
    }
}
