//! Row-major planes of pixels.

use crate::error::ImageError;

/// A row-major plane: `data[y * width + x]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane<T> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` values, rows from top to bottom.
    pub data: Vec<T>,
}

/// Grey values as numbers; display images use 0 to 255.
pub type Gray = Plane<f32>;

/// A mask: 0 is background, 255 is the structure. Any other non-zero value counts as the structure when read.
pub type Mask = Plane<u8>;

impl<T> Plane<T> {
    /// A plane from its values.
    ///
    /// # Errors
    /// [`ImageError::Shape`] when the number of values is not `width * height`.
    pub fn new(width: usize, height: usize, data: Vec<T>) -> Result<Self, ImageError> {
        let expected = width.checked_mul(height);
        if expected != Some(data.len()) {
            return Err(ImageError::Shape {
                width,
                height,
                expected: expected.unwrap_or(usize::MAX),
                got: data.len(),
            });
        }
        Ok(Plane {
            width,
            height,
            data,
        })
    }

    /// A plane whose value at `(x, y)` is `f(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut f: impl FnMut(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                data.push(f(x, y));
            }
        }
        Plane {
            width,
            height,
            data,
        }
    }

    /// One row.
    ///
    /// # Panics
    /// When `y >= height`, like slice indexing.
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    /// One row to write to.
    ///
    /// # Panics
    /// When `y >= height`, like slice indexing.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.data[y * self.width..(y + 1) * self.width]
    }

    /// The value at `(x, y)`, or `None` outside.
    pub fn get(&self, x: usize, y: usize) -> Option<&T> {
        (x < self.width && y < self.height).then(|| &self.data[y * self.width + x])
    }

    /// A plane of the same size with `f` of every value.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Plane<U> {
        Plane {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(f).collect(),
        }
    }

    /// True when `other` has the same width and height.
    pub fn same_size<U>(&self, other: &Plane<U>) -> bool {
        self.width == other.width && self.height == other.height
    }

    /// `Ok` when `other` has the same size.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] otherwise.
    pub fn check_same_size<U>(&self, other: &Plane<U>) -> Result<(), ImageError> {
        if self.same_size(other) {
            return Ok(());
        }
        Err(ImageError::SizeMismatch {
            left_width: self.width,
            left_height: self.height,
            right_width: other.width,
            right_height: other.height,
        })
    }
}

impl<T: Clone> Plane<T> {
    /// A plane of one value.
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Plane {
            width,
            height,
            data: vec![value; width * height],
        }
    }
}

impl Gray {
    /// Rounded half up and clipped to 0..=255.
    pub fn to_u8(&self) -> Plane<u8> {
        // The cast cuts towards zero and saturates, which for values from 0 on is rounding half up.
        self.map(|&v| (v + 0.5).max(0.0) as u8)
    }

    /// Smallest and largest value; `None` for an empty plane or when every value is NaN.
    pub fn min_max(&self) -> Option<(f32, f32)> {
        let mut range: Option<(f32, f32)> = None;
        for &v in self.data.iter().filter(|v| !v.is_nan()) {
            range = Some(range.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
        }
        range
    }
}

impl Plane<u8> {
    /// The same values as numbers.
    pub fn to_gray(&self) -> Gray {
        self.map(|&v| f32::from(v))
    }

    /// 255 where the value is not 0, else 0.
    pub fn binarised(&self) -> Mask {
        self.map(|&v| if v == 0 { 0 } else { 255 })
    }

    /// Number of pixels that are not 0.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&v| v != 0).count()
    }

    /// Pixels that are set in both.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`].
    pub fn and(&self, other: &Mask) -> Result<Mask, ImageError> {
        self.zip_mask(other, |a, b| a && b)
    }

    /// Pixels that are set in either.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`].
    pub fn or(&self, other: &Mask) -> Result<Mask, ImageError> {
        self.zip_mask(other, |a, b| a || b)
    }

    /// Pixels that are set here and not in `other`.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`].
    pub fn minus(&self, other: &Mask) -> Result<Mask, ImageError> {
        self.zip_mask(other, |a, b| a && !b)
    }

    fn zip_mask(&self, other: &Mask, f: impl Fn(bool, bool) -> bool) -> Result<Mask, ImageError> {
        self.check_same_size(other)?;
        let pairs = self.data.iter().zip(&other.data);
        let data = pairs
            .map(|(&a, &b)| if f(a != 0, b != 0) { 255 } else { 0 })
            .collect();
        Ok(Plane {
            width: self.width,
            height: self.height,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_number_of_values_is_refused() {
        assert!(matches!(
            Plane::new(2, 2, vec![0u8; 3]),
            Err(ImageError::Shape {
                expected: 4,
                got: 3,
                ..
            })
        ));
        assert!(Plane::new(usize::MAX, 2, vec![0u8; 3]).is_err());
    }

    #[test]
    fn to_u8_rounds_and_clips() {
        let g = Gray::new(4, 1, vec![-3.0, 0.49, 0.5, 300.0]).unwrap();
        assert_eq!(g.to_u8().data, vec![0, 0, 1, 255]);
    }

    #[test]
    fn mask_algebra() {
        let a = Mask::new(4, 1, vec![0, 255, 1, 0]).unwrap();
        let b = Mask::new(4, 1, vec![255, 255, 0, 0]).unwrap();
        assert_eq!(a.and(&b).unwrap().data, vec![0, 255, 0, 0]);
        assert_eq!(a.or(&b).unwrap().data, vec![255, 255, 255, 0]);
        assert_eq!(a.minus(&b).unwrap().data, vec![0, 0, 255, 0]);
        assert!(a.and(&Mask::filled(2, 2, 0)).is_err());
    }
}
