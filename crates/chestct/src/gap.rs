//! The shortest way from a nodule's surface to a structure's.

use hilum_volume::affine::{add_scaled, norm, sub, unit};
use hilum_volume::{Vec3, Volume};

/// Values under this between two bright things mean that lung lies between them, HU.
const BETWEEN: f32 = -500.0;
/// Step along a line, mm.
const STEP: f64 = 0.05;

/// A shortest way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Its length from surface to surface, mm; 0 when they touch.
    pub mm: f64,
    /// The voxel of the nodule it starts from, mm.
    pub from: Vec3,
    /// The voxel of the structure that it leads to, mm.
    pub to: Vec3,
}

/// How surfaces are placed between voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Half a voxel beyond the outermost centres, in the direction of the way.
    Voxels,
    /// Where the CT, along the way, is halfway between the brightness of the thing and that of the lung.
    Grey,
}

/// The gap between two masks; `away` is the distance in mm of every voxel to `structure`. `None` when either is empty.
pub fn gap(
    ct: &Volume<f32>,
    nodule: &[usize],
    structure: &Volume<u8>,
    away: &Volume<f32>,
    surface: Surface,
) -> Option<Gap> {
    let nearest = nodule
        .iter()
        .copied()
        .min_by(|a, b| away.data[*a].total_cmp(&away.data[*b]).then(a.cmp(b)))?;
    let d = f64::from(away.data[nearest]);
    let from = place(ct, nearest);
    let to = place(ct, foot(structure, nearest, d)?);
    if d == 0.0 {
        return Some(Gap { mm: 0.0, from, to });
    }
    let mm = match surface {
        Surface::Voxels => None,
        Surface::Grey => between(ct, from, to),
    };
    let voxel = voxel_along(ct, unit(sub(to, from)));
    let mm = mm.unwrap_or((norm(sub(to, from)) - voxel).max(0.0));
    Some(Gap { mm, from, to })
}

fn place<T>(volume: &Volume<T>, at: usize) -> Vec3 {
    volume.affine.apply(volume.index_of(at).map(|v| v as f64))
}

/// Length of a voxel along a direction: that of the ellipsoid through its face centres.
pub fn voxel_along(volume: &Volume<f32>, direction: Vec3) -> f64 {
    let s = volume.affine.spacing();
    let axes = volume.affine.axes;
    let along = |k: usize| {
        let u = unit(axes[k]);
        (0..3).map(|a| u[a] * direction[a]).sum::<f64>() / s[k]
    };
    let sum: f64 = (0..3).map(|k| along(k).powi(2)).sum();
    if sum > 0.0 { 1.0 / sum.sqrt() } else { 0.0 }
}

/// The voxel of a mask at distance `d` from a voxel.
fn foot(mask: &Volume<u8>, from: usize, d: f64) -> Option<usize> {
    let (spacing, here, p) = (
        mask.affine.spacing(),
        mask.index_of(from),
        place(mask, from),
    );
    let span = |k: usize| {
        let reach = (d / spacing[k]).ceil() as usize + 1;
        here[k].saturating_sub(reach)..(here[k] + reach + 1).min(mask.size[k])
    };
    let mut best: Option<(f64, usize)> = None;
    for k in span(2) {
        for j in span(1) {
            for i in span(0) {
                let at = mask.at(i, j, k);
                if mask.data[at] != 0 {
                    let far = norm(sub(place(mask, at), p));
                    if best.is_none_or(|b| far < b.0) {
                        best = Some((far, at));
                    }
                }
            }
        }
    }
    best.map(|b| b.1)
}

/// Length between the two crossings of the half brightness; `None` when the profile is not bright, dark, bright.
fn between(ct: &Volume<f32>, from: Vec3, to: Vec3) -> Option<f64> {
    let back = ct.affine.inverse().ok()?;
    let direction = unit(sub(to, from));
    let voxel = voxel_along(ct, direction);
    // The ends are one voxel inside, so that they are as bright as the things are.
    let whole = norm(sub(to, from)) + 2.0 * voxel;
    let start = add_scaled(from, -voxel, direction);
    let steps = (whole / STEP).ceil() as usize;
    let at = |n: usize| {
        let p = add_scaled(start, whole * n as f64 / steps as f64, direction);
        ct.sample(back.apply(p))
    };
    let line: Vec<f32> = (0..=steps).map_while(at).collect();
    if line.len() <= steps {
        return None;
    }
    let (dark, lowest) = line
        .iter()
        .copied()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    if lowest > BETWEEN {
        return Some(0.0);
    }
    let high = |part: &[f32]| part.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (left, right) = (high(&line[..=dark]), high(&line[dark..]));
    if left <= BETWEEN || right <= BETWEEN {
        return None;
    }
    let crossing = |n: usize, level: f32| {
        let (a, b) = (line[n], line[n + 1]);
        n as f64 + f64::from((level - a) / (b - a))
    };
    let falls = (0..dark).rev().find(|&n| line[n] > 0.5 * (left + lowest))?;
    let rises = (dark..steps).find(|&n| line[n + 1] > 0.5 * (right + lowest))?;
    let length = crossing(rises, 0.5 * (right + lowest)) - crossing(falls, 0.5 * (left + lowest));
    Some((length * whole / steps as f64).max(0.0))
}
