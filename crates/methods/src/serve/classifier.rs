//! A trained classifier: one or more nets with one contract and one card.

use super::card::ModelCard;
use crate::error::{MethodError, Result};
use hilum_core::Rect;
use hilum_image::{Gray, Mask, Plane};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::contract::Prepared;
use hilum_nn::weights::WeightFile;
use hilum_nn::{InputContract, Network};

/// What a classifier says about one image.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Logit of each output, averaged over the members.
    pub logits: Vec<f64>,
    /// Logits of the single members, `[member][output]`.
    pub members: Vec<Vec<f64>>,
    /// Pooled features of the first member, for out-of-distribution scores.
    pub embedding: Vec<f64>,
    /// Class activation maps, one an output, averaged over the members, at the network's feature size.
    pub maps: Vec<Plane<f32>>,
    /// The part of the stored image that the net saw.
    pub crop: Rect,
}

/// Gives logits for findings.
pub trait Classifier: Send + Sync {
    /// Its card.
    fn card(&self) -> &ModelCard;
    /// What it expects.
    fn contract(&self) -> &InputContract;
    /// Scores of an image (display levels, bone bright).
    fn score(&self, image: &Gray, lungs: Option<&Mask>) -> Result<Scores>;
}

/// A classifier made of networks whose last layers are global average pooling and a linear layer.
pub struct NetClassifier {
    card: ModelCard,
    contract: InputContract,
    members: Vec<Member>,
}

struct Member {
    plan: Plan,
    logits: usize,
    features: usize,
    /// `[classes, channels]` of the last layer, for class activation maps.
    weight: Vec<f32>,
}

impl Member {
    fn new(graph: &Graph, params: &Params) -> Result<Self> {
        let at = |name: &str| {
            graph
                .outputs
                .iter()
                .position(|(n, _)| n == name)
                .ok_or_else(|| MethodError::Card {
                    model: "classifier".into(),
                    reason: format!("the network has no output `{name}`"),
                })
        };
        let last = graph
            .params
            .iter()
            .rposition(|p| p.shape.len() == 2)
            .ok_or_else(|| MethodError::Card {
                model: "classifier".into(),
                reason: "no linear layer".into(),
            })?;
        Ok(Member {
            plan: Plan::new(graph, params)?,
            logits: at("logits")?,
            features: at("features")?,
            weight: params[last].clone(),
        })
    }
}

impl NetClassifier {
    /// Reads weights and card from a weight file (see [`super::super::blocks::pack`]).
    pub fn new(file: &WeightFile) -> Result<Self> {
        let network: Network = file.get("hilum.network")?;
        let contract: InputContract = file.get("hilum.contract")?;
        contract.validate()?;
        let card: ModelCard = file.get("hilum.card")?;
        let graph = network.graph();
        let mut members = Vec::new();
        for params in crate::blocks::pack::members(file, &graph)? {
            members.push(Member::new(&graph, &params)?);
        }
        let Network::Classifier { head, .. } = &network else {
            return Err(MethodError::Card {
                model: card.name.clone(),
                reason: "not a classifier".into(),
            });
        };
        if head.classes != card.outputs.len() {
            return Err(MethodError::Card {
                model: card.name.clone(),
                reason: format!(
                    "{} outputs, but the card names {}",
                    head.classes,
                    card.outputs.len()
                ),
            });
        }
        Ok(NetClassifier {
            card,
            contract,
            members,
        })
    }

    /// Scores of pictures that were already prepared.
    pub fn score_prepared(&self, picture: &Prepared) -> Result<Scores> {
        let values = self.contract.values(&picture.plane);
        let x = Tensor {
            shape: vec![1, 1, self.contract.height, self.contract.width],
            data: values,
        };
        let classes = self.card.outputs.len();
        let mut logits = vec![0.0; classes];
        let mut members = Vec::with_capacity(self.members.len());
        let mut embedding = Vec::new();
        let mut maps: Vec<Plane<f32>> = Vec::new();
        let share = 1.0 / self.members.len() as f64;
        for (i, member) in self.members.iter().enumerate() {
            let out = member.plan.run(&x)?;
            let own: Vec<f64> = out[member.logits].data.iter().map(|&z| z.into()).collect();
            for (sum, z) in logits.iter_mut().zip(&own) {
                *sum += share * z;
            }
            members.push(own);
            let features = &out[member.features];
            if i == 0 {
                embedding = pooled(features);
            }
            add_maps(&mut maps, features, &member.weight, classes, share as f32);
        }
        Ok(Scores {
            logits,
            members,
            embedding,
            maps,
            crop: picture.crop,
        })
    }
}

impl Classifier for NetClassifier {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn contract(&self) -> &InputContract {
        &self.contract
    }

    fn score(&self, image: &Gray, lungs: Option<&Mask>) -> Result<Scores> {
        self.score_prepared(&self.contract.prepare(image, lungs)?)
    }
}

fn pooled(features: &Tensor) -> Vec<f64> {
    let pixels = features.shape[2] * features.shape[3];
    let mean = |c: &[f32]| c.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels as f64;
    features.data.chunks(pixels).map(mean).collect()
}

/// Class activation maps (Zhou et al. 2016): the last layer's weights over the last feature maps.
fn add_maps(
    maps: &mut Vec<Plane<f32>>,
    features: &Tensor,
    weight: &[f32],
    classes: usize,
    share: f32,
) {
    let (channels, h, w) = (features.shape[1], features.shape[2], features.shape[3]);
    if maps.is_empty() {
        maps.resize_with(classes, || Plane::filled(w, h, 0.0));
    }
    for (class, map) in maps.iter_mut().enumerate() {
        let row = &weight[class * channels..(class + 1) * channels];
        for (&k, plane) in row.iter().zip(features.data.chunks(h * w)) {
            map.data
                .iter_mut()
                .zip(plane)
                .for_each(|(m, &f)| *m += share * k * f);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_a_map_is_the_logit_without_bias() {
        let features = Tensor {
            shape: vec![1, 2, 1, 2],
            data: vec![1.0, 3.0, 2.0, 0.0],
        };
        let mut maps = Vec::new();
        add_maps(&mut maps, &features, &[1.0, -1.0], 1, 1.0);
        assert_eq!(maps[0].data, vec![-1.0, 3.0]);
        assert_eq!(pooled(&features), vec![2.0, 1.0]);
    }
}
