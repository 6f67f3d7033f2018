//! May a map be believed? Deletion and insertion curves (Petsiuk et al. 2018, section 4.1), compared with the same
//! map moved to random places.
//!
//! Taking away pixels harms any network, the faster the finer they are scattered, so that a curve alone says little. A
//! map that is rolled around the image is as fine and as scattered as the map itself, and only its place is wrong:
//! where it does as well, the map has not shown where the network looked.

use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// From logits to the score of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Probability of one finding among independent ones.
    #[default]
    Sigmoid,
    /// Probability of one class among exclusive ones.
    Softmax,
    /// The logit itself.
    Logit,
}

impl Link {
    /// The target's score.
    pub(crate) fn score(self, logits: &[f64], target: usize) -> f64 {
        let z = logits[target];
        match self {
            Link::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            Link::Softmax => 1.0 / logits.iter().map(|other| (other - z).exp()).sum::<f64>(),
            Link::Logit => z,
        }
    }
}

/// Settings of the curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Pixels taken away or put in at a time.
    pub pixels: usize,
    /// Score.
    pub link: Link,
    /// What deleted pixels show.
    pub deleted: Baseline,
    /// What the image is before pixels are put in.
    pub start: Baseline,
}

impl Curves {
    /// Thirty steps; deletion to the mean of a standardised picture, insertion into a blurred one, as Petsiuk et al.
    pub fn for_size(h: usize, w: usize) -> Self {
        Curves {
            pixels: (h * w).div_ceil(30).max(1),
            link: Link::Sigmoid,
            deleted: Baseline::Constant(0.0),
            start: Baseline::Blur((h.max(w) as f32 / 12.0).max(1.0)),
        }
    }

    fn validate(&self, extent: Extent) -> Result<()> {
        if (1..=extent.pixels()).contains(&self.pixels) {
            return Ok(());
        }
        Err(ExplainError::Setting {
            name: "pixels",
            must: "from 1 to those of the image",
            got: self.pixels.to_string(),
        })
    }
}

/// Score against the share of pixels that were taken away or put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Scores, from no pixel to all of them, at even shares but for the last.
    pub scores: Vec<f64>,
    /// Area under the curve over the share, by trapezoids; between 0 and 1 for probabilities.
    pub auc: f64,
}

/// Pixels from the map's highest value to its lowest; equal values in the order of the image.
fn ranking(map: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
    order
}

fn check_map(map: &[f32], extent: Extent) -> Result<()> {
    if extent.n != 1 || map.len() != extent.pixels() {
        return Err(ExplainError::Size {
            what: "map of one image",
            expected: extent.pixels(),
            got: map.len(),
        });
    }
    match map.iter().all(|v| v.is_finite()) {
        true => Ok(()),
        false => Err(ExplainError::NotFinite { what: "the map" }),
    }
}

/// The score as pixels are taken away from the map's highest value on. The lower the area, the better the map.
///
/// # Errors
/// More than one image, a map of another size or not finite, settings or a target that do not fit.
pub fn deletion(
    net: &Net,
    x: &Tensor,
    target: usize,
    map: &[f32],
    settings: &Curves,
) -> Result<Curve> {
    let extent = Extent::of(x)?;
    let empty = settings.deleted.values(&x.data, extent)?;
    curve(net, extent, target, map, settings, (&x.data, &empty))
}

/// The score as pixels are put in from the map's highest value on. The higher the area, the better the map.
///
/// # Errors
/// As [`deletion`].
pub fn insertion(
    net: &Net,
    x: &Tensor,
    target: usize,
    map: &[f32],
    settings: &Curves,
) -> Result<Curve> {
    let extent = Extent::of(x)?;
    let start = settings.start.values(&x.data, extent)?;
    curve(net, extent, target, map, settings, (&start, &x.data))
}

/// Scores on the way from one image to another.
fn curve(
    net: &Net,
    extent: Extent,
    target: usize,
    map: &[f32],
    settings: &Curves,
    (from, to): (&[f32], &[f32]),
) -> Result<Curve> {
    check_map(map, extent)?;
    net.check(extent, &[target])?;
    settings.validate(extent)?;
    let order = ranking(map);
    let steps = extent.pixels().div_ceil(settings.pixels);
    let changed = |step: usize| (step * settings.pixels).min(extent.pixels());
    let mut image = from.to_vec();
    let logits = net.logits_of_changed(extent, steps + 1, |step, out| {
        // Steps are asked for in order, so that only the new pixels have to be written.
        for &pixel in &order[changed(step.saturating_sub(1))..changed(step)] {
            for at in (pixel..to.len()).step_by(extent.pixels()) {
                image[at] = to[at];
            }
        }
        out.copy_from_slice(&image);
    })?;
    let scores: Vec<f64> = logits
        .iter()
        .map(|z| settings.link.score(z, target))
        .collect();
    let share = |step: usize| changed(step) as f64 / extent.pixels() as f64;
    let auc = (1..=steps)
        .map(|s| (share(s) - share(s - 1)) * (scores[s] + scores[s - 1]) / 2.0)
        .sum();
    Ok(Curve { scores, auc })
}

