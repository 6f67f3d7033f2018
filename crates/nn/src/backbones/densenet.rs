//! Densely connected networks (Huang et al. 2017) with torchvision's keys, which are also those of
//! the torchxrayvision checkpoints (there with one input channel).

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// Sizes of a DenseNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DenseNetConfig {
    /// Channels that each layer adds.
    pub growth: usize,
    /// Layers a block.
    pub blocks: Vec<usize>,
    /// Channels after the first convolution.
    pub stem: usize,
    /// Width of the 1x1 convolution in units of `growth`.
    pub bottleneck: usize,
}

impl DenseNetConfig {
    /// DenseNet-121.
    pub fn densenet121() -> Self {
        DenseNetConfig {
            growth: 32,
            blocks: vec![6, 12, 24, 16],
            stem: 64,
            bottleneck: 4,
        }
    }

    /// A small one for two cores.
    pub fn small() -> Self {
        DenseNetConfig {
            growth: 16,
            blocks: vec![4, 6, 8, 6],
            stem: 32,
            bottleneck: 4,
        }
    }
}

/// The graph; outputs `logits` and `features` (after the last normalisation and ReLU).
pub fn densenet(config: &DenseNetConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv {
        padding: 3,
        ..Conv::same(channels, config.stem, 7).stride(2)
    };
    let x = b.conv_bn_relu("features.conv0", "features.norm0", x, stem);
    let mut x = b.max_pool("features.pool0", x, 3, 2, 1);
    let mut width = config.stem;
    for (i, &layers) in config.blocks.iter().enumerate() {
        for layer in 1..=layers {
            let name = format!("features.denseblock{}.denselayer{layer}", i + 1);
            x = dense_layer(&mut b, &name, x, width, config);
            width += config.growth;
        }
        if i + 1 < config.blocks.len() {
            x = transition(&mut b, &format!("features.transition{}", i + 1), x, width);
            width /= 2;
        }
    }
    let x = b.batch_norm("features.norm5", x, width);
    let raw = x;
    let x = b.relu(x);
    let logits = b.classifier("classifier", x, width, head);
    b.output("logits", logits);
    b.output("features", x);
    b.output("norm5", raw);
    b.finish()
}

fn dense_layer(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    width: usize,
    config: &DenseNetConfig,
) -> NodeId {
    let inner = config.growth * config.bottleneck;
    let y = b.batch_norm(&format!("{name}.norm1"), x, width);
    let y = b.relu(y);
    let y = b.conv(&format!("{name}.conv1"), y, Conv::same(width, inner, 1));
    let y = b.batch_norm(&format!("{name}.norm2"), y, inner);
    let y = b.relu(y);
    let y = b.conv(
        &format!("{name}.conv2"),
        y,
        Conv::same(inner, config.growth, 3),
    );
    b.concat(&format!("{name}.concat"), &[x, y])
}

fn transition(b: &mut GraphBuilder, name: &str, x: NodeId, width: usize) -> NodeId {
    let y = b.batch_norm(&format!("{name}.norm"), x, width);
    let y = b.relu(y);
    let y = b.conv(&format!("{name}.conv"), y, Conv::same(width, width / 2, 1));
    b.avg_pool(&format!("{name}.pool"), y, 2, 2)
}
