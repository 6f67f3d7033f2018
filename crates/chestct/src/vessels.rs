//! Vessels of the lungs: bright tubes, and the bright voxels that hang on them.

use crate::error::ChestCtError;
use hilum_volume::Volume;
use hilum_volume::components::{Connectivity, label};
use hilum_volume::distance::distance_to;
use hilum_volume::vesselness::{Tubularity, tubularity};
use rayon::prelude::*;

/// What counts as a vessel.
#[derive(Debug, Clone, PartialEq)]
pub struct VesselOptions {
    /// Scales and weights of the filter.
    pub tubes: Tubularity,
    /// Response over which a voxel is of a tube.
    pub response: f32,
    /// A tube's voxel is brighter than this, HU.
    pub faint: f32,
    /// Voxels brighter than this belong to the tube that they touch, HU.
    pub bright: f32,
    /// Parts smaller than this are dropped, mm3.
    pub least: f64,
    /// Distance of a voxel from the nearest of the airway's lumen within which it is of the wall, mm.
    pub wall: f64,
    /// Distance from the pleura within which nothing counts as a vessel, mm; voxels that the pleura itself may partly fill
    /// are left out besides.
    pub margin: f64,
}

impl Default for VesselOptions {
    fn default() -> Self {
        VesselOptions {
            tubes: Tubularity::default(),
            response: 0.15,
            faint: -700.0,
            bright: -450.0,
            least: 25.0,
            wall: 2.2,
            margin: 1.0,
        }
    }
}

/// Vessels inside the lungs, walls of the airways and the voxels of `nodules` left out.
///
/// # Errors
/// [`ChestCtError::Grid`] for masks of another size.
pub fn vessels(
    ct: &Volume<f32>,
    lungs: &Volume<u8>,
    airways: Option<&Volume<u8>>,
    nodules: Option<&Volume<u8>>,
    options: &VesselOptions,
) -> Result<Volume<u8>, ChestCtError> {
    for mask in [Some(lungs), airways, nodules].into_iter().flatten() {
        if mask.size != ct.size {
            return Err(ChestCtError::Grid { what: "a mask" });
        }
    }
    let inside = core(lungs, airways, options)?;
    let nodule = |at: usize| nodules.is_some_and(|n| n.data[at] != 0);
    // Walls and nodules would answer too: they are filled with lung before tubes are looked for.
    let fill = lung_level(ct, lungs);
    let mut plain = ct.clone();
    for (at, v) in plain.data.iter_mut().enumerate() {
        if lungs.data[at] == 0 || nodule(at) {
            *v = fill;
        }
    }
    let answer = tubularity(&plain, &inside, &options.tubes)?;
    let tube = |at: usize| {
        inside.data[at] != 0
            && !nodule(at)
            && answer.data[at] > options.response
            && ct.data[at] > options.faint
    };
    let bright = |at: usize| inside.data[at] != 0 && !nodule(at) && ct.data[at] > options.bright;
    let mut all = ct.map(|_| 0u8);
    let candidates: Vec<bool> = (0..all.data.len()).map(tube).collect();
    // The filter answers round a tube as well: a voxel is in it when it is over half as bright as its brightest neighbour.
    let over_half = |at: usize| {
        let peak = brightest(ct, at, &|n| inside.data[n] != 0 && !nodule(n));
        ct.data[at] > 0.5 * (fill + peak)
    };
    let seeds: Vec<bool> = candidates
        .par_iter()
        .enumerate()
        .map(|(at, c)| *c && over_half(at))
        .collect();
    for (at, (value, seed)) in all.data.iter_mut().zip(&seeds).enumerate() {
        *value = u8::from(*seed || (bright(at) && over_half(at)));
    }
    let parts = label(&all, Connectivity::TwentySix);
    let mut tubes = vec![0usize; parts.sizes.len()];
    for (at, &l) in parts.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
        tubes[l as usize - 1] += usize::from(seeds[at]);
    }
    let least = options.least / ct.voxel_volume();
    // A part that is mostly no tube is something else that is bright.
    let keep: Vec<bool> = parts
        .sizes
        .iter()
        .zip(&tubes)
        .map(|(&size, &t)| size as f64 >= least && t as f64 >= 0.2 * size as f64)
        .collect();
    Ok(parts
        .labels
        .map(|&l| u8::from(l != 0 && keep[l as usize - 1])))
}

/// The largest value among a voxel and its 26 neighbours that are `allowed`.
fn brightest(ct: &Volume<f32>, at: usize, allowed: &dyn Fn(usize) -> bool) -> f32 {
    let p = ct.index_of(at);
    let span = |axis: usize| p[axis].saturating_sub(1)..(p[axis] + 2).min(ct.size[axis]);
    let mut peak = ct.data[at];
    for k in span(2) {
        for j in span(1) {
            for i in span(0) {
                let next = ct.at(i, j, k);
                if allowed(next) && ct.data[next] > peak {
                    peak = ct.data[next];
                }
            }
        }
    }
    peak
}

/// The lungs without the rim at the pleura and the walls of the airways.
fn core(
    lungs: &Volume<u8>,
    airways: Option<&Volume<u8>>,
    options: &VesselOptions,
) -> Result<Volume<u8>, ChestCtError> {
    // The pleura lies half a voxel outside of the outermost centres, and brightens voxels half a voxel inside of it.
    let voxel = lungs.affine.spacing().into_iter().fold(0.0, f64::max);
    let mut inside = hilum_volume::morphology::erode(lungs, options.margin + 0.5 * voxel)?;
    if let Some(airways) = airways.filter(|a| a.data.iter().any(|v| *v != 0)) {
        let away = distance_to(airways)?;
        for (v, d) in inside.data.iter_mut().zip(&away.data) {
            if f64::from(*d) <= options.wall {
                *v = 0;
            }
        }
    }
    Ok(inside)
}

/// The median value of the lungs' air-filled voxels.
fn lung_level(ct: &Volume<f32>, lungs: &Volume<u8>) -> f32 {
    let mut counts = vec![0usize; 601];
    for (hu, &l) in ct.data.iter().zip(&lungs.data) {
        if l != 0 && (-1000.0..-400.0).contains(hu) {
            counts[(hu + 1000.0) as usize] += 1;
        }
    }
    let half = counts.iter().sum::<usize>() / 2;
    let mut seen = 0;
    let at = counts.iter().position(|c| {
        seen += c;
        seen > half
    });
    at.map_or(-850.0, |n| n as f32 - 1000.0)
}
