//! BERT's encoder (Devlin et al. 2019) with the keys of the `transformers` library.
//!
//! The input is `[n, 3, 1, tokens]`: row numbers of the vocabulary, ones where a token counts and zeros
//! where the line is filled up, and the segment (0 or 1).

use crate::builder::GraphBuilder;
use hilum_kernels::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

/// Channel of the input that holds the tokens.
pub const TOKENS: usize = 0;
/// Channel of the input that holds the mask.
pub const MASK: usize = 1;
/// Channel of the input that holds the segments.
pub const SEGMENTS: usize = 2;

/// Activation between the two linear layers of a block, by its name in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HiddenAct {
    /// x Φ(x).
    #[serde(rename = "gelu")]
    Gelu,
    /// Its tanh approximation.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// max(x, 0).
    #[serde(rename = "relu")]
    Relu,
}

/// Sizes, with the names of a published `config.json`; other fields of that file do not matter here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Channels.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Channels between the linear layers of a block.
    pub intermediate_size: usize,
    /// Activation between them.
    #[serde(default = "gelu")]
    pub hidden_act: HiddenAct,
    /// Dropout after embeddings and linear layers in training; attention probabilities are not dropped.
    #[serde(default)]
    pub hidden_dropout_prob: f32,
    /// Longest line.
    pub max_position_embeddings: usize,
    /// Segments.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Added to variances.
    #[serde(default = "tiny")]
    pub layer_norm_eps: f32,
}

fn gelu() -> HiddenAct {
    HiddenAct::Gelu
}

fn two() -> usize {
    2
}

fn tiny() -> f32 {
    1e-12
}

/// What follows the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BertHead {
    /// Nothing: output `last_hidden_state`, `[n, hidden, 1, tokens]`.
    None,
    /// `pooler_output` besides, `[n, hidden]`: tanh of a linear layer on the first token.
    Pooler,
    /// `logits` besides, `[n, vocabulary, 1, tokens]`, with the word table as the last weight.
    MaskedWords,
}

/// The encoder; `prefix` goes before every key (`""`, or `"bert."` in checkpoints with a head).
pub fn bert(config: &BertConfig, prefix: &str, head: BertHead) -> Graph {
    let (mut b, input) = GraphBuilder::new(3);
    let mut x = embeddings(&mut b, config, prefix, input);
    for layer in 0..config.num_hidden_layers {
        let at = format!("{prefix}encoder.layer.{layer}");
        x = block(&mut b, config, &at, x);
    }
    b.output("last_hidden_state", x);
    match head {
        BertHead::None => {}
        BertHead::Pooler => pooler(&mut b, config, prefix, x),
        BertHead::MaskedWords => masked_words(&mut b, config, x),
    }
    b.finish()
}

fn embeddings(b: &mut GraphBuilder, c: &BertConfig, prefix: &str, input: NodeId) -> NodeId {
    let at = |name: &str| format!("{prefix}embeddings.{name}");
    let d = c.hidden_size;
    let words = b.embedding(&at("word_embeddings"), input, TOKENS, [c.vocab_size, d]);
    let segments = b.embedding(
        &at("token_type_embeddings"),
        input,
        SEGMENTS,
        [c.type_vocab_size, d],
    );
    let places = b.position_embedding(
        &at("position_embeddings"),
        input,
        [c.max_position_embeddings, d],
    );
    let x = b.add(&at("sum"), words, segments);
    let x = b.add(&at("placed"), x, places);
    let x = b.layer_norm(&at("LayerNorm"), x, d, c.layer_norm_eps);
    b.dropout(&at("dropout"), x, c.hidden_dropout_prob)
}

fn block(b: &mut GraphBuilder, c: &BertConfig, at: &str, x: NodeId) -> NodeId {
    let d = c.hidden_size;
    let name = |part: &str| format!("{at}.{part}");
    let [q, k, v] = ["query", "key", "value"]
        .map(|part| b.linear(&name(&format!("attention.self.{part}")), x, d, d));
    let op = Op::Attention {
        heads: c.num_attention_heads,
        causal: false,
        mask: Some(MASK),
    };
    let seen = b.node(&name("attention.self"), op, &[q, k, v, 0]);
    let seen = b.linear(&name("attention.output.dense"), seen, d, d);
    let x = residual(b, c, &name("attention.output"), seen, x);
    let y = b.linear(&name("intermediate.dense"), x, d, c.intermediate_size);
    let y = b.node(&name("intermediate.act"), activation(c.hidden_act), &[y]);
    let y = b.linear(&name("output.dense"), y, c.intermediate_size, d);
    residual(b, c, &name("output"), y, x)
}

/// Dropout, sum with what came in, normalisation.
fn residual(b: &mut GraphBuilder, c: &BertConfig, at: &str, y: NodeId, x: NodeId) -> NodeId {
    let y = b.dropout(&format!("{at}.dropout"), y, c.hidden_dropout_prob);
    let y = b.add(&format!("{at}.sum"), y, x);
    b.layer_norm(
        &format!("{at}.LayerNorm"),
        y,
        c.hidden_size,
        c.layer_norm_eps,
    )
}

fn activation(act: HiddenAct) -> Op {
    match act {
        HiddenAct::Gelu => Op::Gelu,
        HiddenAct::GeluTanh => Op::GeluTanh,
        HiddenAct::Relu => Op::Relu,
    }
}

fn pooler(b: &mut GraphBuilder, c: &BertConfig, prefix: &str, x: NodeId) {
    let first = b.node("first_token", Op::TakePlace { index: 0 }, &[x]);
    let dense = format!("{prefix}pooler.dense");
    let y = b.linear(&dense, first, c.hidden_size, c.hidden_size);
    let y = b.node("pooler.tanh", Op::Tanh, &[y]);
    b.output("pooler_output", y);
}

fn masked_words(b: &mut GraphBuilder, c: &BertConfig, x: NodeId) {
    let at = "cls.predictions.transform";
    let y = b.linear(&format!("{at}.dense"), x, c.hidden_size, c.hidden_size);
    let y = b.node(&format!("{at}.act"), activation(c.hidden_act), &[y]);
    let y = b.layer_norm(
        &format!("{at}.LayerNorm"),
        y,
        c.hidden_size,
        c.layer_norm_eps,
    );
    let logits = b.linear_with_table("cls.predictions", y, c.vocab_size);
    b.output("logits", logits);
}
