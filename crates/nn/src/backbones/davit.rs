//! DaViT: dual attention vision transformer (Ding et al., ECCV 2022): blocks attend from place to place inside windows, then from channel to
//! channel inside groups. Keys as in the published code, but for `qkv`, which is three layers `q`, `k`, `v` here.
//!
//! The normalisation before the last layer stands before the pooling, not behind it, so that behind the feature maps there is only pooling
//! and one linear layer. Stochastic depth is not built.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

/// Added to variances.
const EPS: f32 = 1e-5;

/// Sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DavitConfig {
    /// Channels of each stage.
    pub dims: Vec<usize>,
    /// Pairs of a window block and a channel block of each stage.
    pub depths: Vec<usize>,
    /// Heads of the window attention, and groups of the channel attention, of each stage.
    pub heads: Vec<usize>,
    /// Side of a window in places; a stage with a smaller image pads it, as the published code does.
    pub window: usize,
    /// Channels between the linear layers of a block, as a multiple of the stage's.
    pub mlp_ratio: usize,
    /// Kernel and stride of the first convolution.
    pub stem: [usize; 2],
    /// Kernel of the convolutions with stride 2 that later stages begin with: 2 in the paper, 3 (overlapping) in the encoders of Florence-2 and
    /// MedImageInsight.
    pub merge: usize,
}

impl DavitConfig {
    /// The published tiny network, 28 million parameters with 1,000 classes.
    pub fn tiny() -> Self {
        DavitConfig {
            dims: vec![96, 192, 384, 768],
            depths: vec![1, 1, 3, 1],
            heads: vec![3, 6, 12, 24],
            window: 7,
            mlp_ratio: 4,
            stem: [7, 4],
            merge: 2,
        }
    }
}

/// Builds a DaViT; outputs `logits` and `features`.
pub fn davit(c: &DavitConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, mut x) = GraphBuilder::new(channels);
    let mut from = channels;
    for (stage, &dim) in c.dims.iter().enumerate() {
        x = embedding(&mut b, c, stage, x, [from, dim]);
        let heads = c.heads.get(stage).copied().unwrap_or(1);
        for depth in 0..c.depths.get(stage).copied().unwrap_or(1) {
            let at = format!("blocks.{stage}.{depth}");
            let mut block = Block {
                b: &mut b,
                dim,
                heads,
                hidden: dim * c.mlp_ratio,
            };
            x = block.windows(&format!("{at}.spatial_block"), x, c.window);
            x = block.channels(&format!("{at}.channel_block"), x);
        }
        from = dim;
    }
    let features = b.layer_norm("norms", x, from, EPS);
    let logits = b.classifier("head", features, from, head);
    b.output("logits", logits);
    b.output("features", features);
    b.finish()
}

/// The convolution that a stage begins with. Its normalisation follows the first and goes before the others.
fn embedding(
    b: &mut GraphBuilder,
    c: &DavitConfig,
    stage: usize,
    x: NodeId,
    [from, to]: [usize; 2],
) -> NodeId {
    let [kernel, stride] = if stage == 0 { c.stem } else { [c.merge, 2] };
    let conv = Conv {
        from,
        to,
        kernel,
        stride,
        padding: kernel.saturating_sub(1) / 2,
        groups: 1,
        dilation: 1,
        bias: true,
    };
    let (norm, proj) = (format!("convs.{stage}.norm"), format!("convs.{stage}.proj"));
    if stage == 0 {
        let x = b.conv(&proj, x, conv);
        return b.layer_norm(&norm, x, to, EPS);
    }
    let x = b.layer_norm(&norm, x, from, EPS);
    b.conv(&proj, x, conv)
}

/// What the layers of a stage share.
struct Block<'a> {
    b: &'a mut GraphBuilder,
    dim: usize,
    heads: usize,
    hidden: usize,
}

