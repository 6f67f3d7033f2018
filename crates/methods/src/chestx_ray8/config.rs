//! Settings of the ChestX-ray8 baseline at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::blocks::films::FINDINGS;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{Backbone, ResNetConfig};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{Fit, InputContract, Network};
use serde::{Deserialize, Serialize};

/// Outputs: the 14 findings of the set, and "no finding at all".
pub const CODES: [&str; 15] = {
    let mut codes = ["no_finding"; 15];
    let mut at = 0;
    while at < FINDINGS.len() {
        codes[at] = FINDINGS[at];
        at += 1;
    }
    codes
};

/// The sets: NIH ChestX-ray14 at two sizes.
pub const SETS: [&str; 2] = ["nih14", "nih14_64px"];

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input; 1024 in the paper.
    pub size: usize,
    /// Margin round the lungs' box that the input shows; the whole image without, as in the paper.
    pub lung_margin: Option<f32>,
    /// Global histogram equalisation of what is shown.
    pub equalise: bool,
    /// Trunk; an ImageNet ResNet-50 in the paper, a small one from scratch here.
    pub backbone: Backbone,
    /// Pooling of section 3.2.
    pub pooling: Pooling,
    /// Dropout before the last layer.
    pub dropout: f32,
    /// Networks trained from different seeds whose logits are averaged; one in the paper.
    pub members: usize,
    /// Name of a trained model whose trunk the networks begin with; ImageNet weights in the paper.
    pub start: Option<String>,
    /// Data side.
    pub classify: ClassifyConfig,
    /// The loop.
    pub train: TrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 128,
            lung_margin: None,
            equalise: false,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], 24)),
            pooling: Pooling::Average,
            dropout: 0.3,
            members: 6,
            start: Some("paediatric_pneumonia".to_owned()),
            classify: ClassifyConfig {
                batch: 32,
                loss: LossKind::Bce,
                augment: AugmentConfig {
                    coarse: 0.5,
                    // Findings of the lungs have no side; with 1,200 images a mirrored heart costs less
                    // than it brings (chosen on the validation split).
                    flip: 0.5,
                    ..AugmentConfig::default()
                },
                // Findings with enough validation cases to choose an epoch by.
                mixup: 0.0,
                select_on: vec![0, 3, 4, 8, 12, 14],
            },
            train: TrainConfig {
                epochs: 16,
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
            lung_margin: None,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            members: 1,
            start: None,
            ..Config::default()
        };
        c.train.epochs = 2;
        c.classify.batch = 8;
        c.classify.select_on = vec![14];
        c
    }

    /// Refuses what cannot work.
    pub fn validate(&self) -> Result<()> {
        if self.members == 0 || self.members > 16 {
            return Err(MethodError::Config("1 to 16 members".into()));
        }
        if self.size < 32 || self.size > 1024 {
            return Err(MethodError::Config(format!(
                "size {} does not fit",
                self.size
            )));
        }
        Ok(())
    }

    /// The network.
    pub fn network(&self) -> Network {
        let head = Head {
            classes: CODES.len(),
            pooling: self.pooling,
            dropout: self.dropout,
        };
        Network::Classifier {
            backbone: self.backbone.clone(),
            head,
            channels: 1,
        }
    }

    /// The input contract.
    pub fn contract(&self) -> InputContract {
        InputContract {
            ages: vec!["adult".to_owned()],
            fit: self
                .lung_margin
                .map_or(Fit::Stretch, |margin| Fit::LungBox { margin }),
            equalise: self.equalise,
            ..InputContract::square(self.size)
        }
    }
}
