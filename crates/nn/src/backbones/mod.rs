//! Backbones, each with the checkpoint keys of the published weights.
//!
//! Every classifier has two outputs: `logits` and `features` (the last feature maps, after which only
//! pooling and one linear layer follow), which is what class activation maps need.

mod bert;
mod davit;
mod densenet;
mod inception;
mod inception_resnet;
mod mobilenet;
mod resnet;
mod squeezenet;
mod unet;
mod vgg;
mod vit;

pub use bert::{BertConfig, BertHead, HiddenAct, MASK, SEGMENTS, TOKENS, bert};
pub use davit::{DavitConfig, davit};
pub use densenet::{DenseNetConfig, densenet};
pub use inception::{InceptionConfig, inception};
pub use inception_resnet::{InceptionResNetConfig, inception_resnet};
pub use mobilenet::{MobileNetConfig, mobilenet};
pub use resnet::{ResNetBlock, ResNetConfig, resnet};
pub use squeezenet::{SqueezeNetConfig, squeezenet};
pub use unet::{UNetConfig, UpMode, unet};
pub use vgg::{VggConfig, vgg};
pub use vit::{VitConfig, vit};

use crate::builder::Head;
use hilum_kernels::Graph;
use serde::{Deserialize, Serialize};

/// Any of the classifying backbones with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Backbone {
    /// Residual network (He et al. 2016).
    ResNet(ResNetConfig),
    /// Densely connected network (Huang et al. 2017).
    DenseNet(DenseNetConfig),
    /// Plain stacked convolutions (Simonyan and Zisserman 2015).
    Vgg(VggConfig),
    /// Fire modules (Iandola et al. 2016).
    SqueezeNet(SqueezeNetConfig),
    /// Depthwise separable convolutions (Howard et al. 2017).
    MobileNet(MobileNetConfig),
    /// Parallel branches (Szegedy et al. 2015).
    Inception(InceptionConfig),
    /// Parallel branches with a shortcut around them (Szegedy et al. 2017).
    InceptionResNet(InceptionResNetConfig),
    /// Attention in windows and over groups of channels in turn (Ding et al. 2022).
    Davit(DavitConfig),
}

impl Backbone {
    /// Short name for tables.
    pub fn name(&self) -> &'static str {
        match self {
            Backbone::ResNet(_) => "resnet",
            Backbone::DenseNet(_) => "densenet",
            Backbone::Vgg(_) => "vgg",
            Backbone::SqueezeNet(_) => "squeezenet",
            Backbone::MobileNet(_) => "mobilenet",
            Backbone::Inception(_) => "inception",
            Backbone::InceptionResNet(_) => "inception_resnet",
            Backbone::Davit(_) => "davit",
        }
    }

    /// The graph with `head` on top, for images of `channels` channels.
    pub fn graph(&self, channels: usize, head: &Head) -> Graph {
        match self {
            Backbone::ResNet(c) => resnet(c, channels, head),
            Backbone::DenseNet(c) => densenet(c, channels, head),
            Backbone::Vgg(c) => vgg(c, channels, head),
            Backbone::SqueezeNet(c) => squeezenet(c, channels, head),
            Backbone::MobileNet(c) => mobilenet(c, channels, head),
            Backbone::Inception(c) => inception(c, channels, head),
            Backbone::InceptionResNet(c) => inception_resnet(c, channels, head),
            Backbone::Davit(c) => davit(c, channels, head),
        }
    }
}
