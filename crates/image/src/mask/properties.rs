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
