//! Properties of a mask as one region.

use crate::plane::Mask;
use hilum_core::{Point, Rect};

/// Area, place and shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Properties {
    /// Pixels.
    pub area: usize,
    /// Centre of mass; pixel `(0, 0)` has its centre at `(0.5, 0.5)`.
    pub centroid: Point,
    /// Smallest box around all pixels.
    pub bounds: Rect,
    /// Eccentricity of the ellipse with the same second moments, 0 (circle) to 1.
    pub eccentricity: f64,
    /// Length of its major axis in pixels.
    pub major_axis: f64,
    /// Length of its minor axis in pixels.
    pub minor_axis: f64,
    /// Angle of the major axis to the vertical, in radians between -pi/2 and pi/2; 0 for a shape without direction.
    pub orientation: f64,
    /// Diameter of a circle of the same area.
    pub equivalent_diameter: f64,
}

/// Properties of all pixels of the mask together; `None` for an empty mask.
pub fn properties(mask: &Mask) -> Option<Properties> {
    let (mut n, mut sx, mut sy) = (0.0f64, 0.0f64, 0.0f64);
    let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
    let pixels = || {
        mask.data
            .iter()
            .enumerate()
            .filter(|(_, v)| **v != 0)
            .map(|(i, _)| (i % mask.width, i / mask.width))
    };
    for (x, y) in pixels() {
        n += 1.0;
        sx += x as f64;
        sy += y as f64;
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
    }
    if n == 0.0 {
        return None;
    }
    let (cx, cy) = (sx / n, sy / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pixels() {
        let (dx, dy) = (x as f64 - cx, y as f64 - cy);
        (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
    }
    let (xx, yy, xy) = (xx / n, yy / n, xy / n);
    let root = (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt();
    let (l1, l2) = ((xx + yy) / 2.0 + root, ((xx + yy) / 2.0 - root).max(0.0));
    let bounds = Rect {
        x: left as f64,
        y: top as f64,
        w: (right - left + 1) as f64,
        h: (bottom - top + 1) as f64,
    };
    Some(Properties {
        area: n as usize,
        centroid: Point {
            x: cx + 0.5,
            y: cy + 0.5,
        },
        bounds,
        eccentricity: if l1 > 0.0 {
            (1.0 - l2 / l1).sqrt()
        } else {
            0.0
        },
        major_axis: 4.0 * l1.sqrt(),
        minor_axis: 4.0 * l2.sqrt(),
        orientation: orientation(xx, yy, xy),
        equivalent_diameter: (4.0 * n / std::f64::consts::PI).sqrt(),
    })
}

/// Share of its convex hull that the mask fills, with pixels as squares: 1 for a convex shape. `None` for an empty mask.
pub fn solidity(mask: &Mask) -> Option<f64> {
    let mut corners = Vec::new();
    for (y, row) in mask.data.chunks_exact(mask.width.max(1)).enumerate() {
        let Some(first) = row.iter().position(|v| *v != 0) else {
            continue;
        };
        let last = row.iter().rposition(|v| *v != 0).unwrap_or(first);
        for (x, y) in [(first, y), (first, y + 1), (last + 1, y), (last + 1, y + 1)] {
            corners.push((x as f64, y as f64));
        }
    }
    let hull = hull(corners);
    let next = hull.iter().cycle().skip(1);
    let twice: f64 = hull
        .iter()
        .zip(next)
        .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
        .sum();
    (twice != 0.0).then(|| mask.count() as f64 / (twice / 2.0).abs())
}

/// Convex hull by Andrew's monotone chain.
pub(super) fn hull(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    let mut hull: Vec<(f64, f64)> = Vec::with_capacity(points.len() + 1);
    for side in 0..2 {
        let start = hull.len();
        for &p in &points {
            while hull.len() >= start + 2
                && turn(hull[hull.len() - 2], hull[hull.len() - 1], p) <= 0.0
            {
                hull.pop();
            }
            hull.push(p);
        }
        // The last point of a side is the first of the other.
        hull.pop();
        if side == 0 {
            points.reverse();
        }
    }
    hull
}

/// Twice the area of the triangle, positive when it turns left.
fn turn(a: (f64, f64), b: (f64, f64), c: (f64, f64)) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

fn orientation(xx: f64, yy: f64, xy: f64) -> f64 {
    if xx == yy && xy == 0.0 {
        return 0.0;
    }
    0.5 * (2.0 * xy).atan2(yy - xx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;

    #[test]
    fn solid_shapes_fill_their_hull_and_others_do_not() {
        let mut mask = Plane::filled(20, 20, 0u8);
        assert_eq!(solidity(&mask), None);
        for y in 5..15 {
            mask.data[y * 20 + 5..y * 20 + 15].fill(1);
        }
        assert_eq!(solidity(&mask), Some(1.0));
        // An L of 10 x 10 without a corner of 5 x 5: the hull cuts that corner in half.
        for y in 5..10 {
            mask.data[y * 20 + 10..y * 20 + 15].fill(0);
        }
        assert_eq!(solidity(&mask), Some(75.0 / 87.5));
        let mut one = Plane::filled(3, 3, 0u8);
        one.data[4] = 1;
        assert_eq!(solidity(&one), Some(1.0));
    }

    #[test]
    fn a_bar_has_its_length_and_direction() {
        let bar = Plane::from_fn(40, 9, |x, y| {
            if (5..35).contains(&x) && y == 4 {
                255u8
            } else {
                0
            }
        });
        let p = properties(&bar).unwrap();
        assert_eq!((p.area, p.centroid.x, p.centroid.y), (30, 20.0, 4.5));
        assert!((p.orientation.abs() - std::f64::consts::FRAC_PI_2).abs() < 1e-9);
        assert_eq!((p.minor_axis, p.eccentricity), (0.0, 1.0));
        assert_eq!(properties(&Plane::filled(3, 3, 0)), None);
    }
}
