//! The grid of values.

use crate::Vec3;
use crate::affine::Affine;
use crate::error::VolumeError;
use rayon::prelude::*;

/// Values on a grid, x fastest: `data[(k * size[1] + j) * size[0] + i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume<T> {
    /// Voxels along each index axis.
    pub size: [usize; 3],
    /// Index to LPS millimetres.
    pub affine: Affine,
    /// The values.
    pub data: Vec<T>,
}

impl<T> Volume<T> {
    /// A volume from its values.
    ///
    /// # Errors
    /// [`VolumeError::Shape`] when their number does not fit or a side is 0.
    pub fn new(size: [usize; 3], affine: Affine, data: Vec<T>) -> Result<Self, VolumeError> {
        let expected = size[0]
            .checked_mul(size[1])
            .and_then(|n| n.checked_mul(size[2]));
        if expected != Some(data.len()) || data.is_empty() {
            return Err(VolumeError::Shape {
                size,
                expected: expected.unwrap_or(usize::MAX),
                got: data.len(),
            });
        }
        Ok(Volume { size, affine, data })
    }

    /// Position in `data` of an index inside.
    pub fn at(&self, i: usize, j: usize, k: usize) -> usize {
        (k * self.size[1] + j) * self.size[0] + i
    }

    /// The index of a position in `data`.
    pub fn index_of(&self, at: usize) -> [usize; 3] {
        let (row, i) = (at / self.size[0], at % self.size[0]);
        [i, row % self.size[1], row / self.size[1]]
    }

    /// The value at an index, or `None` outside.
    pub fn get(&self, i: usize, j: usize, k: usize) -> Option<&T> {
        let inside = i < self.size[0] && j < self.size[1] && k < self.size[2];
        inside.then(|| &self.data[self.at(i, j, k)])
    }

    /// Middle of the grid in mm.
    pub fn centre(&self) -> Vec3 {
        self.affine.apply(self.size.map(|n| (n as f64 - 1.0) / 2.0))
    }

    /// Volume of a voxel in cubic millimetres.
    pub fn voxel_volume(&self) -> f64 {
        self.affine.spacing().iter().product()
    }

    /// A volume on the same grid with `f` of every value.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Volume<U> {
        Volume {
            size: self.size,
            affine: self.affine,
            data: self.data.iter().map(f).collect(),
        }
    }

    /// True when `other` lies on the same grid.
    pub fn same_grid<U>(&self, other: &Volume<U>) -> bool {
        let near = |a: Vec3, b: Vec3| (0..3).all(|k| (a[k] - b[k]).abs() < 1e-3);
        self.size == other.size
            && near(self.affine.origin, other.affine.origin)
            && (0..3).all(|k| near(self.affine.axes[k], other.affine.axes[k]))
    }
}

impl<T: Clone> Volume<T> {
    /// A volume of one value.
    pub fn filled(size: [usize; 3], affine: Affine, value: T) -> Self {
        Volume {
            size,
            affine,
            data: vec![value; size.iter().product()],
        }
    }
}

impl Volume<f32> {
    /// Smallest and largest value.
    pub fn min_max(&self) -> (f32, f32) {
        // Comparisons are vector instructions, `f32::min` with its rules for NaN is not.
        let wider = |(lo, hi): (f32, f32), (a, b): (f32, f32)| {
            (if a < lo { a } else { lo }, if b > hi { b } else { hi })
        };
        let nothing = (f32::INFINITY, f32::NEG_INFINITY);
        let part = |part: &[f32]| part.iter().fold(nothing, |all, &v| wider(all, (v, v)));
        let parts = self.data.par_chunks(1 << 16).map(part);
        parts.reduce(|| nothing, wider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_and_the_largest_value_are_found_in_any_part() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        let mut v = Volume::filled([64, 64, 40], affine, 3f32);
        (v.data[70_000], v.data[163_839]) = (-8.0, 11.5);
        assert_eq!(v.min_max(), (-8.0, 11.5));
    }

    #[test]
    fn indices_and_positions_agree() {
        let v = Volume::filled(
            [3, 4, 5],
            Affine::axis_aligned([1.0, 2.0, 3.0], [0.0; 3]),
            0u8,
        );
        for at in 0..v.data.len() {
            let [i, j, k] = v.index_of(at);
            assert_eq!(v.at(i, j, k), at);
        }
        assert_eq!(v.centre(), [1.0, 3.0, 6.0]);
        assert!(v.get(3, 0, 0).is_none());
        assert!(Volume::new([2, 2, 2], v.affine, vec![0u8; 7]).is_err());
    }
}
