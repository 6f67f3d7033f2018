//! Beginning a training with the trunk of a model that was trained before.

use super::pack::members;
use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, Params};
use hilum_nn::Network;
use hilum_nn::weights::WeightFile;

/// Fresh parameters of `network` in which everything but the last layer comes from the first member of the
/// trained model `name`.
///
/// # Errors
/// [`MethodError::NoModel`] without such a model, [`MethodError::Config`] when its trunk is another one.
pub fn trunk(ctx: &Context<'_>, name: &str, network: &Network) -> Result<Params> {
    let path = model_path(&ctx.models, name);
    if !path.is_file() {
        return Err(MethodError::NoModel(name.to_owned()));
    }
    let file = WeightFile::open(&path)?;
    let source: Network = file.get("hilum.network")?;
    let graph = source.graph();
    let params = members(&file, &graph)?;
    let target = network.graph();
    let fresh = target.init_params(ctx.seed);
    let first = params
        .first()
        .ok_or_else(|| MethodError::NoModel(name.to_owned()))?;
    copy_trunk(&graph, first, &target, fresh)
        .ok_or_else(|| MethodError::Config(format!("the trunk of `{name}` is another one")))
}

/// Copies every parameter below the linear layer by name; `None` when one is missing or of another shape.
pub fn copy_trunk(from: &Graph, values: &Params, to: &Graph, mut into: Params) -> Option<Params> {
    let last = to.params.iter().rposition(|p| p.shape.len() == 2)?;
    for (info, own) in to.params.iter().zip(&mut into).take(last) {
        let at = from
            .params
            .iter()
            .position(|p| p.name == info.name && p.shape == info.shape)?;
        own.clone_from(&values[at]);
    }
    Some(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_nn::backbones::{Backbone, ResNetConfig};
    use hilum_nn::builder::{Head, Pooling};

    fn net(width: usize, classes: usize) -> Graph {
        let head = Head {
            classes,
            pooling: Pooling::Average,
            dropout: 0.0,
        };
        let backbone = Backbone::ResNet(ResNetConfig::basic(&[1, 1], width));
        Network::Classifier {
            backbone,
            head,
            channels: 1,
        }
        .graph()
    }

    #[test]
    fn the_trunk_is_taken_and_the_head_stays_fresh() {
        let (from, to) = (net(4, 3), net(4, 2));
        let (trained, fresh) = (from.init_params(1), to.init_params(2));
        let got = copy_trunk(&from, &trained, &to, fresh.clone()).unwrap();
        let last = to.params.iter().rposition(|p| p.shape.len() == 2).unwrap();
        assert_eq!(got[0], trained[0]);
        assert_eq!(got[last], fresh[last]);
    }

    #[test]
    fn another_trunk_is_refused() {
        let (from, to) = (net(8, 2), net(4, 2));
        assert!(copy_trunk(&from, &from.init_params(1), &to, to.init_params(2)).is_none());
    }
}
