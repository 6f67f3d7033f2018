//! The vision transformer (Dosovitskiy et al. 2021) with the keys of the `transformers` library.

use crate::builder::{Conv, GraphBuilder};
use hilum_kernels::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

/// Sizes, with the names of a published `config.json`; other fields of that file do not matter here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    /// Channels of a token.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Channels between the linear layers of a block.
    pub intermediate_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f32,
    /// Side of the image in pixels; another size needs other positions.
    pub image_size: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Channels of the image.
    pub num_channels: usize,
    /// Dropout after embeddings and linear layers in training; attention probabilities are not dropped.
    #[serde(default)]
    pub hidden_dropout_prob: f32,
}

impl VitConfig {
    /// Tokens of an image, the class token included.
    pub fn tokens(&self) -> usize {
        1 + (self.image_size / self.patch_size.max(1)).pow(2)
    }
}

/// Outputs `last_hidden_state`, `[n, hidden, 1, tokens]`, the class token first, and with `pooler` also
/// `pooler_output`, `[n, hidden]`. The input is `[n, channels, image_size, image_size]`.
pub fn vit(c: &VitConfig, pooler: bool) -> Graph {
    let (mut b, input) = GraphBuilder::new(c.num_channels);
    let d = c.hidden_size;
    let patches = Conv {
        from: c.num_channels,
        to: d,
        kernel: c.patch_size,
        stride: c.patch_size,
        padding: 0,
        dilation: 1,
        groups: 1,
        bias: true,
    };
    let x = b.conv("embeddings.patch_embeddings.projection", input, patches);
    let x = b.prepend_token("embeddings.cls_token", x, d);
    let places = b.token_places("embeddings.position_embeddings", x, [c.tokens(), d]);
    let x = b.add("embeddings.sum", x, places);
    let mut x = b.dropout("embeddings.dropout", x, c.hidden_dropout_prob);
    for layer in 0..c.num_hidden_layers {
        x = block(&mut b, c, &format!("layers.{layer}"), x);
    }
    let x = b.layer_norm("layernorm", x, d, c.layer_norm_eps);
    b.output("last_hidden_state", x);
    if pooler {
        let first = b.node("class_token", Op::TakePlace { index: 0 }, &[x]);
        let y = b.linear("pooler.dense", first, d, d);
        let y = b.node("pooler.tanh", Op::Tanh, &[y]);
        b.output("pooler_output", y);
    }
    b.finish()
}

/// Normalisation comes first in both halves of a block.
fn block(b: &mut GraphBuilder, c: &VitConfig, at: &str, x: NodeId) -> NodeId {
    let d = c.hidden_size;
    let name = |part: &str| format!("{at}.{part}");
    let y = b.layer_norm(&name("layernorm_before"), x, d, c.layer_norm_eps);
    let [q, k, v] = ["q_proj", "k_proj", "v_proj"]
        .map(|part| b.linear(&name(&format!("attention.{part}")), y, d, d));
    let op = Op::Attention {
        heads: c.num_attention_heads,
        causal: false,
        mask: None,
    };
    let y = b.node(&name("attention"), op, &[q, k, v]);
    let y = b.linear(&name("attention.o_proj"), y, d, d);
    let y = b.dropout(&name("attention.dropout"), y, c.hidden_dropout_prob);
    let x = b.add(&name("attention.sum"), y, x);
    let y = b.layer_norm(&name("layernorm_after"), x, d, c.layer_norm_eps);
    let y = b.linear(&name("mlp.fc1"), y, d, c.intermediate_size);
    let y = b.node(&name("mlp.act"), Op::Gelu, &[y]);
    let y = b.linear(&name("mlp.fc2"), y, c.intermediate_size, d);
    let y = b.dropout(&name("mlp.dropout"), y, c.hidden_dropout_prob);
    b.add(&name("mlp.sum"), y, x)
}
