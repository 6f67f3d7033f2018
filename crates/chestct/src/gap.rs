//! The shortest way from a nodule's surface to a structure's.

use hilum_volume::affine::{add_scaled, norm, sub, unit};
use hilum_volume::{Vec3, Volume};

/// Values under this between two bright things mean that lung lies between them, HU.
const BETWEEN: f32 = -500.0;
/// Step along a line, mm.
const STEP: f64 = 0.05;
/// Width of the bell by which masks are smoothed, in voxels: wide enough that their steps go, so narrow that a ball of 6 mm loses
/// less than a tenth of a mm.
const BELL: f64 = 0.6;
/// How far the bell is followed, voxels.
const BELL_REACH: i64 = 2;

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
    /// Where the mask, smoothed, is halfway between inside and outside. The nearest two of all the centres lie nearly on
    /// their surfaces, so that their distance less a voxel would be too short.
    Mask,
    /// Where the CT, along the way, is halfway between the brightness of the thing and that of the lung.
    Grey,
}

/// The gap between two masks; `nodule` holds voxels in ascending order, `away` is the distance in mm of every voxel to `structure`.
/// `None` when either is empty.
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
        Surface::Mask => between_masks(ct, nodule, structure, from, to),
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

/// Length between the places where the smoothed masks cross their halves; `None` when one is not seen along the way.
fn between_masks(
    ct: &Volume<f32>,
    nodule: &[usize],
    structure: &Volume<u8>,
    from: Vec3,
    to: Vec3,
) -> Option<f64> {
    let back = ct.affine.inverse().ok()?;
    let direction = unit(sub(to, from));
    let voxel = voxel_along(ct, direction);
    let whole = norm(sub(to, from)) + 2.0 * voxel;
    let start = add_scaled(from, -voxel, direction);
    let steps = (whole / STEP).ceil() as usize;
    let profile = |inside: &dyn Fn(usize) -> bool| -> Vec<f64> {
        (0..=steps)
            .map(|n| {
                let p = add_scaled(start, whole * n as f64 / steps as f64, direction);
                share(ct, inside, back.apply(p))
            })
            .collect()
    };
    let near = profile(&|at| nodule.binary_search(&at).is_ok());
    let far = profile(&|at| structure.data[at] != 0);
    // Thin things are not whole anywhere: half of what is seen of them.
    let half = |line: &[f64]| 0.5 * line.iter().copied().fold(0.0, f64::max);
    let (left, right) = (half(&near), half(&far));
    let leaves = (0..steps)
        .rev()
        .find(|&n| near[n] > left && near[n + 1] <= left)?;
    let meets = (0..steps).find(|&n| far[n] <= right && far[n + 1] > right)?;
    let crossing =
        |line: &[f64], n: usize, level: f64| n as f64 + (level - line[n]) / (line[n + 1] - line[n]);
    let length = crossing(&far, meets, right) - crossing(&near, leaves, left);
    Some((length * whole / steps as f64).max(0.0))
}

/// Share of a thing in a bell round a point (index coordinates).
fn share<T>(volume: &Volume<T>, inside: &dyn Fn(usize) -> bool, p: Vec3) -> f64 {
    let middle = p.map(|v| v.round() as i64);
    let weight = |axis: usize, index: i64| (-0.5 * ((index as f64 - p[axis]) / BELL).powi(2)).exp();
    let span = |axis: usize| {
        let last = volume.size[axis] as i64 - 1;
        (middle[axis] - BELL_REACH).max(0)..=(middle[axis] + BELL_REACH).min(last)
    };
    let (mut all, mut seen) = (0.0, 0.0);
    for k in span(2) {
        for j in span(1) {
            for i in span(0) {
                let w = weight(0, i) * weight(1, j) * weight(2, k);
                all += w;
                if inside(volume.at(i as usize, j as usize, k as usize)) {
                    seen += w;
                }
            }
        }
    }
    if all > 0.0 { seen / all } else { 0.0 }
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
