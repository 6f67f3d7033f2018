//! Settings of the study of reproductive features.

use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, DenseNetConfig, MobileNetConfig, ResNetConfig, VggConfig};
use hilum_nn::builder::Head;
use hilum_nn::optim::Schedule;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of an encoder's input; the picture is cut into quarters at twice that.
    pub side: usize,
    /// Encoders; eight ImageNet networks in the paper.
    pub bank: Vec<Backbone>,
    /// Their training on the adults' findings.
    pub pretrain: ShortConfig,
    /// The end-to-end network, whose features also serve the claim about subsets.
    pub tune: ShortConfig,
    /// Cases of the children's set, by patients.
    pub cases: usize,
    /// Folds by patient.
    pub folds: usize,
    /// Seeds of every network; cases and folds are those of the first.
    pub seeds: usize,
    /// Neurons of the autoencoder's outer layers.
    pub hidden: usize,
    /// Size of the code.
    pub code: usize,
    /// Code sizes of the curve of reconstruction error, rising.
    pub sizes: Vec<usize>,
    /// Training of the autoencoder.
    pub autoencoder: ShortConfig,
    /// Training of the perceptrons.
    pub perceptron: ShortConfig,
    /// Neurons of the perceptron with a hidden layer.
    pub neurons: usize,
    /// Ridge penalty of the regressions between features.
    pub ridge: f64,
}

impl Default for Config {
    fn default() -> Self {
        let dense = |epochs: usize, base: f32| ShortConfig {
            epochs,
            batch: 32,
            schedule: Schedule {
                base,
                warmup: 0.05,
                floor: 0.01,
            },
            jitter: (0.0, 0),
            ..ShortConfig::default()
        };
        Config {
            side: 64,
            bank: vec![
                Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 16)),
                Backbone::DenseNet(DenseNetConfig {
                    growth: 8,
                    blocks: vec![3, 3, 3],
                    stem: 16,
                    bottleneck: 4,
                }),
                Backbone::Vgg(VggConfig {
                    stages: vec![vec![12], vec![24], vec![48], vec![64]],
                }),
                Backbone::MobileNet(MobileNetConfig {
                    stem: 12,
                    blocks: vec![(24, 2), (48, 2), (48, 1), (96, 2)],
                }),
            ],
            pretrain: ShortConfig {
                epochs: 10,
                ..ShortConfig::default()
            },
            tune: ShortConfig {
                epochs: 10,
                ..ShortConfig::default()
            },
            cases: 1000,
            folds: 5,
            seeds: 1,
            hidden: 256,
            code: 64,
            sizes: vec![4, 16, 64, 128],
            autoencoder: dense(14, 1e-3),
            perceptron: dense(20, 2e-3),
            neurons: 64,
            ridge: 10.0,
        }
    }
}

impl Settings for Config {
    /// Two folds, very small encoders.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            bank: vec![
                Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
                Backbone::Vgg(VggConfig {
                    stages: vec![vec![4], vec![8], vec![8]],
                }),
            ],
            cases: 90,
            folds: 2,
            seeds: 1,
            hidden: 16,
            code: 6,
            sizes: vec![2, 6],
            neurons: 8,
            ..Config::default()
        };
        for part in [
            &mut c.pretrain,
            &mut c.tune,
            &mut c.autoencoder,
            &mut c.perceptron,
        ] {
            part.epochs = 2;
            part.batch = 16;
        }
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        for part in [
            &self.pretrain,
            &self.tune,
            &self.autoencoder,
            &self.perceptron,
        ] {
            part.validate()?;
        }
        if self.bank.is_empty() || self.folds < 2 || self.seeds == 0 || self.side < 32 {
            return wrong("an encoder, two folds, a seed and 32 pixels are needed");
        }
        if self.code == 0 || self.hidden < self.code || self.neurons == 0 {
            return wrong("the code must hold something and be no wider than the hidden layers");
        }
        if self.sizes.is_empty()
            || self.sizes[0] == 0
            || self.sizes.windows(2).any(|w| w[0] >= w[1])
        {
            return wrong("code sizes must be above 0 and rise");
        }
        if !(self.ridge > 0.0 && self.ridge.is_finite()) {
            return wrong("the ridge penalty must be positive");
        }
        Ok(())
    }
}

impl Config {
    /// A network over one of the trunks.
    pub fn network(&self, backbone: &Backbone, classes: usize) -> Network {
        Network::Classifier {
            backbone: backbone.clone(),
            head: Head::plain(classes),
            channels: 1,
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
        let bad: [fn(&mut Config); 5] = [
            |c| c.bank.clear(),
            |c| c.seeds = 0,
            |c| c.code = 0,
            |c| c.sizes = vec![8, 8],
            |c| c.ridge = 0.0,
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
