//! The weight gradient: sums over tiles at each of the 36 points, transformed back to taps.

use super::transform::{MOST_WIDTH, gradient_to_points, transform_back};
use super::{OUT, POINTS, Run, blocks, runs, strip_len, transform_source};
use crate::conv::kernel::channel_groups;
use crate::conv::pack::{give_back, recycled};
use crate::conv::pass::Axis;
use crate::conv::source::{Grid, Merge, Source, with_workspace};
use crate::conv::weight_gradient::{MOST_LINES, Pass, lines_at_once, run as pass_tiles};
use crate::conv::{ConvSpec, Direction};
use crate::parallel::{Shared, for_each};
use crate::view::{Dims, LANES, View};

/// Floats that the sums of all parts of a weight gradient may take.
const SUM_FLOATS: usize = 8 << 20;
/// Tiles that pass while sums are in registers; fixed, because it orders the sums.
const GRADIENT_TILES: usize = 28;

/// Whether the weight gradient is computed this way: enough tiles must share the traffic of 36 sums in place of 9.
pub(in crate::conv) fn gradient_pays(spec: &ConvSpec, source: Source, dy: View) -> bool {
    let shape = spec.kernel == [3, 3] && spec.stride == [1, 1] && spec.dilation == [1, 1];
    let d = dy.dims;
    let tiles = d.n * d.h.div_ceil(OUT) * d.w.div_ceil(OUT);
    let used = d.n * d.pixels() * 2 > tiles * OUT * OUT;
    let sums = POINTS * spec.inputs * spec.outputs;
    shape
        && used
        && matches!(source, Source::Blocked(..))
        && spec.inputs >= LANES
        && spec.outputs >= LANES
        && tiles * (1 << 14) >= sums
}

struct Gradient<'a> {
    grid: Grid<'a>,
    axes: [Axis; 2],
    dy: View<'a>,
    from: Dims,
    groups: Vec<usize>,
}

/// The weight gradient of one bundle, `[outputs, inputs, 3, 3]`.
pub(in crate::conv) fn gradient(source: Source, dy: View, spec: &ConvSpec) -> Vec<f32> {
    let (from, to) = (source.dims(), dy.dims);
    let job = Gradient {
        grid: source.grid(Merge::Nothing),
        axes: [0, 1].map(|a| {
            Axis::new(
                spec,
                Direction::Forward,
                a,
                0,
                [from.h, from.w][a],
                [to.h, to.w][a],
            )
        }),
        dy,
        from,
        groups: channel_groups(to.blocks()),
    };
    let runs = runs(to, GRADIENT_TILES);
    let blocks = blocks(&runs, GRADIENT_TILES);
    let len = POINTS * from.blocks() * to.blocks() * LANES * LANES;
    let parts = (SUM_FLOATS / len).clamp(1, 8).min(blocks.len());
    let splits = (8 / parts).min(job.groups.len());
    let mut sums = recycled(parts * len, false);
    let shared = Shared::new(&mut sums);
    for_each(parts * splits, |task| {
        let (part, split) = (task / splits, task % splits);
        let own = &blocks[part * blocks.len() / parts..(part + 1) * blocks.len() / parts];
        let groups = split * job.groups.len() / splits..(split + 1) * job.groups.len() / splits;
        own.iter()
            .for_each(|runs| job.block(runs, groups.clone(), shared, part * len));
    });
    let out = job.collect(&sums, parts, len, spec);
    give_back(sums);
    out
}

