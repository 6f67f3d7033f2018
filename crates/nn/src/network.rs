//! The serialisable description of a network, from which its graph is rebuilt.

use crate::backbones::{Backbone, UNetConfig, unet};
use crate::builder::Head;
use hilum_kernels::Graph;
use serde::{Deserialize, Serialize};

/// A network with all its sizes; stored inside every weight file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Network {
    /// One logit a class.
    Classifier {
        /// Trunk.
        backbone: Backbone,
        /// End.
        head: Head,
        /// Input channels.
        channels: usize,
    },
    /// One logit map a class.
    Segmenter {
        /// Sizes.
        unet: UNetConfig,
        /// Input channels.
        channels: usize,
    },
}

impl Network {
    /// The layers.
    pub fn graph(&self) -> Graph {
        match self {
            Network::Classifier {
                backbone,
                head,
                channels,
            } => backbone.graph(*channels, head),
            Network::Segmenter {
                unet: config,
                channels,
            } => unet(config, *channels),
        }
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        let count = |p: &hilum_kernels::ParamInfo| p.shape.iter().product::<usize>();
        let trained = |p: &&hilum_kernels::ParamInfo| p.role != hilum_kernels::ParamRole::Buffer;
        self.graph().params.iter().filter(trained).map(count).sum()
    }
}
