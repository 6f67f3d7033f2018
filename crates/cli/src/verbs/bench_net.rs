//! The networks that `hilum bench engine` times, as `bench/nets.py` builds them for the peers.

use anyhow::Result;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::backbones::{Backbone, DenseNetConfig, ResNetConfig, UNetConfig, UpMode, unet};
use hilum_nn::builder::Head;
use hilum_nn::weights::WeightFile;
use std::path::Path;

/// A network by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Net {
    /// DenseNet-121, 3x224x224, 1000 outputs
    Densenet121,
    /// ResNet-18, 1x128x128, 14 outputs
    Resnet18,
    /// U-Net of widths 16 to 256, 1x128x128, one map
    Unet,
}

impl Net {
    /// Name in rows.
    pub fn name(self) -> &'static str {
        match self {
            Net::Densenet121 => "densenet121",
            Net::Resnet18 => "resnet18",
            Net::Unet => "unet",
        }
    }

    /// Channels, rows and columns of one input.
    pub fn input(self) -> [usize; 3] {
        match self {
            Net::Densenet121 => [3, 224, 224],
            Net::Resnet18 | Net::Unet => [1, 128, 128],
        }
    }

    /// The layers, with the logits as the only output.
    pub fn graph(self) -> Graph {
        let channels = self.input()[0];
        let mut graph = match self {
            Net::Densenet121 => Backbone::DenseNet(DenseNetConfig::densenet121())
                .graph(channels, &Head::plain(1000)),
            Net::Resnet18 => {
                Backbone::ResNet(ResNetConfig::resnet18()).graph(channels, &Head::plain(14))
            }
            Net::Unet => unet(
                &UNetConfig {
                    widths: vec![16, 32, 64, 128, 256],
                    classes: 1,
                    up: UpMode::Bilinear,
                },
                channels,
            ),
        };
        graph.outputs.retain(|(name, _)| name == "logits");
        graph
    }

    /// Weights of a file, or seeded ones.
    pub fn params(self, graph: &Graph, weights: Option<&Path>) -> Result<Params> {
        Ok(match weights {
            Some(path) => WeightFile::open(path)?.params_for(graph)?,
            None => graph.init_params(1),
        })
    }
}

/// Numbers that look random and are the same everywhere: a linear congruential generator, roughly uniform
/// with mean 0 and deviation 1.
pub fn noise(shape: &[usize]) -> Tensor {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 3.46
    };
    let data = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor {
        shape: shape.to_vec(),
        data,
    }
}
