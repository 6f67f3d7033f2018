//! The outer outline of the largest component as a polygon.

use super::components::{Connectivity, keep_largest};
use crate::plane::Mask;
use hilum_core::Point;

/// Outer outline of the largest component, clockwise on screen, along pixel edges, straight runs merged. Its shoelace
/// area is that of the component with its holes filled. Empty for an empty mask.
pub fn outline(mask: &Mask) -> Vec<Point> {
    let mask = keep_largest(mask, 1, Connectivity::Four);
    let Some(start) = mask.data.iter().position(|&v| v != 0) else {
        return Vec::new();
    };
    let (w, h) = (mask.width as isize, mask.height as isize);
    let set = |x: isize, y: isize| {
        x >= 0 && y >= 0 && x < w && y < h && mask.data[(y * w + x) as usize] != 0
    };
    let first = (start as isize % w, start as isize / w);
    // Walks corners with the mask on the right hand: directions east, south, west, north.
    const STEP: [(isize, isize); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];
    let (mut at, mut direction) = (first, 0usize);
    let mut corners: Vec<(isize, isize)> = Vec::new();
    loop {
        let (x, y) = at;
        // The two pixels ahead of the corner, left and right of the walking direction.
        let (left, right) = match direction {
            0 => (set(x, y - 1), set(x, y)),
            1 => (set(x, y), set(x - 1, y)),
            2 => (set(x - 1, y), set(x - 1, y - 1)),
            _ => (set(x - 1, y - 1), set(x, y - 1)),
        };
        let turned = match (left, right) {
            (_, false) => (direction + 1) % 4,
            (true, true) => (direction + 3) % 4,
            (false, true) => direction,
        };
        if turned != direction || corners.is_empty() {
            corners.push(at);
        }
        direction = turned;
        at = (x + STEP[direction].0, y + STEP[direction].1);
        if at == first {
            break;
        }
    }
    corners
        .into_iter()
        .map(|(x, y)| Point {
            x: x as f64,
            y: y as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;

    fn area(polygon: &[Point]) -> f64 {
        let next = polygon.iter().cycle().skip(1);
        polygon
            .iter()
            .zip(next)
            .map(|(a, b)| a.x * b.y - b.x * a.y)
            .sum::<f64>()
            / 2.0
    }

    #[test]
    fn a_rectangle_has_four_corners() {
        let mask = Plane::from_fn(9, 7, |x, y| {
            if (2..6).contains(&x) && (1..4).contains(&y) {
                255u8
            } else {
                0
            }
        });
        let polygon = outline(&mask);
        assert_eq!(polygon.len(), 4);
        assert_eq!(area(&polygon), 12.0);
        assert!(outline(&Plane::filled(3, 3, 0)).is_empty());
    }

    #[test]
    fn the_outline_encloses_the_filled_area() {
        let mask = Plane::from_fn(60, 50, |x, y| {
            let d = (x as f64 - 30.0).hypot(y as f64 - 25.0);
            if (d < 20.0 && d > 6.0) || (x, y) == (0, 0) {
                255u8
            } else {
                0
            }
        });
        let filled =
            crate::mask::fill_holes(&crate::mask::keep_largest(&mask, 1, Connectivity::Four));
        assert_eq!(area(&outline(&mask)), filled.count() as f64);
    }
}
