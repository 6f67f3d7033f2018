//! 3 by 3 convolutions of stride one by Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray 2016):
//! 36 multiplications in place of 144 for sixteen results.
//!
//! The points are 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose rounding errors are smaller than those of the
//! customary 0, +-1, +-2. Tiles are taken together in blocks that stay in the second-level cache: transform of
//! the source, 36 matrix products by the kernel of the direct convolution, transform of the result.

use super::correlate::Part;
use super::kernel::{Tile, channel_groups, most_pixels, run as run_tile};
use super::pack::{PackedWeights, recycled};
use super::pass::Axis;
use super::source::{Copied, Grid, Merge, Source, with_workspace};
use super::{ConvSpec, Direction};
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each};
use crate::simd::{Level, Portable, Simd, level, multiversion};
use crate::view::{Dims, LANES, ViewMut};

/// Rows and columns of results in a tile.
const OUT: usize = 4;
/// Rows and columns that a tile reads.
const IN: usize = 6;
/// Products in a tile.
const POINTS: usize = IN * IN;
/// sqrt(1/2) and sqrt(2).
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
/// Tiles below which the transformed weights cost more to read than the products save.
const LEAST_TILES: usize = 16;
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
    shape
        && used
        && matches!(source, Source::Blocked(..))
        && from >= LANES
        && to >= LANES
        && tiles >= LEAST_TILES
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
        let mut taps = [[0.0f32; MOST_WIDTH]; 9];
        for i in b * LANES..((b + 1) * LANES).min(from) {
            for lane in 0..width.min(to - first * LANES) {
                let at = i * from_stride + (first * LANES + lane) * to_stride;
                for (k, &tap) in weight[at..at + 9].iter().enumerate() {
                    taps[if direction == Direction::Backward {
                        8 - k
                    } else {
                        k
                    }][lane] = tap;
                }
            }
            let place = first * LANES * depth + i * width;
            for (p, values) in transform_taps(&taps).iter().enumerate() {
                // SAFETY: every (channel group, channel, point) has a place of its own inside `out`.
                unsafe { shared.slice(p * point + place, width) }.copy_from_slice(&values[..width]);
            }
        }
    });
    out
}

/// Output channels that are packed side by side at most.
const MOST_WIDTH: usize = 3 * LANES;
/// One value of each output channel.
type Row = [f32; MOST_WIDTH];

multiversion! {
    /// G g G^T.
    fn transform_taps(taps: &[Row; 9]) -> [Row; POINTS] {
        let mut out = [[0.0f32; MOST_WIDTH]; POINTS];
        for lane in 0..MOST_WIDTH {
            let mut rows = [[0.0f32; 3]; IN];
            for c in 0..3 {
                let column = transform_three([taps[c][lane], taps[3 + c][lane], taps[6 + c][lane]]);
                (0..IN).for_each(|r| rows[r][c] = column[r]);
            }
            for (r, row) in rows.iter().enumerate() {
                let line = transform_three(*row);
                (0..IN).for_each(|c| out[r * IN + c][lane] = line[c]);
            }
        }
        out
    }
}

/// G g for three taps: values of the polynomial at the points, over the products of the points' differences.
#[inline(always)]
fn transform_three([x, y, z]: [f32; 3]) -> [f32; IN] {
    // Differences multiply to 1 at 0, to 2 a^2 (a^2 - b^2) = -3/2 at +-a, to 2 b^2 (b^2 - a^2) = 6 at +-b.
    let (even_a, odd_a) = ((x + 0.5 * z) * (-2.0 / 3.0), A * y * (-2.0 / 3.0));
    let (even_b, odd_b) = ((x + 2.0 * z) * (1.0 / 6.0), B * y * (1.0 / 6.0));
    [
        x,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        z,
    ]
}

/// B^T d for six values.
///
/// # Safety
/// The instruction set of `S` is there.
#[inline(always)]
unsafe fn source_line<S: Simd>(d: [S::V; IN]) -> [S::V; IN] {
    // SAFETY: by contract.
    unsafe {
        let (a, b) = (S::set(A), S::set(B));
        let minus = |k: f32, x: S::V, y: S::V| S::fma(S::set(-k), x, y);
        let (even_a, odd_a) = (minus(2.0, d[2], d[4]), S::mul(a, minus(2.0, d[1], d[3])));
        let (even_b, odd_b) = (minus(0.5, d[2], d[4]), S::mul(b, minus(0.5, d[1], d[3])));
        [
            S::add(d[0], minus(2.5, d[2], d[4])),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            S::add(d[1], minus(2.5, d[3], d[5])),
        ]
    }
}

/// A^T m for six values.
///
/// # Safety
/// The instruction set of `S` is there.
#[inline(always)]
unsafe fn result_line<S: Simd>(m: [S::V; IN]) -> [S::V; OUT] {
    // SAFETY: by contract.
    unsafe {
        let (sum_a, diff_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_b, diff_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            S::fma(S::set(B), diff_b, S::mul(S::set(A), diff_a)),
            S::fma(S::set(B * B), sum_b, S::mul(S::set(A * A), sum_a)),
            S::add(
                m[5],
                S::fma(S::set(B * B * B), diff_b, S::mul(S::set(A * A * A), diff_a)),
            ),
        ]
    }
}

