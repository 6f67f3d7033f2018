//! BERT and the vision transformer against the `transformers` library, with its random weights.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use hilum_kernels::plan::Plan;
use hilum_kernels::train::{Mode, Trainer};
use hilum_kernels::{Graph, Tensor};
use hilum_nn::backbones::{BertHead, MASK, bert, vit};
use hilum_nn::weights::WeightFile;
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::PathBuf;

const TOLERANCE: f32 = 2e-4;

fn folder() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/parity/networks"
    ));
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: transformers' parity needs ../shared/parity/networks, which is not here");
    None
}

fn config<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(folder().unwrap().join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    let models = index["models"].as_array().unwrap();
    let entry = models.iter().find(|m| m["name"] == name).unwrap();
    serde_json::from_value(entry["config"].clone()).unwrap()
}

/// `[n, 3, 1, tokens]` from the fixture's integer tensors; absent segments are zeros.
fn input(bytes: &[u8]) -> Tensor {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let ids = file.tensor("in.input_ids").unwrap();
    let (n, t) = (ids.shape()[0], ids.shape()[1]);
    let mut x = Tensor::zeros(&[n, 3, 1, t]);
    for (channel, name) in ["input_ids", "attention_mask", "token_type_ids"]
        .iter()
        .enumerate()
    {
        let Ok(view) = file.tensor(&format!("in.{name}")) else {
            continue;
        };
        for (i, bytes) in view.data().chunks_exact(8).enumerate() {
            let value = i64::from_le_bytes(bytes.try_into().unwrap());
            x.data[(i / t * 3 + channel) * t + i % t] = value as f32;
        }
    }
    x
}

/// Largest difference of `[n, c, 1, t]` from the fixture's `[n, t, c]` at places that count (all of an image).
fn difference(got: &Tensor, want: &(Vec<usize>, Vec<f32>), x: &Tensor, masked: bool) -> f32 {
    let [n, t, c] = want.0[..] else {
        assert_eq!(got.shape, want.0);
        let pairs = got.data.iter().zip(&want.1);
        return pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    };
    assert_eq!(got.shape, [n, c, 1, t]);
    let mut worst = 0.0f32;
    for (i, &value) in want.1.iter().enumerate() {
        let (image, place, channel) = (i / (t * c), i / c % t, i % c);
        if !masked || x.data[(image * 3 + MASK) * t + place] != 0.0 {
            worst = worst.max((got.data[(image * c + channel) * t + place] - value).abs());
        }
    }
    worst
}

fn check(name: &str, graph: &Graph, outputs: &[&str]) {
    let folder = folder().unwrap();
    let weights = WeightFile::open(&folder.join(format!("{name}.safetensors"))).unwrap();
    let bytes = std::fs::read(folder.join(format!("{name}_io.safetensors"))).unwrap();
    let io = WeightFile::parse(&bytes).unwrap();
    let pixels = io.tensors.get("in.pixel_values");
    let x = match pixels {
        Some((shape, data)) => Tensor::from_vec(shape, data.clone()).unwrap(),
        None => input(&bytes),
    };
    let mut params = weights.params_for(graph).unwrap();
    let by_plan = Plan::new(graph, &params).unwrap().run(&x).unwrap();
    let mut trainer = Trainer::new(graph.clone()).unwrap();
    let by_trainer = trainer.forward(&mut params, &x, Mode::Eval).unwrap();
    for output in outputs {
        let at = graph.outputs.iter().position(|(n, _)| n == output).unwrap();
        let want = &io.tensors[&format!("out.{output}")];
        for got in [&by_plan[at], &by_trainer[at]] {
            let worst = difference(got, want, &x, pixels.is_none());
            assert!(worst <= TOLERANCE, "{name} {output}: off by {worst}");
        }
    }
}

#[test]
fn encoder_and_pooler() {
    if folder().is_none() {
        return;
    }
    let graph = bert(&config("bert"), "", BertHead::Pooler);
    check("bert", &graph, &["last_hidden_state", "pooler_output"]);
}

#[test]
fn masked_words_with_the_tied_table() {
    if folder().is_none() {
        return;
    }
    let graph = bert(&config("bert_mlm"), "bert.", BertHead::MaskedWords);
    check("bert_mlm", &graph, &["logits"]);
}

#[test]
fn vision_transformer_with_class_token_and_pooler() {
    if folder().is_none() {
        return;
    }
    let graph = vit(&config("vit"), true);
    check("vit", &graph, &["last_hidden_state", "pooler_output"]);
}
