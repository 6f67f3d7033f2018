//! Settings of the density study.

use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, InceptionConfig};
use hilum_nn::builder::Head;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures.
    pub side: usize,
    /// Trunk; an ImageNet Inception-v3 in the paper, a small Inception from scratch here.
    pub backbone: Backbone,
    /// Training on one chain; 50 passes of SGD in the paper.
    pub train: ShortConfig,
    /// Folds by woman.
    pub folds: usize,
    /// Seeds, counting up from the run's: of folds, start and batches.
    pub seeds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            side: 64,
            backbone: Backbone::Inception(InceptionConfig {
                stem: 16,
                modules: vec![8, 8, 16, 16],
            }),
            train: ShortConfig {
                epochs: 24,
                batch: 16,
                jitter: (0.5, 4),
                ..ShortConfig::default()
            },
            folds: 5,
            seeds: 5,
        }
    }
}

impl Settings for Config {
    /// Two folds of a very small net.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            backbone: Backbone::Inception(InceptionConfig {
                stem: 4,
                modules: vec![4, 4],
            }),
            folds: 2,
            seeds: 1,
            ..Config::default()
        };
        c.train.epochs = 2;
        c
    }

    fn validate(&self) -> Result<()> {
        self.train.validate()?;
        if self.folds < 2 || self.seeds == 0 || self.side < 32 {
            return Err(MethodError::Config(
                "two folds, a seed and 32 pixels are needed".to_owned(),
            ));
        }
        Ok(())
    }
}

impl Config {
    /// The network.
    pub fn network(&self, classes: usize) -> Network {
        Network::Classifier {
            backbone: self.backbone.clone(),
            head: Head::plain(classes),
            channels: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_one_fold_is_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let one = Config {
            folds: 1,
            ..Config::default()
        };
        assert!(one.validate().is_err());
    }
}
