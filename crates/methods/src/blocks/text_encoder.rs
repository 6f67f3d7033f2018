//! A BERT that the user has, as published: a folder with `config.json`, `tokenizer.json` and the weights.

use crate::error::MethodError;
use hilum_kernels::{Plan, Tensor};
use hilum_nn::backbones::{BertConfig, BertHead, MASK, TOKENS, bert};
use hilum_nn::weights::{WeightFile, sha256_hex};
use hilum_text::TextError;
use hilum_text::score::TokenEncoder;
use hilum_text::tokenize::bpe::SubWords;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Names of the weights, the first that is there.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// Channels of the input.
const CHANNELS: usize = 3;
/// Digits of the weights' hash in the name.
const HASH_DIGITS: usize = 12;

/// Tokens and their vectors, by a BERT.
#[derive(Debug)]
pub struct TextEncoder {
    words: SubWords,
    plan: Plan,
    /// Row numbers of `[CLS]` and `[SEP]`.
    ends: [u32; 2],
    longest: usize,
    width: usize,
    name: String,
}

#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

impl TextEncoder {
    /// Loads a model; vectors are the output of block `layer` (from 1), of the last without.
    ///
    /// # Errors
    /// Files that are missing or do not fit each other, a model that is no BERT, a layer that it does not have.
    pub fn open(folder: &Path, layer: Option<usize>) -> Result<Self, MethodError> {
        let mut config = config(folder)?;
        let layers = config.num_hidden_layers;
        let layer = layer.unwrap_or(layers);
        if layer == 0 || layer > layers {
            return Err(MethodError::Config(format!(
                "layer {layer} of an encoder with {layers}"
            )));
        }
        config.num_hidden_layers = layer;
        let (file, hash) = weights(folder)?;
        let prefix = match file.tensors.keys().any(|key| key.starts_with("bert.")) {
            true => "bert.",
            false => "",
        };
        let graph = bert(&config, prefix, BertHead::None);
        let plan = Plan::new(&graph, &file.params_for(&graph)?)?;
        let words = SubWords::open(&folder.join("tokenizer.json"))?;
        let end = |piece: &str| {
            let id = words.id_of(piece);
            id.ok_or_else(|| MethodError::Config(format!("{}: no token {piece}", folder.display())))
        };
        Ok(TextEncoder {
            ends: [end("[CLS]")?, end("[SEP]")?],
            plan,
            longest: config.max_position_embeddings,
            width: config.hidden_size,
            name: format!(
                "{}-layer{layer}-{}",
                base_name(folder),
                &hash[..HASH_DIGITS]
            ),
            words,
        })
    }

    /// One vector a token of `text`, special tokens left out; a text longer than the model's places is cut there.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn vectors(&self, text: &str) -> Result<Vec<Vec<f32>>, MethodError> {
        let mut ids = self.words.encode(text, false)?.ids;
        ids.truncate(self.longest.saturating_sub(self.ends.len()));
        let inner = ids.len();
        let places = inner + self.ends.len();
        let x = input(&[ids], self.ends);
        let out = self.plan.run(&x)?;
        let vector = |place: usize| {
            (0..self.width)
                .map(|c| out[0].data[c * places + place])
                .collect()
        };
        Ok((1..=inner).map(vector).collect())
    }
}

impl TokenEncoder for TextEncoder {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, text: &str) -> Result<Vec<Vec<f32>>, String> {
        self.vectors(text).map_err(|e| e.to_string())
    }
}

/// The input of the encoder for lines of pieces, filled up to the longest: `[n, 3, 1, places]`.
pub fn input(lines: &[Vec<u32>], ends: [u32; 2]) -> Tensor {
    let places = lines.iter().map(|l| l.len() + 2).max().unwrap_or(2);
    let mut x = Tensor::zeros(&[lines.len(), CHANNELS, 1, places]);
    for (n, line) in lines.iter().enumerate() {
        let ids = [ends[0]].into_iter().chain(line.iter().copied());
        for (place, id) in ids.chain([ends[1]]).enumerate() {
            let base = n * CHANNELS * places + place;
            x.data[base + TOKENS * places] = id as f32;
            x.data[base + MASK * places] = 1.0;
        }
    }
    x
}

