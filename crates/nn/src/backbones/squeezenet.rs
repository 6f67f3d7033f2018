//! SqueezeNet (Iandola et al. 2016): fire modules that squeeze by 1x1 and expand by 1x1 and 3x3.
//! Batch normalisation is added after each convolution; without it the net does not train from
//! scratch on a few thousand images.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// Sizes of a SqueezeNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SqueezeNetConfig {
    /// Channels after the first convolution.
    pub stem: usize,
    /// Squeeze and (one-sided) expand widths, grouped by stage; a pooling stands between stages.
    pub fires: Vec<Vec<(usize, usize)>>,
}

impl SqueezeNetConfig {
    /// A small one for two cores.
    pub fn small() -> Self {
        SqueezeNetConfig {
            stem: 32,
            fires: vec![
                vec![(8, 32), (8, 32)],
                vec![(16, 64), (16, 64)],
                vec![(24, 96), (32, 128)],
            ],
        }
    }
}

/// The graph.
pub fn squeezenet(config: &SqueezeNetConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv::same(channels, config.stem, 3).stride(2);
    let mut x = b.conv_bn_relu("features.0", "features.0.norm", x, stem);
    let mut from = config.stem;
    for (stage, fires) in config.fires.iter().enumerate() {
        x = b.max_pool(&format!("features.pool{stage}"), x, 3, 2, 1);
        for (i, &(squeeze, expand)) in fires.iter().enumerate() {
            let name = format!("features.fire{}_{}", stage + 1, i + 1);
            x = fire(&mut b, &name, x, [from, squeeze, expand]);
            from = 2 * expand;
        }
    }
    let logits = b.classifier("classifier", x, from, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}

fn fire(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    [from, squeeze, expand]: [usize; 3],
) -> NodeId {
    let mut unit = |part: &str, x: NodeId, conv: Conv| {
        b.conv_bn_relu(
            &format!("{name}.{part}"),
            &format!("{name}.{part}.norm"),
            x,
            conv,
        )
    };
    let s = unit("squeeze", x, Conv::same(from, squeeze, 1));
    let one = unit("expand1x1", s, Conv::same(squeeze, expand, 1));
    let three = unit("expand3x3", s, Conv::same(squeeze, expand, 3));
    b.concat(&format!("{name}.concat"), &[one, three])
}
