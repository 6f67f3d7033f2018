//! Area of a mask's surface at the corners between voxels, as marching cubes lays it.
//!
//! Eight voxels meet at a corner. Which of them are inside gives a patch of triangles; its area depends only
//! on the pattern up to turning, mirroring and swapping inside with outside, so 13 patterns say it all.

use super::mask::Mask;

/// A triangle's normal without its signs, in eighths of the face across each axis; its length is the area.
type Normal = [u8; 3];

/// Patterns with their triangles. Bit `4 z + 2 y + x` is the voxel on that side of the corner.
///
/// Where a pattern leaves a choice of triangles (from three voxels in an L on), it is that of Lorensen and
/// Cline's table, which `surface-distance` measures with.
const PATTERNS: [(u8, &[Normal]); 13] = [
    (0b0000_0001, &[[1, 1, 1]]),
    (0b0000_0011, &[[2, 2, 0], [2, 2, 0]]),
    (0b0000_0110, &[[1, 1, 1], [1, 1, 1]]),
    (0b0001_1000, &[[1, 1, 1], [1, 1, 1]]),
    (0b0000_0111, &[[1, 1, 1], [2, 2, 2], [4, 0, 0]]),
    (0b0000_1111, &[[4, 0, 0], [4, 0, 0]]),
    (0b0001_0110, &[[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
    (0b0001_0111, &[[1, 1, 1], [1, 1, 1], [2, 2, 2], [2, 2, 2]]),
    (0b0001_1001, &[[0, 2, 2], [0, 2, 2], [1, 1, 1]]),
    (0b0001_1011, &[[0, 2, 2], [1, 1, 1], [2, 0, 2], [3, 3, 3]]),
    (0b0001_1110, &[[1, 1, 1], [1, 1, 1], [2, 2, 2], [4, 0, 0]]),
    (0b0011_1100, &[[2, 2, 0], [2, 2, 0], [2, 2, 0], [2, 2, 0]]),
    (0b0110_1001, &[[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]),
];

/// Every order of the axes.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// Area of each of the 256 patterns on a grid of that spacing.
fn areas(spacing: &[f64]) -> [f64; 256] {
    let faces = [
        spacing[1] * spacing[2],
        spacing[0] * spacing[2],
        spacing[0] * spacing[1],
    ];
    let mut out = [0.0; 256];
    for (pattern, normals) in PATTERNS {
        for order in ORDERS {
            let triangle = |normal: &Normal| {
                let along = |axis: usize| f64::from(normal[order[axis]]) / 8.0 * faces[axis];
                (0..3).map(|axis| along(axis).powi(2)).sum::<f64>().sqrt()
            };
            let area = normals.iter().map(triangle).sum();
            for mirrored in 0..8 {
                let turned = turn(pattern, order, mirrored);
                out[usize::from(turned)] = area;
                out[usize::from(!turned)] = area;
            }
        }
    }
    out
}

/// The pattern with axis `order[i]` put in place `i`, then mirrored along the axes whose bit is set.
fn turn(pattern: u8, order: [usize; 3], mirrored: u8) -> u8 {
    let moved = |corner: u8| {
        let side = |axis: usize| corner >> (2 - axis) & 1;
        let at = order.iter().fold(0, |to, axis| to << 1 | side(*axis));
        at ^ mirrored
    };
    (0..8)
        .filter(|corner| pattern >> corner & 1 == 1)
        .fold(0, |out, corner| out | 1 << moved(corner))
}

/// Surface area at each corner of a volume, one more along every axis than voxels; 0 off the surface.
pub(super) fn surface(mask: &Mask) -> Vec<f64> {
    let areas = areas(mask.spacing());
    let [depth, rows, columns] = [0, 1, 2].map(|axis| mask.shape()[axis]);
    // Voxel `i` lies before corner `i + 1` and behind corner `i`; what is off the grid is outside.
    let inside = |z: usize, y: usize, x: usize| {
        let on = (1..=depth).contains(&z) && (1..=rows).contains(&y) && (1..=columns).contains(&x);
        on && mask.data()[((z - 1) * rows + y - 1) * columns + x - 1]
    };
    let mut out = Vec::with_capacity((depth + 1) * (rows + 1) * (columns + 1));
    for z in 0..=depth {
        for y in 0..=rows {
            for x in 0..=columns {
                let voxel = |corner: usize| {
                    inside(z + (corner >> 2), y + (corner >> 1 & 1), x + (corner & 1))
                };
                let pattern = (0..8).fold(0, |p, c| p | usize::from(voxel(c)) << c);
                out.push(areas[pattern]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_but_none_and_all_has_an_area() {
        let areas = areas(&[1.0, 2.0, 3.0]);
        assert_eq!((areas[0], areas[255]), (0.0, 0.0));
        assert!(areas[1..255].iter().all(|a| *a > 0.0));
    }

    #[test]
    fn a_face_is_as_large_as_its_spacing_says() {
        let areas = areas(&[2.0, 3.0, 5.0]);
        // Four voxels on one side along z, y and x.
        let close = |pattern: usize, area: f64| (areas[pattern] - area).abs() < 1e-12;
        assert!(close(0b0000_1111, 15.0) && close(0b0011_0011, 10.0) && close(0b0101_0101, 6.0));
    }
}
