//! A binary mask in two or three dimensions with the size of its elements.

use crate::error::{MetricError, Result, same_length};

/// A binary mask: row-major, last axis fastest; axes (row, column) or (slice, row, column).
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    data: Vec<bool>,
    shape: Vec<usize>,
    spacing: Vec<f64>,
}

impl Mask {
    /// A mask from bytes: 0 is outside, anything else inside (0/1 and 0/255 files alike). `spacing` gives
    /// the size of an element along each axis (mm, or 1 for pixels) and so the unit of every distance.
    ///
    /// # Errors
    /// A shape of other than two or three axes, an axis of length 0, bytes that do not fill the shape, or a
    /// spacing that is not positive and finite.
    pub fn new(bytes: &[u8], shape: &[usize], spacing: &[f64]) -> Result<Self> {
        Self::from_bools(bytes.iter().map(|b| *b != 0).collect(), shape, spacing)
    }

    /// [`Mask::new`] from truth values.
    ///
    /// # Errors
    /// As [`Mask::new`].
    pub fn from_bools(data: Vec<bool>, shape: &[usize], spacing: &[f64]) -> Result<Self> {
        if !(2..=3).contains(&shape.len()) || shape.contains(&0) {
            return Err(MetricError::Parameter {
                name: "number of axes",
                value: shape.len() as f64,
                rule: "2 or 3, each of length 1 or more",
            });
        }
        same_length("shape", shape.len(), "spacing", spacing.len())?;
        same_length(
            "mask",
            data.len(),
            "elements of the shape",
            shape.iter().product(),
        )?;
        if let Some(bad) = spacing.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(MetricError::Parameter {
                name: "spacing",
                value: *bad,
                rule: "positive and finite",
            });
        }
        Ok(Mask {
            data,
            shape: shape.to_vec(),
            spacing: spacing.to_vec(),
        })
    }

    /// Elements, last axis fastest.
    pub fn data(&self) -> &[bool] {
        &self.data
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Size of an element along each axis.
    pub fn spacing(&self) -> &[f64] {
        &self.spacing
    }

    /// Elements inside.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|v| **v).count()
    }

    /// Step in [`data`](Self::data) along each axis.
    pub(crate) fn strides(&self) -> Vec<usize> {
        strides(&self.shape)
    }

    /// Fails unless `other` has the same shape and spacing.
    pub(crate) fn require_same_grid(&self, other: &Mask) -> Result<()> {
        same_length(
            "axes of A",
            self.shape.len(),
            "axes of B",
            other.shape.len(),
        )?;
        for (a, b) in self.shape.iter().zip(&other.shape) {
            same_length("axis of A", *a, "axis of B", *b)?;
        }
        match self
            .spacing
            .iter()
            .zip(&other.spacing)
            .find(|(a, b)| a != b)
        {
            Some((_, b)) => Err(MetricError::Parameter {
                name: "spacing of B",
                value: *b,
                rule: "that of A",
            }),
            None => Ok(()),
        }
    }

    /// Elements that are inside and touch the outside by a face; beyond the image is outside.
    pub(crate) fn surface(&self) -> Vec<bool> {
        let strides = self.strides();
        (0..self.data.len())
            .map(|at| {
                self.data[at]
                    && (0..strides.len()).any(|axis| self.open_side(at, axis, strides[axis]))
            })
            .collect()
    }

    fn open_side(&self, at: usize, axis: usize, stride: usize) -> bool {
        let place = at / stride % self.shape[axis];
        place == 0
            || place + 1 == self.shape[axis]
            || !self.data[at - stride]
            || !self.data[at + stride]
    }
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surface_of_a_square_is_its_rim() {
        let mut bytes = [0_u8; 25];
        for r in 1..4 {
            bytes[r * 5 + 1..r * 5 + 4].fill(255);
        }
        let mask = Mask::new(&bytes, &[5, 5], &[1.0, 1.0]).unwrap();
        assert_eq!(mask.count(), 9);
        let surface = mask.surface();
        assert_eq!(surface.iter().filter(|v| **v).count(), 8);
        assert!(!surface[12]);
    }

    #[test]
    fn the_image_border_is_open() {
        let mask = Mask::new(&[1; 9], &[3, 3], &[1.0, 1.0]).unwrap();
        assert_eq!(mask.surface().iter().filter(|v| **v).count(), 8);
    }

    #[test]
    fn grids_are_checked() {
        assert!(Mask::new(&[1, 0], &[2], &[1.0]).is_err());
        assert!(Mask::new(&[1, 0, 1], &[1, 2], &[1.0, 1.0]).is_err());
        assert!(Mask::new(&[1, 0], &[1, 2], &[1.0, 0.0]).is_err());
        let a = Mask::new(&[1, 0], &[1, 2], &[1.0, 1.0]).unwrap();
        let b = Mask::new(&[1, 0], &[1, 2], &[1.0, 0.5]).unwrap();
        assert!(a.require_same_grid(&b).is_err());
    }
}
