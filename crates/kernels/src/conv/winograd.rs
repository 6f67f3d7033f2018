//! 3 by 3 convolutions of stride one by Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray 2016):
//! 36 multiplications in place of 144 for sixteen results.
//!
//! The points are 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose rounding errors are smaller than those of the
//! customary 0, +-1, +-2. Tiles are taken together in blocks that stay in the second-level cache: transform of
//! the source, 36 matrix products by the kernel of the direct convolution, transform of the result.

mod gradient;
mod transform;

use super::correlate::Part;
use super::kernel::{Tile, channel_groups, most_pixels, run as run_tile};
use super::pack::{PackedWeights, recycled};
use super::pass::Axis;
use super::source::{Copied, Grid, Merge, Source, with_workspace};
use super::{ConvSpec, Direction};
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::multiversion;
use crate::view::{Dims, LANES, ViewMut};
pub(super) use gradient::{gradient, gradient_pays};
use transform::{MOST_WIDTH, from_points, to_points, transform_taps};

/// Rows and columns of results in a tile.
const OUT: usize = 4;
/// Rows and columns that a tile reads.
const IN: usize = 6;
/// Products in a tile.
const POINTS: usize = IN * IN;
/// Tiles below which the transformed weights cost more to read than the products save.
const LEAST_TILES: usize = 16;
/// The same when the weights are transformed for one use.
const LEAST_TILES_ONCE: usize = 24;
/// Floats of weights that stay in the second-level cache.
const WEIGHT_FLOATS: usize = 160 * 1024;
/// Floats of transformed source and result that a task keeps.
const BLOCK_FLOATS: usize = 160 * 1024;

/// Whether this way is chosen.
pub(super) fn pays(weights: &PackedWeights, source: Source, out: &ViewMut) -> bool {
    let spec = &weights.spec;
    let [from, to] = weights.channels();
    let shape = spec.kernel == [3, 3] && spec.stride == [1, 1] && spec.dilation == [1, 1];
    let d = out.dims;
    let tiles = d.n * d.h.div_ceil(OUT) * d.w.div_ceil(OUT);
    let used = d.n * d.pixels() * 2 > tiles * OUT * OUT;
    let least = if weights.used_once() {
        LEAST_TILES_ONCE
    } else {
        LEAST_TILES
    };
    shape
        && used
        && matches!(source, Source::Blocked(..))
        && from >= LANES
        && to >= LANES
        && tiles >= least
}

/// Transformed weights `[point][channel group][depth block][16][16 * blocks of the group]`.
pub(super) fn pack(weight: &[f32], spec: &ConvSpec, direction: Direction) -> Buffer {
    let (from, to, from_stride, to_stride) = match direction {
        Direction::Forward => (spec.inputs, spec.outputs, 9, spec.inputs * 9),
        Direction::Backward => (spec.outputs, spec.inputs, spec.inputs * 9, 9),
    };
    let (depth, blocks) = (from.div_ceil(LANES) * LANES, to.div_ceil(LANES));
    let mut out = recycled(
        POINTS * depth * blocks * LANES,
        from % LANES == 0 && to % LANES == 0,
    );
    let point = depth * blocks * LANES;
    let shared = Shared::new(&mut out);
    let groups = channel_groups(blocks);
    // Sixteen channels of the source at a time, so that few groups still make tasks enough.
    for_each(groups.len() * depth / LANES, |task| {
        let (g, b) = (task / (depth / LANES), task % (depth / LANES));
        let first: usize = groups[..g].iter().sum();
        let width = groups[g] * LANES;
        let (lanes, channels) = (width.min(to - first * LANES), LANES.min(from - b * LANES));
        // Gathered in the order of the weight: its rows lie a multiple of the cache's way size apart.
        let mut taps = [[[0.0f32; MOST_WIDTH]; 9]; LANES];
        let mut put = |lane: usize, i: usize| {
            let at = (b * LANES + i) * from_stride + (first * LANES + lane) * to_stride;
            for (k, &tap) in weight[at..at + 9].iter().enumerate() {
                taps[i][if direction == Direction::Backward {
                    8 - k
                } else {
                    k
                }][lane] = tap;
            }
        };
        if from_stride < to_stride {
            (0..lanes).for_each(|lane| (0..channels).for_each(|i| put(lane, i)));
        } else {
            (0..channels).for_each(|i| (0..lanes).for_each(|lane| put(lane, i)));
        }
        for (i, taps) in taps[..channels].iter().enumerate() {
            let place = first * LANES * depth + (b * LANES + i) * width;
            for (p, values) in transform_taps(taps).iter().enumerate() {
                // SAFETY: every (channel group, channel, point) has a place of its own inside `out`.
                unsafe { shared.slice(p * point + place, width) }.copy_from_slice(&values[..width]);
            }
        }
    });
    out
}

