//! Score-CAM (Wang et al. 2020, algorithm 1).

use super::enlarge;
use crate::cam::layer_activation;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::{NodeId, Tensor};

/// The positive part of the activation maps' sum, each weighed by the softmax of what the image keeps of its score
/// when masked by that map; `[n, 1, h, w]` at the layer's size. No gradient is used.
///
/// # Errors
/// A layer without rows and columns; as [`Net::layers`].
pub fn score_cam(net: &Net, x: &Tensor, targets: &[usize], node: NodeId) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    let members = layer_activation(net, x, node)?;
    let mut out: Option<Tensor> = None;
    for activation in &members {
        let Ok([n, c, h, w]) = <[usize; 4]>::try_from(activation.shape.as_slice()) else {
            return Err(ExplainError::NoMaps {
                name: net.graph().nodes[node].name.clone(),
                shape: activation.shape.clone(),
            });
        };
        let sum = out.get_or_insert_with(|| Tensor::zeros(&[n, 1, h, w]));
        for (i, row) in x.data.chunks(extent.row()).enumerate() {
            let maps = &activation.data[i * c * h * w..(i + 1) * c * h * w];
            let map = &mut sum.data[i * h * w..(i + 1) * h * w];
            let channels = Tensor {
                shape: vec![c, 1, h, w],
                data: maps.to_vec(),
            };
            let weights = weights(net, extent, row, targets[i], &channels)?;
            weigh(map, maps, &weights, 1.0 / members.len() as f32);
        }
    }
    out.ok_or(ExplainError::NoMember)
}

/// Softmax over the scores of the masked images; maps without any contrast hide nothing and weigh nothing.
fn weights(
    net: &Net,
    extent: Extent,
    row: &[f32],
    target: usize,
    channels: &Tensor,
) -> Result<Vec<f64>> {
    let masks = enlarge(channels, extent.h, extent.w);
    let pixels = extent.pixels();
    let spans: Vec<(f32, f32)> = masks.data.chunks(pixels).map(span).collect();
    let live: Vec<usize> = (0..spans.len()).filter(|&k| spans[k].1 > 1e-6).collect();
    let scores = net.scores_of_changed(extent, target, live.len(), |i, image| {
        let (low, width) = spans[live[i]];
        let mask = &masks.data[live[i] * pixels..(live[i] + 1) * pixels];
        for (at, v) in image.iter_mut().enumerate() {
            *v = row[at] * (mask[at % pixels] - low) / width;
        }
    })?;
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
    let mut out = vec![0.0; spans.len()];
    for (&k, score) in live.iter().zip(&scores) {
        out[k] = (score - top).exp() / total;
    }
    Ok(out)
}

/// Least value and range of a map.
fn span(map: &[f32]) -> (f32, f32) {
    let low = map.iter().copied().fold(f32::INFINITY, f32::min);
    let high = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (low, high - low)
}

fn weigh(map: &mut [f32], maps: &[f32], weights: &[f64], share: f32) {
    let mut sum = vec![0.0f32; map.len()];
    for (plane, weight) in maps.chunks(map.len()).zip(weights) {
        sum.iter_mut()
            .zip(plane)
            .for_each(|(s, v)| *s += *weight as f32 * v);
    }
    map.iter_mut()
        .zip(sum)
        .for_each(|(m, s)| *m += share * s.max(0.0));
}
