//! Tubes brighter than what is around them, by the Hessian at several scales.
//!
//! Frangi et al., "Multiscale vessel enhancement filtering" (MICCAI 1998): at each scale the volume is smoothed with a Gaussian of that
//! width in mm, second derivatives are taken in mm and multiplied by the square of the width, and their eigenvalues tell tubes from plates
//! and balls. The response of a voxel is the largest over the scales, 0 to 1.

use crate::error::VolumeError;
use crate::smooth::gaussian;
use crate::volume::Volume;
use rayon::prelude::*;

/// How the eigenvalues are weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Tubularity {
    /// Widths of the Gaussians in mm; a tube answers most where the width is its radius times about 0.7.
    pub scales: Vec<f64>,
    /// Tolerance for plates: `RA = |l2| / |l3|`.
    pub alpha: f64,
    /// Tolerance for balls: `RB = |l1| / sqrt(|l2 l3|)`.
    pub beta: f64,
    /// Strength, in units of the volume, over which a structure counts; half of the usual contrast is too much, the noise too little.
    pub strength: f64,
}

impl Default for Tubularity {
    fn default() -> Self {
        Tubularity {
            scales: vec![0.8, 1.4, 2.4],
            alpha: 0.5,
            beta: 0.5,
            strength: 90.0,
        }
    }
}

/// The response inside `mask`, 0 elsewhere.
///
/// # Errors
/// [`VolumeError::Shape`] for a mask of another size, [`VolumeError::Geometry`] for a width that is not positive.
pub fn tubularity(
    volume: &Volume<f32>,
    mask: &Volume<u8>,
    how: &Tubularity,
) -> Result<Volume<f32>, VolumeError> {
    if mask.size != volume.size {
        return Err(VolumeError::Shape {
            size: volume.size,
            expected: volume.data.len(),
            got: mask.data.len(),
        });
    }
    if let Some(s) = how.scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(VolumeError::Geometry {
            reason: format!("cannot be searched for tubes of the scale {s} mm"),
        });
    }
    let mut out = volume.map(|_| 0f32);
    for &sigma in &how.scales {
        let smooth = gaussian(volume, sigma);
        let plane = volume.size[0] * volume.size[1];
        out.data
            .par_chunks_mut(plane)
            .enumerate()
            .for_each(|(k, slice)| {
                for (at, v) in slice.iter_mut().enumerate() {
                    if mask.data[k * plane + at] != 0 {
                        let h = hessian(&smooth, k * plane + at);
                        let l = eigenvalues(&h).map(|v| v * (sigma * sigma) as f32);
                        let answer = frangi(l, how);
                        *v = if answer > *v { answer } else { *v };
                    }
                }
            });
    }
    Ok(out)
}

/// Second derivatives per mm2 by central differences: xx, yy, zz, xy, xz, yz of the index axes, which are at right angles.
fn hessian(v: &Volume<f32>, at: usize) -> [f32; 6] {
    let index = v.index_of(at);
    let spacing = v.affine.spacing().map(|s| s as f32);
    let strides = [1, v.size[0], v.size[0] * v.size[1]];
    let step = |axis: usize, up: bool| -> isize {
        let can = if up {
            index[axis] + 1 < v.size[axis]
        } else {
            index[axis] > 0
        };
        match (can, up) {
            (false, _) => 0,
            (true, true) => strides[axis] as isize,
            (true, false) => -(strides[axis] as isize),
        }
    };
    let get = |shift: isize| v.data[at.wrapping_add_signed(shift)];
    let here = get(0);
    let straight =
        |a: usize| (get(step(a, true)) + get(step(a, false)) - 2.0 * here) / spacing[a].powi(2);
    let mixed = |a: usize, b: usize| {
        let corner = |p: bool, q: bool| get(step(a, p) + step(b, q));
        (corner(true, true) + corner(false, false) - corner(true, false) - corner(false, true))
            / (4.0 * spacing[a] * spacing[b])
    };
    [
        straight(0),
        straight(1),
        straight(2),
        mixed(0, 1),
        mixed(0, 2),
        mixed(1, 2),
    ]
}

