//! Settings of the screening study at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::cells::Training;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{Backbone, DenseNetConfig, MobileNetConfig, ResNetConfig, VggConfig};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input; 224 to 299 in the paper.
    pub size: usize,
    /// Families; eight networks of six families in the paper.
    pub families: Vec<Backbone>,
    /// The family of the controls, by its place.
    pub control: usize,
    /// Families that also begin with the weights of the NIH task, by their places.
    pub pretrained: Vec<usize>,
    /// Folds by patient.
    pub folds: usize,
    /// Passes over the children's images.
    pub epochs: usize,
    /// Passes over the smaller COVID set.
    pub covid_epochs: usize,
    /// Passes over NIH films before.
    pub nih_epochs: usize,
    /// At most so many images of each of the children's classes, and NIH films.
    pub most: (usize, usize),
    /// Images a batch.
    pub batch: usize,
    /// Learning rate at its height.
    pub rate: f32,
    /// Pixels that lungs must have.
    pub least_region: usize,
    /// An AUROC without lungs above this is called out.
    pub warn_above: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 64,
            families: vec![
                Backbone::Vgg(VggConfig {
                    stages: vec![vec![8], vec![16], vec![32, 32], vec![64]],
                }),
                Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 12)),
                Backbone::DenseNet(DenseNetConfig {
                    growth: 8,
                    blocks: vec![3, 4, 4],
                    stem: 16,
                    bottleneck: 4,
                }),
                Backbone::MobileNet(MobileNetConfig {
                    stem: 12,
                    blocks: vec![(24, 1), (48, 2), (48, 1), (96, 2), (96, 1)],
                }),
            ],
            control: 1,
            pretrained: vec![0, 1],
            folds: 5,
            epochs: 20,
            covid_epochs: 25,
            nih_epochs: 6,
            most: (240, 500),
            batch: 16,
            rate: 2e-3,
            least_region: 50,
            warn_above: 0.7,
        }
    }
}

impl Settings for Config {
    /// A few steps on small nets.
    fn tiny() -> Self {
        Config {
            size: 32,
            families: vec![
                Backbone::Vgg(VggConfig {
                    stages: vec![vec![4], vec![8]],
                }),
                Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            ],
            pretrained: vec![1],
            folds: 3,
            epochs: 1,
            covid_epochs: 1,
            nih_epochs: 1,
            most: (20, 40),
            batch: 8,
            least_region: 10,
            ..Config::default()
        }
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.folds < 3 {
            return wrong("three folds or more: to learn from, to select on, to be measured on");
        }
        let places = self.pretrained.iter().chain([&self.control]);
        if places.into_iter().any(|&p| p >= self.families.len()) {
            return wrong("control and pretrained name families by their places");
        }
        if !(0.5..=1.0).contains(&self.warn_above) {
            return wrong("warn_above must be from 0.5 to 1");
        }
        Ok(())
    }
}

impl Config {
    /// Input contract.
    pub fn contract(&self) -> InputContract {
        InputContract::square(self.size)
    }

    /// A training; `exclusive` for classes that exclude each other.
    pub fn training(
        &self,
        backbone: &Backbone,
        outputs: usize,
        exclusive: bool,
        epochs: usize,
        augmented: bool,
        variant: &str,
    ) -> Training {
        Training {
            network: Network::Classifier {
                backbone: backbone.clone(),
                head: Head {
                    classes: outputs,
                    pooling: Pooling::Average,
                    dropout: 0.2,
                },
                channels: 1,
            },
            contract: self.contract(),
            classify: ClassifyConfig {
                batch: self.batch,
                loss: LossKind::Bce,
                augment: if augmented {
                    // Rotation, scaling, translation, as in the paper.
                    AugmentConfig {
                        rotation: 10.0,
                        scale: 0.1,
                        shift: 0.08,
                        ..AugmentConfig::none()
                    }
                } else {
                    AugmentConfig::none()
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
            exclusive,
            variant: variant.to_owned(),
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
        for bad in [
            Config {
                folds: 2,
                ..Config::default()
            },
            Config {
                control: 9,
                ..Config::default()
            },
            Config {
                warn_above: 0.2,
                ..Config::default()
            },
        ] {
            assert!(bad.validate().is_err());
        }
    }
}
