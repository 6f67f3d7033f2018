//! Settings of the lung and heart segmenter.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::segment::SegmentConfig;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{UNetConfig, UpMode};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Structures in the order of the output channels.
pub const STRUCTURES: [&str; 2] = ["lungs", "heart"];

/// Sets with masks, in the order of the groups.
pub const SETS: [&str; 3] = ["kermany_paediatric", "covid_cohen", "jsrt"];

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input in pixels.
    pub size: usize,
    /// Channels by level.
    pub widths: Vec<usize>,
    /// Data side of the training.
    pub segment: SegmentConfig,
    /// The loop.
    pub train: TrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 160,
            widths: vec![16, 32, 64, 96, 128],
            segment: SegmentConfig {
                batch: 8,
                bce: 1.0,
                augment: AugmentConfig {
                    rotation: 12.0,
                    scale: 0.2,
                    shift: 0.08,
                    contrast: 0.35,
                    brightness: 0.15,
                    gamma: 0.5,
                    coarse: 0.2,
                    ..AugmentConfig::default()
                },
                // The paediatric set is eight times as large as the others together are varied.
                per_epoch: vec![280],
            },
            train: TrainConfig {
                epochs: 16,
                optimizer: OptimizerConfig::default(),
                schedule: Schedule {
                    base: 2e-3,
                    warmup: 0.05,
                    floor: 0.01,
                },
                ema: Some(0.995),
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
            size: 48,
            widths: vec![4, 8, 8],
            ..Config::default()
        };
        c.train.epochs = 2;
        c.segment.batch = 4;
        c
    }

    /// Refuses what cannot work.
    pub fn validate(&self) -> Result<()> {
        let levels = self.widths.len();
        if !(2..=6).contains(&levels) || self.widths.contains(&0) {
            return Err(MethodError::Config(
                "2 to 6 levels of at least one channel".into(),
            ));
        }
        if self.size < 1 << levels || self.size > 1024 {
            return Err(MethodError::Config(format!(
                "size {} does not fit",
                self.size
            )));
        }
        Ok(())
    }

    /// The network.
    pub fn network(&self) -> Network {
        let unet = UNetConfig {
            widths: self.widths.clone(),
            classes: STRUCTURES.len(),
            up: UpMode::Bilinear,
        };
        Network::Segmenter { unet, channels: 1 }
    }

    /// The input contract.
    pub fn contract(&self) -> InputContract {
        InputContract::square(self.size)
    }
}
