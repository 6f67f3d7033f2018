//! Settings of the study.

use crate::blocks::confounded::Nuisance;
use crate::blocks::linear;
use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, BertConfig, ResNetConfig};
use hilum_nn::builder::Head;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures.
    pub side: usize,
    /// Image encoder; its last feature maps are the patches.
    pub trunk: ResNetConfig,
    /// Text encoder; its number of words is set by the vocabulary.
    pub text: BertConfig,
    /// Values of an embedding.
    pub width: usize,
    /// Training of both encoders; learned from 377,110 pairs of film and report in BioViL.
    pub pretrain: ShortConfig,
    /// What cosines are divided by in the loss.
    pub temperature: f64,
    /// Children's films in the training of the encoders at most.
    pub children: usize,
    /// Sentences of reports at most.
    pub sentences: usize,
    /// Times a word occurs before it has a row of its own.
    pub least_word: usize,
    /// Cosine of two concepts from which on the second is left out; none is above 1.
    pub same: f64,
    /// What the label is tied to; sex, age, age mix and hospital in the paper.
    pub nuisances: Vec<Nuisance>,
    /// Shares of training films whose nuisance agrees with the label, rising; the last is the confounded set.
    pub strengths: Vec<f64>,
    /// Numbers of concepts asked about besides all.
    pub sizes: Vec<usize>,
    /// Numbers of concepts that are set to their true values besides all.
    pub set: Vec<usize>,
    /// Training of the fine-tuned encoder, for the first and the last strength.
    pub tune: ShortConfig,
    /// Passes of the linear layers.
    pub epochs: usize,
    /// Their learning rate.
    pub rate: f64,
    /// Their batch.
    pub batch: usize,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
}

impl Default for Config {
    fn default() -> Self {
        let mut pretrain = ShortConfig {
            epochs: 24,
            ..ShortConfig::default()
        };
        pretrain.jitter = (0.5, 4);
        let tune = ShortConfig {
            epochs: 10,
            ..pretrain.clone()
        };
        Config {
            side: 64,
            trunk: ResNetConfig::basic(&[1, 1, 1], 16),
            text: text(48),
            width: 64,
            pretrain,
            temperature: 0.1,
            children: 600,
            sentences: 6000,
            least_word: 3,
            same: 0.98,
            nuisances: vec![Nuisance::Sex, Nuisance::Age(55.0)],
            strengths: vec![0.5, 0.7, 0.9, 1.0],
            sizes: vec![4, 8, 16],
            set: vec![1, 4, 8],
            tune,
            epochs: 200,
            rate: 1e-2,
            batch: 64,
            seeds: 3,
        }
    }
}

fn text(hidden: usize) -> BertConfig {
    BertConfig {
        vocab_size: 0,
        hidden_size: hidden,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 2 * hidden,
        hidden_act: hilum_nn::backbones::HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        max_position_embeddings: 32,
        type_vocab_size: 1,
        layer_norm_eps: 1e-6,
    }
}

impl Settings for Config {
    /// Very small encoders, one seed, one nuisance.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            trunk: ResNetConfig::basic(&[1, 1], 4),
            text: text(8),
            width: 8,
            children: 40,
            sentences: 200,
            least_word: 1,
            // Encoders that have hardly learned anything say the same of every sentence.
            same: 1.1,
            nuisances: vec![Nuisance::Sex],
            strengths: vec![0.5, 1.0],
            sizes: vec![4],
            set: vec![1],
            epochs: 20,
            seeds: 1,
            ..Config::default()
        };
        c.pretrain.epochs = 2;
        c.tune.epochs = 1;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        self.pretrain.validate()?;
        self.tune.validate()?;
        if self.nuisances.is_empty() || self.seeds == 0 || self.epochs == 0 || self.batch < 2 {
            return wrong("a nuisance, a seed, an epoch and batches of two are needed");
        }
        let rising = self.strengths.windows(2).all(|w| w[0] < w[1]);
        let inside = self.strengths.iter().all(|s| (0.0..=1.0).contains(s));
        if self.strengths.len() < 2 || !rising || !inside {
            return wrong("two strengths of the tie are needed, rising, between 0 and 1");
        }
        if self.sizes.contains(&0) || self.set.contains(&0) {
            return wrong("numbers of concepts must be above 0");
        }
        if !(self.temperature > 0.0 && self.rate > 0.0) || self.width == 0 || self.sentences == 0 {
            return wrong(
                "temperature, learning rate, width and number of sentences must be above 0",
            );
        }
        if self.text.max_position_embeddings < 3 {
            return wrong("a sentence needs a place between its two ends");
        }
        Ok(())
    }
}

impl Config {
    /// The fine-tuned baseline: the image encoder with a logit for each class.
    pub fn tuned(&self) -> Network {
        Network::Classifier {
            backbone: Backbone::ResNet(self.trunk.clone()),
            head: Head::plain(2),
            channels: 1,
        }
    }

    /// The strongest tie.
    pub fn strongest(&self) -> f64 {
        self.strengths.last().copied().unwrap_or(1.0)
    }

    /// How linear layers are trained.
    pub fn layer(&self, seed: u64) -> linear::Settings {
        linear::Settings {
            epochs: self.epochs,
            rate: self.rate,
            batch: self.batch,
            seed,
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
            |c| c.strengths = vec![1.0, 0.5],
            |c| c.strengths = vec![0.5, 1.5],
            |c| c.nuisances.clear(),
            |c| c.temperature = 0.0,
            |c| c.sizes = vec![0],
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
