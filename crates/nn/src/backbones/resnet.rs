//! Residual networks (He et al. 2016) with torchvision's keys.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// Residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResNetBlock {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1; four times as wide at its end.
    Bottleneck,
}

impl ResNetBlock {
    fn expansion(self) -> usize {
        match self {
            ResNetBlock::Basic => 1,
            ResNetBlock::Bottleneck => 4,
        }
    }
}

/// Sizes of a ResNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResNetConfig {
    /// Block.
    pub block: ResNetBlock,
    /// Blocks a stage.
    pub layers: Vec<usize>,
    /// Channels of the first stage; 64 in the paper.
    pub width: usize,
}

impl ResNetConfig {
    /// ResNet-18.
    pub fn resnet18() -> Self {
        Self::basic(&[2, 2, 2, 2], 64)
    }

    /// ResNet-50.
    pub fn resnet50() -> Self {
        ResNetConfig {
            block: ResNetBlock::Bottleneck,
            layers: vec![3, 4, 6, 3],
            width: 64,
        }
    }

    /// Basic blocks with another depth and width.
    pub fn basic(layers: &[usize], width: usize) -> Self {
        ResNetConfig {
            block: ResNetBlock::Basic,
            layers: layers.to_vec(),
            width,
        }
    }
}

/// The graph; outputs `logits` and `features`.
pub fn resnet(config: &ResNetConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv {
        padding: 3,
        ..Conv::same(channels, config.width, 7).stride(2)
    };
    let x = b.conv_bn_relu("conv1", "bn1", x, stem);
    let mut x = b.max_pool("maxpool", x, 3, 2, 1);
    let mut from = config.width;
    for (stage, &blocks) in config.layers.iter().enumerate() {
        let width = config.width << stage;
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            x = residual(&mut b, &name, x, config.block, [from, width, stride]);
            from = width * config.block.expansion();
        }
    }
    let logits = b.classifier("fc", x, from, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}

fn residual(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    block: ResNetBlock,
    [from, width, stride]: [usize; 3],
) -> NodeId {
    let to = width * block.expansion();
    let convs = match block {
        ResNetBlock::Basic => {
            vec![
                Conv::same(from, width, 3).stride(stride),
                Conv::same(width, width, 3),
            ]
        }
        ResNetBlock::Bottleneck => vec![
            Conv::same(from, width, 1),
            Conv::same(width, width, 3).stride(stride),
            Conv::same(width, to, 1),
        ],
    };
    let last = convs.len() - 1;
    let mut y = x;
    for (i, conv) in convs.into_iter().enumerate() {
        let out = conv.to;
        y = b.conv(&format!("{name}.conv{}", i + 1), y, conv);
        y = b.batch_norm(&format!("{name}.bn{}", i + 1), y, out);
        if i < last {
            y = b.relu(y);
        }
    }
    let shortcut = if stride != 1 || from != to {
        let conv = Conv::same(from, to, 1).stride(stride);
        let s = b.conv(&format!("{name}.downsample.0"), x, conv);
        b.batch_norm(&format!("{name}.downsample.1"), s, to)
    } else {
        x
    };
    let sum = b.add(&format!("{name}.add"), y, shortcut);
    b.relu(sum)
}
