//! Growing from seeds through a volume, lowest values first.

use crate::volume::Volume;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The lowest level at which each voxel is joined to a seed through its six neighbours: the largest value on the best way to it.
/// Voxels that cannot be reached at or under `most`, or outside `allowed`, are infinite.
pub fn levels(
    volume: &Volume<f32>,
    allowed: &Volume<u8>,
    seeds: &[usize],
    most: f32,
) -> Volume<f32> {
    let mut out = volume.map(|_| f32::INFINITY);
    let mut open: BinaryHeap<(Reverse<u32>, Reverse<usize>)> = BinaryHeap::new();
    let [nx, ny, nz] = volume.size;
    for &seed in seeds {
        let level = volume.data[seed];
        if allowed.data[seed] != 0 && level <= most && out.data[seed] > level {
            out.data[seed] = level;
            open.push((Reverse(key(level)), Reverse(seed)));
        }
    }
    while let Some((Reverse(level), Reverse(at))) = open.pop() {
        if level > key(out.data[at]) {
            continue;
        }
        let here = out.data[at];
        let [i, j, k] = volume.index_of(at);
        let mut reach = |next: usize| {
            let level = here.max(volume.data[next]);
            if allowed.data[next] != 0 && level <= most && level < out.data[next] {
                out.data[next] = level;
                open.push((Reverse(key(level)), Reverse(next)));
            }
        };
        if i > 0 {
            reach(at - 1);
        }
        if i + 1 < nx {
            reach(at + 1);
        }
        if j > 0 {
            reach(at - nx);
        }
        if j + 1 < ny {
            reach(at + nx);
        }
        if k > 0 {
            reach(at - nx * ny);
        }
        if k + 1 < nz {
            reach(at + nx * ny);
        }
    }
    out
}

/// A number in the order of the float (finite ones).
fn key(v: f32) -> u32 {
    let bits = v.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    #[test]
    fn a_voxel_is_reached_at_the_lowest_pass_on_the_way() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        let v = Volume::new([6, 1, 1], affine, vec![-9.0, -3.0, -5.0, 2.0, -7.0, 1.0]).unwrap();
        let all = v.map(|_| 1u8);
        let out = levels(&v, &all, &[0], 1.5);
        assert_eq!(out.data[..3], [-9.0, -3.0, -3.0]);
        assert!(out.data[3..].iter().all(|d| d.is_infinite()));
        let further = levels(&v, &all, &[0, 5], 2.0);
        assert_eq!(further.data, [-9.0, -3.0, -3.0, 2.0, 1.0, 1.0]);
        let order = [-1e3f32, -1.0, -0.0, 0.0, 0.5, 1e9];
        assert!(order.windows(2).all(|w| key(w[0]) <= key(w[1])));
    }
}
