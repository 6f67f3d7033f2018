//! The end of a branch: what of it lies within a few mm of a voxel, on the way inside the branch.
//!
//! Middle lines are no help here: thinning wears the end of a short thick branch down by more than its radius, and what is left of it bends
//! towards the trunk. Two cross-sections of the branch itself tell its direction.

use hilum_volume::affine::{add_scaled, dot, norm, sub, unit};
use hilum_volume::{Vec3, Volume};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The middles of the near and the far half of an end are about half its length apart, those in the side of a tube hardly at all:
/// this share of the length parts the two.
const ONE_SIDED: f64 = 0.3;
/// An end does not spread further from its axis than this share of its length.
const SLENDER: f64 = 0.65;

/// Voxels with their way from the end in mm.
type Walked<'a> = &'a [(usize, f64)];

/// The part of a mask round a voxel.
pub struct Tip {
    /// Voxels with their distance in mm from the first, inside the mask, nearest first.
    voxels: Vec<(usize, f64)>,
    length: f64,
}

impl Tip {
    /// Everything within `length` mm of a voxel.
    pub fn new(mask: &Volume<u8>, at: usize, length: f64) -> Self {
        let mut best: BTreeMap<usize, f64> = BTreeMap::from([(at, 0.0)]);
        // Distances are not negative: their bits are in the order of their values.
        let mut open = BinaryHeap::from([Reverse((0f64.to_bits(), at))]);
        let mut voxels = Vec::new();
        while let Some(Reverse((bits, here))) = open.pop() {
            let d = f64::from_bits(bits);
            if best.get(&here).is_some_and(|b| *b < d) {
                continue;
            }
            voxels.push((here, d));
            for (next, step) in neighbours(mask, here) {
                let far = d + step;
                let shorter = best.get(&next).is_none_or(|b| far < *b);
                if mask.data[next] != 0 && far <= length && shorter {
                    best.insert(next, far);
                    open.push(Reverse((far.to_bits(), next)));
                }
            }
        }
        Tip { voxels, length }
    }

    /// The voxels of the nearer half of the length, and the others.
    pub fn halves(&self) -> (Walked<'_>, Walked<'_>) {
        let near = self.voxels.partition_point(|v| v.1 <= 0.5 * self.length);
        self.voxels.split_at(near)
    }

    /// Direction in which the branch would go on past its end; `None` when this is no end, or that of a stub shorter than `least` mm.
    pub fn heading(&self, mask: &Volume<u8>, least: f64) -> Option<Vec3> {
        if self.voxels.last()?.1 < least {
            return None;
        }
        let (near, far) = self.halves();
        let (a, b) = (middle(mask, near)?, middle(mask, far)?);
        let way = sub(a, b);
        if norm(way) < ONE_SIDED * self.length {
            return None;
        }
        let heading = unit(way);
        let slender = self.voxels.iter().all(|&(at, _)| {
            let q = sub(place(mask, at), a);
            norm(add_scaled(q, -dot(q, heading), heading)) <= SLENDER * self.length
        });
        slender.then_some(heading)
    }
}

fn place(mask: &Volume<u8>, at: usize) -> Vec3 {
    mask.affine.apply(mask.index_of(at).map(|v| v as f64))
}

fn middle(mask: &Volume<u8>, voxels: &[(usize, f64)]) -> Option<Vec3> {
    let n = voxels.len() as f64;
    let sum = voxels.iter().fold([0.0; 3], |sum, &(at, _)| {
        add_scaled(sum, 1.0, place(mask, at))
    });
    (n > 0.0).then(|| sum.map(|v| v / n))
}

/// The voxels round a voxel, by faces, edges and corners, with their distance in mm.
pub fn neighbours<T>(volume: &Volume<T>, at: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    let here = volume.index_of(at);
    let axes = volume.affine.axes;
    (0..27usize).filter(|&n| n != 13).filter_map(move |n| {
        let step = [n % 3, n / 3 % 3, n / 9];
        let mut there = [0; 3];
        let mut way = [0.0; 3];
        for k in 0..3 {
            there[k] = (here[k] + step[k])
                .checked_sub(1)
                .filter(|&v| v < volume.size[k])?;
            way = add_scaled(way, step[k] as f64 - 1.0, axes[k]);
        }
        Some((volume.at(there[0], there[1], there[2]), norm(way)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    /// A trunk of `radius` along z through the origin and a limb of 1.7 mm along x that ends at x = 14.
    fn trunk(radius: f64) -> Volume<u8> {
        let affine = Affine::axis_aligned([0.8, 0.9, 1.1], [-12.0, -12.0, -20.0]);
        let mut v = Volume::filled([36, 27, 37], affine, 0u8);
        for at in 0..v.data.len() {
            let [x, y, z] = place(&v, at);
            let limb = x > 0.0 && x < 14.0 && y.hypot(z) < 1.7;
            v.data[at] = u8::from(limb || x.hypot(y) < radius);
        }
        v
    }

    fn at(v: &Volume<u8>, p: Vec3) -> usize {
        let [i, j, k] = v
            .affine
            .inverse()
            .unwrap()
            .apply(p)
            .map(|v| v.round() as usize);
        v.at(i, j, k)
    }

    #[test]
    fn the_end_of_a_limb_has_a_direction_and_the_side_of_a_trunk_has_none() {
        for radius in [1.5, 2.5, 3.4, 5.0] {
            let v = trunk(radius);
            let end = Tip::new(&v, at(&v, [13.6, 0.0, 0.0]), 5.0);
            let heading = end.heading(&v, 4.0).unwrap();
            assert!(heading[0] > 0.97, "{radius}: {heading:?}");
            let (near, far) = end.halves();
            assert!(near.iter().all(|n| n.1 <= 2.5) && far.iter().all(|f| f.1 > 2.5));
            for z in [-10.0, 12.0] {
                let side = Tip::new(&v, at(&v, [radius - 0.8, 0.0, z]), 5.0);
                assert_eq!(side.heading(&v, 4.0), None, "{radius} {z}");
            }
            // The middle of the limb is no end.
            let middle = Tip::new(&v, at(&v, [8.0, 1.0, 0.0]), 5.0);
            assert_eq!(middle.heading(&v, 4.0), None, "{radius}");
        }
    }

    #[test]
    fn a_stub_has_no_direction() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        let mut v = Volume::filled([9, 9, 9], affine, 0u8);
        for i in 2..5 {
            let at = v.at(i, 4, 4);
            v.data[at] = 1;
        }
        let end = v.at(2, 4, 4);
        assert_eq!(Tip::new(&v, end, 5.0).heading(&v, 4.0), None);
    }
}
