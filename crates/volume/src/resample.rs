//! Values between voxels, and new grids.

use crate::Vec3;
use crate::affine::Affine;
use crate::error::VolumeError;
use crate::volume::Volume;
use rayon::prelude::*;

impl Volume<f32> {
    /// Trilinear value at an index; outside the outermost voxel centres the nearest of them counts, beyond half
    /// a voxel outside it is `None`.
    pub fn sample(&self, index: Vec3) -> Option<f32> {
        let mut base = [0usize; 3];
        let mut part = [0f32; 3];
        for k in 0..3 {
            let last = self.size[k] - 1;
            if !(index[k] >= -0.5 && index[k] <= last as f64 + 0.5) {
                return None;
            }
            let v = index[k].clamp(0.0, last as f64);
            base[k] = (v as usize).min(last.saturating_sub(1));
            part[k] = (v - base[k] as f64) as f32;
        }
        let [nx, ny, _] = self.size;
        // From a voxel to the next one along each axis; a side of one voxel has no next one.
        let step = |k: usize, stride: usize| if self.size[k] > 1 { stride } else { 0 };
        let (dx, dy, dz) = (step(0, 1), step(1, nx), step(2, nx * ny));
        let at = self.at(base[0], base[1], base[2]);
        let along_x = |at: usize| {
            let (here, next) = (self.data[at], self.data[at + dx]);
            here + (next - here) * part[0]
        };
        let along_y = |at: usize| {
            let (here, next) = (along_x(at), along_x(at + dy));
            here + (next - here) * part[1]
        };
        let (here, next) = (along_y(at), along_y(at + dz));
        Some(here + (next - here) * part[2])
    }

    /// The same content on another grid, trilinear; `outside` where there is none.
    ///
    /// # Errors
    /// [`VolumeError::Geometry`].
    pub fn resample(
        &self,
        size: [usize; 3],
        affine: Affine,
        outside: f32,
    ) -> Result<Volume<f32>, VolumeError> {
        let back = self.affine.inverse()?;
        let data = fill(size, |index| {
            self.sample(back.apply(affine.apply(index)))
                .unwrap_or(outside)
        });
        Volume::new(size, affine, data)
    }

    /// The same content with voxels of `spacing` mm on each side, over the same extent.
    ///
    /// # Errors
    /// [`VolumeError::Geometry`] for a spacing that is not positive.
    pub fn isotropic(&self, spacing: f64, outside: f32) -> Result<Volume<f32>, VolumeError> {
        let (size, affine) = finer_grid(self.size, &self.affine, spacing)?;
        self.resample(size, affine, outside)
    }
}

impl Volume<u8> {
    /// Labels on another grid: those of the nearest voxel; 0 outside.
    ///
    /// # Errors
    /// [`VolumeError::Geometry`].
    pub fn resample_nearest(
        &self,
        size: [usize; 3],
        affine: Affine,
    ) -> Result<Volume<u8>, VolumeError> {
        let back = self.affine.inverse()?;
        let nearest = |index: Vec3| {
            let p = back.apply(affine.apply(index)).map(|v| (v + 0.5).floor());
            let inside = (0..3).all(|k| p[k] >= 0.0 && p[k] < self.size[k] as f64);
            if inside {
                self.data[self.at(p[0] as usize, p[1] as usize, p[2] as usize)]
            } else {
                0
            }
        };
        let data = fill(size, nearest);
        Volume::new(size, affine, data)
    }
}

fn fill<T: Send>(size: [usize; 3], value: impl Fn(Vec3) -> T + Sync) -> Vec<T> {
    let value = &value;
    (0..size[1] * size[2])
        .into_par_iter()
        .flat_map_iter(|row| {
            let (j, k) = (row % size[1], row / size[1]);
            (0..size[0]).map(move |i| value([i as f64, j as f64, k as f64]))
        })
        .collect()
}

fn finer_grid(
    size: [usize; 3],
    affine: &Affine,
    spacing: f64,
) -> Result<([usize; 3], Affine), VolumeError> {
    if !(spacing.is_finite() && spacing > 0.0) {
        return Err(VolumeError::Geometry {
            reason: format!("cannot have a spacing of {spacing} mm"),
        });
    }
    let old = affine.spacing();
    let mut out = *affine;
    let mut sides = [1usize; 3];
    let mut corner = [0.0; 3];
    for k in 0..3 {
        let ratio = spacing / old[k];
        sides[k] = ((size[k] as f64 / ratio).round() as usize).max(1);
        out.axes[k] = affine.axes[k].map(|v| v * ratio);
        corner[k] = ratio / 2.0 - 0.5;
    }
    out.origin = affine.apply(corner);
    Ok((sides, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_field_is_reproduced() {
        let affine = Affine::axis_aligned([2.0, 1.0, 3.0], [1.0, 2.0, 3.0]);
        let mut v = Volume::filled([6, 8, 5], affine, 0f32);
        for at in 0..v.data.len() {
            let p = affine.apply(v.index_of(at).map(|n| n as f64));
            v.data[at] = (p[0] + 2.0 * p[1] - 0.5 * p[2]) as f32;
        }
        let fine = v.isotropic(1.0, 0.0).unwrap();
        assert_eq!(fine.size, [12, 8, 15]);
        for (i, j, k) in [(3, 3, 4), (7, 5, 8)] {
            let p = fine.affine.apply([i as f64, j as f64, k as f64]);
            let want = p[0] + 2.0 * p[1] - 0.5 * p[2];
            assert!((f64::from(fine.data[fine.at(i, j, k)]) - want).abs() < 1e-4);
        }
        assert!(v.sample([-0.6, 0.0, 0.0]).is_none());
    }
}
