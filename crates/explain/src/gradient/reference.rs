//! Attributions against a reference or by conservation: DeepLIFT and layer-wise relevance propagation.

use super::integrated::delta;
use super::times;
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::{Rule, Tensor};

/// DeepLIFT with the rescale rule (Shrikumar et al. 2017), `[n, c, h, w]`, and by how much each image's sum misses
/// the difference of the logits. Max pooling hands the
/// whole difference of its output to the places of the maxima, so that sums are complete.
///
/// # Errors
/// A layer without a rescale rule (products, global maxima); as [`Net::gradients`].
pub fn deep_lift(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    baseline: &Baseline,
) -> Result<(Tensor, Vec<f64>)> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    let mut references = Vec::with_capacity(x.data.len());
    for row in x.data.chunks(extent.row()) {
        references.extend(baseline.values(row, extent)?);
    }
    let references = extent.batch(extent.n, references);
    let mut out = net.multipliers(x, &references, targets)?;
    out.data
        .iter_mut()
        .zip(x.data.iter().zip(&references.data))
        .for_each(|(m, (x, b))| *m *= x - b);
    let row = extent.row();
    let deltas = (0..extent.n)
        .map(|i| {
            let at = i * row..(i + 1) * row;
            let (x, b, m) = (
                &x.data[at.clone()],
                &references.data[at.clone()],
                &out.data[at],
            );
            delta(net, extent, x, b, targets[i], m)
        })
        .collect::<Result<_>>()?;
    Ok((out, deltas))
}

/// Layer-wise relevance propagation with the epsilon rule at every linear layer (Bach et al. 2015, equation 58),
/// `[n, c, h, w]`. Biases keep their share. With a small stabiliser it is input times gradient
/// on rectifier networks (Ancona et al. 2018, proposition 1).
///
/// # Errors
/// A stabiliser not above 0; a layer that the rule does not cover; as [`Net::gradients`].
pub fn lrp_epsilon(net: &Net, x: &Tensor, targets: &[usize], epsilon: f32) -> Result<Tensor> {
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(ExplainError::Setting {
            name: "epsilon",
            must: "above 0",
            got: epsilon.to_string(),
        });
    }
    Ok(times(
        net.gradients(x, targets, Rule::Epsilon(epsilon))?,
        &x.data,
    ))
}
