//! SmoothGrad (Smilkov et al. 2017) and its kin: an attribution averaged over noisy copies of the image.

use crate::error::{ExplainError, Result};
use crate::rows::Extent;
use hilum_kernels::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What becomes of the attributions of the copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmoothKind {
    /// Their mean.
    #[default]
    Mean,
    /// The mean of their squares (SmoothGrad-squared, Hooker et al. 2019).
    Squared,
    /// Their variance (VarGrad, Adebayo et al. 2018).
    Variance,
}

/// Settings of [`smooth`].
#[derive(Debug, Clone, PartialEq)]
pub struct Smooth {
    /// Noisy copies.
    pub samples: usize,
    /// Deviation of the noise, in network values.
    pub deviation: f32,
    /// Mean, square or variance.
    pub kind: SmoothKind,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for Smooth {
    /// 25 copies; 0.15 of the range of a standardised picture, which is about 4 (Smilkov et al., section 3.2: 10 to 20 %).
    fn default() -> Self {
        Smooth {
            samples: 25,
            deviation: 0.6,
            kind: SmoothKind::Mean,
            seed: 0,
        }
    }
}

/// Runs `attribute` on noisy copies of every image (all copies of one image as one batch, with the target
/// repeated) and puts the results together.
///
/// # Errors
/// Those of `attribute`; settings out of range.
pub fn smooth(
    x: &Tensor,
    targets: &[usize],
    settings: &Smooth,
    mut attribute: impl FnMut(&Tensor, &[usize]) -> Result<Tensor>,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    validate(settings)?;
    if targets.len() != extent.n {
        return Err(ExplainError::Targets {
            targets: targets.len(),
            images: extent.n,
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut out = Vec::with_capacity(x.data.len());
    for (row, &target) in x.data.chunks(extent.row()).zip(targets) {
        let copies = (0..settings.samples)
            .flat_map(|_| noisy(row, settings.deviation, &mut rng))
            .collect();
        let batch = extent.batch(settings.samples, copies);
        let maps = attribute(&batch, &vec![target; settings.samples])?;
        let values = maps.data.len() / settings.samples;
        out.extend((0..values).map(|i| {
            let column = (0..settings.samples).map(|s| f64::from(maps.data[s * values + i]));
            together(column, settings) as f32
        }));
    }
    let mut shape = x.shape.clone();
    if out.len() != x.data.len() {
        shape = vec![extent.n, out.len() / extent.n];
    }
    Ok(Tensor { shape, data: out })
}

fn validate(settings: &Smooth) -> Result<()> {
    if settings.samples == 0 || settings.samples > 10_000 {
        return Err(ExplainError::Setting {
            name: "samples",
            must: "from 1 to 10000",
            got: settings.samples.to_string(),
        });
    }
    if !(settings.deviation > 0.0 && settings.deviation.is_finite()) {
        return Err(ExplainError::Setting {
            name: "deviation",
            must: "above 0",
            got: settings.deviation.to_string(),
        });
    }
    Ok(())
}

fn together(values: impl Iterator<Item = f64>, settings: &Smooth) -> f64 {
    let n = settings.samples as f64;
    let (sum, squares) = values.fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
    match settings.kind {
        SmoothKind::Mean => sum / n,
        SmoothKind::Squared => squares / n,
        SmoothKind::Variance => (squares / n - (sum / n).powi(2)).max(0.0),
    }
}

/// A copy of `row` with normal noise.
pub(super) fn noisy(row: &[f32], deviation: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut normal = Normal { spare: None };
    row.iter()
        .map(|v| v + deviation * normal.draw(rng))
        .collect()
}

/// Normal numbers by Box and Muller's transformation.
struct Normal {
    spare: Option<f32>,
}

impl Normal {
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> f32 {
        use rand::Rng;
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 1 - u lies in (0, 1], so that its logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        self.spare = Some((radius * angle.sin()) as f32);
        (radius * angle.cos()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_normal_and_seeded() {
        let row = vec![0.0; 20_000];
        let draw = || noisy(&row, 2.0, &mut ChaCha8Rng::seed_from_u64(1));
        let values = draw();
        let mean = values.iter().sum::<f32>() / 20_000.0;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 20_000.0;
        assert!(
            mean.abs() < 0.05 && (var - 4.0).abs() < 0.15,
            "{mean} {var}"
        );
        assert_eq!(values, draw());
    }

    #[test]
    fn mean_square_and_variance_are_what_they_are_called() {
        let x = Tensor::zeros(&[1, 1, 2, 2]);
        let call = |kind| {
            let settings = Smooth {
                samples: 2,
                kind,
                ..Smooth::default()
            };
            let maps = |batch: &Tensor, _: &[usize]| {
                let mut out = Tensor::zeros(&batch.shape);
                out.data[4..].fill(2.0);
                Ok(out)
            };
            smooth(&x, &[0], &settings, maps).unwrap().data[0]
        };
        assert_eq!(call(SmoothKind::Mean), 1.0);
        assert_eq!(call(SmoothKind::Squared), 2.0);
        assert_eq!(call(SmoothKind::Variance), 1.0);
    }
}
