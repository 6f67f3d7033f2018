//! Settings of the gate.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use hilum_nn::backbones::{Backbone, ResNetConfig};
use hilum_nn::builder::Head;
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Questions, in the order of the outputs.
pub const QUESTIONS: [&str; 4] = ["chest_xray", "frontal", "inverted", "paediatric"];

/// Chest X-rays and the most of each that are used a split.
pub const CHEST: [(&str, usize); 7] = [
    ("nih14", 500),
    ("nih14_64px", 400),
    ("kermany_paediatric", 500),
    ("covid_cohen", 300),
    ("jsrt", 150),
    ("iu_xray", 20),
    ("covid_figure1", 40),
];

/// Everything else and the most of each that are used a split.
pub const OTHER: [(&str, usize); 12] = [
    ("vqa_rad", 200),
    ("breast_us_busi", 150),
    ("breast_thermo", 120),
    ("mammo_mias", 150),
    ("histo_idc", 150),
    ("histo_breakhis", 20),
    ("fundus_drishti", 80),
    ("ct_iqoth", 120),
    ("ct_covid_samples", 20),
    ("dental_ufba", 100),
    ("dental_caries", 60),
    ("baggage_pixray", 120),
];

/// Laterals of the training and validation splits, told by looking at every image without a view.
pub const LATERALS: [&str; 6] = [
    "images/iu_xray/CXR383_IM-1932-1002.jpg",
    "images/iu_xray/CXR54_IM-2145-1002.jpg",
    "images/iu_xray/CXR1002_IM-0004-2001.jpg",
    "images/iu_xray/CXR20_IM-0653-1002.jpg",
    "images/iu_xray/CXR3_IM-1384-2001.jpg",
    "images/iu_xray/CXR42_IM-2063-3001.jpg",
];

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input.
    pub size: usize,
    /// Trunk.
    pub backbone: Backbone,
    /// How often each of the few laterals stands in the training set.
    pub lateral_copies: usize,
    /// Data side.
    pub classify: ClassifyConfig,
    /// The loop.
    pub train: TrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 96,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 16)),
            lateral_copies: 30,
            classify: ClassifyConfig {
                batch: 32,
                loss: LossKind::Bce,
                augment: AugmentConfig {
                    rotation: 15.0,
                    scale: 0.25,
                    shift: 0.1,
                    flip: 0.5,
                    contrast: 0.4,
                    brightness: 0.2,
                    gamma: 0.5,
                    coarse: 0.3,
                    ..AugmentConfig::default()
                },
                mixup: 0.0,
                select_on: vec![0, 2, 3],
            },
            train: TrainConfig {
                epochs: 6,
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
    /// A few steps on a small net.
    pub fn tiny() -> Self {
        let mut c = Config {
            size: 32,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            lateral_copies: 2,
            ..Config::default()
        };
        c.train.epochs = 2;
        c.classify.batch = 8;
        c.classify.select_on = vec![0];
        c
    }

    /// The network.
    pub fn network(&self) -> Network {
        let head = Head {
            dropout: 0.1,
            ..Head::plain(QUESTIONS.len())
        };
        Network::Classifier {
            backbone: self.backbone.clone(),
            head,
            channels: 1,
        }
    }

    /// The input contract: anything may come in.
    pub fn contract(&self) -> InputContract {
        InputContract {
            views: vec!["any".to_owned()],
            ..InputContract::square(self.size)
        }
    }
}
