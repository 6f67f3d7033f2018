//! Settings of the embedding study.

use crate::blocks::decoder::DecoderConfig;
use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, BertConfig, DavitConfig, HiddenAct};
use hilum_nn::builder::Head;
use serde::{Deserialize, Serialize};

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures; 480 in the paper.
    pub side: usize,
    /// Image encoder; 360 million parameters in the paper.
    pub davit: DavitConfig,
    /// Values of an image's and a text's vector; 1,024 in the paper.
    pub width: usize,
    /// Blocks and heads of the text encoder; 252 million parameters in the paper.
    pub text: [usize; 2],
    /// Longest text in words; what is longer is cut.
    pub words: usize,
    /// Training of both towers from nothing.
    pub train: ShortConfig,
    /// Training of the classifier that begins with the image tower.
    pub tune: ShortConfig,
    /// The decoder of findings; 70 million parameters in the paper.
    pub decoder: DecoderConfig,
    /// Its training, with the encoder frozen.
    pub telling: ShortConfig,
    /// What cosines are first multiplied by, and at most.
    pub scale: [f64; 2],
    /// Pictures of a split, at most: of adults, and of any other domain.
    pub most: [usize; 2],
    /// Generated chests; each comes with its report.
    pub phantoms: u64,
    /// Generated volumes, slices of each, and nearest volumes that are looked at.
    pub volumes: [usize; 3],
    /// Candidates that the approximate search looks at.
    pub breadth: usize,
    /// Numbers of neighbours that are tried.
    pub neighbours: Vec<usize>,
    /// Penalties of the linear adapters that are tried.
    pub penalties: Vec<f64>,
    /// Positive films that a finding must have in the validation split to be asked about; half as many in the test split.
    pub least: usize,
    /// Sensitivity, and specificity, that an operating point is chosen for.
    pub target: f64,
    /// What counts as a wide margin of AUROC, and what as none.
    pub margins: [f64; 2],
    /// Ages that the groups of the fairness table begin with.
    pub ages: Vec<f32>,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
    /// Films and neighbours of the evidence sheet.
    pub sheet: [usize; 2],
}

impl Default for Config {
    fn default() -> Self {
        let mut train = ShortConfig {
            epochs: 10,
            batch: 32,
            ..ShortConfig::default()
        };
        // Texts name sides, so there are no mirror images.
        train.jitter = (0.0, 4);
        train.schedule.base = 1e-3;
        let mut tune = ShortConfig {
            epochs: 5,
            ..train.clone()
        };
        tune.schedule.base = 5e-4;
        let mut telling = ShortConfig {
            epochs: 30,
            batch: 16,
            ..train.clone()
        };
        telling.schedule.base = 1e-3;
        Config {
            side: 64,
            davit: DavitConfig {
                dims: vec![32, 64, 128],
                depths: vec![1, 1, 1],
                heads: vec![2, 4, 8],
                window: 4,
                mlp_ratio: 4,
                stem: [7, 4],
                merge: 3,
            },
            width: 64,
            text: [2, 4],
            words: 24,
            train,
            tune,
            decoder: DecoderConfig::default(),
            telling,
            scale: [1.0 / 0.07, 100.0],
            most: [1200, 600],
            phantoms: 300,
            volumes: [60, 8, 5],
            breadth: 50,
            neighbours: vec![1, 5, 10, 20, 50, 100],
            penalties: vec![0.1, 1.0, 10.0, 100.0],
            least: 10,
            target: 0.9,
            margins: [0.05, 0.05],
            ages: vec![0.0, 40.0, 60.0],
            seeds: 3,
            sheet: [12, 5],
        }
    }
}

