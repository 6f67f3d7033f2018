//! Implicit surfaces: negative inside, positive outside, about in mm near the surface.

use hilum_volume::Vec3;
use hilum_volume::affine::{add_scaled, cross, dot, norm, sub, unit};

/// An ellipsoid with three axes of any direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Ellipsoid {
    /// Middle.
    pub centre: Vec3,
    /// Unit vectors at right angles.
    pub axes: [Vec3; 3],
    /// Half lengths in mm.
    pub radii: Vec3,
}

impl Ellipsoid {
    /// Axes along x, y and z.
    pub fn upright(centre: Vec3, radii: Vec3) -> Self {
        Ellipsoid {
            centre,
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            radii,
        }
    }

    /// The first axis along a direction.
    pub fn along(centre: Vec3, direction: Vec3, radii: Vec3) -> Self {
        let a = unit(direction);
        let helper = if a[2].abs() < 0.9 {
            [0.0, 0.0, 1.0]
        } else {
            [1.0, 0.0, 0.0]
        };
        let b = unit(cross(helper, a));
        Ellipsoid {
            centre,
            axes: [a, b, cross(a, b)],
            radii,
        }
    }

    /// Distance to the surface, to first order (value over gradient).
    pub fn distance(&self, p: Vec3) -> f64 {
        let q = sub(p, self.centre);
        let local: Vec3 = std::array::from_fn(|k| dot(q, self.axes[k]) / self.radii[k]);
        let level = norm(local);
        let slope = norm(std::array::from_fn(|k| local[k] / self.radii[k]));
        if slope < 1e-9 {
            return -self.radii.into_iter().fold(f64::INFINITY, f64::min);
        }
        level * (level - 1.0) / slope
    }

    /// Length of the ray `o + s d`, d a unit vector, inside.
    pub fn chord(&self, o: Vec3, d: Vec3) -> f64 {
        let q = sub(o, self.centre);
        let (mut a, mut b, mut c) = (0.0, 0.0, -1.0);
        for k in 0..3 {
            let (p, v) = (
                dot(q, self.axes[k]) / self.radii[k],
                dot(d, self.axes[k]) / self.radii[k],
            );
            a += v * v;
            b += p * v;
            c += p * p;
        }
        let under = b * b - a * c;
        if under <= 0.0 {
            0.0
        } else {
            2.0 * under.sqrt() / a
        }
    }
}

/// A union whose crease is rounded over `k` mm (the polynomial smooth minimum of Quilez).
pub fn smooth_union(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k / 4.0
}

/// What is in `a` and not in `b`.
pub fn minus(a: f64, b: f64) -> f64 {
    a.max(-b)
}

/// Distance to a thick line through points, each with its radius.
pub fn polyline(p: Vec3, points: &[(Vec3, f64)]) -> f64 {
    points
        .windows(2)
        .map(|w| {
            let (a, b) = (w[0].0, w[1].0);
            let ab = sub(b, a);
            let t = (dot(sub(p, a), ab) / dot(ab, ab)).clamp(0.0, 1.0);
            norm(sub(p, add_scaled(a, t, ab))) - (w[0].1 + t * (w[1].1 - w[0].1))
        })
        .fold(f64::INFINITY, f64::min)
}

/// A point on the Catmull-Rom curve through `points`, `t` from 0 to 1 over all of it.
pub fn curve(points: &[Vec3], t: f64) -> Vec3 {
    let spans = points.len().saturating_sub(1).max(1);
    let at = (t.clamp(0.0, 1.0) * spans as f64).min(spans as f64 - 1e-9);
    let (n, u) = (at as usize, at.fract());
    let last = points.len() as isize - 1;
    let get = |k: isize| points[k.clamp(0, last) as usize];
    let (a, b, c, d) = (
        get(n as isize - 1),
        get(n as isize),
        get(n as isize + 1),
        get(n as isize + 2),
    );
    std::array::from_fn(|k| {
        let (p, q, r, s) = (a[k], b[k], c[k], d[k]);
        0.5 * (2.0 * q
            + (r - p) * u
            + (2.0 * p - 5.0 * q + 4.0 * r - s) * u * u
            + (3.0 * q - p - 3.0 * r + s) * u * u * u)
    })
}

/// `n + 1` points along the curve.
pub fn sampled(points: &[Vec3], n: usize) -> Vec<Vec3> {
    (0..=n)
        .map(|k| curve(points, k as f64 / n as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ball_has_its_distance_and_chord() {
        let ball = Ellipsoid::along([1.0, 2.0, 3.0], [1.0, 1.0, 0.3], [5.0; 3]);
        assert!((ball.distance([1.0, 2.0, 11.0]) - 3.0).abs() < 1e-9);
        assert!((ball.distance([1.0, 5.0, 3.0]) + 2.0).abs() < 1e-9);
        assert!((ball.chord([-20.0, 2.0, 6.0], [1.0, 0.0, 0.0]) - 8.0).abs() < 1e-9);
        assert_eq!(ball.chord([-20.0, 2.0, 9.0], [1.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn curves_pass_through_their_points() {
        let points = [[0.0; 3], [1.0, 2.0, 0.0], [4.0, 2.0, 1.0]];
        for (n, p) in points.iter().enumerate() {
            let at = curve(&points, n as f64 / 2.0);
            assert!(norm(sub(at, *p)) < 1e-6);
        }
        assert!(
            (polyline([2.0, 5.0, 0.0], &[([0.0; 3], 1.0), ([9.0, 0.0, 0.0], 1.0)]) - 4.0).abs()
                < 1e-9
        );
        assert!(smooth_union(1.0, 1.0, 4.0) < 1.0 && smooth_union(1.0, 9.0, 4.0) == 1.0);
    }
}