/// Eigenvalues of a symmetric matrix in the order of their size without sign (closed form, Smith 1961).
pub fn eigenvalues(h: &[f32; 6]) -> [f32; 3] {
    let [xx, yy, zz, xy, xz, yz] = h.map(f64::from);
    let off = xy * xy + xz * xz + yz * yz;
    let mean = (xx + yy + zz) / 3.0;
    let (a, b, c) = (xx - mean, yy - mean, zz - mean);
    let spread = ((a * a + b * b + c * c + 2.0 * off) / 6.0).sqrt();
    if spread < 1e-12 {
        return [mean as f32; 3];
    }
    let determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz);
    let angle = (determinant / (2.0 * spread.powi(3)))
        .clamp(-1.0, 1.0)
        .acos()
        / 3.0;
    let high = mean + 2.0 * spread * angle.cos();
    let low = mean + 2.0 * spread * (angle + 2.0 * std::f64::consts::FRAC_PI_3).cos();
    let mut all = [high, 3.0 * mean - high - low, low];
    all.sort_by(|p, q| p.abs().total_cmp(&q.abs()));
    all.map(|v| v as f32)
}

fn frangi([l1, l2, l3]: [f32; 3], how: &Tubularity) -> f32 {
    // Bright tubes curve down across themselves.
    if l2 >= 0.0 || l3 >= 0.0 {
        return 0.0;
    }
    let plate = f64::from(l2 / l3);
    let ball = f64::from(l1.abs()) / f64::from(l2 * l3).sqrt();
    let strength = f64::from(l1 * l1 + l2 * l2 + l3 * l3);
    let bell = |v: f64, width: f64| (-v / (2.0 * width * width)).exp();
    let answer = (1.0 - bell(plate * plate, how.alpha))
        * bell(ball * ball, how.beta)
        * (1.0 - bell(strength, how.strength));
    answer as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vec3;
    use crate::affine::{Affine, dot, norm, sub, unit};

    /// Tube, plate and ball of the same half width and contrast, on voxels of unequal sides, the tube oblique.
    fn scene(spacing: Vec3, shape: impl Fn(Vec3) -> f64) -> Volume<f32> {
        let size = spacing.map(|s| (36.0 / s) as usize);
        let affine = Affine::axis_aligned(spacing, [-18.0; 3]);
        let mut v = Volume::filled(size, affine, -850f32);
        let h = spacing.iter().sum::<f64>() / 3.0;
        for at in 0..v.data.len() {
            let p = affine.apply(v.index_of(at).map(|n| n as f64));
            let share = (0.5 - shape(p) / h).clamp(0.0, 1.0);
            v.data[at] += (900.0 * share) as f32;
        }
        v
    }

    fn answer(v: &Volume<f32>) -> f32 {
        let all = v.map(|_| 1u8);
        let t = tubularity(v, &all, &Tubularity::default()).unwrap();
        let middle = v
            .affine
            .inverse()
            .unwrap()
            .apply([0.0; 3])
            .map(|v| v.round() as usize);
        t.data[t.at(middle[0], middle[1], middle[2])]
    }

    #[test]
    fn tubes_answer_and_plates_and_balls_do_not() {
        let radius = 2.0;
        let along = unit([0.6, -0.3, 0.7]);
        let across = |p: Vec3| norm(sub(p, along.map(|v| v * dot(p, along))));
        for spacing in [[1.0; 3], [0.7, 0.7, 1.5]] {
            let tube = answer(&scene(spacing, |p| across(p) - radius));
            let plate = answer(&scene(spacing, |p| dot(p, along).abs() - radius));
            let ball = answer(&scene(spacing, |p| norm(p) - radius));
            assert!(tube > 0.6, "{spacing:?}: {tube}");
            assert!(plate < 0.1, "{spacing:?}: plate {plate}");
            assert!(ball < 0.3, "{spacing:?}: ball {ball}");
        }
    }

    #[test]
    fn eigenvalues_of_known_matrices() {
        let near = |a: [f32; 3], b: [f32; 3]| (0..3).all(|k| (a[k] - b[k]).abs() < 1e-4);
        assert!(near(
            eigenvalues(&[3.0, -1.0, 2.0, 0.0, 0.0, 0.0]),
            [-1.0, 2.0, 3.0]
        ));
        // [[2, 1, 0], [1, 2, 0], [0, 0, -5]] has 1, 3 and -5.
        assert!(near(
            eigenvalues(&[2.0, 2.0, -5.0, 1.0, 0.0, 0.0]),
            [1.0, 3.0, -5.0]
        ));
        assert_eq!(eigenvalues(&[4.0, 4.0, 4.0, 0.0, 0.0, 0.0]), [4.0; 3]);
    }

    #[test]
    fn wrong_scales_and_masks_are_refused() {
        let v = Volume::filled([4; 3], Affine::axis_aligned([1.0; 3], [0.0; 3]), 0f32);
        let how = Tubularity {
            scales: vec![0.0],
            ..Tubularity::default()
        };
        assert!(tubularity(&v, &v.map(|_| 1), &how).is_err());
        let other = Volume::filled([3; 3], v.affine, 1u8);
        assert!(tubularity(&v, &other, &Tubularity::default()).is_err());
    }
}
