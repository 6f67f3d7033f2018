//! Exact line integrals out of running sums.
//!
//! Every column of voxels along the axis that the rays run along most holds the running sum of its values. A ray changes its column where
//! it crosses a face along that axis (Siddon 1985), and between two crossings its integral is the difference of two running
//! sums. So a ray costs its crossings, not the voxels on its way: rays of a chest stand cross a tenth as many faces. Rays
//! side by side cross about as many, and take their steps together.

use hilum_volume::{Vec3, Volume};
use rayon::prelude::*;

/// Rays that take their steps together.
pub(crate) const LANES: usize = 8;
/// Rays that run across the columns more than this many times as far as along them are left to others.
const STEEP: f64 = 4.0;
/// Layers that are summed before they are turned into parts of columns.
const BLOCK: usize = 16;

/// Running sums of a volume's values along one axis.
pub(crate) struct Columns {
    /// The two axes across and the one along.
    axes: [usize; 3],
    first: [usize; 3],
    size: [usize; 3],
    /// `sums[column + m]` is the sum of the first m values of a column; see [`Columns::column`]. Sums are kept in double
    /// precision while they are made, so that each is rounded once.
    sums: Vec<f32>,
}

/// The way of one ray through the columns.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Way {
    /// Where it enters and leaves, as positions along the columns.
    at: f64,
    leave: f64,
    /// Positions of the next faces across it, from face to face, and to the next column there.
    next: [f64; 2],
    gap: [f64; 2],
    step: [i64; 2],
    column: i64,
}

impl Columns {
    /// Sums of `value` inside `bounds` (lowest and one past the highest index) along the axis `main`.
    pub fn new(
        volume: &Volume<f32>,
        value: &(impl Fn(f32) -> f32 + Sync),
        bounds: [(usize, usize); 3],
        main: usize,
    ) -> Columns {
        let axes = match main {
            0 => [1, 2, 0],
            1 => [0, 2, 1],
            _ => [0, 1, 2],
        };
        let first = axes.map(|k| bounds[k].0);
        let size = axes.map(|k| bounds[k].1 - bounds[k].0);
        let strides = axes.map(|k| [1, volume.size[0], volume.size[0] * volume.size[1]][k]);
        let start: usize = (0..3).map(|n| first[n] * strides[n]).sum();
        let row = (size[0] + 2) * (size[2] + 1);
        let mut sums = vec![0f32; row * (size[1] + 2)];
        sums[row..row * (size[1] + 1)]
            .par_chunks_mut(row)
            .enumerate()
            .for_each(|(b, columns)| {
                let at = |a: usize, m: usize| {
                    value(volume.data[start + b * strides[1] + a * strides[0] + m * strides[2]])
                };
                sum_up(size, at, columns);
            });
        Columns {
            axes,
            first,
            size,
            sums,
        }
    }

    /// Where the sums of column (a, b) start. Round all columns lies one of nothing.
    fn column(&self, a: usize, b: usize) -> usize {
        ((b + 1) * (self.size[0] + 2) + a + 1) * (self.size[2] + 1)
    }

    /// The way of a ray between two points in index coordinates; `None` for one that is too steep.
    pub fn way(&self, start: Vec3, end: Vec3) -> Option<Way> {
        let place = |p: Vec3| -> Vec3 {
            std::array::from_fn(|n| p[self.axes[n]] + 0.5 - self.first[n] as f64)
        };
        let (mut p, mut q) = (place(start), place(end));
        if p[2] > q[2] {
            (p, q) = (q, p);
        }
        let along = q[2] - p[2];
        let slope = [0, 1].map(|n| (q[n] - p[n]) / along);
        if !(along > 0.0 && slope.iter().all(|s| s.abs() <= STEEP)) {
            return None;
        }
        let Some((enter, leave)) = self.clip(p, q, slope) else {
            return Some(Way::default());
        };
        let sides = [0, 1].map(|n| Side::new(p[n], p[2], slope[n], enter, self.size[n]));
        let signed = |n: usize, step: usize| {
            let step = step as i64;
            if slope[n] < 0.0 { -step } else { step }
        };
        let length = self.size[2] + 1;
        Some(Way {
            at: enter,
            leave,
            next: sides.each_ref().map(|s| s.next),
            gap: slope.map(|s| 1.0 / s.abs()),
            step: [signed(0, length), signed(1, length * (self.size[0] + 2))],
            column: self.column(sides[0].cell, sides[1].cell) as i64,
        })
    }

