//! The branches of a skeleton: lines between its forks and ends.

use crate::Vec3;
use crate::affine::{norm, sub, unit};
use crate::volume::Volume;
use std::collections::{BTreeMap, BTreeSet};

/// A line of skeleton voxels between two forks or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The voxels in order, as positions in the volume's data, its forks left out.
    pub voxels: Vec<usize>,
    /// Whether the first and the last voxel are free ends.
    pub free: [bool; 2],
    /// Length in mm.
    pub length: f64,
}

impl Branch {
    /// Direction in mm in which the branch would go on past its first (`false`) or last (`true`) voxel, from the line over its last
    /// `reach` mm; `None` for a single voxel.
    pub fn heading(&self, volume: &Volume<u8>, last: bool, reach: f64) -> Option<Vec3> {
        let place = |at: usize| volume.affine.apply(volume.index_of(at).map(|v| v as f64));
        let mut line: Vec<Vec3> = self.voxels.iter().map(|&at| place(at)).collect();
        if !last {
            line.reverse();
        }
        let end = *line.last()?;
        let from = line.iter().rev().find(|p| norm(sub(end, **p)) >= reach);
        let from = from
            .or(line.first())
            .filter(|p| norm(sub(end, **p)) > 0.0)?;
        Some(unit(sub(end, *from)))
    }
}

/// The branches, in the order of their first voxels. Voxels with three or more neighbours are forks and belong to none.
pub fn branches(skeleton: &Volume<u8>) -> Vec<Branch> {
    let set: Vec<usize> = (0..skeleton.data.len())
        .filter(|&at| skeleton.data[at] != 0)
        .collect();
    let around: BTreeMap<usize, Vec<usize>> = set
        .iter()
        .map(|&at| (at, neighbours(skeleton, at)))
        .collect();
    let is_line = |at: &usize| around[at].len() < 3;
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut all = Vec::new();
    // Ends and voxels beside forks first, closed rings at last.
    let starts = set
        .iter()
        .filter(|&at| is_line(at) && around[at].iter().filter(|n| is_line(n)).count() < 2)
        .chain(set.iter().filter(|at| is_line(at)));
    for &start in starts {
        if seen.contains(&start) {
            continue;
        }
        let mut line = vec![start];
        seen.insert(start);
        while let Some(&next) = line
            .last()
            .and_then(|at| around[at].iter().find(|&n| is_line(n) && !seen.contains(n)))
        {
            seen.insert(next);
            line.push(next);
        }
        let free = |at: &usize| around[at].len() <= 1;
        let ends = [free(&line[0]), line.last().is_some_and(free)];
        all.push(Branch {
            length: length(skeleton, &line),
            voxels: line,
            free: ends,
        });
    }
    all.sort_by_key(|b| b.voxels[0]);
    all
}

fn neighbours(volume: &Volume<u8>, at: usize) -> Vec<usize> {
    let here = volume.index_of(at);
    let mut all = Vec::new();
    for n in (0..27).filter(|&n| n != 13) {
        let step = [n % 3, n / 3 % 3, n / 9];
        let there: Option<Vec<usize>> = (0..3)
            .map(|k| {
                (here[k] + step[k])
                    .checked_sub(1)
                    .filter(|&v| v < volume.size[k])
            })
            .collect();
        if let Some(p) = there {
            let next = volume.at(p[0], p[1], p[2]);
            if volume.data[next] != 0 {
                all.push(next);
            }
        }
    }
    all
}

fn length(volume: &Volume<u8>, line: &[usize]) -> f64 {
    let place = |at: usize| volume.affine.apply(volume.index_of(at).map(|v| v as f64));
    line.windows(2)
        .map(|w| norm(sub(place(w[1]), place(w[0]))))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    fn drawn(points: &[[usize; 3]]) -> Volume<u8> {
        let affine = Affine::axis_aligned([1.0, 1.0, 2.0], [0.0; 3]);
        let mut v = Volume::filled([12, 12, 12], affine, 0u8);
        for &[i, j, k] in points {
            let at = v.at(i, j, k);
            v.data[at] = 1;
        }
        v
    }

    #[test]
    fn a_fork_has_three_branches_with_a_free_end_each() {
        let mut points = vec![[5, 5, 5]];
        points.extend((1..=4).map(|n| [5, 5, 5 + n]));
        points.extend((1..=4).map(|n| [5 + n, 5, 5 - n]));
        points.extend((1..=4).map(|n| [5 - n, 5, 5 - n]));
        let v = drawn(&points);
        let all = branches(&v);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(
            all.iter()
                .all(|b| b.free.iter().filter(|f| **f).count() == 1)
        );
        let up = all
            .iter()
            .find(|b| b.voxels.contains(&v.at(5, 5, 9)))
            .unwrap();
        assert!((up.length - 6.0).abs() < 1e-9, "{}", up.length);
        assert_eq!(up.heading(&v, up.free[1], 3.0), Some([0.0, 0.0, 1.0]));
    }

    #[test]
    fn a_ring_is_one_branch_without_ends() {
        let v = drawn(&[[4, 4, 4], [5, 3, 4], [6, 4, 4], [5, 5, 4]]);
        let all = branches(&v);
        assert_eq!((all.len(), all[0].voxels.len()), (1, 4));
        assert_eq!(all[0].free, [false, false]);
    }
}
