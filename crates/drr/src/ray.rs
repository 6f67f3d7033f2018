//! The exact line integral along one ray, in double precision.
//!
//! Siddon, "Fast calculation of the exact radiological path for a three-dimensional CT array" (Medical Physics 1985): the ray is cut where
//! it crosses voxel faces, and every piece counts with the value of its voxel. This is the reference for
//! the projector, which computes the same for many rays at once.

use crate::geometry::{Ray, length};
use hilum_volume::affine::Inverse;
use hilum_volume::{Vec3, Volume};

/// Integral of `value(voxel)` along the part of the ray that lies inside the grid, in value times mm.
pub fn line_integral(
    size: [usize; 3],
    to_index: &Inverse,
    ray: &Ray,
    mut value: impl FnMut([usize; 3]) -> f64,
) -> f64 {
    // Voxel k covers k to k + 1 here.
    let start = to_index.apply(ray.from).map(|v| v + 0.5);
    let end = to_index.apply(ray.to).map(|v| v + 0.5);
    let step: Vec3 = std::array::from_fn(|k| end[k] - start[k]);
    let Some((enter, leave)) = clip(size, start, step) else {
        return 0.0;
    };
    let mut t = enter;
    let mut voxel: [isize; 3] =
        std::array::from_fn(|k| first_voxel(start[k] + t * step[k], step[k], size[k]));
    let mut sum = 0.0;
    while t < leave {
        let (mut next, mut axis) = (leave, 3);
        for k in 0..3 {
            let face = if step[k] > 0.0 {
                voxel[k] + 1
            } else {
                voxel[k]
            } as f64;
            let at = (face - start[k]) / step[k];
            if step[k] != 0.0 && at < next {
                (next, axis) = (at, k);
            }
        }
        if next > t {
            sum += (next - t) * value(voxel.map(|v| v as usize));
            t = next;
        }
        if axis == 3 {
            break;
        }
        voxel[axis] += if step[axis] > 0.0 { 1 } else { -1 };
        if voxel[axis] < 0 || voxel[axis] >= size[axis] as isize {
            break;
        }
    }
    sum * length(ray)
}

/// Line integral through the values of a volume.
pub fn through(volume: &Volume<f32>, to_index: &Inverse, ray: &Ray) -> f64 {
    line_integral(volume.size, to_index, ray, |[i, j, k]| {
        f64::from(volume.data[volume.at(i, j, k)])
    })
}

fn first_voxel(at: f64, step: f64, size: usize) -> isize {
    let whole = at.floor();
    // On a face the voxel ahead counts.
    let ahead = if step < 0.0 && at == whole {
        whole - 1.0
    } else {
        whole
    };
    (ahead as isize).clamp(0, size as isize - 1)
}

/// Where `start + t step`, 0 <= t <= 1, enters and leaves the grid.
pub(crate) fn clip(size: [usize; 3], start: Vec3, step: Vec3) -> Option<(f64, f64)> {
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for k in 0..3 {
        let n = size[k] as f64;
        if step[k] == 0.0 {
            if !(start[k] >= 0.0 && start[k] < n) {
                return None;
            }
            continue;
        }
        let (a, b) = (-start[k] / step[k], (n - start[k]) / step[k]);
        enter = enter.max(a.min(b));
        leave = leave.min(a.max(b));
    }
    (enter < leave).then_some((enter, leave))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    #[test]
    fn a_box_gives_its_chord() {
        let v = Volume::filled(
            [4, 5, 6],
            Affine::axis_aligned([1.0, 2.0, 0.5], [0.5, 1.0, 0.25]),
            3f32,
        );
        let inverse = v.affine.inverse().unwrap();
        let along = |from, to| through(&v, &inverse, &Ray { from, to });
        assert!((along([-9.0, 3.0, 1.0], [20.0, 3.0, 1.0]) - 12.0).abs() < 1e-9);
        assert!((along([1.2, 30.0, 1.0], [1.2, -4.0, 1.0]) - 30.0).abs() < 1e-9);
        // The space diagonal of 4 x 10 x 3 mm.
        let diagonal = (16.0f64 + 100.0 + 9.0).sqrt();
        assert!((along([-4.0, -10.0, -3.0], [8.0, 20.0, 6.0]) - 3.0 * diagonal).abs() < 1e-9);
        // Only the part between source and detector counts.
        assert!((along([2.0, 3.0, 1.0], [20.0, 3.0, 1.0]) - 6.0).abs() < 1e-9);
        assert_eq!(along([-9.0, 11.0, 1.0], [20.0, 11.0, 1.0]), 0.0);
    }
}
