//! Settings of the clustering at our scale.

use crate::blocks::augment::AugmentConfig;
use crate::blocks::cells::Training;
use crate::blocks::classify::{ClassifyConfig, LossKind};
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::{Backbone, VggConfig};
use hilum_nn::builder::{Head, Pooling};
use hilum_nn::optim::{OptimizerConfig, Schedule};
use hilum_nn::train::TrainConfig;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};

/// Everything that decides the result. The paper's abstract gives the network (VGG-19) and DeepSHAP; the resolution of
/// the maps, the clustering and the references are choices made here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the input.
    pub size: usize,
    /// Network.
    pub vgg: VggConfig,
    /// Networks, each from another seed; every figure is the mean over them.
    pub seeds: usize,
    /// Passes over the data, real sets.
    pub epochs: usize,
    /// Passes over the COVID set, which is the smallest.
    pub covid_epochs: usize,
    /// Passes over the phantoms, whose truth says nothing of a network that did not learn them.
    pub phantom_epochs: usize,
    /// At most so many images to learn from, and to explain.
    pub most: (usize, usize),
    /// Images a batch.
    pub batch: usize,
    /// Learning rate at its height.
    pub rate: f32,
    /// References of DeepSHAP.
    pub references: usize,
    /// Blocks a side that maps and pictures are averaged to before they are clustered.
    pub cells: usize,
    /// Most clusters tried.
    pub most_clusters: usize,
    /// Starts of k-means.
    pub restarts: u64,
    /// Share of the blocks that the deletion test takes away.
    pub deleted: f64,
    /// Phantom patients, and pictures of each.
    pub phantoms: (u64, u64),
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: 64,
            vgg: VggConfig {
                stages: vec![vec![8], vec![16], vec![32, 32], vec![64]],
            },
            seeds: 5,
            epochs: 5,
            covid_epochs: 8,
            phantom_epochs: 20,
            most: (500, 160),
            batch: 24,
            rate: 2e-3,
            references: 4,
            cells: 8,
            most_clusters: 6,
            restarts: 8,
            deleted: 0.1,
            phantoms: (96, 6),
        }
    }
}

impl Settings for Config {
    /// A few steps on small nets.
    fn tiny() -> Self {
        Config {
            size: 32,
            vgg: VggConfig {
                stages: vec![vec![4], vec![8]],
            },
            seeds: 2,
            epochs: 1,
            covid_epochs: 1,
            phantom_epochs: 1,
            most: (40, 24),
            batch: 8,
            references: 2,
            cells: 4,
            most_clusters: 3,
            restarts: 2,
            phantoms: (8, 6),
            ..Config::default()
        }
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.most_clusters < 2 {
            return wrong("at least two clusters must be tried");
        }
        if self.cells == 0 || self.cells > self.size {
            return wrong("cells must be from 1 to the size of the picture");
        }
        if !(self.deleted > 0.0 && self.deleted < 1.0) {
            return wrong("deleted must be a share of the picture");
        }
        if self.references == 0 || self.seeds == 0 {
            return wrong("references and seeds must be at least 1");
        }
        Ok(())
    }
}

impl Config {
    /// Input contract.
    pub fn contract(&self) -> InputContract {
        InputContract::square(self.size)
    }

    /// The training of one network with one output.
    pub fn training(&self, epochs: usize) -> Training {
        Training {
            network: Network::Classifier {
                backbone: Backbone::Vgg(self.vgg.clone()),
                head: Head {
                    classes: 1,
                    pooling: Pooling::Average,
                    dropout: 0.2,
                },
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
        for bad in [
            Config {
                most_clusters: 1,
                ..Config::default()
            },
            Config {
                cells: 0,
                ..Config::default()
            },
            Config {
                deleted: 1.0,
                ..Config::default()
            },
        ] {
            assert!(bad.validate().is_err());
        }
    }
}
