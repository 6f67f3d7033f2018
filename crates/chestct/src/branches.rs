//! Branches of a structure that touch a nodule or lead to it.

use crate::gap::voxel_along;
use crate::surroundings::{Nodule, SurroundingOptions};
use crate::tip::{Tip, neighbours};
use hilum_volume::affine::{add_scaled, norm, sub, unit};
use hilum_volume::components::{Connectivity, label};
use hilum_volume::{Vec3, Volume};

/// Step along a line, mm.
const STEP: f64 = 0.25;
/// Outer share of the shell in which limbs are told apart.
const LIMB: f64 = 0.6;
/// A limb leads to the nodule when it meets it within this many times its distance from it.
const SOON: f64 = 1.5;

impl Nodule<'_> {
    /// The distance of centres within which a structure touches, for every voxel of the box by its direction from the nodule's centre.
    pub fn contact(&self, ct: &Volume<f32>, wall: f64, options: &SurroundingOptions) -> Vec<bool> {
        (0..self.away.data.len())
            .map(|at| {
                let way = sub(self.place(at), self.centre);
                let far = norm(way);
                let voxel = if far > 0.0 {
                    voxel_along(ct, way.map(|v| v / far))
                } else {
                    0.0
                };
                f64::from(self.away.data[at]) <= options.touch * voxel + wall
            })
            .collect()
    }

    /// Parts of the structure in the shell that reach the nodule: each is as many branches as limbs of it lead there. Branches that end
    /// side by side share their root, and are apart further out; two limbs that lead past the nodule are one branch that touches it.
    pub fn touching(
        &self,
        local: &Volume<u8>,
        contact: &[bool],
        options: &SurroundingOptions,
    ) -> usize {
        let parts = label(
            &self.between(local, 0.0, options.shell),
            Connectivity::TwentySix,
        );
        let mut touches = vec![false; parts.sizes.len()];
        for (at, &l) in parts.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
            touches[l as usize - 1] |= contact[at];
        }
        // Limbs of every part: those that lead to the nodule, and the others.
        let mut limbs = vec![[0usize; 2]; parts.sizes.len()];
        for limb in self.limbs(local, options) {
            let part = limb.first().map_or(0, |&at| parts.labels.data[at]) as usize;
            if let Some(counts) = limbs.get_mut(part.wrapping_sub(1)) {
                counts[usize::from(!self.leads(&limb, options))] += 1;
            }
        }
        let branches = |[lead, pass]: [usize; 2]| (lead + pass / 2).max(1);
        touches
            .iter()
            .zip(limbs)
            .filter(|(touches, _)| **touches)
            .map(|(_, counts)| branches(counts))
            .sum()
    }

    /// What of the structure lies between two distances from the nodule, the first left out.
    fn between(&self, local: &Volume<u8>, from: f64, to: f64) -> Volume<u8> {
        let mut out = local.clone();
        for (v, d) in out.data.iter_mut().zip(&self.away.data) {
            let d = f64::from(*d);
            if d > to || d < from {
                *v = 0;
            }
        }
        out
    }

    /// The parts of the structure in the outer part of the shell.
    fn limbs(&self, local: &Volume<u8>, options: &SurroundingOptions) -> Vec<Vec<usize>> {
        let outer = self.between(local, options.shell * (1.0 - LIMB), options.shell);
        let parts = label(&outer, Connectivity::TwentySix);
        let mut limbs = vec![Vec::new(); parts.sizes.len()];
        for (at, &l) in parts.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
            limbs[l as usize - 1].push(at);
        }
        limbs
    }

    /// Whether the line through a limb's outer and inner half meets the nodule, and does so soon: that of a branch that passes comes
    /// near it only later.
    fn leads(&self, limb: &[usize], options: &SurroundingOptions) -> bool {
        let middle = options.shell * (1.0 - 0.5 * LIMB);
        let (near, far): (Vec<&usize>, Vec<&usize>) = limb
            .iter()
            .partition(|at| f64::from(self.away.data[**at]) <= middle);
        let centre = |part: &[&usize]| -> Option<Vec3> {
            let sum = part.iter().fold([0.0; 3], |sum: Vec3, at| {
                add_scaled(sum, 1.0, self.place(**at))
            });
            (!part.is_empty()).then(|| sum.map(|v| v / part.len() as f64))
        };
        let (Some(near), Some(far)) = (centre(&near), centre(&far)) else {
            return false;
        };
        let way = sub(near, far);
        if norm(way) == 0.0 {
            return false;
        }
        let reach = SOON * options.shell * (1.0 - 0.75 * LIMB);
        self.hits(near, unit(way), 0, (reach / STEP) as usize)
    }

    /// Ends of the structure that point at the nodule and do not touch it.
    pub fn projecting(
        &self,
        local: &Volume<u8>,
        contact: &[bool],
        options: &SurroundingOptions,
    ) -> usize {
        let mut count = 0;
        let mut seen = vec![false; local.data.len()];
        for at in self.nearest(local, options.reach) {
            if seen[at] {
                continue;
            }
            let tip = Tip::new(local, at, options.heading);
            let (near, far) = tip.halves();
            for &(v, _) in near {
                seen[v] = true;
            }
            // What touches was counted there.
            let touches = near.iter().any(|&(v, _)| contact[v]);
            let heading = tip.heading(local, options.spur);
            let meets = heading.is_some_and(|h| self.meets(local, at, h, options.reach));
            if meets {
                // A flat end is nearest to the nodule in more than one voxel, and is one end.
                for &(v, _) in far {
                    seen[v] = true;
                }
            }
            count += usize::from(meets && !touches);
        }
        count
    }

    /// Voxels of the structure that are nearer to the nodule than all of its voxels round them, nearest first: the end of a branch that
    /// points at it is one, and so is the place where a branch passes it.
    fn nearest(&self, local: &Volume<u8>, reach: f64) -> Vec<usize> {
        let mut all: Vec<usize> = (0..local.data.len())
            .filter(|&at| {
                let d = self.away.data[at];
                local.data[at] != 0 && d > 0.0 && f64::from(d) <= reach && !self.at_border(at)
            })
            .filter(|&at| {
                let d = self.away.data[at];
                neighbours(local, at).all(|(v, _)| {
                    let other = self.away.data[v];
                    local.data[v] == 0 || (d, at) < (other, v)
                })
            })
            .collect();
        all.sort_by(|a, b| self.away.data[*a].total_cmp(&self.away.data[*b]));
        all
    }

    /// What the box cuts off has no end there.
    fn at_border(&self, at: usize) -> bool {
        let p = self.mask.index_of(at);
        (0..3).any(|k| p[k] <= 1 || p[k] + 2 >= self.size[k])
    }

    /// Whether a branch that went on past its end would meet the nodule within `reach` mm.
    fn meets(&self, local: &Volume<u8>, end: usize, heading: Vec3, reach: f64) -> bool {
        let from = self.place(end);
        let inside = |n: usize| self.value(local, add_scaled(from, STEP * n as f64, heading));
        let leaves = (0..).find(|&n| inside(n) != Some(1)).unwrap_or(0);
        self.hits(from, heading, leaves, (reach / STEP) as usize)
    }

    /// Whether the nodule is met on a line from a point, between some steps along it and `steps` more.
    fn hits(&self, from: Vec3, heading: Vec3, first: usize, steps: usize) -> bool {
        (first..=first + steps)
            .any(|n| self.value(&self.mask, add_scaled(from, STEP * n as f64, heading)) == Some(1))
    }

    /// The value of the voxel of the box in which a point lies.
    fn value(&self, volume: &Volume<u8>, p: Vec3) -> Option<u8> {
        let back = self.mask.affine.inverse().ok()?;
        let whole = back.apply(p).map(f64::round);
        let inside = (0..3).all(|k| whole[k] >= 0.0 && whole[k] < volume.size[k] as f64);
        let [i, j, k] = whole.map(|v| v as usize);
        inside.then(|| volume.get(i, j, k).copied()).flatten()
    }

    fn place(&self, at: usize) -> Vec3 {
        let index = self.mask.index_of(at).map(|v| v as f64);
        self.mask.affine.apply(index)
    }
}
