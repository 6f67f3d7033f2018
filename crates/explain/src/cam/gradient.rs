//! Class activation maps weighed by gradients.

use super::enlarge_nearest;
use crate::error::{ExplainError, Result};
use crate::gradient::guided_backprop;
use crate::net::{Layer, Net};
use crate::rows::Extent;
use hilum_kernels::{NodeId, Tensor};
use serde::{Deserialize, Serialize};

/// How activations A and gradients G of a layer become a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CamKind {
    /// Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): channels weighed by their mean gradient. With its sign;
    /// the paper then takes the positive part.
    GradCam,
    /// Grad-CAM++ (Chattopadhay et al. 2018, equation 19): gradients weighed place by place; positive part.
    GradCamPlusPlus,
    /// HiResCAM (Draelos and Carin 2020): sum over channels of A times G, with its sign.
    HiRes,
    /// LayerCAM (Jiang et al. 2021): sum over channels of A times the positive part of G; positive part.
    Layer,
}

/// A class activation map at the layer's size, `[n, 1, h, w]`, mean over the members.
///
/// # Errors
/// A layer without rows and columns; as [`Net::layers`].
pub fn cam(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    node: NodeId,
    kind: CamKind,
) -> Result<Tensor> {
    let layers = net.layers(x, targets, node)?;
    let share = 1.0 / layers.len() as f32;
    let mut out: Option<Tensor> = None;
    for layer in &layers {
        let map = of_layer(net, node, layer, kind)?;
        let sum = out.get_or_insert_with(|| Tensor::zeros(&map.shape));
        sum.data
            .iter_mut()
            .zip(&map.data)
            .for_each(|(s, v)| *s += share * v);
    }
    out.ok_or(ExplainError::NoMember)
}

fn of_layer(net: &Net, node: NodeId, layer: &Layer, kind: CamKind) -> Result<Tensor> {
    let [n, c, h, w] = maps_shape(net, node, &layer.activation)?;
    let mut out = Tensor::zeros(&[n, 1, h, w]);
    let image = c * h * w;
    for (i, map) in out.data.chunks_mut(h * w).enumerate() {
        let at = i * image..(i + 1) * image;
        let (a, g) = (&layer.activation.data[at.clone()], &layer.gradient.data[at]);
        for (a, g) in a.chunks(h * w).zip(g.chunks(h * w)) {
            add_channel(map, a, g, kind);
        }
        if matches!(kind, CamKind::GradCamPlusPlus | CamKind::Layer) {
            map.iter_mut().for_each(|v| *v = v.max(0.0));
        }
    }
    Ok(out)
}

fn maps_shape(net: &Net, node: NodeId, activation: &Tensor) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(activation.shape.as_slice()).map_err(|_| ExplainError::NoMaps {
        name: net.graph().nodes[node].name.clone(),
        shape: activation.shape.clone(),
    })
}

fn add_channel(map: &mut [f32], a: &[f32], g: &[f32], kind: CamKind) {
    match kind {
        CamKind::GradCam => {
            let weight = g.iter().sum::<f32>() / g.len() as f32;
            map.iter_mut().zip(a).for_each(|(m, a)| *m += weight * a);
        }
        CamKind::GradCamPlusPlus => {
            let weight = plus_plus(a, g);
            map.iter_mut().zip(a).for_each(|(m, a)| *m += weight * a);
        }
        CamKind::HiRes | CamKind::Layer => {
            let keep = |g: f32| {
                if kind == CamKind::Layer {
                    g.max(0.0)
                } else {
                    g
                }
            };
            map.iter_mut()
                .zip(a.iter().zip(g))
                .for_each(|(m, (a, &g))| *m += a * keep(g));
        }
    }
}

/// Weight of a channel in Grad-CAM++, with powers of the gradient for the derivatives, as its authors take them.
fn plus_plus(a: &[f32], g: &[f32]) -> f32 {
    let cubes: f32 = a.iter().zip(g).map(|(a, g)| a * g * g * g).sum();
    g.iter()
        .map(|g| g * g / (2.0 * g * g + cubes + 1e-7) * g.max(0.0))
        .sum()
}

/// Guided Grad-CAM (Selvaraju et al. 2017, section 3.2): guided backpropagation times the positive part of
/// Grad-CAM, enlarged by the nearest value as captum does; `[n, c, h, w]`.
///
/// # Errors
/// As [`cam`] and [`guided_backprop`].
pub fn guided_grad_cam(net: &Net, x: &Tensor, targets: &[usize], node: NodeId) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    let coarse = cam(net, x, targets, node, CamKind::GradCam)?;
    let map = enlarge_nearest(&coarse, extent.h, extent.w);
    let mut out = guided_backprop(net, x, targets)?;
    for (i, image) in out.data.chunks_mut(extent.row()).enumerate() {
        let map = &map.data[i * extent.pixels()..(i + 1) * extent.pixels()];
        for (at, v) in image.iter_mut().enumerate() {
            *v *= map[at % map.len()].max(0.0);
        }
    }
    Ok(out)
}

/// Activations of a layer, `[n, c, h, w]` or `[n, c]`, one tensor a member.
///
/// # Errors
/// As [`Net::layers`].
pub fn layer_activation(net: &Net, x: &Tensor, node: NodeId) -> Result<Vec<Tensor>> {
    let n = Extent::of(x)?.n;
    let layers = net.layers(x, &vec![0; n], node)?;
    Ok(layers.into_iter().map(|l| l.activation).collect())
}