impl Block<'_> {
    fn windows(&mut self, at: &str, x: NodeId, side: usize) -> NodeId {
        let x = self.depthwise(&format!("{at}.conv1"), x);
        let name = format!("{at}.window_attn");
        let y = self.norm(&name, x);
        let y = self
            .b
            .node(&format!("{name}.split"), Op::SplitWindows { side }, &[y]);
        let op = Op::Attention {
            heads: self.heads,
            causal: false,
            mask: None,
        };
        let y = self.attention(&name, y, op);
        let y = self
            .b
            .node(&format!("{name}.join"), Op::JoinWindows, &[y, x]);
        let x = self.project(&name, y, x);
        let x = self.depthwise(&format!("{at}.conv2"), x);
        self.mlp(&format!("{at}.ffn"), x)
    }

    fn channels(&mut self, at: &str, x: NodeId) -> NodeId {
        let x = self.depthwise(&format!("{at}.conv1"), x);
        let name = format!("{at}.channel_attn");
        let y = self.norm(&name, x);
        let op = Op::ChannelAttention { groups: self.heads };
        let y = self.attention(&name, y, op);
        let x = self.project(&name, y, x);
        let x = self.depthwise(&format!("{at}.conv2"), x);
        self.mlp(&format!("{at}.ffn"), x)
    }

    /// A depthwise convolution added to its input: where a place is.
    fn depthwise(&mut self, at: &str, x: NodeId) -> NodeId {
        let conv = Conv::same(self.dim, self.dim, 3)
            .groups(self.dim)
            .with_bias();
        let y = self.b.conv(&format!("{at}.fn.dw"), x, conv);
        self.b.add(&format!("{at}.sum"), y, x)
    }

    fn norm(&mut self, at: &str, x: NodeId) -> NodeId {
        self.b.layer_norm(&format!("{at}.norm"), x, self.dim, EPS)
    }

    fn attention(&mut self, at: &str, x: NodeId, op: Op) -> NodeId {
        let d = self.dim;
        let [q, k, v] = ["q", "k", "v"].map(|part| {
            let name = format!("{at}.fn.{part}");
            self.b.linear(&name, x, d, d)
        });
        self.b.node(&format!("{at}.fn"), op, &[q, k, v])
    }

    fn project(&mut self, at: &str, y: NodeId, x: NodeId) -> NodeId {
        let y = self
            .b
            .linear(&format!("{at}.fn.proj"), y, self.dim, self.dim);
        self.b.add(&format!("{at}.sum"), y, x)
    }

    fn mlp(&mut self, at: &str, x: NodeId) -> NodeId {
        let y = self.norm(at, x);
        let name = |part: &str| format!("{at}.fn.net.{part}");
        let y = self.b.linear(&name("fc1"), y, self.dim, self.hidden);
        let y = self.b.node(&name("act"), Op::Gelu, &[y]);
        let y = self.b.linear(&name("fc2"), y, self.hidden, self.dim);
        self.b.add(&format!("{at}.sum"), y, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_kernels::{ParamRole, Plan, Tensor};

    #[test]
    fn the_tiny_network_has_the_published_size() {
        let graph = davit(&DavitConfig::tiny(), 3, &Head::plain(1000));
        let count: usize = graph
            .params
            .iter()
            .filter(|p| p.role != ParamRole::Buffer)
            .map(|p| p.shape.iter().product::<usize>())
            .sum();
        // As published, 28.3 million; q, k and v have the parameters of qkv.
        assert!((28_250_000..28_400_000).contains(&count), "{count}");
        let shapes = graph.shapes([1, 3, 224, 224]).unwrap();
        let features = graph.outputs[1].1;
        assert_eq!(shapes[features], [1, 768, 7, 7]);
    }

    #[test]
    fn it_runs_where_windows_do_not_fit() {
        let c = DavitConfig {
            dims: vec![8, 16],
            depths: vec![1, 1],
            heads: vec![2, 4],
            window: 3,
            mlp_ratio: 2,
            stem: [4, 4],
            merge: 3,
        };
        let graph = davit(&c, 1, &Head::plain(5));
        let plan = Plan::new(&graph, &graph.init_params(1)).unwrap();
        let mut x = Tensor::zeros(&[2, 1, 32, 20]);
        x.data
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v = (i % 7) as f32);
        let out = plan.run(&x).unwrap();
        assert_eq!(out[0].shape, [2, 5]);
        assert!(out[0].data.iter().all(|v| v.is_finite()));
    }
}