    /// Where a ray enters and leaves the columns, as positions along them.
    fn clip(&self, p: Vec3, q: Vec3, slope: [f64; 2]) -> Option<(f64, f64)> {
        let (mut enter, mut leave) = (p[2].max(0.0), q[2].min(self.size[2] as f64));
        for n in 0..2 {
            let side = self.size[n] as f64;
            if slope[n] == 0.0 {
                if !(p[n] >= 0.0 && p[n] < side) {
                    return None;
                }
                continue;
            }
            let (a, b) = (-p[n] / slope[n], (side - p[n]) / slope[n]);
            enter = enter.max(p[2] + a.min(b));
            leave = leave.min(p[2] + a.max(b));
        }
        (enter < leave).then_some((enter, leave))
    }

    /// The integrals along rays, in values times voxels along the main axis.
    pub fn integrals(&self, ways: &[Way; LANES]) -> [f64; LANES] {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has these instructions.
            return unsafe { self.walk_avx2(ways) };
        }
        self.walk(ways)
    }

    // The same arithmetic in wider registers: nothing is fused, so results are the same to the bit.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn walk_avx2(&self, ways: &[Way; LANES]) -> [f64; LANES] {
        self.walk(ways)
    }

    // Plain indices over lanes, and choices in place of branches, are what the compiler turns into vector instructions.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn walk(&self, ways: &[Way; LANES]) -> [f64; LANES] {
        let top = self.size[2] as i64 - 1;
        let of = |f: fn(&Way) -> f64| -> [f64; LANES] { std::array::from_fn(|l| f(&ways[l])) };
        let (mut at, leave) = (of(|w| w.at), of(|w| w.leave));
        let (mut next_a, mut next_b) = (of(|w| w.next[0]), of(|w| w.next[1]));
        let (gap_a, gap_b) = (of(|w| w.gap[0]), of(|w| w.gap[1]));
        let whole = |f: fn(&Way) -> i64| -> [i64; LANES] { std::array::from_fn(|l| f(&ways[l])) };
        let (step_a, step_b) = (whole(|w| w.step[0]), whole(|w| w.step[1]));
        let mut column = whole(|w| w.column);
        let mut sums = [0f64; LANES];
        let mut before = [0f64; LANES];
        for l in 0..LANES {
            before[l] = self.until(column[l], at[l], top).0;
        }
        loop {
            let mut any = false;
            for l in 0..LANES {
                let first = next_a[l] <= next_b[l];
                let cross = if first { next_a[l] } else { next_b[l] };
                let moves = cross < leave[l];
                let to = if moves { cross } else { leave[l] };
                // A face that is met where the ray enters may seem to lie before that by rounding.
                at[l] = if to > at[l] { to } else { at[l] };
                let (sum, whole, part) = self.until(column[l], at[l], top);
                sums[l] += sum - before[l];
                let step = if first { step_a[l] } else { step_b[l] };
                column[l] += if moves { step } else { 0 };
                next_a[l] += if first { gap_a[l] } else { 0.0 };
                next_b[l] += if first { 0.0 } else { gap_b[l] };
                before[l] = self.lerp(column[l] + whole, part);
                any |= moves;
            }
            if !any {
                return sums;
            }
        }
    }

    /// The integral of a column from its start to a position, with the position's whole and its part.
    #[inline(always)]
    fn until(&self, column: i64, at: f64, top: i64) -> (f64, i64, f64) {
        // SAFETY: a position lies between those of entering and leaving, which are between 0 and the column's length.
        let whole = i64::from(unsafe { at.to_int_unchecked::<i32>() });
        let whole = if whole < top { whole } else { top };
        let part = at - whole as f64;
        (self.lerp(column + whole, part), whole, part)
    }

    #[inline(always)]
    fn lerp(&self, place: i64, part: f64) -> f64 {
        let place = place as usize;
        // Places lie in the columns; should one not, by rounding nobody thought of, it reads the column of nothing.
        let place = if place < self.sums.len() - 1 {
            place
        } else {
            0
        };
        // SAFETY: place + 1 is inside.
        let (low, high) = unsafe {
            (
                f64::from(*self.sums.get_unchecked(place)),
                f64::from(*self.sums.get_unchecked(place + 1)),
            )
        };
        low + part * (high - low)
    }
}

/// Running sums of the columns of one row, the columns of nothing at its ends left out.
fn sum_up(size: [usize; 3], value: impl Fn(usize, usize) -> f32, columns: &mut [f32]) {
    let length = size[2] + 1;
    let mut totals = vec![0f64; size[0]];
    // Layers are read as they lie and columns written as they lie; what is between stays in the cache.
    let mut layers = vec![0f32; BLOCK * size[0]];
    for from in (0..size[2]).step_by(BLOCK) {
        let to = (from + BLOCK).min(size[2]);
        for (m, layer) in (from..to).zip(layers.chunks_exact_mut(size[0])) {
            for (a, (total, sum)) in totals.iter_mut().zip(layer).enumerate() {
                *total += f64::from(value(a, m));
                *sum = *total as f32;
            }
        }
        for (a, column) in columns
            .chunks_exact_mut(length)
            .skip(1)
            .take(size[0])
            .enumerate()
        {
            for (n, sum) in column[from + 1..=to].iter_mut().enumerate() {
                *sum = layers[n * size[0] + a];
            }
        }
    }
}

