//! Attributions of pictures in network shape, and whether they add up.

use super::classify::ClassifyData;
use crate::error::Result;
use hilum_explain::gradient::deep_lift_shap;
use hilum_explain::{Baseline, Net};
use hilum_image::Plane;
use hilum_kernels::Tensor;
use hilum_nn::InputContract;

/// One picture as its network sees it, `[1, 1, h, w]`.
pub fn input(contract: &InputContract, plane: &Plane<u8>) -> Tensor {
    Tensor {
        shape: vec![1, 1, contract.height, contract.width],
        data: contract.values(plane),
    }
}

/// A map with what it explains.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Attribution of every pixel to the target's logit.
    pub map: Vec<f32>,
    /// The target's logit.
    pub score: f64,
    /// Mean logit of the references.
    pub expected: f64,
    /// How far the map's sum is from `score - expected`, in units of the larger of that difference and 1.
    pub gap: f64,
}

/// Pictures that stand for "nothing particular": `count` of them, spread evenly over `data`, in network values.
pub fn references(contract: &InputContract, data: &ClassifyData, count: usize) -> Vec<Vec<f32>> {
    let n = data.len();
    let count = count.min(n);
    (0..count)
        .map(|i| contract.values(&data.pictures[i * n / count].plane))
        .collect()
}

/// DeepSHAP of one picture against references (Lundberg and Lee 2017; DeepLIFT's rescale rule over each).
///
/// # Errors
/// A layer without a rescale rule; a target that the network does not have; no references.
pub fn deep_shap(
    net: &Net,
    contract: &InputContract,
    plane: &Plane<u8>,
    target: usize,
    references: &[Vec<f32>],
) -> Result<Explained> {
    let x = input(contract, plane);
    let bases: Vec<Baseline> = references.iter().cloned().map(Baseline::Image).collect();
    let map = deep_lift_shap(net, &x, &[target], &bases)?.data;
    let all = Tensor {
        shape: vec![references.len(), 1, contract.height, contract.width],
        data: references.concat(),
    };
    let logits = net.logits(&all)?;
    let expected = logits.iter().map(|z| z[target]).sum::<f64>() / references.len() as f64;
    let score = net.logits(&x)?[0][target];
    let sum: f64 = map.iter().map(|&v| f64::from(v)).sum();
    let gap = (sum - (score - expected)).abs() / (score - expected).abs().max(1.0);
    Ok(Explained {
        map,
        score,
        expected,
        gap,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_nn::backbones::{Backbone, DenseNetConfig, InceptionConfig, ResNetConfig, VggConfig};
    use hilum_nn::builder::Head;

    fn plane(seed: usize) -> Plane<u8> {
        Plane::from_fn(32, 32, |x, y| ((x * 7 + y * seed * 3) % 251) as u8)
    }

    #[test]
    fn deep_shap_adds_up_on_every_family() {
        let contract = InputContract::square(32);
        let families = [
            Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            Backbone::DenseNet(DenseNetConfig {
                growth: 4,
                blocks: vec![2, 2],
                stem: 8,
                bottleneck: 2,
            }),
            Backbone::Vgg(VggConfig {
                stages: vec![vec![4], vec![8]],
            }),
            Backbone::Inception(InceptionConfig {
                stem: 4,
                modules: vec![4, 4],
            }),
        ];
        for backbone in families {
            let graph = backbone.graph(1, &Head::plain(2));
            let net = Net::new(&graph, &[graph.init_params(3)], "logits").unwrap();
            let bases: Vec<Vec<f32>> = (2..5).map(|s| contract.values(&plane(s))).collect();
            let got = deep_shap(&net, &contract, &plane(1), 1, &bases).unwrap();
            assert!(got.gap < 1e-3, "{}: {}", backbone.name(), got.gap);
            assert!(got.map.iter().any(|v| *v != 0.0));
        }
    }

    #[test]
    fn no_references_are_an_error() {
        let contract = InputContract::square(32);
        let graph = Backbone::ResNet(ResNetConfig::basic(&[1], 4)).graph(1, &Head::plain(2));
        let net = Net::new(&graph, &[graph.init_params(3)], "logits").unwrap();
        assert!(deep_shap(&net, &contract, &plane(1), 0, &[]).is_err());
        let bases = [contract.values(&plane(2))];
        assert!(deep_shap(&net, &contract, &plane(1), 9, &bases).is_err());
    }
}
