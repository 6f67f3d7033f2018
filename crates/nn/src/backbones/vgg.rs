//! Plain stacked convolutions (Simonyan and Zisserman 2015) with batch normalisation and a pooled head.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::Graph;
use serde::{Deserialize, Serialize};

/// Sizes of a VGG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VggConfig {
    /// Channels of each convolution, grouped by stage; every stage ends with a 2x2 max pooling.
    pub stages: Vec<Vec<usize>>,
}

impl VggConfig {
    /// A small one for two cores.
    pub fn small() -> Self {
        VggConfig {
            stages: vec![vec![16], vec![32], vec![64, 64], vec![128, 128]],
        }
    }
}

/// The graph; keys `features.<i>` count layers as torchvision's `vgg*_bn` does.
pub fn vgg(config: &VggConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, mut x) = GraphBuilder::new(channels);
    let mut from = channels;
    let mut index = 0;
    for stage in &config.stages {
        for &width in stage {
            let conv = format!("features.{index}");
            let norm = format!("features.{}", index + 1);
            x = b.conv_bn_relu(&conv, &norm, x, Conv::same(from, width, 3).with_bias());
            index += 3;
            from = width;
        }
        x = b.max_pool(&format!("features.{index}"), x, 2, 2, 0);
        index += 1;
    }
    let logits = b.classifier("classifier", x, from, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}
