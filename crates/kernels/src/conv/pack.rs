//! Weights in the order in which the kernels read them.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock};

use rayon::prelude::*;

use super::kernel::channel_groups;
use super::pass::Axis;
use super::{ConvSpec, winograd};
use crate::buffer::{Buffer, Pool};
use crate::view::LANES;

/// Which way a correlation goes through a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From input to output.
    Forward,
    /// From output to input: the input gradient, or the transposed convolution.
    Backward,
}

/// Weights of a convolution, brought into the order of the kernel that is chosen when the extents are known,
/// and kept in it.
#[derive(Debug)]
pub struct PackedWeights<'a> {
    pub(super) spec: ConvSpec,
    pub(super) direction: Direction,
    /// True when the source is planar: depth blocks of one channel.
    pub(super) planar: bool,
    raw: Cow<'a, [f32]>,
    direct: OnceLock<Vec<Vec<Buffer>>>,
    winograd: OnceLock<Vec<Buffer>>,
}

impl<'a> PackedWeights<'a> {
    /// From `[outputs, inputs / groups, kh, kw]`. `planar` when the source will be planar (forward, one group).
    pub fn new(
        weight: impl Into<Cow<'a, [f32]>>,
        spec: ConvSpec,
        direction: Direction,
        planar: bool,
    ) -> Self {
        let raw = weight.into();
        assert_eq!(raw.len(), spec.weight_len());
        assert!(!planar || (direction == Direction::Forward && spec.groups == 1));
        PackedWeights {
            spec,
            direction,
            planar,
            raw,
            direct: OnceLock::new(),
            winograd: OnceLock::new(),
        }
    }

    /// The dense weight of each bundle.
    fn bundles(&self) -> Vec<Cow<'_, [f32]>> {
        match self.spec.groups {
            1 => vec![Cow::Borrowed(&*self.raw)],
            _ => self
                .spec
                .dense(&self.raw)
                .into_iter()
                .map(Cow::Owned)
                .collect(),
        }
    }

    /// `[bundle][row residue * column stride + column residue]`: `[channel group][depth block][tap][16][16 * blocks of the group]`.
    pub(super) fn direct(&self) -> &[Vec<Buffer>] {
        self.direct.get_or_init(|| {
            if self.spec.depthwise() {
                return vec![vec![by_tap(&self.raw, &self.spec)]];
            }
            let bundled = self.spec.bundled();
            let residues = match self.direction {
                Direction::Forward => [1, 1],
                Direction::Backward => self.spec.stride,
            };
            let pack_all = |dense: &[f32]| -> Vec<Buffer> {
                let pairs =
                    (0..residues[0] * residues[1]).map(|i| [i / residues[1], i % residues[1]]);
                pairs
                    .map(|residue| pack_pass(dense, &bundled, self.direction, self.planar, residue))
                    .collect()
            };
            self.bundles().iter().map(|dense| pack_all(dense)).collect()
        })
    }

    /// By bundle, see [`winograd::pack`].
    pub(super) fn winograd(&self) -> &[Buffer] {
        self.winograd.get_or_init(|| {
            let bundled = self.spec.bundled();
            self.bundles()
                .iter()
                .map(|dense| winograd::pack(dense, &bundled, self.direction))
                .collect()
        })
    }

    /// True when packing is paid in every use, as in training.
    pub(super) fn used_once(&self) -> bool {
        matches!(self.raw, Cow::Borrowed(_))
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

/// Storage of packed weights that training gave back: they are packed anew in every step.
static SPARE: Mutex<Option<Pool>> = Mutex::new(None);

/// Storage for packed weights, zeros unless every place will be `filled`.
pub(super) fn recycled(len: usize, filled: bool) -> Buffer {
    let mut spare = SPARE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let pool = spare.get_or_insert_default();
    if filled {
        pool.take(len)
    } else {
        pool.take_zeroed(len)
    }
}

/// Takes such storage back.
pub(super) fn give_back(buffer: Buffer) {
    let mut spare = SPARE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    spare.get_or_insert_default().give(buffer);
}

impl Drop for PackedWeights<'_> {
    fn drop(&mut self) {
        if !self.used_once() {
            return;
        }
        let direct = self.direct.take().into_iter().flatten().flatten();
        direct
            .chain(self.winograd.take().into_iter().flatten())
            .for_each(give_back);
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

fn pack_pass(
    weight: &[f32],
    spec: &ConvSpec,
    direction: Direction,
    planar: bool,
    residue: [usize; 2],
) -> Buffer {
    let [rows, columns] = [0, 1].map(|a| Axis::taps_of(spec, direction, a, residue[a]));
    let taps: Vec<usize> = rows
        .iter()
        .flat_map(|r| columns.iter().map(|c| r.0 * spec.kernel[1] + c.0))
        .collect();
    let all = spec.taps();
    let (from, to, from_stride, to_stride) = match direction {
        Direction::Forward => (spec.inputs, spec.outputs, all, spec.inputs * all),
        Direction::Backward => (spec.outputs, spec.inputs, spec.inputs * all, all),
    };
    let inner = if planar { 1 } else { LANES };
    let depth = from.div_ceil(inner);
    let blocks = to.div_ceil(LANES);
    let mut out = recycled(
        blocks * LANES * depth * inner * taps.len(),
        from % inner == 0 && to % LANES == 0,
    );
    // Blocks of the source one by one: what is read together and what is written together both fit the first-level cache.
    let mut jobs = Vec::new();
    let (mut rest, mut first) = (&mut out[..], 0);
    for nv in channel_groups(blocks) {
        let tile = nv * LANES * inner * taps.len();
        let (head, tail) = rest.split_at_mut(tile * depth);
        jobs.extend(
            head.chunks_mut(tile.max(1))
                .enumerate()
                .map(|(b, tile)| (first * LANES, nv * LANES, b, tile)),
        );
        (rest, first) = (tail, first + nv);
    }
    jobs.into_par_iter()
        .with_min_len(4)
        .for_each(|(first, width, b, tile)| {
            let (lanes, channels) = (width.min(to - first), inner.min(from - b * inner));
            let mut put = |lane: usize, i: usize| {
                let base = (b * inner + i) * from_stride + (first + lane) * to_stride;
                for (t, &tap) in taps.iter().enumerate() {
                    tile[(t * inner + i) * width + lane] = weight[base + tap];
                }
            };
            if from_stride < to_stride {
                (0..lanes).for_each(|lane| (0..channels).for_each(|i| put(lane, i)));
            } else {
                (0..channels).for_each(|i| (0..lanes).for_each(|lane| put(lane, i)));
            }
        });
    out
}
