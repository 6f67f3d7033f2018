//! From voxel indices to millimetres and back.

use crate::Vec3;
use crate::error::VolumeError;
use serde::{Deserialize, Serialize};

/// Largest cosine between two axes that still counts as a right angle: headers store single precision.
const SKEW_TOLERANCE: f64 = 1e-3;

/// `mm = origin + i * axes[0] + j * axes[1] + k * axes[2]`, in LPS; whole indices are voxel centres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Step in mm for one voxel along each index axis.
    pub axes: [Vec3; 3],
    /// Centre of voxel (0, 0, 0) in mm.
    pub origin: Vec3,
}

/// Dot product.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Cross product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Length.
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// `a + s b`.
pub fn add_scaled(a: Vec3, s: f64, b: Vec3) -> Vec3 {
    [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]]
}

/// `a - b`.
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    add_scaled(a, -1.0, b)
}

/// A vector of length 1 in the direction of `a`; the zero vector stays zero.
pub fn unit(a: Vec3) -> Vec3 {
    let n = norm(a);
    if n > 0.0 { a.map(|v| v / n) } else { a }
}

impl Affine {
    /// Axes along x, y and z with the given spacing in mm.
    pub fn axis_aligned(spacing: Vec3, origin: Vec3) -> Self {
        Affine {
            axes: [
                [spacing[0], 0.0, 0.0],
                [0.0, spacing[1], 0.0],
                [0.0, 0.0, spacing[2]],
            ],
            origin,
        }
    }

    /// Spacing in mm along each index axis.
    pub fn spacing(&self) -> Vec3 {
        self.axes.map(norm)
    }

    /// Millimetres of an index.
    pub fn apply(&self, index: Vec3) -> Vec3 {
        (0..3).fold(self.origin, |p, k| add_scaled(p, index[k], self.axes[k]))
    }

    /// A direction in voxels to millimetres.
    pub fn apply_direction(&self, step: Vec3) -> Vec3 {
        (0..3).fold([0.0; 3], |p, k| add_scaled(p, step[k], self.axes[k]))
    }

    /// The map from millimetres to indices.
    ///
    /// # Errors
    /// [`VolumeError::Geometry`] when the axes do not span space.
    pub fn inverse(&self) -> Result<Inverse, VolumeError> {
        let [a, b, c] = self.axes;
        let rows = [cross(b, c), cross(c, a), cross(a, b)];
        let determinant = dot(a, rows[0]);
        let scale = norm(a) * norm(b) * norm(c);
        if !determinant.is_finite() || determinant.abs() <= 1e-9 * scale {
            return Err(VolumeError::Geometry {
                reason: "do not span space".into(),
            });
        }
        Ok(Inverse {
            rows: rows.map(|r| r.map(|v| v / determinant)),
            origin: self.origin,
        })
    }

    /// `Ok` when spacing is positive and the axes meet at right angles.
    ///
    /// # Errors
    /// [`VolumeError::Geometry`] with the angle otherwise: a tilted gantry shears the stack.
    pub fn check_orthogonal(&self) -> Result<(), VolumeError> {
        let s = self.spacing();
        if s.iter().any(|v| !v.is_finite() || *v <= 0.0)
            || self.origin.iter().any(|v| !v.is_finite())
        {
            return Err(VolumeError::Geometry {
                reason: format!("have the spacing {} x {} x {} mm", s[0], s[1], s[2]),
            });
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let cosine = dot(self.axes[a], self.axes[b]) / (s[a] * s[b]);
            if cosine.abs() > SKEW_TOLERANCE {
                return Err(VolumeError::Geometry {
                    reason: format!(
                        "{a} and {b} meet at {:.2} degrees (tilted gantry or sheared volume); resample it to right angles first",
                        cosine.clamp(-1.0, 1.0).acos().to_degrees()
                    ),
                });
            }
        }
        Ok(())
    }
}

/// From millimetres to indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inverse {
    rows: [Vec3; 3],
    origin: Vec3,
}

impl Inverse {
    /// Index of a point in mm.
    pub fn apply(&self, point: Vec3) -> Vec3 {
        self.apply_direction(sub(point, self.origin))
    }

    /// A direction in mm to voxels.
    pub fn apply_direction(&self, direction: Vec3) -> Vec3 {
        self.rows.map(|r| dot(r, direction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_an_oblique_map() {
        let (s, c) = (30f64.to_radians().sin(), 30f64.to_radians().cos());
        let a = Affine {
            axes: [
                [0.7 * c, 0.7 * s, 0.0],
                [-0.9 * s, 0.9 * c, 0.0],
                [0.0, 0.0, -2.5],
            ],
            origin: [10.0, -20.0, 30.0],
        };
        a.check_orthogonal().unwrap();
        let index = [3.25, 7.5, -2.0];
        let back = a.inverse().unwrap().apply(a.apply(index));
        for k in 0..3 {
            assert!((back[k] - index[k]).abs() < 1e-12);
        }
        assert!((a.spacing()[2] - 2.5).abs() < 1e-12);
    }

    #[test]
    fn shear_and_flat_axes_are_refused() {
        let mut a = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        a.axes[2] = [0.0, 0.2, 1.0];
        let error = a.check_orthogonal().unwrap_err().to_string();
        assert!(error.contains("78.69 degrees"), "{error}");
        a.axes[2] = [1.0, 1.0, 0.0];
        assert!(a.inverse().is_err());
    }
}
