//! Score-CAM (Wang et al. 2020): each activation map of the last layer masks the input, and the change of the
//! class score against an empty input weighs the map. No gradient is used.

use crate::error::{MethodError, Result};
use hilum_image::{Gray, Kernel, Plane, resize};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};

/// A network ready for Score-CAM.
pub struct ScoreCam {
    plan: Plan,
    logits: usize,
    features: usize,
}

/// Images scored at once.
const CHUNK: usize = 32;

impl ScoreCam {
    /// Prepares a graph with the outputs `logits` and `features`.
    pub fn new(graph: &Graph, params: &Params) -> Result<Self> {
        let at = |name: &str| {
            let found = graph.outputs.iter().position(|(n, _)| n == name);
            found.ok_or_else(|| MethodError::Config(format!("the network has no output `{name}`")))
        };
        Ok(ScoreCam {
            plan: Plan::new(graph, params)?,
            logits: at("logits")?,
            features: at("features")?,
        })
    }

    /// The map of one class for an input of `h` x `w` network values: ReLU of the weighted sum of the
    /// activation maps, at the size of the input. Finite and not negative.
    pub fn map(&self, x: &[f32], h: usize, w: usize, class: usize) -> Result<Gray> {
        let run = |n: usize, data: Vec<f32>| {
            self.plan.run(&Tensor {
                shape: vec![n, 1, h, w],
                data,
            })
        };
        let first = run(1, x.to_vec())?;
        let base = score(&run(1, vec![0.0; h * w])?[self.logits], 0, class);
        let features = &first[self.features];
        let (fh, fw) = (features.shape[2], features.shape[3]);
        let maps: Vec<Gray> = features
            .data
            .chunks(fh * fw)
            .map(|plane| Plane::new(fw, fh, plane.to_vec()))
            .collect::<std::result::Result<_, _>>()?;
        let masks: Vec<Option<Gray>> = maps.iter().map(|m| mask(m, h, w)).collect::<Result<_>>()?;
        let mut rises = vec![f64::NEG_INFINITY; maps.len()];
        let live: Vec<usize> = (0..maps.len()).filter(|&k| masks[k].is_some()).collect();
        for part in live.chunks(CHUNK) {
            let masked = part.iter().filter_map(|&k| masks[k].as_ref());
            let data = masked
                .flat_map(|m| x.iter().zip(&m.data).map(|(a, b)| a * b))
                .collect();
            let out = run(part.len(), data)?;
            for (i, &k) in part.iter().enumerate() {
                rises[k] = score(&out[self.logits], i, class) - base;
            }
        }
        weigh(&maps, &rises, h, w)
    }
}

fn score(logits: &Tensor, row: usize, class: usize) -> f64 {
    f64::from(logits.data[row * logits.shape[1] + class])
}

/// The map enlarged and scaled to 0..1; `None` for an even map, which hides nothing.
fn mask(map: &Gray, h: usize, w: usize) -> Result<Option<Gray>> {
    let large = resize::resize(map, w, h, Kernel::PilBilinear)?;
    let Some((low, high)) = large.min_max() else {
        return Ok(None);
    };
    let span = high - low;
    Ok((span > 1e-6).then(|| large.map(|&v| (v - low) / span)))
}

/// Softmax over the rises, then the positive part of the weighted sum.
fn weigh(maps: &[Gray], rises: &[f64], h: usize, w: usize) -> Result<Gray> {
    let top = rises.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = maps[0].map(|_| 0.0f32);
    if top.is_finite() {
        let exps: Vec<f64> = rises.iter().map(|r| (r - top).exp()).collect();
        let total: f64 = exps.iter().sum();
        for (map, e) in maps.iter().zip(&exps) {
            let weight = (e / total) as f32;
            sum.data
                .iter_mut()
                .zip(&map.data)
                .for_each(|(s, &m)| *s += weight * m);
        }
    }
    let positive = sum.map(|&v| v.max(0.0));
    Ok(resize::resize(&positive, w, h, Kernel::PilBilinear)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_nn::backbones::{ResNetConfig, resnet};
    use hilum_nn::builder::Head;

    #[test]
    fn maps_are_finite_not_negative_and_depend_on_the_weights() {
        let graph = resnet(&ResNetConfig::basic(&[1, 1], 4), 1, &Head::plain(2));
        let x: Vec<f32> = (0..32 * 32)
            .map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0)
            .collect();
        let map = |seed| {
            let cam = ScoreCam::new(&graph, &graph.init_params(seed)).unwrap();
            cam.map(&x, 32, 32, 1).unwrap()
        };
        let (a, b) = (map(1), map(2));
        assert!(a.data.iter().all(|v| v.is_finite() && *v >= 0.0));
        assert_ne!(a.data, b.data);
    }

    #[test]
    fn the_map_that_raises_the_score_wins() {
        let left = Plane::from_fn(2, 1, |x, _| if x == 0 { 1.0 } else { 0.0 });
        let right = Plane::from_fn(2, 1, |x, _| if x == 1 { 1.0 } else { 0.0 });
        let out = weigh(&[left, right], &[9.0, -9.0], 1, 2).unwrap();
        assert!(out.data[0] > 0.99 && out.data[1] < 0.01);
    }
}
