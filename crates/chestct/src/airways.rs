//! Airways: grown from the trachea through the darkest voxels, as far as they do not break out into the lung.
//!
//! A voxel's level is the highest value on the best way to it from the seed. Raising the threshold step by step adds voxels; where one step
//! adds far more than the ones before, the wall was passed, and the step before it is kept (Mori et al. 1996).

use crate::error::ChestCtError;
use hilum_volume::components::{Connectivity, label};
use hilum_volume::flood::levels;
use hilum_volume::smooth::gaussian;
use hilum_volume::{Affine, Volume};

/// How far and how carefully airways are grown.
#[derive(Debug, Clone, PartialEq)]
pub struct AirwayOptions {
    /// Smoothing before growing, mm; 0 for none.
    pub smooth: f64,
    /// The highest threshold tried, HU.
    pub most: f32,
    /// Thresholds up to this are inside the lumen, whatever they add, HU.
    pub lumen: f32,
    /// Step between thresholds, HU.
    pub step: f32,
    /// A step leaks when it multiplies the volume by more than this ...
    pub factor: f64,
    /// ... and this many ml, or when the whole passes `largest`.
    pub slack: f64,
    /// Largest volume of an airway tree in ml.
    pub largest: f64,
}

impl Default for AirwayOptions {
    fn default() -> Self {
        AirwayOptions {
            smooth: 0.5,
            most: -750.0,
            lumen: -935.0,
            step: 5.0,
            factor: 1.12,
            slack: 0.3,
            largest: 150.0,
        }
    }
}

/// An airway tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Airways {
    /// The lumen, 1 inside.
    pub mask: Volume<u8>,
    /// The threshold that was kept, HU.
    pub threshold: f32,
    /// Whether a higher one leaked (else the highest one was kept).
    pub leaked: bool,
}

/// Grows the airways from seeds (indices of voxels in the lumen).
///
/// # Errors
/// [`ChestCtError::Missing`] when no seed is as dark as a lumen.
pub fn airways(
    ct: &Volume<f32>,
    seeds: &[[usize; 3]],
    options: &AirwayOptions,
) -> Result<Airways, ChestCtError> {
    let smooth = if options.smooth > 0.0 {
        gaussian(ct, options.smooth)
    } else {
        ct.clone()
    };
    let seeds: Vec<usize> = seeds.iter().map(|&[i, j, k]| ct.at(i, j, k)).collect();
    let allowed = ct.map(|_| 1u8);
    let level = levels(&smooth, &allowed, &seeds, options.most);
    let lowest = seeds
        .iter()
        .map(|&s| smooth.data[s])
        .fold(f32::INFINITY, f32::min);
    if lowest > options.most {
        return Err(ChestCtError::Missing {
            what: "airway at the seed",
            reason: format!("its value is {lowest:.0} HU, over {:.0} HU", options.most),
        });
    }
    let (threshold, leaked) = keep(&level, lowest, options);
    Ok(Airways {
        mask: level.map(|&l| u8::from(l <= threshold)),
        threshold,
        leaked,
    })
}

/// The threshold before the first leak.
fn keep(level: &Volume<f32>, lowest: f32, options: &AirwayOptions) -> (f32, bool) {
    let ml = level.voxel_volume() / 1000.0;
    let first = options.lumen.max(lowest);
    let steps = (((options.most - first) / options.step).floor() as usize).max(1);
    let mut counts = vec![0usize; steps + 1];
    for l in level.data.iter().filter(|l| l.is_finite()) {
        let n = ((l - first) / options.step).ceil().max(0.0) as usize;
        if let Some(c) = counts.get_mut(n) {
            *c += 1;
        }
    }
    let mut volume = counts[0] as f64 * ml;
    for (n, &more) in counts.iter().enumerate().skip(1) {
        let next = volume + more as f64 * ml;
        if next > options.factor * volume + options.slack || next > options.largest {
            return (first + options.step * (n - 1) as f32, true);
        }
        volume = next;
    }
    (first + options.step * steps as f32, false)
}