impl Settings for Config {
    /// Very small towers, few pictures, one seed.
    fn tiny() -> Self {
        let mut c = Config {
            side: 32,
            davit: DavitConfig {
                dims: vec![8, 16],
                depths: vec![1, 1],
                heads: vec![1, 2],
                window: 4,
                mlp_ratio: 2,
                stem: [7, 4],
                merge: 3,
            },
            width: 16,
            text: [1, 2],
            most: [60, 60],
            phantoms: 5,
            volumes: [3, 2, 2],
            breadth: 8,
            decoder: DecoderConfig {
                width: 16,
                layers: 1,
                heads: 2,
                longest: 12,
            },
            neighbours: vec![1, 5],
            penalties: vec![1.0],
            least: 2,
            seeds: 1,
            sheet: [2, 3],
            ..Config::default()
        };
        c.train.epochs = 2;
        c.train.batch = 16;
        c.tune.epochs = 1;
        c.tune.batch = 16;
        c.telling.epochs = 2;
        c.telling.batch = 3;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        self.train.validate()?;
        self.tune.validate()?;
        self.telling.validate()?;
        self.decoder.validate()?;
        let stages = self.davit.dims.len();
        let parts = |(d, h): (&usize, &usize)| *h > 0 && d.is_multiple_of(*h);
        if stages == 0
            || self.davit.depths.len() != stages
            || self.davit.heads.len() != stages
            || !self.davit.dims.iter().zip(&self.davit.heads).all(parts)
            || self.davit.window == 0
            || self.davit.stem.contains(&0)
            || self.davit.merge == 0
        {
            return wrong(
                "every stage of the image encoder needs its depth and heads that divide its channels",
            );
        }
        if self.text[1] == 0 || self.width == 0 || !self.width.is_multiple_of(self.text[1]) {
            return wrong("the text encoder's heads must divide the width");
        }
        if self.words < 3 || self.side < 8 || self.most.iter().any(|m| *m < 4) || self.seeds == 0 {
            return wrong("texts, pictures, splits and seeds are too few or too small");
        }
        if self.neighbours.is_empty() || self.neighbours.contains(&0) || self.ages.is_empty() {
            return wrong("numbers of neighbours and groups of ages are needed");
        }
        if self.penalties.is_empty() || !self.penalties.iter().all(|p| *p > 0.0) {
            return wrong("penalties must be positive");
        }
        let [volumes, slices, near] = self.volumes;
        if slices == 0 || near == 0 || volumes <= near || self.breadth == 0 {
            return wrong(
                "volumes need slices and more others than are looked at, and a search a candidate",
            );
        }
        let [first, most] = self.scale;
        if !(first > 0.0 && most >= first && most.is_finite()) {
            return wrong("the scale must be positive and not above its limit");
        }
        if !(self.target > 0.0 && self.target < 1.0) || self.least == 0 {
            return wrong("the target lies between 0 and 1, and a finding needs a film");
        }
        if !self.margins.iter().all(|m| (0.0..1.0).contains(m)) {
            return wrong("margins lie between 0 and 1");
        }
        Ok(())
    }
}

impl Config {
    /// The image tower: its first output is the image's vector, before it is brought to length one.
    pub fn images(&self) -> Network {
        self.network(self.width)
    }

    /// A classifier on the same trunk.
    pub fn classifier(&self, classes: usize) -> Network {
        self.network(classes)
    }

    fn network(&self, classes: usize) -> Network {
        Network::Classifier {
            backbone: Backbone::Davit(self.davit.clone()),
            head: Head::plain(classes),
            channels: 1,
        }
    }

    /// The text tower for a vocabulary.
    pub fn texts(&self, vocabulary: usize) -> BertConfig {
        BertConfig {
            vocab_size: vocabulary,
            hidden_size: self.width,
            num_hidden_layers: self.text[0],
            num_attention_heads: self.text[1],
            intermediate_size: 4 * self.width,
            hidden_act: HiddenAct::Gelu,
            hidden_dropout_prob: 0.0,
            max_position_embeddings: self.words,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
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
        let bad: [fn(&mut Config); 8] = [
            |c| c.volumes = [5, 2, 5],
            |c| c.decoder.heads = 3,
            |c| c.davit.heads = vec![3, 4, 8],
            |c| c.text[1] = 7,
            |c| c.neighbours = vec![0],
            |c| c.penalties.clear(),
            |c| c.scale = [10.0, 1.0],
            |c| c.target = 1.0,
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }

    #[test]
    fn the_towers_meet_in_one_width() {
        let c = Config::default();
        let graph = c.images().graph();
        let shapes = graph.shapes([2, 1, c.side, c.side]).unwrap();
        assert_eq!(shapes[graph.outputs[0].1], [2, c.width]);
        assert_eq!(c.texts(30).hidden_size, c.width);
    }
}
