//! One axis of a correlation: which source place each tap of each output place reads.

use super::{ConvSpec, Direction};

/// Output place `o` and tap with offset `f` read source place `o * step + f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    pub step: usize,
    /// Index in the kernel and offset.
    pub taps: Vec<(usize, isize)>,
    /// Output places of this pass.
    pub count: usize,
    /// Places of the source.
    pub source: usize,
    /// Output place `o` is stored at `o * out_step + out_first`.
    pub out_step: usize,
    pub out_first: usize,
}

impl Axis {
    /// Kernel indices and offsets of the taps of pass `residue`.
    pub fn taps_of(
        spec: &ConvSpec,
        direction: Direction,
        a: usize,
        residue: usize,
    ) -> Vec<(usize, isize)> {
        let (stride, padding, dilation) = (
            spec.stride[a] as isize,
            spec.padding[a] as isize,
            spec.dilation[a] as isize,
        );
        let all = (0..spec.kernel[a]).map(|k| (k, k as isize * dilation));
        match direction {
            Direction::Forward => all.map(|(k, at)| (k, at - padding)).collect(),
            Direction::Backward => all
                .map(|(k, at)| (k, residue as isize + padding - at))
                .filter(|(_, at)| at.rem_euclid(stride) == 0)
                .map(|(k, at)| (k, at / stride))
                .collect(),
        }
    }

    pub fn new(
        spec: &ConvSpec,
        direction: Direction,
        a: usize,
        residue: usize,
        source: usize,
        out: usize,
    ) -> Self {
        let taps = Self::taps_of(spec, direction, a, residue);
        match direction {
            Direction::Forward => Axis {
                step: spec.stride[a],
                taps,
                count: out,
                source,
                out_step: 1,
                out_first: 0,
            },
            Direction::Backward => {
                let count = out.saturating_sub(residue).div_ceil(spec.stride[a]);
                Axis {
                    step: 1,
                    taps,
                    count,
                    source,
                    out_step: spec.stride[a],
                    out_first: residue,
                }
            }
        }
    }

    pub fn low(&self) -> isize {
        self.taps.iter().map(|t| t.1).min().unwrap_or(0)
    }

    /// From the lowest to the highest offset.
    pub fn span(&self) -> usize {
        (self.taps.iter().map(|t| t.1).max().unwrap_or(0) - self.low()) as usize
    }

    /// Output and source places are the same, one for one.
    pub fn identity(&self) -> bool {
        self.step == 1
            && self.out_step == 1
            && self.taps.len() == 1
            && self.taps[0].1 == 0
            && self.count == self.source
    }

    /// The same axis laid out in one line of `len` places; only for identities.
    pub fn line(&self, len: usize) -> Axis {
        Axis {
            count: len,
            source: len,
            ..self.clone()
        }
    }

    /// Residues of `step` that some tap reads, in order.
    pub fn phases(&self) -> Vec<usize> {
        let mut phases: Vec<usize> = self
            .taps
            .iter()
            .map(|t| (t.1 - self.low()) as usize % self.step)
            .collect();
        phases.sort_unstable();
        phases.dedup();
        phases
    }
}