/// Least and largest section of a trachea, mm2.
const SECTION: (f64, f64) = (60.0, 700.0);
/// A trachea lies this near to the middle of the body, mm.
const OFF_MIDDLE: f64 = 45.0;
/// It is followed over at least this length, mm.
const FOLLOWED: f64 = 20.0;

/// A voxel in the trachea: the dark, roundish section near the middle of the body that goes on from slice to slice in the upper half of
/// the volume.
///
/// # Errors
/// [`ChestCtError::Missing`] when no section is like that; give a seed then.
pub fn trachea(ct: &Volume<f32>) -> Result<[usize; 3], ChestCtError> {
    let up = ct.affine.axes[2][2];
    let spacing = ct.affine.spacing();
    if up.abs() < 0.8 * spacing[2] {
        return Err(ChestCtError::Missing {
            what: "trachea",
            reason: "the slices are not axial; give a seed".into(),
        });
    }
    let order: Vec<usize> = if up > 0.0 {
        (0..ct.size[2]).rev().collect()
    } else {
        (0..ct.size[2]).collect()
    };
    let mut chain: Vec<[usize; 3]> = Vec::new();
    let mut best: Vec<[usize; 3]> = Vec::new();
    for &k in order.iter().take(ct.size[2].div_ceil(2).max(2)) {
        let sections = sections(ct, k);
        let near = |s: &[usize; 3]| {
            chain.last().is_none_or(|c| {
                let dx = (s[0] as f64 - c[0] as f64) * spacing[0];
                let dy = (s[1] as f64 - c[1] as f64) * spacing[1];
                dx.hypot(dy) < 6.0
            })
        };
        match sections.iter().find(|s| near(s)) {
            Some(next) => chain.push(*next),
            None => {
                chain.clear();
                chain.extend(sections.first());
            }
        }
        if chain.len() > best.len() {
            best.clone_from(&chain);
        }
    }
    if (best.len() as f64) * spacing[2] < FOLLOWED {
        return Err(ChestCtError::Missing {
            what: "trachea",
            reason: format!(
                "no dark round section near the middle goes on for {FOLLOWED} mm in the upper half; give a seed"
            ),
        });
    }
    Ok(best[best.len() / 2])
}

