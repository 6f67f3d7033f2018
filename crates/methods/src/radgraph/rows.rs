//! Vectors one after another, and the way into and out of a graph's channels.

use hilum_kernels::Tensor;

/// `data.len() / width` vectors of `width` numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Numbers of a vector.
    pub width: usize,
    /// Vector after vector.
    pub data: Vec<f32>,
}

impl Rows {
    /// `n` vectors of zeros.
    pub fn zeros(n: usize, width: usize) -> Self {
        Rows {
            width,
            data: vec![0.0; n * width],
        }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Vector `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }

    /// Vector `i`, to change.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.width..(i + 1) * self.width]
    }

    /// A line of places: `[1, width, 1, n]`.
    pub fn to_tensor(&self) -> Tensor {
        let n = self.len();
        let mut out = Tensor::zeros(&[1, self.width, 1, n]);
        for (i, row) in self.data.chunks_exact(self.width.max(1)).enumerate() {
            for (c, v) in row.iter().enumerate() {
                out.data[c * n + i] = *v;
            }
        }
        out
    }

    /// Back from a line of places.
    pub fn from_tensor(x: &Tensor) -> Self {
        let (width, n) = (
            x.shape.get(1).copied().unwrap_or(0),
            x.shape.last().copied().unwrap_or(0),
        );
        let mut out = Rows::zeros(n, width);
        for c in 0..width {
            for i in 0..n {
                out.data[i * width + c] = x.data[c * n + i];
            }
        }
        out
    }

    /// Adds the vectors of another, one by one.
    pub fn add(&mut self, other: &Rows) {
        let pairs = self.data.iter_mut().zip(&other.data);
        pairs.for_each(|(a, b)| *a += b);
    }
}

/// Adds `from` to `to`.
pub fn add_to(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_back() {
        let rows = Rows {
            width: 2,
            data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        };
        let x = rows.to_tensor();
        assert_eq!(x.shape, [1, 2, 1, 3]);
        assert_eq!(x.data, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert_eq!(Rows::from_tensor(&x), rows);
    }
}