impl Gradient<'_> {
    /// Adds the tiles of some runs to the sums of some channel groups, in the part that begins at `start`.
    fn block(&self, runs: &[Run], groups: std::ops::Range<usize>, sums: Shared<f32>, start: usize) {
        let count: usize = runs.iter().map(|run| run.tiles).sum();
        let depth = self.from.blocks();
        let first: usize = self.groups[..groups.start].iter().sum();
        let blocks: usize = self.groups[groups.clone()].iter().sum();
        let (source_point, result_point) = (depth * count * LANES, blocks * count * LANES);
        with_workspace(
            POINTS * (source_point + result_point) + strip_len(runs),
            |space| {
                let (points, rest) = space.split_at_mut(POINTS * source_point);
                let (results, strip) = rest.split_at_mut(POINTS * result_point);
                transform_source(&self.grid, &self.axes, runs, depth, points, strip);
                self.transform_results(runs, first..first + blocks, results);
                for p in 0..POINTS {
                    self.add(
                        p,
                        count,
                        groups.clone(),
                        &points[p * source_point..][..source_point],
                        &results[p * result_point..][..result_point],
                        sums,
                        start,
                    );
                }
            },
        );
    }

    fn transform_results(&self, runs: &[Run], blocks: std::ops::Range<usize>, results: &mut [f32]) {
        let count: usize = runs.iter().map(|run| run.tiles).sum();
        let (d, point) = (self.dy.dims, blocks.len() * count * LANES);
        let mut first = 0;
        for run in runs {
            for (i, b) in blocks.clone().enumerate() {
                let plane = self.dy.plane(run.n, b);
                for tile in 0..run.tiles {
                    let x = run.x + tile * OUT;
                    let out = &mut results[(i * count + first + tile) * LANES..];
                    let mut patch = [0.0f32; OUT * OUT * LANES];
                    for y in 0..OUT.min(d.h - run.y) {
                        let columns = OUT.min(d.w - x) * LANES;
                        let line = &plane[((run.y + y) * d.w + x) * LANES..][..columns];
                        patch[y * OUT * LANES..][..columns].copy_from_slice(line);
                    }
                    assert!(out.len() >= (POINTS - 1) * point + LANES);
                    // SAFETY: the patch holds sixteen pixels, `out` reaches the last point (asserted).
                    unsafe {
                        gradient_to_points(patch.as_ptr(), OUT * LANES, out.as_mut_ptr(), point)
                    };
                }
            }
            first += run.tiles;
        }
    }

    /// One of the 36 sums of products over `count` tiles, into `[point][group][depth block][16][16 * blocks of the group]`.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &self,
        p: usize,
        count: usize,
        groups: std::ops::Range<usize>,
        points: &[f32],
        results: &[f32],
        sums: Shared<f32>,
        start: usize,
    ) {
        let depth = self.from.blocks();
        let point = depth * LANES * LANES;
        let before: usize = self.groups[..groups.start].iter().sum();
        let all: usize = self.groups.iter().sum();
        let mut block = before;
        for &nv in &self.groups[groups] {
            let width = nv * LANES;
            for b in 0..depth {
                let pass = Pass {
                    a: points[b * count * LANES..].as_ptr(),
                    a_row: 0,
                    a_pixel: LANES,
                    d: results[(block - before) * count * LANES..].as_ptr(),
                    d_row: 0,
                    d_pixel: LANES,
                    d_block: count * LANES,
                    rows: 1,
                    columns: count,
                };
                let step = lines_at_once(nv);
                for line in (0..self.from.lanes(b)).step_by(step) {
                    let at = start + (p * all + block) * point + (b * LANES + line) * width;
                    // SAFETY: a part's sums of a channel group belong to one task.
                    let target = unsafe { sums.slice(at, step * width) };
                    let mut lines = [0; MOST_LINES];
                    lines
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, l)| *l = line + i);
                    // SAFETY: points and results hold `count` tiles of every block, the target all lines of the tile.
                    unsafe { pass_tiles(&pass, &lines, true, nv, target.as_mut_ptr()) };
                }
            }
            block += nv;
        }
    }

    /// Adds the parts in order and transforms back.
    fn collect(&self, sums: &[f32], parts: usize, len: usize, spec: &ConvSpec) -> Vec<f32> {
        let (inputs, outputs, depth) = (spec.inputs, spec.outputs, self.from.blocks());
        let all: usize = self.groups.iter().sum();
        let mut out = vec![0.0f32; spec.weight_len()];
        let shared = Shared::new(&mut out);
        for_each(self.groups.len() * depth, |task| {
            let (g, b) = (task / depth, task % depth);
            let first: usize = self.groups[..g].iter().sum();
            let width = self.groups[g] * LANES;
            let channels = LANES.min(inputs - b * LANES);
            let mut taps = [[[0.0f32; MOST_WIDTH]; 9]; LANES];
            for (i, taps) in taps[..channels].iter_mut().enumerate() {
                let mut values = [[0.0f32; MOST_WIDTH]; POINTS];
                for (p, row) in values.iter_mut().enumerate() {
                    let at = (p * all + first) * depth * LANES * LANES + (b * LANES + i) * width;
                    row[..width].copy_from_slice(&sums[at..at + width]);
                    for part in 1..parts {
                        let more = &sums[part * len + at..][..width];
                        row[..width].iter_mut().zip(more).for_each(|(v, m)| *v += m);
                    }
                }
                *taps = transform_back(&values);
            }
            for lane in 0..width.min(outputs - first * LANES) {
                let at = ((first * LANES + lane) * inputs + b * LANES) * 9;
                // SAFETY: each output channel and block of input channels has places of its own inside `out`.
                let place = unsafe { shared.slice(at, channels * 9) };
                for (i, values) in place.chunks_exact_mut(9).enumerate() {
                    (0..9).for_each(|k| values[k] = taps[i][k][lane]);
                }
            }
        });
        out
    }
}
