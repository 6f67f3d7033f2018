//! Connected parts of a 3-D mask.

use crate::volume::Volume;

/// Which voxels touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Through faces.
    Six,
    /// Through faces, edges and corners.
    TwentySix,
}

/// Parts of a mask, numbered from 1 in the order of their first voxel.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// 0 for background, else the number of the part.
    pub labels: Volume<u32>,
    /// Voxels of each part; `sizes[n - 1]` belongs to part `n`.
    pub sizes: Vec<usize>,
}

impl Components {
    /// The mask of the part with most voxels (the first of equal ones); `None` for an empty mask.
    pub fn largest(&self) -> Option<Volume<u8>> {
        let best = (0..self.sizes.len()).max_by_key(|&n| (self.sizes[n], std::cmp::Reverse(n)))?;
        Some(self.labels.map(|&l| u8::from(l as usize == best + 1)))
    }

    /// The mask without parts of fewer than `least` voxels.
    pub fn without_small(&self, least: usize) -> Volume<u8> {
        self.labels
            .map(|&l| u8::from(l != 0 && self.sizes[l as usize - 1] >= least))
    }
}

fn neighbours(connectivity: Connectivity) -> Vec<[isize; 3]> {
    let mut all = Vec::new();
    for dz in -1..=1 {
        for dy in -1..=1 {
            for dx in -1..=1isize {
                let steps = isize::abs(dx) + isize::abs(dy) + isize::abs(dz);
                if steps != 0 && (steps == 1 || connectivity == Connectivity::TwentySix) {
                    all.push([dx, dy, dz]);
                }
            }
        }
    }
    all
}

/// Finds the connected parts.
pub fn label(mask: &Volume<u8>, connectivity: Connectivity) -> Components {
    let around = neighbours(connectivity);
    let mut labels = mask.map(|_| 0u32);
    let mut sizes = Vec::new();
    let mut open = Vec::new();
    for seed in 0..mask.data.len() {
        if mask.data[seed] == 0 || labels.data[seed] != 0 {
            continue;
        }
        let name = sizes.len() as u32 + 1;
        let mut size = 0;
        labels.data[seed] = name;
        open.push(seed);
        while let Some(at) = open.pop() {
            size += 1;
            let here = mask.index_of(at);
            for step in &around {
                let there: [Option<usize>; 3] = std::array::from_fn(|k| {
                    here[k]
                        .checked_add_signed(step[k])
                        .filter(|&v| v < mask.size[k])
                });
                let [Some(i), Some(j), Some(k)] = there else {
                    continue;
                };
                let next = mask.at(i, j, k);
                if mask.data[next] != 0 && labels.data[next] == 0 {
                    labels.data[next] = name;
                    open.push(next);
                }
            }
        }
        sizes.push(size);
    }
    Components { labels, sizes }
}

/// The mask with every part of its outside filled that does not reach the volume's border through faces.
pub fn fill_holes(mask: &Volume<u8>) -> Volume<u8> {
    let outside = label(&mask.map(|&v| u8::from(v == 0)), Connectivity::Six).labels;
    let [nx, ny, nz] = mask.size;
    let on_border = |at: usize| {
        let [i, j, k] = mask.index_of(at);
        [(i, nx), (j, ny), (k, nz)]
            .iter()
            .any(|(v, n)| *v == 0 || v + 1 == *n)
    };
    let open: std::collections::BTreeSet<u32> = (0..mask.data.len())
        .filter(|at| on_border(*at))
        .map(|at| outside.data[at])
        .collect();
    outside.map(|part| u8::from(*part == 0 || !open.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    #[test]
    fn only_what_is_closed_is_filled() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        let mut shell = Volume::filled([5, 5, 5], affine, 1u8);
        let (middle, near) = (shell.at(2, 2, 2), shell.at(2, 2, 1));
        (shell.data[middle], shell.data[near]) = (0, 0);
        assert!(fill_holes(&shell).data.iter().all(|v| *v == 1));
        let door = shell.at(2, 2, 0);
        shell.data[door] = 0;
        assert_eq!(fill_holes(&shell), shell);
    }

    #[test]
    fn corners_join_only_where_asked() {
        let mut mask = Volume::filled([4, 4, 4], Affine::axis_aligned([1.0; 3], [0.0; 3]), 0u8);
        for (i, j, k) in [(0, 0, 0), (1, 1, 1), (1, 1, 2), (3, 3, 0)] {
            let at = mask.at(i, j, k);
            mask.data[at] = 1;
        }
        assert_eq!(label(&mask, Connectivity::Six).sizes, vec![1, 1, 2]);
        let joined = label(&mask, Connectivity::TwentySix);
        let mut sizes = joined.sizes.clone();
        sizes.sort_unstable();
        assert_eq!(sizes, vec![1, 3]);
        assert_eq!(
            joined
                .largest()
                .unwrap()
                .data
                .iter()
                .filter(|&&v| v != 0)
                .count(),
            3
        );
        assert_eq!(
            joined
                .without_small(2)
                .data
                .iter()
                .filter(|&&v| v != 0)
                .count(),
            3
        );
    }
}