/// Sections of one slice that may be the trachea, nearest to the body's middle first; each as one of its voxels.
fn sections(ct: &Volume<f32>, k: usize) -> Vec<[usize; 3]> {
    let [nx, ny, _] = ct.size;
    let plane = &ct.data[k * nx * ny..(k + 1) * nx * ny];
    let spacing = ct.affine.spacing();
    let body: Vec<usize> = (0..plane.len()).filter(|&at| plane[at] > -300.0).collect();
    if body.is_empty() {
        return Vec::new();
    }
    let middle = body.iter().map(|at| (at % nx) as f64).sum::<f64>() / body.len() as f64;
    let slice = Volume {
        size: [nx, ny, 1],
        affine: Affine::axis_aligned(spacing, [0.0; 3]),
        data: plane.iter().map(|&hu| u8::from(hu < -850.0)).collect(),
    };
    let parts = label(&slice, Connectivity::Six);
    let mut found: Vec<(f64, [usize; 3])> = Vec::new();
    let mut boxes = vec![[usize::MAX, 0, usize::MAX, 0]; parts.sizes.len()];
    for (at, &l) in parts.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
        let (b, i, j) = (&mut boxes[l as usize - 1], at % nx, at / nx);
        *b = [b[0].min(i), b[1].max(i), b[2].min(j), b[3].max(j)];
    }
    for (n, &size) in parts.sizes.iter().enumerate() {
        let area = size as f64 * spacing[0] * spacing[1];
        let [x0, x1, y0, y1] = boxes[n];
        let (w, h) = (
            (x1 - x0 + 1) as f64 * spacing[0],
            (y1 - y0 + 1) as f64 * spacing[1],
        );
        let centre = 0.5 * (x0 + x1) as f64;
        let off = (centre - middle).abs() * spacing[0];
        let inside = x0 > 0 && y0 > 0 && x1 + 1 < nx && y1 + 1 < ny;
        let round = area > 0.5 * w * h && w < 2.2 * h && h < 2.2 * w;
        if inside && round && area > SECTION.0 && area < SECTION.1 && off < OFF_MIDDLE {
            let (ci, cj) = ((x0 + x1) / 2, (y0 + y1) / 2);
            if parts.labels.data[cj * nx + ci] as usize == n + 1 {
                found.push((off, [ci, cj, k]));
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|f| f.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body with two lungs and a trachea that forks into them; `gap` is a hole in the wall of the fork.
    fn thorax(gap: bool) -> Volume<f32> {
        let affine = Affine::axis_aligned([1.5, 1.5, 2.0], [0.0; 3]);
        let mut ct = Volume::filled([96, 64, 60], affine, -1000f32);
        for at in 0..ct.data.len() {
            let [i, j, k] = ct.index_of(at);
            let p = [1.5 * i as f64 - 71.0, 1.5 * j as f64 - 47.0, 2.0 * k as f64];
            let body = (p[0] / 68.0).hypot(p[1] / 44.0) < 1.0;
            let lung = |x: f64| {
                ((p[0] - x) / 26.0)
                    .hypot(p[1] / 34.0)
                    .hypot((p[2] - 50.0) / 44.0)
                    < 1.0
            };
            let tube = p[0].hypot(p[1]);
            let fork = (p[2] - 60.0 + 0.5 * p[0].abs()).hypot(p[1]);
            let (lumen, wall) = if p[2] > 60.0 {
                (tube < 7.5, tube < 9.0)
            } else {
                (
                    fork < 4.5 && p[0].abs() < 34.0,
                    fork < 6.0 && p[0].abs() < 36.0,
                )
            };
            let open = gap && p[0] > 22.0 && p[0] < 30.0 && p[1] > 0.0;
            ct.data[at] = match (body, lumen, wall && !open, lung(-34.0) || lung(34.0)) {
                (false, ..) => -1000.0,
                (_, true, ..) => -990.0,
                (_, _, true, _) => 20.0,
                (_, _, _, true) => -830.0,
                _ => 40.0,
            };
        }
        ct
    }

    #[test]
    fn the_tree_grows_from_the_trachea_and_stops_at_a_leak() {
        let clean = thorax(false);
        let seed = trachea(&clean).unwrap();
        assert!(seed[2] >= 30, "{seed:?}");
        let options = AirwayOptions {
            smooth: 0.0,
            ..AirwayOptions::default()
        };
        let tree = airways(&clean, &[seed], &options).unwrap();
        let volume = |m: &Volume<u8>| m.data.iter().filter(|v| **v != 0).count();
        // Both main bronchi are in.
        assert_eq!(tree.mask.get(67, 31, 22), Some(&1));
        assert_eq!(tree.mask.get(28, 31, 22), Some(&1));
        let hole = thorax(true);
        let leaky = airways(&hole, &[seed], &options).unwrap();
        assert!(
            leaky.leaked && leaky.threshold < -830.0,
            "{}",
            leaky.threshold
        );
        assert!(volume(&leaky.mask) < volume(&tree.mask) * 12 / 10);
    }

    #[test]
    fn without_a_trachea_or_with_a_seed_in_tissue_it_says_so() {
        let ct = thorax(false).map(|&hu| if hu < -985.0 { 40.0 } else { hu });
        assert!(trachea(&ct).is_err());
        assert!(airways(&ct, &[[48, 31, 40]], &AirwayOptions::default()).is_err());
    }
}