pub(crate) fn base_name(folder: &Path) -> String {
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    name.file_name().map_or_else(
        || "encoder".to_owned(),
        |n| n.to_string_lossy().into_owned(),
    )
}

pub(crate) fn unreadable(path: &Path, reason: impl ToString) -> MethodError {
    MethodError::Text(TextError::Resource {
        path: path.to_owned(),
        reason: reason.to_string(),
    })
}

pub(crate) fn config(folder: &Path) -> Result<BertConfig, MethodError> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
    let kind: Kind = serde_json::from_str(&text).map_err(|e| unreadable(&path, e))?;
    if kind.model_type != "bert" {
        let reason = format!("a `{}` model; only `bert` is read", kind.model_type);
        return Err(unreadable(&path, reason));
    }
    serde_json::from_str(&text).map_err(|e| unreadable(&path, e))
}

/// The weights with today's names, and the hash of their file.
pub(crate) fn weights(folder: &Path) -> Result<(WeightFile, String), MethodError> {
    let candidates: Vec<PathBuf> = WEIGHTS.iter().map(|name| folder.join(name)).collect();
    let Some(path) = candidates.iter().find(|path| path.is_file()) else {
        return Err(unreadable(
            folder,
            format!("none of {}", WEIGHTS.join(", ")),
        ));
    };
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, e))?;
    let mut file = WeightFile::parse(&bytes)?;
    file.tensors = file
        .tensors
        .into_iter()
        .map(|(key, value)| (modern(&key), value))
        .collect();
    Ok((file, sha256_hex(&bytes)))
}

/// The first checkpoints called a normalisation's parameters gamma and beta.
fn modern(key: &str) -> String {
    key.replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Writes a small BERT with random weights.
    fn folder(edit: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut about = json!({
            "model_type": "bert", "vocab_size": 6, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 12, "hidden_act": "gelu",
            "max_position_embeddings": 5, "type_vocab_size": 2,
        });
        let sizes: BertConfig = serde_json::from_value(about.clone()).unwrap();
        let graph = bert(&sizes, "bert.", BertHead::None);
        let mut file = WeightFile::from_params(&graph, &graph.init_params(3));
        // As the first checkpoints were named.
        file.tensors = file
            .tensors
            .into_iter()
            .map(|(k, v)| (k.replace("LayerNorm.weight", "LayerNorm.gamma"), v))
            .collect();
        let path = |name: &str| folder.path().join(name);
        file.write(
            &path(WEIGHTS[0]),
            hilum_nn::weights::file::Precision::Single,
        )
        .unwrap();
        edit(&mut about);
        std::fs::write(path("config.json"), about.to_string()).unwrap();
        let words = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "no": 3, "effusion": 4, "##s": 5}},
        });
        std::fs::write(path("tokenizer.json"), words.to_string()).unwrap();
        folder
    }

    #[test]
    fn one_vector_a_piece_and_long_texts_are_cut() {
        let folder = folder(|_| {});
        let encoder = TextEncoder::open(folder.path(), None).unwrap();
        let vectors = encoder.vectors("No effusions").unwrap();
        assert_eq!((vectors.len(), vectors[0].len()), (3, 8));
        assert_ne!(vectors[0], vectors[1]);
        assert_eq!(encoder.vectors("no no no no no no").unwrap().len(), 3);
        let first = TextEncoder::open(folder.path(), Some(1)).unwrap();
        assert_ne!(first.vectors("No effusions").unwrap(), vectors);
        assert!(first.name().contains("-layer1-"), "{}", first.name());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let told = |folder: &tempfile::TempDir, layer| {
            TextEncoder::open(folder.path(), layer)
                .unwrap_err()
                .to_string()
        };
        assert!(told(&folder(|_| {}), Some(3)).contains("layer 3 of an encoder with 2"));
        let other = folder(|c| c["model_type"] = json!("roberta"));
        assert!(told(&other, None).contains("`roberta`"));
        let wide = folder(|c| c["hidden_size"] = json!(16));
        assert!(TextEncoder::open(wide.path(), None).is_err());
        let empty = tempfile::tempdir().unwrap();
        assert!(told(&empty, None).contains("config.json"));
    }
}
