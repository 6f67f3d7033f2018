//! Segmentation of whole phantom chests with noise, beside their labels.

use super::Config;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_chestct::airways::{AirwayOptions, airways, trachea};
use hilum_chestct::lungs::lungs;
use hilum_chestct::vessels::{VesselOptions, vessels};
use hilum_phantom::patient::{Exposure, Patient};
use hilum_phantom::random::{Draws, Purpose};
use hilum_phantom::render::Scene;
use hilum_phantom::{Thorax, labels};
use hilum_volume::Volume;
use hilum_volume::distance::distance_to;
use hilum_volume::skeleton::skeleton;
use serde::{Deserialize, Serialize};

/// Deviation of the noise, HU.
const NOISE: f64 = 25.0;
/// A found voxel or a branch counts within this of the true one, mm.
const NEAR: f64 = 2.5;

/// How well one chest was segmented.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segmented {
    /// Dice of the lungs.
    pub lungs: f64,
    /// Dice of the vessels.
    pub vessels: f64,
    /// Share of the true vessels' voxels that were found.
    pub vessel_recall: f64,
    /// Share of the airways' middle lines that was found; null when no trachea was.
    pub branches: Option<f64>,
    /// Share of the found airway that is none.
    pub leakage: Option<f64>,
}

/// Segments phantom chests.
pub fn segmented(ctx: &Context<'_>, config: &Config) -> Result<Vec<Segmented>> {
    let mut all = Vec::new();
    for n in 0..config.chests as u64 {
        if ctx.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(MethodError::Stopped);
        }
        all.push(chest(ctx.seed, n)?);
    }
    Ok(all)
}

fn chest(seed: u64, number: u64) -> Result<Segmented> {
    let exposure = Exposure::draw(seed, number, 0, false);
    let thorax = Thorax::new(Patient::draw(seed, number), exposure, Vec::new(), seed);
    let scene = Scene::new(&thorax, seed);
    let mut ct = scene.volume();
    let mut d = Draws::new(seed, Purpose::Block, number, 900);
    ct.data
        .iter_mut()
        .for_each(|v| *v += d.normal(0.0, NOISE) as f32);
    let truth = scene.labels();
    let named = |wanted: &dyn Fn(&str) -> bool| {
        let ids: Vec<u8> = labels::structures()
            .into_iter()
            .filter(|s| wanted(&s.0))
            .map(|s| s.1)
            .collect();
        truth.map(|v| u8::from(ids.contains(v)))
    };
    let true_airways = named(&|n| n == "trachea" || n == "bronchi");
    let true_vessels = named(&|n| n == "lung_vessels");
    let true_lungs = named(&|n| n.contains("lobe") || n == "lung_vessels" || n == "bronchi");
    let found = lungs(&ct)?;
    let tree = trachea(&ct)
        .and_then(|s| airways(&ct, &[s], &AirwayOptions::default()))
        .ok();
    let lumen = tree.as_ref().map(|t| &t.mask);
    let tubes = vessels(&ct, &found, lumen, None, &VesselOptions::default())?;
    // The trachea outside of the lungs is no lung, but air that hangs on them.
    let mut found = found;
    if let Some(lumen) = lumen {
        let outside = |at: usize| true_lungs.data[at] == 0 && lumen.data[at] != 0;
        (0..found.data.len())
            .filter(|&at| outside(at))
            .for_each(|at| found.data[at] = 0);
    }
    Ok(Segmented {
        lungs: dice(&found, &true_lungs),
        vessels: dice(&tubes, &true_vessels),
        vessel_recall: near_share(&true_vessels, &tubes, 0.1)?.unwrap_or(0.0),
        branches: match lumen {
            Some(l) => near_share(&skeleton(&true_airways), l, NEAR)?,
            None => None,
        },
        leakage: match lumen {
            Some(l) => near_share(l, &true_airways, NEAR)?.map(|s| 1.0 - s),
            None => None,
        },
    })
}

/// Twice the common voxels over all of both.
pub fn dice(a: &Volume<u8>, b: &Volume<u8>) -> f64 {
    let count = |m: &Volume<u8>| m.data.iter().filter(|v| **v != 0).count();
    let both = a
        .data
        .iter()
        .zip(&b.data)
        .filter(|(x, y)| **x != 0 && **y != 0)
        .count();
    let sum = count(a) + count(b);
    if sum == 0 {
        0.0
    } else {
        2.0 * both as f64 / sum as f64
    }
}

/// Share of a mask's voxels within `mm` of another mask; `None` for an empty mask.
pub fn near_share(of: &Volume<u8>, to: &Volume<u8>, mm: f64) -> Result<Option<f64>> {
    let all = of.data.iter().filter(|v| **v != 0).count();
    if all == 0 {
        return Ok(None);
    }
    if to.data.iter().all(|v| *v == 0) {
        return Ok(Some(0.0));
    }
    let away = distance_to(to).map_err(hilum_chestct::ChestCtError::from)?;
    let near = of
        .data
        .iter()
        .zip(&away.data)
        .filter(|(v, d)| **v != 0 && f64::from(**d) <= mm)
        .count();
    Ok(Some(near as f64 / all as f64))
}
