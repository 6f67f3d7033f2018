//! Settings of the multi-model reporter.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{Backbone, VggConfig};
use hilum_nn::builder::Head;
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// A third of the image, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Upper third.
    Upper,
    /// Middle third.
    Middle,
    /// Lower third.
    Lower,
}

/// One abnormality: its own network, its bands and its sentences. Adding one is adding an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abnormality {
    /// Taxonomy code.
    pub code: String,
    /// Bands that its network sees, from the top without a gap.
    pub bands: Vec<Band>,
    /// Sentence when it is present.
    pub present: String,
    /// Sentence when it is absent.
    pub absent: String,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the scaled image; 128 in the paper.
    pub size: usize,
    /// The abnormalities in the order of the result code.
    pub abnormalities: Vec<Abnormality>,
    /// Trunk of each network; the paper's is not known.
    pub backbone: Backbone,
    /// Data side.
    pub classify: ClassifyConfig,
    /// The loop.
    pub train: TrainConfig,
}

fn abnormality(code: &str, bands: &[Band], present: &str, absent: &str) -> Abnormality {
    Abnormality {
        code: code.to_owned(),
        bands: bands.to_vec(),
        present: present.to_owned(),
        absent: absent.to_owned(),
    }
}

impl Default for Config {
    fn default() -> Self {
        use Band::{Lower, Middle, Upper};
        Config {
            size: 128,
            abnormalities: vec![
                abnormality(
                    "cardiomegaly",
                    &[Middle, Lower],
                    "The heart is enlarged.",
                    "There is no cardiomegaly.",
                ),
                abnormality(
                    "pleural_effusion",
                    &[Lower],
                    "There is a pleural effusion.",
                    "There is no pleural effusion.",
                ),
                abnormality(
                    "consolidation",
                    &[Upper, Middle, Lower],
                    "There is consolidation in the lungs.",
                    "There is no consolidation.",
                ),
            ],
            backbone: Backbone::Vgg(VggConfig {
                stages: vec![vec![12], vec![24], vec![48], vec![64]],
            }),
            classify: ClassifyConfig {
                batch: 32,
                loss: LossKind::WeightedChestXray8,
                augment: AugmentConfig {
                    coarse: 0.5,
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
        let backbone = Backbone::Vgg(VggConfig {
            stages: vec![vec![4], vec![8]],
        });
        let mut c = Config {
            size: 48,
            backbone,
            ..Config::default()
        };
        c.train.epochs = 1;
        c.classify.batch = 8;
        c
    }

    /// Refuses entries without bands, with a gap between bands, or twice the same code.
    pub fn validate(&self) -> Result<()> {
        for (i, a) in self.abnormalities.iter().enumerate() {
            let places: Vec<usize> = a.bands.iter().map(|b| *b as usize).collect();
            let joined = places.windows(2).all(|w| w[1] == w[0] + 1);
            if places.is_empty() || !joined {
                return Err(MethodError::Config(format!(
                    "{}: bands must follow each other",
                    a.code
                )));
            }
            if self.abnormalities[..i].iter().any(|b| b.code == a.code) {
                return Err(MethodError::Config(format!("{} stands twice", a.code)));
            }
        }
        if self.abnormalities.is_empty() || self.abnormalities.len() > 16 {
            return Err(MethodError::Config("1 to 16 abnormalities".into()));
        }
        Ok(())
    }

    /// The network of any one abnormality.
    pub fn network(&self) -> Network {
        let head = Head {
            dropout: 0.2,
            ..Head::plain(1)
        };
        Network::Classifier {
            backbone: self.backbone.clone(),
            head,
            channels: 1,
        }
    }

    /// The whole scaled image.
    pub fn contract(&self) -> InputContract {
        InputContract {
            ages: vec!["adult".to_owned()],
            ..InputContract::square(self.size)
        }
    }

    /// Rows of the scaled image that `bands` cover.
    pub fn rows(&self, bands: &[Band]) -> std::ops::Range<usize> {
        let cut = |third: usize| third * self.size / 3;
        let first = bands.first().map_or(0, |b| *b as usize);
        let last = bands.last().map_or(2, |b| *b as usize);
        cut(first)..cut(last + 1)
    }

    /// What the network of `bands` expects.
    pub fn band_contract(&self, bands: &[Band]) -> InputContract {
        InputContract {
            height: self.rows(bands).len(),
            ..self.contract()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_the_image_once() {
        let c = Config::default();
        assert_eq!(c.rows(&[Band::Upper]), 0..42);
        assert_eq!(c.rows(&[Band::Middle]), 42..85);
        assert_eq!(c.rows(&[Band::Lower]), 85..128);
        assert_eq!(c.rows(&[Band::Upper, Band::Middle, Band::Lower]), 0..128);
    }

    #[test]
    fn a_gap_between_bands_is_refused() {
        let mut c = Config::default();
        assert!(c.validate().is_ok());
        c.abnormalities[0].bands = vec![Band::Upper, Band::Lower];
        assert!(c.validate().is_err());
    }
}
