//! Settings of the comparison at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::cells::Training;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_explain::{Effort, Method};
use hilum_nn::backbones::{
    Backbone, DenseNetConfig, InceptionConfig, InceptionResNetConfig, ResNetConfig,
};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// The six attributions of the paper.
pub const METHODS: [Method; 6] = [
    Method::Occlusion,
    Method::Saliency,
    Method::InputXGradient,
    Method::GuidedBackprop,
    Method::IntegratedGradients,
    Method::DeepLift,
];

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input; 512 in the paper.
    pub size: usize,
    /// The five networks with their names.
    pub networks: Vec<(String, Backbone)>,
    /// Folds by patient, as the paper's.
    pub folds: usize,
    /// Passes over the COVID set; up to 250 in the paper.
    pub covid_epochs: usize,
    /// Passes over the children's set.
    pub paediatric_epochs: usize,
    /// At most so many children's images.
    pub most: usize,
    /// Images a batch.
    pub batch: usize,
    /// Learning rate at its height; 1e-3 in the paper.
    pub rate: f32,
    /// Probability from which a label counts as said; 0.51 in the paper's code.
    pub threshold: f64,
    /// Images that are explained, a set.
    pub explained: usize,
    /// Points of integrated gradients; 50 in the paper.
    pub steps: usize,
    /// Permutations of the activation profiles' test.
    pub permutations: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 64,
            networks: zoo(8),
            folds: 5,
            covid_epochs: 6,
            paediatric_epochs: 5,
            most: 450,
            batch: 16,
            rate: 2e-3,
            threshold: 0.51,
            explained: 12,
            steps: 50,
            permutations: 999,
        }
    }
}

/// ResNet-18 and -34, Inception, Inception-ResNet and DenseNet with narrow layers; `width` is that of the first
/// residual stage.
fn zoo(width: usize) -> Vec<(String, Backbone)> {
    let all = [
        (
            "resnet18",
            Backbone::ResNet(ResNetConfig::basic(&[2, 2, 2, 2], width)),
        ),
        (
            "resnet34",
            Backbone::ResNet(ResNetConfig::basic(&[3, 4, 6, 3], width)),
        ),
        (
            "inception",
            Backbone::Inception(InceptionConfig {
                stem: 2 * width,
                modules: [1, 1, 2, 2, 3, 3].map(|w| w * width).to_vec(),
            }),
        ),
        (
            "inception_resnet",
            Backbone::InceptionResNet(InceptionResNetConfig {
                stem: 2 * width,
                stages: vec![2, 3, 2],
                branch: width,
            }),
        ),
        (
            "densenet",
            Backbone::DenseNet(DenseNetConfig {
                growth: width,
                blocks: vec![3, 6, 8, 4],
                stem: 2 * width,
                bottleneck: 4,
            }),
        ),
    ];
    all.map(|(name, backbone)| (name.to_owned(), backbone))
        .to_vec()
}

impl Settings for Config {
    /// A few steps on small nets.
    fn tiny() -> Self {
        let small = |layers: &[usize]| Backbone::ResNet(ResNetConfig::basic(layers, 4));
        Config {
            size: 32,
            networks: vec![
                ("resnet18".to_owned(), small(&[1, 1])),
                ("resnet34".to_owned(), small(&[2, 1])),
                (
                    "inception_resnet".to_owned(),
                    Backbone::InceptionResNet(InceptionResNetConfig {
                        stem: 8,
                        stages: vec![1, 1],
                        branch: 4,
                    }),
                ),
            ],
            folds: 3,
            covid_epochs: 1,
            paediatric_epochs: 1,
            most: 60,
            batch: 8,
            explained: 4,
            steps: 4,
            permutations: 19,
            ..Config::default()
        }
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.folds < 3 {
            return wrong("three folds or more: to learn from, to select on, to be measured on");
        }
        if self.networks.len().is_multiple_of(2) {
            return wrong("a majority needs an odd number of networks");
        }
        if !(0.0..1.0).contains(&self.threshold) {
            return wrong("the threshold must be a probability");
        }
        if self.explained == 0 || self.steps == 0 || self.permutations == 0 {
            return wrong("explained, steps and permutations must be at least 1");
        }
        Ok(())
    }
}

impl Config {
    /// Input contract.
    pub fn contract(&self) -> InputContract {
        InputContract::square(self.size)
    }

    /// How much work sampled attributions do.
    pub fn effort(&self) -> Effort {
        Effort {
            steps: self.steps,
            ..Effort::default()
        }
    }

    /// A training of one network with `outputs` outputs.
    pub fn training(&self, backbone: &Backbone, outputs: usize, epochs: usize) -> Training {
        let head = Head {
            classes: outputs,
            pooling: Pooling::Average,
            dropout: 0.2,
        };
        Training {
            network: Network::Classifier {
                backbone: backbone.clone(),
                head,
                channels: 1,
            },
            contract: self.contract(),
            classify: ClassifyConfig {
                batch: self.batch,
                loss: LossKind::Bce,
                augment: AugmentConfig {
                    coarse: 0.2,
                    ..AugmentConfig::default()
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
            variant: String::new(),
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
        let mut even = Config::default();
        even.networks.pop();
        assert!(even.validate().unwrap_err().to_string().contains("odd"));
        let few = Config {
            folds: 2,
            ..Config::default()
        };
        assert!(few.validate().is_err());
    }
}
