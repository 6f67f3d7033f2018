//! Settings of the concept bottleneck study.

use crate::blocks::confounded::Nuisance;
use crate::blocks::films::FINDINGS;
use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, ResNetConfig};
use hilum_nn::builder::Head;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures.
    pub side: usize,
    /// Encoder; an image-text ViT pre-trained on a quarter of a million pairs in the paper.
    pub backbone: Backbone,
    /// Pre-training of the encoder on the grounding films.
    pub pretrain: ShortConfig,
    /// Training of the end-to-end baseline, from the encoder's weights.
    pub tune: ShortConfig,
    /// What the label is tied to.
    pub nuisances: Vec<Nuisance>,
    /// Share of training cases whose nuisance agrees with the label; all of them in the paper.
    pub strength: f64,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
    /// Training cases of a class in the low-shot comparison.
    pub shots: Vec<usize>,
    /// Cases of either side that the validation split must hold for a concept to be kept; ten in the paper.
    pub least: usize,
    /// Grounding cases of either side at most; 1,000 in the paper.
    pub most: usize,
    /// Penalty of the grounding regressions.
    pub penalty: f64,
    /// Weight of the prior in the classifier's loss.
    pub prior: f64,
    /// Passes of the linear layers; 200 in the paper.
    pub epochs: usize,
    /// Their learning rate.
    pub rate: f64,
    /// Their batch.
    pub batch: usize,
    /// Which list of concept questions.
    pub corpus: String,
    /// Sentences that retrieval looks at for each class.
    pub retrieved: usize,
}

impl Default for Config {
    fn default() -> Self {
        let mut pretrain = ShortConfig {
            epochs: 12,
            ..ShortConfig::default()
        };
        pretrain.jitter = (0.5, 4);
        let tune = ShortConfig {
            epochs: 10,
            ..pretrain.clone()
        };
        Config {
            side: 64,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], 16)),
            pretrain,
            tune,
            nuisances: vec![Nuisance::Sex, Nuisance::Age(55.0), Nuisance::View],
            strength: 1.0,
            seeds: 5,
            shots: vec![8, 32],
            least: 10,
            most: 1000,
            penalty: 30.0,
            prior: 1.0,
            epochs: 200,
            rate: 1e-3,
            batch: 64,
            corpus: "PubMed".to_owned(),
            retrieved: 200,
        }
    }
}

impl Settings for Config {
    /// A very small encoder, one seed, one nuisance.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            nuisances: vec![Nuisance::Sex],
            seeds: 1,
            shots: vec![4],
            least: 2,
            epochs: 20,
            retrieved: 20,
            ..Config::default()
        };
        c.pretrain.epochs = 2;
        c.tune.epochs = 2;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        self.pretrain.validate()?;
        self.tune.validate()?;
        if self.nuisances.is_empty() || self.seeds == 0 || self.epochs == 0 || self.batch < 2 {
            return wrong("a nuisance, a seed, an epoch and batches of two are needed");
        }
        if !(0.0..=1.0).contains(&self.strength) {
            return wrong("the strength of the tie lies between 0 and 1");
        }
        if !(self.rate > 0.0 && self.penalty > 0.0 && self.prior >= 0.0) {
            return wrong(
                "learning rate and penalty must be positive, the prior's weight not negative",
            );
        }
        if self.least == 0 || self.most < 2 || self.shots.contains(&0) {
            return wrong("least, most and shots must be above 0");
        }
        Ok(())
    }
}

impl Config {
    /// The encoder with a logit for each finding.
    pub fn encoder(&self) -> Network {
        self.network(FINDINGS.len())
    }

    /// The end-to-end baseline.
    pub fn end_to_end(&self) -> Network {
        self.network(2)
    }

    fn network(&self, classes: usize) -> Network {
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
    fn defaults_are_valid_and_nonsense_is_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let bad: [fn(&mut Config); 4] = [
            |c| c.strength = 1.2,
            |c| c.nuisances.clear(),
            |c| c.penalty = 0.0,
            |c| c.shots = vec![0],
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
