//! Shapley values by sampled orders (Castro et al. 2009; Strumbelj and Kononenko 2010).

use super::{blend, check_segments, spread};
use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use crate::segments::Segments;
use hilum_kernels::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Settings of [`shapley_sampling`].
#[derive(Debug, Clone, PartialEq)]
pub struct Shapley {
    /// Orders drawn.
    pub samples: usize,
    /// What absent segments show.
    pub baseline: Baseline,
    /// Seed.
    pub seed: u64,
}

impl Default for Shapley {
    fn default() -> Self {
        Shapley {
            samples: 25,
            baseline: Baseline::Constant(0.0),
            seed: 0,
        }
    }
}

/// Mean change of the score as segments enter in random orders; `[n, c, h, w]`. The values of the segments sum to the
/// difference of the scores of image and baseline whatever the number of orders.
///
/// # Errors
/// No samples; segments of another size; an input, target or baseline that does not fit.
pub fn shapley_sampling(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    segments: &Segments,
    settings: &Shapley,
) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    check_segments(segments, extent)?;
    if settings.samples == 0 {
        return Err(ExplainError::Setting {
            name: "samples",
            must: "at least 1",
            got: "0".to_owned(),
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut out = Tensor::zeros(&x.shape);
    let count = segments.count();
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        let ranks: Vec<Vec<usize>> = (0..settings.samples)
            .map(|_| ranks(count, &mut rng))
            .collect();
        // Image 0 is the empty one, image 1 the whole one; both ends are the same in every order.
        let inner = count.saturating_sub(1);
        let images = 2 + settings.samples * inner;
        let scores = net.scores_of_changed(extent, targets[i], images, |k, image| match k {
            0 => image.copy_from_slice(&base),
            1 => image.copy_from_slice(row),
            _ => {
                let (order, entered) = (&ranks[(k - 2) / inner], (k - 2) % inner + 1);
                blend(image, (row, &base), segments.map(), |s| order[s] < entered);
            }
        })?;
        let mut values = vec![0.0; count];
        for (s, order) in ranks.iter().enumerate() {
            let score = |entered: usize| match entered {
                0 => scores[0],
                n if n == count => scores[1],
                n => scores[2 + s * inner + n - 1],
            };
            for (segment, &rank) in order.iter().enumerate() {
                values[segment] += (score(rank + 1) - score(rank)) / settings.samples as f64;
            }
        }
        out.data[i * row.len()..(i + 1) * row.len()].copy_from_slice(&spread(
            &values,
            segments.map(),
            extent,
        ));
    }
    Ok(out)
}

/// When each segment enters, in a random order.
fn ranks(count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(rng);
    let mut ranks = vec![0; count];
    for (rank, segment) in order.into_iter().enumerate() {
        ranks[segment] = rank;
    }
    ranks
}
