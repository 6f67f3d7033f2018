//! 2-D convolution in blocks of sixteen channels: forward, input gradient, weight gradient.
//!
//! Forward and input gradient are one operation, a correlation of a source with packed weights ([`correlate`]):
//! the input gradient of a strided convolution is one correlation of stride one for each residue of the input's
//! coordinates. The transposed convolution is the same with the roles of input and output exchanged.

mod correlate;
mod depthwise;
mod kernel;
mod pack;
mod pass;
mod source;
mod weight_gradient;
mod winograd;

pub use correlate::{Epilogue, correlate};
pub use pack::{Direction, PackedWeights};
pub use source::{Affine, Source};
pub use weight_gradient::{bias_gradient, weight_gradient};

use crate::view::LANES;

/// A convolution without its extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: [usize; 2],
    /// Padding on both sides.
    pub padding: [usize; 2],
    /// Dilation.
    pub dilation: [usize; 2],
    /// Groups.
    pub groups: usize,
}

impl ConvSpec {
    /// Places of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.inputs / self.groups * self.outputs * self.taps()
    }

    /// Every channel by itself.
    pub fn depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.inputs && self.groups == self.outputs
    }

    /// Groups computed together, so that each bundle begins with a block of channels; all of them when there is no such bundle.
    fn bundle(&self) -> usize {
        let (i, o) = (self.inputs / self.groups, self.outputs / self.groups);
        (1..self.groups)
            .find(|s| {
                self.groups.is_multiple_of(*s)
                    && (s * i).is_multiple_of(LANES)
                    && (s * o).is_multiple_of(LANES)
            })
            .unwrap_or(self.groups)
    }

    /// The convolution of one bundle as a dense one.
    fn bundled(&self) -> ConvSpec {
        let parts = self.groups / self.bundle();
        ConvSpec {
            inputs: self.inputs / parts,
            outputs: self.outputs / parts,
            groups: 1,
            ..*self
        }
    }

    /// The dense weight of each bundle: zeros where its groups do not meet.
    fn dense(&self, weight: &[f32]) -> Vec<Vec<f32>> {
        let s = self.bundle();
        let (i, o, taps) = (
            self.inputs / self.groups,
            self.outputs / self.groups,
            self.taps(),
        );
        let block = i * taps;
        weight
            .chunks(s * o * block)
            .map(|part| {
                let mut out = vec![0.0; s * o * s * block];
                for (row, values) in part.chunks(block).enumerate() {
                    out[row * s * block + row / o * block..][..block].copy_from_slice(values);
                }
                out
            })
            .collect()
    }

    /// The inverse of [`ConvSpec::dense`] for one bundle, appended to `out`.
    fn undense(&self, dense: &[f32], out: &mut Vec<f32>) {
        let s = self.bundle();
        let (o, block) = (
            self.outputs / self.groups,
            self.inputs / self.groups * self.taps(),
        );
        for row in 0..s * o {
            out.extend_from_slice(&dense[row * s * block + row / o * block..][..block]);
        }
    }
}
