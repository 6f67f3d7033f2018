//! Weights in the order in which the kernels read them.

use rayon::prelude::*;

use super::ConvSpec;
use super::kernel::channel_groups;
use super::pass::Axis;
use crate::buffer::Buffer;
use crate::view::LANES;

/// Which way a correlation goes through a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From input to output.
    Forward,
    /// From output to input: the input gradient, or the transposed convolution.
    Backward,
}

/// Weights of all bundles and passes: `[channel group][depth block][tap][16][16 * blocks of the group]`.
#[derive(Debug)]
pub struct PackedWeights {
    pub(super) spec: ConvSpec,
    pub(super) direction: Direction,
    /// True when the source is planar: depth blocks of one channel.
    pub(super) planar: bool,
    /// `[bundle][row residue * column stride + column residue]`.
    pub(super) sets: Vec<Vec<Buffer>>,
}

impl PackedWeights {
    /// From `[outputs, inputs / groups, kh, kw]`. `planar` when the source will be planar (forward, one group).
    pub fn new(weight: &[f32], spec: ConvSpec, direction: Direction, planar: bool) -> Self {
        assert_eq!(weight.len(), spec.weight_len());
        assert!(!planar || (direction == Direction::Forward && spec.groups == 1));
        let bundled = spec.bundled();
        let residues = match direction {
            Direction::Forward => [1, 1],
            Direction::Backward => spec.stride,
        };
        let pack_all = |dense: &[f32]| -> Vec<Buffer> {
            let pairs = (0..residues[0] * residues[1]).map(|i| [i / residues[1], i % residues[1]]);
            pairs.map(|[ry, rx]| pack_pass(dense, &bundled, direction, planar, [ry, rx])).collect()
        };
        let sets = match spec.groups {
            _ if spec.depthwise() => vec![vec![by_tap(weight, &spec)]],
            1 => vec![pack_all(weight)],
            _ => spec.dense(weight).iter().map(|dense| pack_all(dense)).collect(),
        };
        PackedWeights { spec, direction, planar, sets }
    }

    /// Channels of source and result of one bundle.
    pub(super) fn channels(&self) -> [usize; 2] {
        let spec = self.spec.bundled();
        match self.direction {
            Direction::Forward => [spec.inputs, spec.outputs],
            Direction::Backward => [spec.outputs, spec.inputs],
        }
    }
}

/// Depthwise weight `[block][tap][16]`.
fn by_tap(weight: &[f32], spec: &ConvSpec) -> Buffer {
    let taps = spec.taps();
    let mut out = Buffer::zeros(spec.inputs.div_ceil(LANES) * taps * LANES);
    for (c, values) in weight.chunks(taps).enumerate() {
        for (t, &value) in values.iter().enumerate() {
            out[(c / LANES * taps + t) * LANES + c % LANES] = value;
        }
    }
    out
}

fn pack_pass(weight: &[f32], spec: &ConvSpec, direction: Direction, planar: bool, residue: [usize; 2]) -> Buffer {
    let [rows, columns] = [0, 1].map(|a| Axis::taps_of(spec, direction, a, residue[a]));
    let taps: Vec<usize> = rows.iter().flat_map(|r| columns.iter().map(|c| r.0 * spec.kernel[1] + c.0)).collect();
    let all = spec.taps();
    let (from, to, from_stride, to_stride) = match direction {
        Direction::Forward => (spec.inputs, spec.outputs, all, spec.inputs * all),
        Direction::Backward => (spec.outputs, spec.inputs, spec.inputs * all, all),
    };
    let inner = if planar { 1 } else { LANES };
    let depth = from.div_ceil(inner);
    let blocks = to.div_ceil(LANES);
    let mut out = Buffer::zeros(blocks * LANES * depth * inner * taps.len());
    let mut jobs = Vec::new();
    let (mut rest, mut first) = (&mut out[..], 0);
    for nv in channel_groups(blocks) {
        let (head, tail) = rest.split_at_mut(nv * LANES * depth * inner * taps.len());
        jobs.push((first * LANES, nv * LANES, head));
        (rest, first) = (tail, first + nv);
    }
    jobs.into_par_iter().for_each(|(first, width, part)| {
        for (i, row) in part.chunks_mut(width).enumerate() {
            let source = i / (inner * taps.len()) * inner + i % inner;
            let tap = taps[i / inner % taps.len()];
            if source < from {
                let base = source * from_stride + tap;
                let lanes = width.min(to - first);
                for (lane, value) in row[..lanes].iter_mut().enumerate() {
                    *value = weight[base + (first + lane) * to_stride];
                }
            }
        }
    });
    out
}