struct Job<'a> {
    part: &'a Part<'a>,
    weights: &'a [f32],
    grid: Grid<'a>,
    axes: [Axis; 2],
    from: Dims,
    to: Dims,
    groups: Vec<usize>,
    out: Shared<f32>,
    image_stride: usize,
}

/// Neighbouring tiles of one row of tiles.
#[derive(Debug, Clone, Copy)]
struct Run {
    n: usize,
    /// First row and column of results.
    y: usize,
    x: usize,
    tiles: usize,
}

/// The rows of tiles of all images, cut into runs of at most `most` tiles of almost one length.
fn runs(to: Dims, most: usize) -> Vec<Run> {
    let (down, across) = (to.h.div_ceil(OUT), to.w.div_ceil(OUT));
    let pieces = across.div_ceil(most);
    let places =
        (0..to.n * down * pieces).map(|i| (i / (down * pieces), i / pieces % down, i % pieces));
    places
        .map(|(n, y, piece)| {
            let (start, end) = (piece * across / pieces, (piece + 1) * across / pieces);
            Run {
                n,
                y: y * OUT,
                x: start * OUT,
                tiles: end - start,
            }
        })
        .collect()
}

/// Consecutive runs of about `tiles` tiles together.
fn blocks(runs: &[Run], tiles: usize) -> Vec<&[Run]> {
    let mut blocks = Vec::new();
    let (mut start, mut count) = (0, 0);
    for (i, run) in runs.iter().enumerate() {
        if count > 0 && count + run.tiles > tiles {
            blocks.push(&runs[start..i]);
            (start, count) = (i, 0);
        }
        count += run.tiles;
    }
    blocks.push(&runs[start..]);
    blocks
}

/// The correlation of one bundle.
pub(super) fn run(
    part: &Part,
    weights: &[f32],
    direction: Direction,
    spec: &ConvSpec,
    out: ViewMut,
) {
    let (from, to) = (part.source.dims(), out.dims);
    let job = Job {
        part,
        weights,
        grid: part.source.grid(Merge::Nothing),
        axes: [
            Axis::new(spec, direction, 0, 0, from.h, to.h),
            Axis::new(spec, direction, 1, 0, from.w, to.w),
        ],
        from,
        to,
        groups: channel_groups(to.blocks()),
        image_stride: out.image_stride,
        out: Shared::new(out.data),
    };
    let most = most_pixels(2);
    // Weights that do not stay in the second-level cache are worth reading for many tiles at once.
    let fits = match weights.len() > WEIGHT_FLOATS {
        true => 4 * most,
        false => BLOCK_FLOATS / (POINTS * LANES * (from.blocks() + to.blocks())),
    };
    let tiles = to.n * to.h.div_ceil(OUT) * to.w.div_ceil(OUT);
    let share = tiles.div_ceil(2 * rayon::current_num_threads());
    let size = fits.min(share).next_multiple_of(most).clamp(most, 4 * most);
    let runs = runs(to, size);
    let blocks = blocks(&runs, size);
    for_each(blocks.len(), |task| job.block(blocks[task]));
}

/// Floats of the source of the longest run.
fn strip_len(runs: &[Run]) -> usize {
    runs.iter()
        .map(|run| run.tiles * OUT + IN - OUT)
        .max()
        .unwrap_or(0)
        * IN
        * LANES
}

/// `[point][depth block][tile][16]` of all tiles of the runs.
fn transform_source(
    grid: &Grid,
    axes: &[Axis; 2],
    runs: &[Run],
    depth: usize,
    points: &mut [f32],
    strip: &mut [f32],
) {
    let count: usize = runs.iter().map(|run| run.tiles).sum();
    let point = depth * count * LANES;
    let axes = [&axes[0], &axes[1]];
    let mut first = 0;
    for run in runs {
        let copied = Copied::new(axes, LANES, OUT, run.tiles * OUT);
        for b in 0..depth {
            copied.fill_block(grid, axes, run.n, b, [run.y, run.x], strip);
            let out = &mut points[(b * count + first) * LANES..];
            assert!(
                strip.len() >= copied.block
                    && out.len() >= (POINTS - 1) * point + run.tiles * LANES
            );
            for tile in 0..run.tiles {
                let corner = strip[tile * OUT * LANES..].as_ptr();
                // SAFETY: the strip holds six rows of `run.tiles * 4 + 2` pixels, the points all tiles of the
                // block (asserted).
                unsafe { to_points(corner, copied.row, out[tile * LANES..].as_mut_ptr(), point) };
            }
        }
        first += run.tiles;
    }
}

