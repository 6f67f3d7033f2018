//! Sizes of the span model, and how it is trained.

use crate::error::{MethodError, Result};
use hilum_nn::backbones::{BertConfig, HiddenAct};
use serde::{Deserialize, Serialize};

/// What is read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Sentence by sentence.
    Sentence,
    /// As many sentences of a section as the encoder has places for.
    Section,
}

/// The heads, as they stand in `spans.json` beside the weights; the defaults are DyGIE++'s template, with which
/// RadGraph Benchmark was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanConfig {
    /// Labels of entities in the order of the head's rows; "no entity" has none.
    pub entity_labels: Vec<String>,
    /// Relations in the order of the head's rows; "no relation" has none.
    pub relation_labels: Vec<String>,
    /// Tokens of a span at most; rows of the table of widths.
    pub max_span_width: usize,
    /// Numbers of a width's vector.
    pub feature_size: usize,
    /// Widths of the hidden layers of each head.
    pub hidden: Vec<usize>,
    /// Spans a token that are kept for relations.
    pub spans_per_word: f64,
    /// What is read together.
    pub unit: Unit,
    /// AllenNLP's name of the data set in the keys of the heads.
    pub dataset: String,
}

impl Default for SpanConfig {
    fn default() -> Self {
        SpanConfig {
            entity_labels: ["ANAT-DP", "OBS-DP", "OBS-U", "OBS-DA"]
                .map(str::to_owned)
                .to_vec(),
            relation_labels: ["located_at", "modify", "suggestive_of"]
                .map(str::to_owned)
                .to_vec(),
            max_span_width: 8,
            feature_size: 20,
            hidden: vec![150, 150],
            spans_per_word: 0.5,
            unit: Unit::Section,
            dataset: "None".to_owned(),
        }
    }
}

impl SpanConfig {
    /// Fails when a size is out of range or a label is not RadGraph's.
    pub fn validate(&self) -> Result<()> {
        let wrong = |reason: String| Err(MethodError::Config(format!("spans.json: {reason}")));
        if self.max_span_width == 0 || self.feature_size == 0 || self.hidden.contains(&0) {
            return wrong("a size is zero".to_owned());
        }
        if !(self.spans_per_word > 0.0 && self.spans_per_word.is_finite()) {
            return wrong("`spans_per_word` must be above zero".to_owned());
        }
        if self.entity_labels.is_empty() || self.relation_labels.is_empty() {
            return wrong("no labels".to_owned());
        }
        for name in &self.entity_labels {
            if hilum_text::facts::radgraph::label_of(name).is_none() {
                return wrong(format!("`{name}` is no label of RadGraph"));
            }
        }
        for name in &self.relation_labels {
            if hilum_text::facts::Relation::from_name(name).is_none() {
                return wrong(format!("`{name}` is no relation of RadGraph"));
            }
        }
        Ok(())
    }

    /// Numbers of a span's vector for an encoder of `d` channels.
    pub fn span_width(&self, d: usize) -> usize {
        2 * d + self.feature_size
    }

    /// Spans that are kept of a window of `tokens` tokens.
    pub fn kept(&self, tokens: usize) -> usize {
        ((tokens as f64 * self.spans_per_word).ceil() as usize).max(1)
    }
}

/// Everything that decides the result of `hilum reproduce radgraph`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Heads.
    pub heads: SpanConfig,
    /// The text encoder, trained from nothing; `vocab_size` is its bound.
    pub encoder: BertConfig,
    /// Longest sentence of the rules' output that is trained on, in tokens.
    pub longest: usize,
    /// Passes over the rules' output.
    pub silver_epochs: usize,
    /// Passes over the annotated sentences after that.
    pub gold_epochs: usize,
    /// Times that an annotated sentence comes in such a pass, beside as many of the rules' sentences.
    pub gold_repeats: usize,
    /// Sentences a step.
    pub batch: usize,
    /// Highest learning rate over the rules' output.
    pub rate: f32,
    /// Highest learning rate over the annotated sentences.
    pub gold_rate: f32,
    /// Weight of the loss of entities beside that of relations (RadGraph: 0.2).
    pub entity_weight: f32,
    /// Dropout between the layers of the heads.
    pub dropout: f32,
    /// Bound of the gradient's norm.
    pub clip: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            heads: SpanConfig {
                unit: Unit::Sentence,
                ..SpanConfig::default()
            },
            encoder: encoder(128, 2, 4000),
            longest: 60,
            silver_epochs: 5,
            gold_epochs: 12,
            gold_repeats: 3,
            batch: 32,
            rate: 1e-3,
            gold_rate: 3e-4,
            entity_weight: 0.5,
            dropout: 0.2,
            clip: 5.0,
        }
    }
}

/// A small BERT.
fn encoder(width: usize, layers: usize, words: usize) -> BertConfig {
    BertConfig {
        vocab_size: words,
        hidden_size: width,
        num_hidden_layers: layers,
        num_attention_heads: 4,
        intermediate_size: 2 * width,
        hidden_act: HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        max_position_embeddings: 256,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    }
}

impl Config {
    /// One pass over few sentences.
    pub fn tiny() -> Self {
        Config {
            heads: SpanConfig {
                hidden: vec![16],
                feature_size: 4,
                unit: Unit::Sentence,
                ..SpanConfig::default()
            },
            encoder: encoder(16, 1, 400),
            silver_epochs: 1,
            gold_epochs: 1,
            gold_repeats: 1,
            ..Config::default()
        }
    }

    /// Fails when a setting is out of range.
    pub fn validate(&self) -> Result<()> {
        self.heads.validate()?;
        let counts = [
            self.silver_epochs,
            self.gold_epochs,
            self.gold_repeats,
            self.batch,
        ];
        if counts.contains(&0) {
            return Err(MethodError::Config(
                "epochs, repeats and batch must be at least 1".to_owned(),
            ));
        }
        let rates = [self.rate, self.gold_rate, self.entity_weight];
        if rates.iter().any(|r| !(r.is_finite() && *r > 0.0)) || !(0.0..1.0).contains(&self.dropout)
        {
            return Err(MethodError::Config(
                "rates and weights must be above zero, dropout from 0 to below 1".to_owned(),
            ));
        }
        let e = &self.encoder;
        if !e.hidden_size.is_multiple_of(e.num_attention_heads) || e.max_position_embeddings < 3 {
            return Err(MethodError::Config(
                "the encoder's heads must divide its width, and it needs three places".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_named() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let told = |config: SpanConfig| config.validate().unwrap_err().to_string();
        let label = SpanConfig {
            entity_labels: vec!["OBS-X".to_owned()],
            ..SpanConfig::default()
        };
        assert!(told(label).contains("OBS-X"));
        let relation = SpanConfig {
            relation_labels: vec!["part_of".to_owned()],
            ..SpanConfig::default()
        };
        assert!(told(relation).contains("part_of"));
        let none = Config {
            batch: 0,
            ..Config::default()
        };
        assert!(none.validate().is_err());
    }

    #[test]
    fn half_of_the_tokens_are_kept_rounded_up() {
        let heads = SpanConfig::default();
        assert_eq!((heads.kept(1), heads.kept(5), heads.kept(6)), (1, 3, 3));
        assert_eq!(heads.span_width(10), 40);
    }
}