/// Transforms one tile of one block: rows of the source are `row` floats apart, points of the result `point`.
///
/// # Safety
/// The instruction set of `S` is there; six by six pixels of sixteen floats can be read, 36 written.
#[inline(always)]
unsafe fn source_tile<S: Simd>(from: *const f32, row: usize, out: *mut f32, point: usize) {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[S::zero(); IN]; IN];
        for (y, line) in half.iter_mut().enumerate() {
            let mut d = [S::zero(); IN];
            for (x, v) in d.iter_mut().enumerate() {
                *v = S::load(from.add(y * row + x * LANES));
            }
            *line = source_line::<S>(d);
        }
        for x in 0..IN {
            let column = source_line::<S>([
                half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x],
            ]);
            for (y, &v) in column.iter().enumerate() {
                S::store(out.add((y * IN + x) * point), v);
            }
        }
    }
}

/// Transforms the products of one tile of one block back and stores four by four pixels, sixteen floats each.
///
/// # Safety
/// As [`source_tile`], with 36 points read and 256 floats written.
#[inline(always)]
unsafe fn result_tile<S: Simd>(from: *const f32, point: usize, out: *mut f32) {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[S::zero(); OUT]; IN];
        for (y, line) in half.iter_mut().enumerate() {
            let mut m = [S::zero(); IN];
            for (x, v) in m.iter_mut().enumerate() {
                *v = S::load(from.add((y * IN + x) * point));
            }
            *line = result_line::<S>(m);
        }
        for x in 0..OUT {
            let column = result_line::<S>([
                half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x],
            ]);
            for (y, &v) in column.iter().enumerate() {
                S::store(out.add((y * OUT + x) * LANES), v);
            }
        }
    }
}

macro_rules! by_level {
    ($name:ident, $avx512:ident, $avx2:ident, $inner:ident, ($($arg:ident: $ty:ty),*)) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
        unsafe fn $avx512($($arg: $ty),*) {
            // SAFETY: the caller's contract and the instruction set of this function.
            unsafe { $inner::<crate::simd::Avx512>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $avx2($($arg: $ty),*) {
            // SAFETY: as above.
            unsafe { $inner::<crate::simd::Avx2>($($arg),*) }
        }
        /// # Safety
        /// The addresses are valid as the generic function says.
        unsafe fn $name($($arg: $ty),*) {
            // SAFETY: `level` found the instruction set; the rest is the caller's promise.
            unsafe {
                match level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => $avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => $avx2($($arg),*),
                    _ => $inner::<Portable>($($arg),*),
                }
            }
        }
    };
}
by_level!(to_points, to_points_avx512, to_points_avx2, source_tile, (from: *const f32, row: usize, out: *mut f32, point: usize));
by_level!(from_points, from_points_avx512, from_points_avx2, result_tile, (from: *const f32, point: usize, out: *mut f32));

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

impl Job<'_> {
    fn block(&self, runs: &[Run]) {
        let count: usize = runs.iter().map(|run| run.tiles).sum();
        let (depth, blocks) = (self.from.blocks(), self.to.blocks());
        let (source_point, result_point) = (depth * count * LANES, blocks * count * LANES);
        let strip = runs
            .iter()
            .map(|run| run.tiles * OUT + IN - OUT)
            .max()
            .unwrap_or(0)
            * IN
            * LANES;
        with_workspace(POINTS * (source_point + result_point) + strip, |space| {
            let (points, rest) = space.split_at_mut(POINTS * source_point);
            let (products, strip) = rest.split_at_mut(POINTS * result_point);
            let mut first = 0;
            for run in runs {
                let copied =
                    Copied::new([&self.axes[0], &self.axes[1]], LANES, OUT, run.tiles * OUT);
                for b in 0..depth {
                    copied.fill_block(
                        &self.grid,
                        [&self.axes[0], &self.axes[1]],
                        run.n,
                        b,
                        [run.y, run.x],
                        strip,
                    );
                    let out = &mut points[(b * count + first) * LANES..];
                    assert!(
                        strip.len() >= copied.block
                            && out.len() >= (POINTS - 1) * source_point + run.tiles * LANES
                    );
                    for tile in 0..run.tiles {
                        let corner = strip[tile * OUT * LANES..].as_ptr();
                        // SAFETY: the strip holds six rows of `run.tiles * 4 + 2` pixels, the points all tiles of the
                        // block (asserted).
                        unsafe {
                            to_points(
                                corner,
                                copied.row,
                                out[tile * LANES..].as_mut_ptr(),
                                source_point,
                            )
                        };
                    }
                }
                first += run.tiles;
            }
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
        });
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
