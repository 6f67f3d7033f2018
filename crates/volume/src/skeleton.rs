//! Middle lines of 3-D masks.
//!
//! Lee, Kashyap and Chu, "Building skeleton models via 3-D medial surface/axis thinning algorithms" (CVGIP 1994): border voxels are taken
//! away from six sides in turn as long as they are no ends of a line, the Euler number stays and the neighbourhood stays in one piece.
//! The order of the sides is that of scikit-image's `skeletonize`, whose result is reproduced.

use crate::volume::Volume;

/// Where a voxel lies from its neighbour's point of view: place in the 3x3x3 neighbourhood, x fastest; 13 is the middle.
const MIDDLE: usize = 13;

/// The sides in the order in which borders are thinned, as steps along x, y, z.
const SIDES: [[isize; 3]; 6] = [
    [0, -1, 0],
    [0, 1, 0],
    [1, 0, 0],
    [-1, 0, 0],
    [0, 0, 1],
    [0, 0, -1],
];

/// The skeleton of a mask: 1 where it is, 0 elsewhere.
pub fn skeleton(mask: &Volume<u8>) -> Volume<u8> {
    let change = euler_changes();
    let mut grid = Padded::new(mask);
    let mut set: Vec<usize> = (0..grid.data.len()).filter(|&p| grid.data[p]).collect();
    let mut idle = 0;
    // A mask of one slice is a plane: all of it would be border above and below.
    let thick = |side: &[isize; 3]| (0..3).all(|axis| side[axis] == 0 || mask.size[axis] > 1);
    let sides: Vec<[isize; 3]> = SIDES.into_iter().filter(thick).collect();
    while idle < sides.len() {
        idle = 0;
        for &side in &sides {
            let step = grid.step(side);
            let candidates: Vec<usize> = set
                .iter()
                .copied()
                .filter(|&p| grid.data[p] && !grid.data[p.wrapping_add_signed(step)])
                .filter(|&p| {
                    let around = grid.around(p);
                    !is_end(&around) && keeps_euler(&around, &change) && is_simple(&around)
                })
                .collect();
            let mut removed = false;
            for p in candidates {
                if is_simple(&grid.around(p)) {
                    grid.data[p] = false;
                    removed = true;
                }
            }
            idle += usize::from(!removed);
        }
        set.retain(|&p| grid.data[p]);
    }
    grid.into_mask(mask)
}

/// The mask with one voxel of background around it.
struct Padded {
    size: [usize; 3],
    data: Vec<bool>,
    offsets: [isize; 27],
}

impl Padded {
    fn new(mask: &Volume<u8>) -> Self {
        let size = mask.size.map(|n| n + 2);
        let mut data = vec![false; size.iter().product()];
        for (at, &v) in mask.data.iter().enumerate() {
            let [i, j, k] = mask.index_of(at);
            data[((k + 1) * size[1] + j + 1) * size[0] + i + 1] = v != 0;
        }
        let (sy, sz) = (size[0] as isize, (size[0] * size[1]) as isize);
        let offsets = std::array::from_fn(|n| {
            let part = |d: usize| (n / d % 3) as isize - 1;
            part(1) + part(3) * sy + part(9) * sz
        });
        Padded {
            size,
            data,
            offsets,
        }
    }

    fn step(&self, [x, y, z]: [isize; 3]) -> isize {
        x + y * self.size[0] as isize + z * (self.size[0] * self.size[1]) as isize
    }

    fn around(&self, p: usize) -> [bool; 27] {
        self.offsets.map(|o| self.data[p.wrapping_add_signed(o)])
    }

    fn into_mask(self, like: &Volume<u8>) -> Volume<u8> {
        let [nx, ny, _] = self.size;
        let mut out = like.map(|_| 0u8);
        for at in 0..out.data.len() {
            let [i, j, k] = out.index_of(at);
            out.data[at] = u8::from(self.data[((k + 1) * ny + j + 1) * nx + i + 1]);
        }
        out
    }
}

/// One neighbour at most: the end of a line, or alone.
fn is_end(around: &[bool; 27]) -> bool {
    around.iter().filter(|v| **v).count() == 2
}

/// Places of the eight voxels of an octant in the neighbourhood; bit 0 is the middle.
fn octant(n: usize) -> [usize; 8] {
    let far = |axis: usize| if n >> axis & 1 == 1 { 2 } else { 0 };
    std::array::from_fn(|bit| {
        let place = |axis: usize| if bit >> axis & 1 == 1 { far(axis) } else { 1 };
        place(0) + 3 * place(1) + 9 * place(2)
    })
}

/// Change of eight times the Euler number of an octant's closed voxels when its middle goes, by the bits of the other seven.
fn euler_changes() -> [i8; 128] {
    std::array::from_fn(|others| {
        let with = eightfold_euler((others << 1 | 1) as u8);
        let without = eightfold_euler((others << 1) as u8);
        (with - without) as i8
    })
}

