//! Images of a batch as rows of values.

use crate::error::{ExplainError, Result};
use hilum_kernels::Tensor;

/// Extents of a batch `[n, c, h, w]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Extent {
    /// Of a batch with finite values.
    pub fn of(x: &Tensor) -> Result<Self> {
        let rank = || hilum_kernels::KernelError::InputRank {
            shape: x.shape.clone(),
        };
        let [n, c, h, w] = <[usize; 4]>::try_from(x.shape.as_slice()).map_err(|_| rank())?;
        let expected = n * c * h * w;
        if expected == 0 || x.data.len() != expected {
            return Err(ExplainError::Size {
                what: "input",
                expected,
                got: x.data.len(),
            });
        }
        if !x.data.iter().all(|v| v.is_finite()) {
            return Err(ExplainError::NotFinite { what: "the input" });
        }
        Ok(Extent { n, c, h, w })
    }

    /// Values of one image.
    pub fn row(&self) -> usize {
        self.c * self.h * self.w
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// A batch of `n` such images.
    pub fn batch(&self, n: usize, data: Vec<f32>) -> Tensor {
        Tensor {
            shape: vec![n, self.c, self.h, self.w],
            data,
        }
    }

    /// Rows `from..to` of a batch.
    pub fn part(&self, x: &Tensor, from: usize, to: usize) -> Tensor {
        let row = x.data.len() / x.shape[0].max(1);
        let mut shape = x.shape.clone();
        shape[0] = to - from;
        Tensor {
            shape,
            data: x.data[from * row..to * row].to_vec(),
        }
    }
}

/// Sum over the channels of one image's attribution: a map of `pixels` values.
pub fn channel_sum(row: &[f32], pixels: usize) -> Vec<f32> {
    let mut map = vec![0.0; pixels];
    for channel in row.chunks(pixels) {
        map.iter_mut().zip(channel).for_each(|(m, v)| *m += v);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_finite_and_misshaped_inputs_are_refused() {
        let x = Tensor::zeros(&[1, 1, 2, 2]);
        assert_eq!(Extent::of(&x).unwrap().pixels(), 4);
        let mut bad = x.clone();
        bad.data[1] = f32::NAN;
        assert!(matches!(
            Extent::of(&bad),
            Err(ExplainError::NotFinite { .. })
        ));
        assert!(Extent::of(&Tensor::zeros(&[4])).is_err());
        assert!(Extent::of(&Tensor::zeros(&[0, 1, 2, 2])).is_err());
    }

    #[test]
    fn channels_are_summed() {
        assert_eq!(channel_sum(&[1.0, 2.0, 10.0, 20.0], 2), vec![11.0, 22.0]);
    }
}