/// Settings of [`trust`].
#[derive(Debug, Clone, PartialEq)]
pub struct TrustSettings {
    /// Curves.
    pub curves: Curves,
    /// Random places compared with; 19 let a map be believed at the level 0.05.
    pub random: usize,
    /// A map is believed when its p value is not above this.
    pub level: f64,
    /// Seed of the places.
    pub seed: u64,
    /// Whether to stop at the moved map after which the map can no longer be believed; p is then the share of those
    /// drawn that do as well (Besag and Clifford 1991).
    pub sequential: bool,
}

impl TrustSettings {
    /// Nineteen places at the level 0.05.
    pub fn for_size(h: usize, w: usize) -> Self {
        TrustSettings {
            curves: Curves::for_size(h, w),
            random: 19,
            level: 0.05,
            seed: 0,
            sequential: false,
        }
    }
}

/// What the curves say of a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Deletion.
    pub deletion: Curve,
    /// Insertion.
    pub insertion: Curve,
    /// Mean area under the deletion curve of the moved maps.
    pub random_deletion: f64,
    /// Mean area under the insertion curve of the moved maps.
    pub random_insertion: f64,
    /// Moved maps compared with.
    pub random: usize,
    /// Share of maps, itself counted, whose insertion less deletion area is not below the map's (a permutation p value);
    /// where the comparison was stopped, of the moved maps alone.
    pub p: f64,
    /// Whether `p` is not above the level.
    pub trusted: bool,
}

/// Compares a map's insertion less deletion area with those of the same map rolled to random places.
///
/// # Errors
/// As [`deletion`]; no random place.
pub fn trust(
    net: &Net,
    x: &Tensor,
    target: usize,
    map: &[f32],
    settings: &TrustSettings,
) -> Result<Trust> {
    let extent = Extent::of(x)?;
    check_map(map, extent)?;
    if settings.random == 0 {
        return Err(ExplainError::Setting {
            name: "random",
            must: "at least 1",
            got: "0".to_owned(),
        });
    }
    let both = |map: &[f32]| -> Result<(Curve, Curve)> {
        let d = deletion(net, x, target, map, &settings.curves)?;
        Ok((d, insertion(net, x, target, map, &settings.curves)?))
    };
    let (deletion, insertion) = both(map)?;
    let own = insertion.auc - deletion.auc;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let (mut d_sum, mut i_sum, mut as_good, mut drawn) = (0.0, 0.0, 0usize, 0usize);
    let full = |as_good: usize, n: usize| (1.0 + as_good as f64) / (1.0 + n as f64);
    let mut stopped = false;
    while drawn < settings.random && !stopped {
        drawn += 1;
        let (d, i) = both(&rolled(map, extent, &mut rng))?;
        (d_sum, i_sum) = (d_sum + d.auc, i_sum + i.auc);
        as_good += usize::from(i.auc - d.auc >= own);
        let lost = full(as_good, settings.random) > settings.level + 1e-12;
        stopped = settings.sequential && lost;
    }
    let n = drawn as f64;
    let p = match stopped {
        true => as_good as f64 / n,
        false => full(as_good, drawn),
    };
    Ok(Trust {
        deletion,
        insertion,
        random_deletion: d_sum / n,
        random_insertion: i_sum / n,
        random: drawn,
        p,
        trusted: !stopped && p <= settings.level + 1e-12,
    })
}

/// The map rolled around the image by at least an eighth of a side along one axis, and mirrored by chance.
fn rolled(map: &[f32], extent: Extent, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (h, w) = (extent.h, extent.w);
    let (dy, dx) = loop {
        let (dy, dx) = (rng.random_range(0..h), rng.random_range(0..w));
        let far = |d: usize, len: usize| d.min(len - d) * 8 >= len;
        if far(dy, h) || far(dx, w) || h * w < 4 {
            break (dy, dx);
        }
    };
    let mirror = rng.random::<bool>();
    (0..h * w)
        .map(|i| {
            let x = if mirror { w - 1 - i % w } else { i % w };
            map[(i / w + dy) % h * w + (x + dx) % w]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_give_probabilities() {
        let z = [0.0, 1.0, -1.0];
        assert_eq!(Link::Sigmoid.score(&z, 0), 0.5);
        let sum: f64 = (0..3).map(|t| Link::Softmax.score(&z, t)).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        assert_eq!(Link::Logit.score(&z, 2), -1.0);
    }

    #[test]
    fn equal_values_keep_the_order_of_the_image() {
        assert_eq!(ranking(&[0.0, 2.0, 0.0, 2.0]), vec![1, 3, 0, 2]);
    }

    #[test]
    fn a_rolled_map_has_the_same_values_elsewhere() {
        let extent = Extent {
            n: 1,
            c: 1,
            h: 8,
            w: 8,
        };
        let map: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let mut moved = rolled(&map, extent, &mut ChaCha8Rng::seed_from_u64(0));
        assert_ne!(moved, map);
        moved.sort_by(f32::total_cmp);
        assert_eq!(moved, map);
    }
}
