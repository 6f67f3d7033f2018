//! Binary morphology with the cross (edge neighbours), repeated, and with discs.

use super::distance::distance_transform;
use crate::plane::{Mask, Plane};

/// Dilation with the 3x3 cross, `iterations` times, as SciPy's `binary_dilation`.
pub fn dilate(mask: &Mask, iterations: usize) -> Mask {
    (0..iterations).fold(mask.binarised(), |m, _| cross(&m, false))
}

/// Erosion with the 3x3 cross, `iterations` times, as SciPy's `binary_erosion`: outside counts as background.
pub fn erode(mask: &Mask, iterations: usize) -> Mask {
    (0..iterations).fold(mask.binarised(), |m, _| cross(&m, true))
}

/// Dilation with the 3x3 square (corner neighbours too), `iterations` times.
pub fn dilate_square(mask: &Mask, iterations: usize) -> Mask {
    let reach = iterations as isize;
    let (w, h) = (mask.width, mask.height);
    // The square is the product of its sides: first along rows, then along columns.
    let along = |mask: &Mask, dx: isize, dy: isize| {
        Plane::from_fn(w, h, |x, y| {
            let set = (-reach..=reach).any(|d| {
                match (x.checked_add_signed(d * dx), y.checked_add_signed(d * dy)) {
                    (Some(x), Some(y)) => x < w && y < h && mask.data[y * w + x] != 0,
                    _ => false,
                }
            });
            if set { 255 } else { 0 }
        })
    };
    along(&along(mask, 1, 0), 0, 1)
}

/// Erosion, then dilation.
pub fn open(mask: &Mask, iterations: usize) -> Mask {
    dilate(&erode(mask, iterations), iterations)
}

/// Dilation, then erosion, as SciPy's `binary_closing`: at the image border the outside counts as background.
pub fn close(mask: &Mask, iterations: usize) -> Mask {
    erode(&dilate(mask, iterations), iterations)
}

fn cross(mask: &Mask, all: bool) -> Mask {
    let (w, h) = (mask.width, mask.height);
    Plane::from_fn(w, h, |x, y| {
        let at = |x: usize, y: usize| mask.data[y * w + x] != 0;
        let around = [
            at(x, y),
            x > 0 && at(x - 1, y),
            x + 1 < w && at(x + 1, y),
            y > 0 && at(x, y - 1),
            y + 1 < h && at(x, y + 1),
        ];
        let set = if all {
            around.iter().all(|&v| v)
        } else {
            around.iter().any(|&v| v)
        };
        if set { 255 } else { 0 }
    })
}

/// Dilation with a disc of `radius` pixels: every pixel at most that far from the mask.
pub fn dilate_disk(mask: &Mask, radius: f64) -> Mask {
    let outside = mask.map(|&v| if v == 0 { 255u8 } else { 0 });
    match distance_transform(&outside) {
        Some(distance) => distance.map(|&d| if f64::from(d) <= radius { 255 } else { 0 }),
        None => mask.binarised(),
    }
}

/// Erosion with a disc of `radius` pixels. The outside of the image counts as mask, so that a lung cut by the border is
/// not eaten from there.
pub fn erode_disk(mask: &Mask, radius: f64) -> Mask {
    match distance_transform(mask) {
        Some(distance) => distance.map(|&d| if f64::from(d) > radius { 255 } else { 0 }),
        None => mask.binarised(),
    }
}

/// Erosion, then dilation with a disc.
pub fn open_disk(mask: &Mask, radius: f64) -> Mask {
    dilate_disk(&erode_disk(mask, radius), radius)
}

/// Dilation, then erosion with a disc.
pub fn close_disk(mask: &Mask, radius: f64) -> Mask {
    erode_disk(&dilate_disk(mask, radius), radius)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_cross_and_back() {
        let point = Plane::from_fn(5, 5, |x, y| if (x, y) == (2, 2) { 255u8 } else { 0 });
        let cross = dilate(&point, 1);
        assert_eq!(cross.count(), 5);
        assert_eq!(erode(&cross, 1), point);
        assert_eq!(open(&point, 1).count(), 0);
        assert_eq!(dilate_square(&point, 1).count(), 9);
        assert_eq!(dilate_square(&point, 3).count(), 25);
        assert_eq!(dilate_disk(&point, 1.5).count(), 9);
        assert_eq!(erode_disk(&dilate_disk(&point, 1.5), 1.4).count(), 1);
        assert_eq!(dilate_disk(&Plane::filled(3, 3, 0), 2.0).count(), 0);
    }
}
