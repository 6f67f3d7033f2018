//! Expected gradients and DeepLIFT over many references, as estimates of Shapley values.

use super::smooth::noisy;
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::{Rule, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Settings of [`gradient_shap`].
#[derive(Debug, Clone, PartialEq)]
pub struct GradientShap {
    /// Points drawn.
    pub samples: usize,
    /// Deviation of the noise added to the image; 0 for none.
    pub deviation: f32,
    /// References, one of which is drawn for every point.
    pub references: Vec<Baseline>,
    /// Seed.
    pub seed: u64,
}

impl Default for GradientShap {
    fn default() -> Self {
        GradientShap {
            samples: 50,
            deviation: 0.1,
            references: vec![Baseline::Constant(0.0)],
            seed: 0,
        }
    }
}

/// GradientSHAP (expected gradients, Erion et al. 2021; captum's estimator): the mean over random references and
/// random places between reference and noisy image of gradient times difference. `[n, c, h, w]`.
///
/// # Errors
/// No samples or references; as [`Net::gradients`].
pub fn gradient_shap(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    settings: &GradientShap,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    if settings.samples == 0 || settings.references.is_empty() {
        return Err(ExplainError::Setting {
            name: "samples and references",
            must: "at least 1",
            got: format!("{} and {}", settings.samples, settings.references.len()),
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut out = Tensor::zeros(&x.shape);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let bases: Vec<Vec<f32>> = settings
            .references
            .iter()
            .map(|b| b.values(row, extent))
            .collect::<Result<_>>()?;
        let (points, lengths) = draw(row, &bases, settings, &mut rng);
        let batch = extent.batch(settings.samples, points);
        let goals = vec![targets[i]; settings.samples];
        let gradients = net.gradients(&batch, &goals, Rule::Gradient)?;
        let map = &mut out.data[i * row.len()..(i + 1) * row.len()];
        let pairs = gradients
            .data
            .chunks(row.len())
            .zip(lengths.chunks(row.len()));
        for (gradient, length) in pairs {
            for ((m, g), d) in map.iter_mut().zip(gradient).zip(length) {
                *m += g * d / settings.samples as f32;
            }
        }
    }
    Ok(out)
}

/// Points between references and noisy copies, and the copies' differences from the references.
fn draw(
    row: &[f32],
    bases: &[Vec<f32>],
    settings: &GradientShap,
    rng: &mut ChaCha8Rng,
) -> (Vec<f32>, Vec<f32>) {
    let (mut points, mut lengths) = (Vec::new(), Vec::new());
    for _ in 0..settings.samples {
        let base = &bases[rng.random_range(0..bases.len())];
        let share = rng.random::<f32>();
        let image = if settings.deviation > 0.0 {
            noisy(row, settings.deviation, rng)
        } else {
            row.to_vec()
        };
        points.extend(image.iter().zip(base).map(|(x, b)| b + share * (x - b)));
        lengths.extend(image.iter().zip(base).map(|(x, b)| x - b));
    }
    (points, lengths)
}

/// DeepLIFT averaged over several references (Lundberg and Lee 2017, section 4.2). `[n, c, h, w]`.
///
/// # Errors
/// No references; as [`super::deep_lift`].
pub fn deep_lift_shap(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    references: &[Baseline],
) -> Result<Tensor> {
    if references.is_empty() {
        return Err(ExplainError::Setting {
            name: "references",
            must: "at least 1",
            got: "0".to_owned(),
        });
    }
    let mut out = Tensor::zeros(&x.shape);
    for reference in references {
        let (map, _) = super::deep_lift(net, x, targets, reference)?;
        let share = 1.0 / references.len() as f32;
        out.data
            .iter_mut()
            .zip(&map.data)
            .for_each(|(sum, v)| *sum += share * v);
    }
    Ok(out)
}
