//! Settings of the study at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::cells::Training;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{Backbone, ResNetConfig};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input; 512 in the paper.
    pub size: usize,
    /// Trunk; DenseNet-121 with ImageNet weights, of which the last layers learn, in the paper.
    pub backbone: Backbone,
    /// Folds over the patients who are not in the test split.
    pub folds: usize,
    /// Folds of the two controls, whose answer is known.
    pub control_folds: usize,
    /// Passes over the children's films.
    pub epochs: usize,
    /// Passes over the smaller sets: NIH, fundus.
    pub small_epochs: usize,
    /// Passes over the two controls. An audit is only shown to find what is there, and nothing where nothing is, by
    /// networks that had time to learn it.
    pub control_epochs: usize,
    /// At most so many images that are not of the test split, spread evenly over a set.
    pub most: usize,
    /// Images a batch; 2 in the paper.
    pub batch: usize,
    /// Learning rate at its height; 1e-4 in the paper, which fine-tunes.
    pub rate: f32,
    /// Pixels a region must have.
    pub least_region: usize,
    /// Side of the planted marker.
    pub marker: usize,
    /// Chance that the marker tells the label.
    pub marker_tells: f64,
    /// Phantom patients, and pictures of each, with and without an opacity.
    pub phantoms: (u64, u64),
    /// Test images that are explained.
    pub explained: usize,
    /// References of the explanations.
    pub references: usize,
    /// Steps by which the hidden region is widened.
    pub spreads: Vec<i32>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 64,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 12)),
            folds: 5,
            control_folds: 1,
            epochs: 4,
            small_epochs: 6,
            control_epochs: 24,
            most: 720,
            batch: 24,
            rate: 2e-3,
            least_region: 50,
            marker: 4,
            marker_tells: 0.95,
            phantoms: (240, 4),
            explained: 32,
            references: 4,
            spreads: vec![0, 2, 4, 6],
        }
    }
}

impl Settings for Config {
    /// A few steps on small nets.
    fn tiny() -> Self {
        Config {
            size: 32,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            folds: 2,
            control_folds: 1,
            epochs: 1,
            small_epochs: 1,
            control_epochs: 1,
            most: 48,
            batch: 8,
            least_region: 10,
            marker: 3,
            phantoms: (10, 3),
            explained: 4,
            references: 2,
            spreads: vec![0, 2],
            ..Config::default()
        }
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.folds < 2 || !(1..=self.folds).contains(&self.control_folds) {
            return wrong("two folds or more, and no more for the controls");
        }
        if self.marker == 0 || 2 * (self.marker + 2) >= self.size {
            return wrong("the marker must fit into a corner of the picture");
        }
        if !(0.5..=1.0).contains(&self.marker_tells) {
            return wrong("the chance that the marker tells the label must be from 0.5 to 1");
        }
        if self.explained == 0 || self.references == 0 || self.least_region == 0 {
            return wrong("explained, references and least_region must be at least 1");
        }
        if self.spreads.first() != Some(&0) || self.spreads.iter().any(|s| *s < 0) {
            return wrong("spreads start with 0 and do not erode");
        }
        Ok(())
    }
}

impl Config {
    /// Input contract.
    pub fn contract(&self) -> InputContract {
        InputContract::square(self.size)
    }

    /// A training with `outputs` outputs; `variant` names the set and what is hidden.
    pub fn training(&self, outputs: usize, epochs: usize, variant: String) -> Training {
        let head = Head {
            classes: outputs,
            pooling: Pooling::Average,
            dropout: 0.2,
        };
        Training {
            network: Network::Classifier {
                backbone: self.backbone.clone(),
                head,
                channels: 1,
            },
            contract: self.contract(),
            classify: ClassifyConfig {
                batch: self.batch,
                loss: LossKind::Bce,
                // The paper turns by up to 45 degrees and mirrors; turned less here, for pictures this small.
                augment: AugmentConfig {
                    rotation: 15.0,
                    scale: 0.1,
                    shift: 0.04,
                    flip: 0.5,
                    contrast: 0.1,
                    brightness: 0.1,
                    gamma: 0.0,
                    noise: 0.0,
                    coarse: 0.0,
                },
                mixup: 0.0,
                select_on: Vec::new(),
            },
            train: TrainConfig {
                epochs,
                optimizer: OptimizerConfig::default(),
                schedule: Schedule {
                    base: self.rate,
                    warmup: 0.1,
                    floor: 0.02,
                },
                ema: Some(0.97),
                clip: Some(5.0),
                patience: None,
                seed: 1,
            },
            exclusive: false,
            variant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        Config::default().validate().unwrap();
        Config::tiny().validate().unwrap();
        let bad = [
            Config {
                marker: 60,
                ..Config::default()
            },
            Config {
                marker_tells: 0.2,
                ..Config::default()
            },
            Config {
                spreads: vec![2],
                ..Config::default()
            },
            Config {
                control_folds: 9,
                ..Config::default()
            },
        ];
        assert!(bad.iter().all(|c| c.validate().is_err()));
    }
}