impl Job<'_> {
    fn block(&self, runs: &[Run]) {
        let count: usize = runs.iter().map(|run| run.tiles).sum();
        let (depth, blocks) = (self.from.blocks(), self.to.blocks());
        let (source_point, result_point) = (depth * count * LANES, blocks * count * LANES);
        with_workspace(
            POINTS * (source_point + result_point) + strip_len(runs),
            |space| {
                let (points, rest) = space.split_at_mut(POINTS * source_point);
                let (products, strip) = rest.split_at_mut(POINTS * result_point);
                transform_source(&self.grid, &self.axes, runs, depth, points, strip);
                for p in 0..POINTS {
                    self.multiply(
                        p,
                        count,
                        &points[p * source_point..][..source_point],
                        &mut products[p * result_point..][..result_point],
                    );
                }
                let mut first = 0;
                for run in runs {
                    for b in 0..blocks {
                        for tile in 0..run.tiles {
                            let from = &products[(b * count + first + tile) * LANES..];
                            self.finish([run.n, run.y, run.x + tile * OUT], b, from, result_point);
                        }
                    }
                    first += run.tiles;
                }
            },
        );
    }

    /// One of the 36 products: `[depth block][tile][16]` by the weights to `[block][tile][16]`.
    fn multiply(&self, p: usize, count: usize, points: &[f32], products: &mut [f32]) {
        let depth = self.from.blocks();
        let weights = &self.weights[p * depth * self.to.blocks() * LANES * LANES..];
        let mut block = 0;
        for &nv in &self.groups {
            let pieces = count.div_ceil(most_pixels(nv));
            for piece in 0..pieces {
                let (start, end) = (piece * count / pieces, (piece + 1) * count / pieces);
                let tile = Tile {
                    a: points[start * LANES..].as_ptr(),
                    a_row: 0,
                    a_block: count * LANES,
                    taps: &0,
                    tap_count: 1,
                    blocks: depth,
                    inner: LANES,
                    last: self.from.lanes(depth - 1),
                    w: weights[block * depth * LANES * LANES..].as_ptr(),
                    bias: std::ptr::null(),
                    add: std::ptr::null(),
                    out: products[(block * count + start) * LANES..].as_mut_ptr(),
                    out_row: 0,
                    out_pixel: LANES,
                    out_block: count * LANES,
                    relu: false,
                };
                // SAFETY: points and products hold `count` tiles of every block, the weights those of `nv` blocks.
                unsafe { run_tile(&tile, false, [1, end - start, nv]) };
            }
            block += nv;
        }
    }

    /// Transforms a tile back, applies the epilogue and stores what lies inside the result.
    fn finish(&self, [n, y0, x0]: [usize; 3], b: usize, products: &[f32], point: usize) {
        let mut values = [0.0f32; OUT * OUT * LANES];
        assert!(products.len() >= (POINTS - 1) * point + LANES);
        // SAFETY: `products` reaches the last point (asserted), `values` holds the tile.
        unsafe { from_points(products.as_ptr(), point, values.as_mut_ptr()) };
        let columns = OUT.min(self.to.w - x0);
        let bias = self.part.bias.map(|bias| &bias[b * LANES..][..LANES]);
        for y in 0..OUT.min(self.to.h - y0) {
            let at = b * self.to.plane() + ((y0 + y) * self.to.w + x0) * LANES;
            let add = self
                .part
                .add
                .map(|view| &view.data[n * view.image_stride + at..][..columns * LANES]);
            // SAFETY: these pixels belong to this tile alone and lie inside the result.
            let out = unsafe { self.out.slice(n * self.image_stride + at, columns * LANES) };
            epilogue(
                &values[y * OUT * LANES..][..columns * LANES],
                bias,
                add,
                self.part.accumulate,
                self.part.relu,
                out,
            );
        }
    }
}

multiversion! {
    fn epilogue(values: &[f32], bias: Option<&[f32]>, add: Option<&[f32]>, accumulate: bool, relu: bool, out: &mut [f32]) {
        let mut b = [0.0f32; LANES];
        if let Some(bias) = bias {
            b.copy_from_slice(bias);
        }
        for (p, (out, values)) in out.chunks_exact_mut(LANES).zip(values.chunks_exact(LANES)).enumerate() {
            let mut term = [0.0f32; LANES];
            if accumulate {
                term.copy_from_slice(out);
            } else if let Some(add) = add {
                term.copy_from_slice(&add[p * LANES..][..LANES]);
            }
            for l in 0..LANES {
                let v = values[l] + b[l] + term[l];
                out[l] = if relu && v < 0.0 { 0.0 } else { v };
            }
        }
    }
}
