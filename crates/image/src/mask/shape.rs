//! Shape of a mask in scikit-image's terms.

use super::components::{Connectivity, label};
use super::morphology::erode;
use super::properties::hull;
use crate::plane::{Mask, Plane};
use std::f64::consts::SQRT_2;

/// Length of the border in pixels: border pixels joined by their neighbourhoods, 1 for a straight step, √2 for a slanting one (Benkrid
/// and Crookes 2000; scikit-image's `perimeter` with 4 neighbours).
pub fn perimeter(mask: &Mask) -> f64 {
    let inner = erode(mask, 1);
    let (w, h) = (mask.width, mask.height);
    let border = |x: isize, y: isize| {
        let inside = x >= 0 && y >= 0 && (x as usize) < w && (y as usize) < h;
        let at = y.max(0) as usize * w + x.max(0) as usize;
        usize::from(inside && mask.data[at] != 0 && inner.data[at] == 0)
    };
    let step = |at: usize| {
        let (x, y) = ((at % w) as isize, (at / w) as isize);
        let straight: usize = [(-1, 0), (1, 0), (0, -1), (0, 1)]
            .map(|(dx, dy)| border(x + dx, y + dy))
            .iter()
            .sum();
        let slanting: usize = [(-1, -1), (1, -1), (-1, 1), (1, 1)]
            .map(|(dx, dy)| border(x + dx, y + dy))
            .iter()
            .sum();
        match (border(x, y), straight, slanting) {
            (1, 2 | 3, 0..=2) => 1.0,
            (1, 0, 2) | (1, 1, 3) => SQRT_2,
            (1, 1, 1 | 2) => f64::midpoint(1.0, SQRT_2),
            _ => 0.0,
        }
    };
    (0..mask.data.len()).map(step).sum()
}

/// Regions less holes; pixels that touch by a corner are one region.
pub fn euler_number(mask: &Mask) -> isize {
    let outside = Plane::from_fn(mask.width + 2, mask.height + 2, |x, y| {
        let inside = (1..=mask.width).contains(&x) && (1..=mask.height).contains(&y);
        let set = inside && mask.data[(y - 1) * mask.width + x - 1] != 0;
        if set { 0u8 } else { 255 }
    });
    let regions = label(mask, Connectivity::Eight).components.len() as isize;
    let holes = label(&outside, Connectivity::Four).components.len() as isize - 1;
    regions - holes
}

/// Pixels whose middle lies in the convex hull of the mask, a pixel reaching half a pixel up, down, left and right of its middle.
/// scikit-image's solidity is the area of the mask over this.
pub fn hull_pixels(mask: &Mask) -> usize {
    let mut ends = Vec::new();
    for (y, row) in mask.data.chunks_exact(mask.width.max(1)).enumerate() {
        for x in row
            .iter()
            .enumerate()
            .filter(|(_, v)| **v != 0)
            .map(|v| v.0)
        {
            let (x, y) = (x as f64, y as f64);
            ends.extend([(x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5)]);
        }
    }
    let corners = hull(ends);
    let inside = |at: usize| {
        let p = ((at % mask.width) as f64, (at / mask.width) as f64);
        let mut edges = corners.iter().zip(corners.iter().cycle().skip(1));
        edges.all(|(a, b)| (b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0) >= -1e-9)
    };
    match corners.is_empty() {
        true => 0,
        false => (0..mask.data.len()).filter(|at| inside(*at)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Mask {
        Plane::from_fn(9, 8, |x, y| {
            let outer = (1..7).contains(&x) && (1..6).contains(&y);
            let inner = (3..5).contains(&x) && y == 3;
            if outer && !inner { 255u8 } else { 0 }
        })
    }

    #[test]
    fn a_ring_has_a_hole_and_a_full_hull() {
        assert_eq!(euler_number(&ring()), 0);
        assert_eq!(hull_pixels(&ring()), 30);
        assert_eq!(euler_number(&Plane::filled(4, 4, 255)), 1);
        assert_eq!(hull_pixels(&Plane::filled(4, 4, 0)), 0);
    }

    #[test]
    fn a_box_is_as_long_around_as_its_border_pixels() {
        let solid = Plane::from_fn(9, 8, |x, y| {
            let inside = (1..7).contains(&x) && (1..6).contains(&y);
            if inside { 255u8 } else { 0 }
        });
        assert_eq!(perimeter(&solid), 18.0);
        assert_eq!(perimeter(&Plane::filled(3, 3, 0)), 0.0);
    }
}