/// The way of a ray across the columns along one axis.
struct Side {
    /// Where it is at first.
    cell: usize,
    /// Position along the columns of the next face.
    next: f64,
}

impl Side {
    fn new(start: f64, along: f64, slope: f64, enter: f64, size: usize) -> Side {
        let here = start + (enter - along) * slope;
        let whole = here.floor();
        let back = slope < 0.0;
        // On a face the voxel ahead counts.
        let ahead = if back && here == whole {
            whole - 1.0
        } else {
            whole
        };
        let cell = (ahead.max(0.0) as usize).min(size - 1);
        let face = if back { cell } else { cell + 1 } as f64;
        let next = if slope == 0.0 {
            f64::INFINITY
        } else {
            along + (face - start) / slope
        };
        Side { cell, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Ray;
    use crate::ray::line_integral;
    use hilum_volume::Affine;

    fn textured(size: [usize; 3]) -> Volume<f32> {
        let mut v = Volume::filled(size, Affine::axis_aligned([1.0; 3], [0.0; 3]), 0f32);
        let mut word = 5u64;
        for x in &mut v.data {
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *x = (word >> 40) as f32 / (1 << 24) as f32;
        }
        v
    }

    /// Rays from everywhere, through corners and along faces too, against the one that goes from voxel to voxel.
    #[test]
    fn every_ray_has_the_integral_of_its_voxels() {
        let v = textured([9, 7, 11]);
        let whole = [(0, 9), (0, 7), (0, 11)];
        let to_index = v.affine.inverse().unwrap();
        let place = |n: usize| {
            let part = |k: usize| {
                [-30.0, -4.0, -0.5, 2.5, 3.0, 3.25, 8.5, 40.0][n / 8usize.pow(k as u32) % 8]
            };
            [part(0), part(1), part(2)]
        };
        let mut seen = 0;
        for main in 0..3 {
            let columns = Columns::new(&v, &|x| x, whole, main);
            for n in 0..512usize {
                let (from, to) = (place(n), place((n * 37 + 11) % 512));
                let along: Vec3 = std::array::from_fn(|k| to[k] - from[k]);
                let Some(way) = columns.way(from, to) else {
                    let across = (0..3)
                        .filter(|&k| k != main)
                        .map(|k| along[k].abs())
                        .fold(0.0, f64::max);
                    assert!(across >= STEEP * along[main].abs());
                    continue;
                };
                let sum = columns.integrals(&[way; LANES])[n % LANES];
                assert_eq!(
                    sum,
                    columns.walk(&[way; LANES])[0],
                    "with and without wide registers"
                );
                let length = along.iter().map(|c| c * c).sum::<f64>().sqrt();
                let got = sum * length / along[main].abs();
                let value = |[i, j, k]: [usize; 3]| f64::from(v.data[v.at(i, j, k)]);
                let want = line_integral(v.size, &to_index, &Ray { from, to }, value);
                // A ray in a face may count with either of the two voxels.
                let in_face = (0..3).any(|k| along[k] == 0.0 && (from[k] + 0.5).fract() == 0.0);
                if !in_face {
                    assert!(
                        (got - want).abs() < 1e-5,
                        "{got} {want}: {from:?} {to:?} {main}"
                    );
                    seen += usize::from(want > 1.0);
                }
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn nothing_on_the_way_is_exactly_nothing() {
        let mut v = Volume::filled([6, 6, 40], Affine::axis_aligned([1.0; 3], [0.0; 3]), 0f32);
        // A bright layer before and after a gap that the ray runs through.
        for at in 0..v.data.len() {
            let k = v.index_of(at)[2];
            v.data[at] = if (10..30).contains(&k) { 0.0 } else { 0.3 };
        }
        let columns = Columns::new(&v, &|x| x, [(0, 6), (0, 6), (0, 40)], 2);
        for (from, to) in [
            ([0.2, 4.1, 10.0], [4.9, 0.3, 29.0]),
            ([9.0, 9.0, -9.0], [9.5, 9.0, 90.0]),
        ] {
            let way = columns.way(from, to).unwrap();
            assert_eq!(columns.integrals(&[way; LANES]), [0.0; LANES]);
        }
        assert!(columns.way([0.0, 0.0, 5.0], [9.0, 0.0, 5.0]).is_none());
    }
}
