//! Depthwise separable convolutions (MobileNet, Howard et al. 2017).

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::Graph;
use serde::{Deserialize, Serialize};

/// Sizes of a MobileNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MobileNetConfig {
    /// Channels after the first convolution.
    pub stem: usize,
    /// Output channels and stride of each separable block.
    pub blocks: Vec<(usize, usize)>,
}

impl MobileNetConfig {
    /// A small one for two cores.
    pub fn small() -> Self {
        MobileNetConfig {
            stem: 16,
            blocks: vec![
                (32, 1),
                (64, 2),
                (64, 1),
                (128, 2),
                (128, 1),
                (256, 2),
                (256, 1),
            ],
        }
    }
}

/// The graph.
pub fn mobilenet(config: &MobileNetConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv::same(channels, config.stem, 3).stride(2);
    let mut x = b.conv_bn_relu("features.0.0", "features.0.1", x, stem);
    let mut from = config.stem;
    for (i, &(to, stride)) in config.blocks.iter().enumerate() {
        let name = format!("features.{}", i + 1);
        let depthwise = Conv::same(from, from, 3).stride(stride).groups(from);
        x = b.conv_bn_relu(&format!("{name}.0"), &format!("{name}.1"), x, depthwise);
        let pointwise = Conv::same(from, to, 1);
        x = b.conv_bn_relu(&format!("{name}.3"), &format!("{name}.4"), x, pointwise);
        from = to;
    }
    let logits = b.classifier("classifier", x, from, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}