/// Around the corner that eight voxels share: the corner once, its edges halved, faces quartered, voxels an eighth; times eight.
fn eightfold_euler(bits: u8) -> i32 {
    let set = |v: usize| bits >> v & 1 == 1;
    let any = |all: &[usize]| i32::from(all.iter().any(|&v| set(v)));
    let corner = i32::from(bits != 0);
    // An edge lies between the four voxels on one side along an axis, a face between two neighbours.
    let (mut edges, mut faces) = (0, 0);
    for axis in 0..3 {
        for value in 0..2 {
            let four: Vec<usize> = (0..8).filter(|v| v >> axis & 1 == value).collect();
            edges += any(&four);
        }
        for v in (0..8usize).filter(|v| v >> axis & 1 == 0) {
            faces += any(&[v, v | 1 << axis]);
        }
    }
    8 * corner - 4 * edges + 2 * faces - bits.count_ones() as i32
}

fn keeps_euler(around: &[bool; 27], change: &[i8; 128]) -> bool {
    let sum: i32 = (0..8)
        .map(|n| {
            let places = octant(n);
            let index = (1..8).fold(0, |bits, b| {
                bits | usize::from(around[places[b]]) << (b - 1)
            });
            i32::from(change[index])
        })
        .sum();
    sum == 0
}

/// The neighbours stay in one piece (by faces, edges and corners) without the middle.
fn is_simple(around: &[bool; 27]) -> bool {
    let mut left: u32 = (0..27)
        .filter(|&n| n != MIDDLE && around[n])
        .fold(0, |bits, n| bits | 1 << n);
    if left == 0 {
        return true;
    }
    let mut open = left & left.wrapping_neg();
    left &= !open;
    while open != 0 {
        let at = open.trailing_zeros() as usize;
        open &= open - 1;
        let next = left & touching(at);
        left &= !next;
        open |= next;
    }
    left == 0
}

/// The places next to a place, as bits.
fn touching(at: usize) -> u32 {
    const TABLE: [u32; 27] = neighbour_table();
    TABLE[at]
}

const fn neighbour_table() -> [u32; 27] {
    let mut table = [0u32; 27];
    let mut a = 0usize;
    while a < 27 {
        let mut b = 0usize;
        while b < 27 {
            let dx = (a % 3).abs_diff(b % 3);
            let dy = (a / 3 % 3).abs_diff(b / 3 % 3);
            let dz = (a / 9).abs_diff(b / 9);
            if a != b && dx <= 1 && dy <= 1 && dz <= 1 {
                table[a] |= 1 << b;
            }
            b += 1;
        }
        a += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::components::{Connectivity, label};

    fn mask(size: [usize; 3], inside: impl Fn([f64; 3]) -> bool) -> Volume<u8> {
        let mut v = Volume::filled(size, Affine::axis_aligned([1.0; 3], [0.0; 3]), 0u8);
        for at in 0..v.data.len() {
            v.data[at] = u8::from(inside(v.index_of(at).map(|n| n as f64)));
        }
        v
    }

    #[test]
    fn euler_numbers_of_an_octant() {
        // One voxel: an eighth of a cube's Euler number 1. All eight: the corner is inside, nothing changes around it.
        assert_eq!(eightfold_euler(1), 1);
        assert_eq!(eightfold_euler(0b11), 0);
        assert_eq!(eightfold_euler(255), 8 - 24 + 24 - 8);
    }

    #[test]
    fn a_thick_ring_becomes_a_closed_line() {
        let ring = mask([31, 31, 9], |p| {
            let r = (p[0] - 15.0).hypot(p[1] - 15.0) - 10.0;
            r.hypot(p[2] - 4.0) < 2.6
        });
        let s = skeleton(&ring);
        assert!(s.data.iter().zip(&ring.data).all(|(a, b)| a <= b));
        assert_eq!(label(&s, Connectivity::TwentySix).sizes.len(), 1);
        // Ends are worn off again and again: what is left is the loop.
        let mut grid = Padded::new(&s);
        loop {
            let count = |p: usize| grid.around(p).iter().filter(|v| **v).count() - 1;
            let ends: Vec<usize> = (0..grid.data.len())
                .filter(|&p| grid.data[p] && count(p) < 2)
                .collect();
            if ends.is_empty() {
                break;
            }
            ends.into_iter().for_each(|p| grid.data[p] = false);
        }
        assert!(grid.data.iter().filter(|v| **v).count() > 40);
    }

    #[test]
    fn a_rod_becomes_its_axis_and_nothing_stays_nothing() {
        let rod = mask([9, 9, 30], |p| {
            (p[0] - 4.0).hypot(p[1] - 4.0) < 3.2 && p[2] > 2.0 && p[2] < 27.0
        });
        let s = skeleton(&rod);
        let left: Vec<[usize; 3]> = (0..s.data.len())
            .filter(|&at| s.data[at] != 0)
            .map(|at| s.index_of(at))
            .collect();
        assert!(left.len() > 14 && left.len() < 60, "{}", left.len());
        let middle = left.iter().filter(|p| (10..20).contains(&p[2]));
        for p in middle {
            assert!(p[0].abs_diff(4) <= 1 && p[1].abs_diff(4) <= 1, "{p:?}");
        }
        assert_eq!(skeleton(&mask([4; 3], |_| false)).data, vec![0; 64]);
    }
}
