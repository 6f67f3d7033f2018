//! Inception modules (Szegedy et al. 2015) with batch normalisation: four parallel branches, joined.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// Sizes of a small Inception network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InceptionConfig {
    /// Channels after the first convolution.
    pub stem: usize,
    /// Width of each of the four branches of each module; a pooling stands before every second module.
    pub modules: Vec<usize>,
}

impl InceptionConfig {
    /// A small one for two cores.
    pub fn small() -> Self {
        InceptionConfig {
            stem: 32,
            modules: vec![16, 16, 32, 32, 48, 48],
        }
    }
}

/// The graph.
pub fn inception(config: &InceptionConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv {
        padding: 3,
        ..Conv::same(channels, config.stem, 7).stride(2)
    };
    let mut x = b.conv_bn_relu("stem.0", "stem.1", x, stem);
    let mut from = config.stem;
    for (i, &width) in config.modules.iter().enumerate() {
        if i % 2 == 0 {
            x = b.max_pool(&format!("pool{i}"), x, 3, 2, 1);
        }
        x = module(&mut b, &format!("mixed{i}"), x, from, width);
        from = 4 * width;
    }
    let logits = b.classifier("fc", x, from, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}

fn module(b: &mut GraphBuilder, name: &str, x: NodeId, from: usize, width: usize) -> NodeId {
    let mut unit = |part: &str, x: NodeId, conv: Conv| {
        b.conv_bn_relu(
            &format!("{name}.{part}.conv"),
            &format!("{name}.{part}.bn"),
            x,
            conv,
        )
    };
    let one = unit("branch1x1", x, Conv::same(from, width, 1));
    let three = unit("branch3x3_1", x, Conv::same(from, width / 2, 1));
    let three = unit("branch3x3_2", three, Conv::same(width / 2, width, 3));
    let five = unit("branch5x5_1", x, Conv::same(from, width / 2, 1));
    let five = unit("branch5x5_2", five, Conv::same(width / 2, width, 3));
    let five = unit("branch5x5_3", five, Conv::same(width, width, 3));
    let pooled = b.max_pool(&format!("{name}.branch_pool"), x, 3, 1, 1);
    let mut unit = |part: &str, x: NodeId, conv: Conv| {
        b.conv_bn_relu(
            &format!("{name}.{part}.conv"),
            &format!("{name}.{part}.bn"),
            x,
            conv,
        )
    };
    let pool = unit("branch_pool", pooled, Conv::same(from, width, 1));
    b.concat(&format!("{name}.concat"), &[one, three, five, pool])
}
