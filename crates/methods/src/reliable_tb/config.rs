//! Settings of the segment-then-classify study at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use hilum_nn::backbones::{
    Backbone, DenseNetConfig, InceptionConfig, MobileNetConfig, ResNetConfig, SqueezeNetConfig,
    VggConfig,
};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Outputs: any pneumonia, and its two kinds.
pub const CODES: [&str; 3] = ["pneumonia", "bacterial_pneumonia", "viral_pneumonia"];

/// The set that stands for the paper's tuberculosis collections, which are not at hand.
pub const SET: &str = "kermany_paediatric";

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the shipped model's input; 224 in the paper.
    pub size: usize,
    /// Trunk of the shipped model.
    pub backbone: Backbone,
    /// Networks of the shipped model.
    pub members: usize,
    /// Side of the input in the comparison of backbones.
    pub zoo_size: usize,
    /// Passes over the data in the comparison; 15 in the paper.
    pub zoo_epochs: usize,
    /// Data side.
    pub classify: ClassifyConfig,
    /// The loop of the shipped model.
    pub train: TrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 144,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], 24)),
            members: 1,
            zoo_size: 96,
            zoo_epochs: 4,
            classify: ClassifyConfig {
                batch: 32,
                loss: LossKind::Bce,
                augment: AugmentConfig {
                    flip: 0.0,
                    coarse: 0.2,
                    ..AugmentConfig::default()
                },
                mixup: 0.0,
                select_on: vec![0],
            },
            train: TrainConfig {
                epochs: 10,
                optimizer: OptimizerConfig::default(),
                schedule: Schedule {
                    base: 2e-3,
                    warmup: 0.05,
                    floor: 0.01,
                },
                ema: Some(0.99),
                clip: Some(5.0),
                patience: None,
                seed: 1,
            },
        }
    }
}

impl Config {
    /// A few steps on small nets.
    pub fn tiny() -> Self {
        let mut c = Config {
            size: 32,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            members: 1,
            zoo_size: 32,
            zoo_epochs: 1,
            ..Config::default()
        };
        c.train.epochs = 2;
        c.classify.batch = 8;
        c
    }

    /// A classifier of the given trunk.
    pub fn network(&self, backbone: &Backbone) -> Network {
        let head = Head {
            classes: CODES.len(),
            pooling: Pooling::Average,
            dropout: 0.2,
        };
        Network::Classifier {
            backbone: backbone.clone(),
            head,
            channels: 1,
        }
    }

    /// The shipped model's contract: the whole image of a child.
    pub fn contract(&self) -> InputContract {
        InputContract {
            ages: vec!["paediatric".to_owned()],
            ..InputContract::square(self.size)
        }
    }

    /// The contract of the comparison, on the whole image or on the lungs alone.
    pub fn zoo_contract(&self, lungs_only: bool) -> InputContract {
        let ages = vec!["paediatric".to_owned()];
        InputContract {
            ages,
            lungs_only,
            ..InputContract::square(self.zoo_size)
        }
    }

    /// The families compared; the paper has nine networks of seven families.
    pub fn zoo(&self, tiny: bool) -> Vec<Backbone> {
        let all = vec![
            Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], 16)),
            Backbone::DenseNet(DenseNetConfig {
                growth: 12,
                blocks: vec![3, 4, 6, 4],
                stem: 24,
                bottleneck: 4,
            }),
            Backbone::Vgg(VggConfig::small()),
            Backbone::SqueezeNet(SqueezeNetConfig::small()),
            Backbone::MobileNet(MobileNetConfig::small()),
            Backbone::Inception(InceptionConfig::small()),
        ];
        if tiny {
            all.into_iter().take(2).collect()
        } else {
            all
        }
    }
}
