//! Trilinear samples at even distances on one ray, several side by side.

use hilum_volume::{Vec3, Volume};

/// Samples that are worked on side by side.
const LANES: usize = 8;

/// Places on a ray: `start + (enter + (s + 0.5) * dt) * step` for `s` = 0, 1, .., in indices of the volume.
pub(crate) struct Samples<'v> {
    volume: &'v Volume<f32>,
    start: Vec3,
    step: Vec3,
    enter: f64,
    dt: f64,
    /// Highest index along each axis.
    last: Vec3,
    /// From a voxel to the next one along each axis; 0 where there is none.
    next: [i32; 3],
    strides: [i32; 3],
}

impl<'v> Samples<'v> {
    pub(crate) fn new(
        volume: &'v Volume<f32>,
        start: Vec3,
        step: Vec3,
        enter: f64,
        dt: f64,
    ) -> Self {
        let [nx, ny, _] = volume.size;
        let strides = [1, nx as i32, (nx * ny) as i32];
        Samples {
            start,
            step,
            enter,
            dt,
            last: volume.size.map(|n| (n - 1) as f64),
            next: std::array::from_fn(|k| if volume.size[k] > 1 { strides[k] } else { 0 }),
            strides,
            volume,
        }
    }

    /// The values of the first `n` samples, as [`Volume::sample`] gives them; those more than a voxel away from `bounds`
    /// are left out.
    pub(crate) fn values(
        &self,
        n: usize,
        bounds: [(usize, usize); 3],
    ) -> impl Iterator<Item = f32> {
        let (first, end) = self.near(n, bounds);
        (first..end).step_by(LANES).flat_map(move |s| {
            let values = self.together(s);
            values.into_iter().take(end - s)
        })
    }

    /// The samples within a voxel of `bounds`: from the first to one past the last. A straight line is in a box once.
    fn near(&self, n: usize, bounds: [(usize, usize); 3]) -> (usize, usize) {
        let near = |s: usize| {
            let p: Vec3 = std::array::from_fn(|k| self.at(s, k));
            (0..3).all(|k| p[k] >= bounds[k].0 as f64 - 1.0 && p[k] <= bounds[k].1 as f64)
        };
        let Some(first) = (0..n).find(|&s| near(s)) else {
            return (0, 0);
        };
        let last = (first..n).rev().find(|&s| near(s)).unwrap_or(first);
        (first, last + 1)
    }

    #[inline(always)]
    fn at(&self, s: usize, k: usize) -> f64 {
        self.start[k] + (self.enter + (s as f64 + 0.5) * self.dt) * self.step[k]
    }

    fn together(&self, s: usize) -> [f32; LANES] {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512dq")
            {
                // SAFETY: the processor has these instructions.
                return unsafe { self.together_avx512(s) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has these instructions.
                return unsafe { self.together_avx2(s) };
            }
        }
        self.together_any(s)
    }

    // The same arithmetic in wider registers: nothing is fused, so results are the same to the bit.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn together_avx512(&self, s: usize) -> [f32; LANES] {
        self.together_any(s)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn together_avx2(&self, s: usize) -> [f32; LANES] {
        self.together_any(s)
    }

    // Plain indices over lanes are what the compiler turns into vector instructions.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn together_any(&self, s: usize) -> [f32; LANES] {
        let mut at = [0i32; LANES];
        let mut part = [[0f32; LANES]; 3];
        let mut inside = [true; LANES];
        for k in 0..3 {
            let last = self.last[k];
            let top = (last - 1.0).max(0.0);
            for l in 0..LANES {
                let index = self.at(s + l, k);
                inside[l] &= index >= -0.5 && index <= last + 0.5;
                let v = if index > 0.0 { index } else { 0.0 };
                let v = if v < last { v } else { last };
                let base = if v < top { v } else { top };
                // SAFETY: 0 to `top`, and volumes that are projected have fewer than 2^31 voxels.
                let base: i32 = unsafe { base.to_int_unchecked() };
                part[k][l] = (v - f64::from(base)) as f32;
                at[l] += base * self.strides[k];
            }
        }
        let data = self.volume.data.as_slice();
        let [dx, dy, dz] = self.next;
        let mut out = [0f32; LANES];
        for l in 0..LANES {
            // SAFETY: the base is at most the last but one along each axis, and steps are 0 where there is one voxel only.
            let value = |at: i32| unsafe { *data.get_unchecked(at as usize) };
            let along_x = |at: i32| value(at) + (value(at + dx) - value(at)) * part[0][l];
            let along_y = |at: i32| along_x(at) + (along_x(at + dy) - along_x(at)) * part[1][l];
            let here = along_y(at[l]);
            let value = here + (along_y(at[l] + dz) - here) * part[2][l];
            out[l] = if inside[l] { value } else { 0.0 };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    fn volume(size: [usize; 3]) -> Volume<f32> {
        let mut v = Volume::filled(size, Affine::axis_aligned([1.0; 3], [0.0; 3]), 0f32);
        for (n, x) in v.data.iter_mut().enumerate() {
            *x = ((n * 7919) % 1013) as f32 / 1013.0;
        }
        v
    }

    #[test]
    fn the_same_as_one_after_the_other() {
        for size in [[9, 7, 5], [1, 6, 4], [3, 1, 1]] {
            let v = volume(size);
            let bounds = size.map(|n| (0, n));
            for (start, step) in [
                ([-2.0, 1.1, 0.3], [14.0, 3.9, 4.1]),
                ([4.0, 9.0, 6.0], [-0.01, -11.0, -7.3]),
                ([0.0, 0.0, -3.0], [0.0, 0.0, 9.0]),
            ] {
                let way = Samples::new(&v, start, step, 0.01, 0.98 / 37.0);
                let ours: Vec<f32> = way.values(37, bounds).collect();
                let theirs: Vec<f32> = (0..37)
                    .map(|s| std::array::from_fn(|k| way.at(s, k)))
                    .filter(|p: &Vec3| (0..3).all(|k| p[k] >= -1.0 && p[k] <= size[k] as f64))
                    .map(|p| v.sample(p).unwrap_or(0.0))
                    .collect();
                assert_eq!(ours, theirs, "{size:?} {start:?}");
            }
        }
    }

    #[test]
    fn nothing_far_from_what_is_not_zero() {
        let v = volume([9, 7, 5]);
        let way = Samples::new(&v, [0.0; 3], [8.0, 0.0, 0.0], 0.0, 0.1);
        assert_eq!(way.values(10, [(4, 5), (0, 7), (0, 5)]).count(), 2);
        assert_eq!(way.values(10, [(4, 5), (3, 4), (0, 5)]).count(), 0);
    }
}
