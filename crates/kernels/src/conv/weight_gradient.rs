//! Weight and bias gradients.
//!
//! A tile of the gradient (some input channels of one tap by some output channels) stays in registers while the
//! pixels pass. The batch is cut into parts by shape alone and the parts are added in order, so the result does
//! not depend on the number of threads.

use super::kernel::channel_groups;
use super::pass::Axis;
use super::source::{Copied, Grid, Merge, Source, with_workspace};
use super::{ConvSpec, Direction, depthwise, winograd};
use crate::buffer::Buffer;
use crate::parallel::{Shared, for_each, sum_planes};
use crate::simd::{Level, Portable, Simd, level, multiversion};
use crate::view::{LANES, View};

/// Pixels that pass while a tile's sums are in registers.
const CHUNK_PIXELS: usize = 512;
/// Tasks wanted, whatever the number of threads.
const TASKS: usize = 24;

/// Gradient of the weight, `[outputs, inputs / groups, kh, kw]`.
pub fn weight_gradient(source: Source, dy: View, spec: &ConvSpec) -> Vec<f32> {
    assert!(
        source.dims().c == spec.inputs && dy.dims.c == spec.outputs && source.dims().n == dy.dims.n
    );
    if spec.depthwise() {
        return depthwise::weight_gradient(source, dy, spec);
    }
    let bundled = spec.bundled();
    let fast = winograd::gradient_pays(&bundled, source, dy);
    let mut out = Vec::with_capacity(spec.weight_len());
    for bundle in 0..spec.groups / spec.bundle() {
        let x = source.channels(bundle * bundled.inputs / LANES, bundled.inputs);
        let d = dy.channels(bundle * bundled.outputs / LANES, bundled.outputs);
        let dense = if fast {
            winograd::gradient(x, d, &bundled)
        } else {
            Gradient::new(x, d, &bundled).run()
        };
        if spec.groups == 1 {
            return dense;
        }
        spec.undense(&dense, &mut out);
    }
    out
}

struct Gradient<'a> {
    source: Source<'a>,
    grid: Grid<'a>,
    dy: View<'a>,
    spec: ConvSpec,
    y: Axis,
    x: Axis,
    images: usize,
    /// Distances in dy: pixel, row, block, image.
    d: [usize; 4],
    direct: bool,
    groups: Vec<usize>,
    /// Rows of the gradient by depth block: taps times channels.
    lines: usize,
}

impl<'a> Gradient<'a> {
    fn new(source: Source<'a>, dy: View<'a>, spec: &ConvSpec) -> Self {
        let (from, to) = (source.dims(), dy.dims);
        let mut y = Axis::new(spec, Direction::Forward, 0, 0, from.h, to.h);
        let mut x = Axis::new(spec, Direction::Forward, 1, 0, from.w, to.w);
        let blocked = matches!(source, Source::Blocked(..));
        let merge = match (blocked && y.identity() && x.identity(), to.pixels()) {
            (true, 1) => Merge::Batch,
            (true, _) => Merge::Pixels,
            _ => Merge::Nothing,
        };
        let mut d = [LANES, to.w * LANES, to.plane(), dy.image_stride];
        let mut images = to.n;
        match merge {
            Merge::Nothing => {}
            Merge::Pixels => (y, x) = (y.line(1), x.line(to.pixels())),
            Merge::Batch => {
                (y, x) = (y.line(1), x.line(to.n));
                (d[0], d[2], images) = (dy.image_stride, LANES, 1);
            }
        }
        let grid = source.grid(merge);
        let direct = merge != Merge::Nothing && grid.map.is_none();
        let lines = spec.taps() * grid.unit;
        Gradient {
            source,
            grid,
            dy,
            spec: *spec,
            y,
            x,
            images,
            d,
            direct,
            groups: channel_groups(to.blocks()),
            lines,
        }
    }

    /// Rows and columns that pass at a time.
    fn chunk(&self) -> [usize; 2] {
        let width = self.x.count.min(CHUNK_PIXELS);
        [(CHUNK_PIXELS / width).clamp(1, self.y.count), width]
    }

    fn run(&self) -> Vec<f32> {
        let [height, width] = self.chunk();
        let (rows, columns) = (self.y.count.div_ceil(height), self.x.count.div_ceil(width));
        let units = self.images * rows * columns;
        let depth_tasks = if self.grid.unit == 1 {
            1
        } else {
            self.grid.blocks
        };
        let tiles = self.groups.len() * depth_tasks;
        let parts = TASKS.div_ceil(tiles).min(units);
        let out_blocks: usize = self.groups.iter().sum();
        let len = out_blocks * LANES * self.grid.blocks * self.lines;
        let mut sums = Buffer::zeros(parts * len);
        let shared = Shared::new(&mut sums);
        for_each(parts * tiles, |task| {
            let (part, tile) = (task / tiles, task % tiles);
            let (group, depth) = (tile / depth_tasks, tile % depth_tasks);
            let first: usize = self.groups[..group].iter().sum();
            let width_floats = self.groups[group] * LANES;
            let start = part * len + first * LANES * self.grid.blocks * self.lines;
            let (start, size) = if self.grid.unit == 1 {
                (start, self.grid.blocks * self.lines * width_floats)
            } else {
                (
                    start + depth * self.lines * width_floats,
                    self.lines * width_floats,
                )
            };
            // SAFETY: each task has its own tile of its own part inside `sums`.
            let out = unsafe { shared.slice(start, size) };
            for unit in part * units / parts..(part + 1) * units / parts {
                let (n, place) = (unit / (rows * columns), unit % (rows * columns));
                let at = [place / columns * height, place % columns * width];
                self.unit(n, at, [first, self.groups[group]], depth, out);
            }
        });
        self.collect(&sums, parts, len)
    }

    /// Adds the pixels of one piece to one tile.
    fn unit(
        &self,
        n: usize,
        [y0, x0]: [usize; 2],
        [block, nv]: [usize; 2],
        depth: usize,
        out: &mut [f32],
    ) {
        let [height, width] = self.chunk();
        let (height, width) = (height.min(self.y.count - y0), width.min(self.x.count - x0));
        let d_start = n * self.d[3] + block * self.d[2] + y0 * self.d[1] + x0 * self.d[0];
        let mut pass = Pass {
            a: std::ptr::null(),
            a_row: 0,
            a_pixel: self.grid.unit,
            d: self.dy.data[d_start..].as_ptr(),
            d_row: self.d[1],
            d_pixel: self.d[0],
            d_block: self.d[2],
            rows: height,
            columns: width,
        };
        if self.direct {
            pass.a = self.grid.data
                [n * self.grid.image + depth * self.grid.block + x0 * self.grid.pixel..]
                .as_ptr();
            pass.a_pixel = self.grid.pixel;
            return self.tap(&pass, 0, self.source.dims().lanes(depth), nv, out);
        }
        let copied = Copied::new([&self.y, &self.x], self.grid.unit, height, width);
        let planar = self.grid.unit == 1;
        let blocks = if planar { self.grid.blocks } else { 1 };
        with_workspace(blocks * copied.block + LANES, |space| {
            for b in 0..blocks {
                let from = if planar { b } else { depth };
                copied.fill_block(
                    &self.grid,
                    [&self.y, &self.x],
                    n,
                    from,
                    [y0, x0],
                    &mut space[b * copied.block..],
                );
            }
            pass.a_row = self.y.step * copied.row;
            pass.a = space.as_ptr();
            if planar {
                self.planar(&pass, &copied, nv, out);
            } else {
                let lanes = self.source.dims().lanes(depth);
                for (t, &tap) in copied.taps.iter().enumerate() {
                    self.tap(
                        &Pass {
                            a: space[tap..].as_ptr(),
                            ..pass
                        },
                        t,
                        lanes,
                        nv,
                        out,
                    );
                }
            }
        });
    }

    /// All channels of one depth block at one tap.
    fn tap(&self, pass: &Pass, tap: usize, lanes: usize, nv: usize, out: &mut [f32]) {
        let width = nv * LANES;
        let step = lines_at_once(nv);
        for first in (0..lanes).step_by(step) {
            let target = &mut out[(tap * LANES + first) * width..][..step * width];
            let mut at = [0; MOST_LINES];
            at.iter_mut().enumerate().for_each(|(i, a)| *a = first + i);
            // SAFETY: the source piece and dy hold `rows` by `columns` pixels at the distances of the pass, every
            // pixel has sixteen channels, and `target` has room for the tile.
            unsafe { run(pass, &at, true, nv, target.as_mut_ptr()) };
        }
    }

    /// All channels and taps of a planar source.
    fn planar(&self, pass: &Pass, copied: &Copied, nv: usize, out: &mut [f32]) {
        let width = nv * LANES;
        let all: Vec<usize> = (0..self.grid.blocks)
            .flat_map(|b| copied.taps.iter().map(move |t| b * copied.block + t))
            .collect();
        let step = lines_at_once(nv);
        for (i, places) in all.chunks(step).enumerate() {
            // Lines beyond the last repeat the first of their chunk and are dropped.
            let mut at = [places[0]; MOST_LINES];
            at[..places.len()].copy_from_slice(places);
            let mut tile = [0.0f32; MOST_LINES * 3 * LANES];
            let target = &mut out[i * step * width..][..places.len() * width];
            tile[..target.len()].copy_from_slice(target);
            // SAFETY: as in `tap`, with one float a pixel; `tile` has room for all lines.
            unsafe { run(pass, &at, false, nv, tile.as_mut_ptr()) };
            target.copy_from_slice(&tile[..target.len()]);
        }
    }

    /// Adds the parts and brings the tiles into the order of the weight.
    fn collect(&self, sums: &[f32], parts: usize, len: usize) -> Vec<f32> {
        let (taps, inputs, outputs) = (self.spec.taps(), self.spec.inputs, self.spec.outputs);
        let mut out = vec![0.0f32; self.spec.weight_len()];
        let shared = Shared::new(&mut out);
        for_each(self.groups.len(), |group| {
            let first: usize = self.groups[..group].iter().sum();
            let width = self.groups[group] * LANES;
            let start = first * LANES * self.grid.blocks * self.lines;
            let channels = width.min(outputs - first * LANES);
            // SAFETY: the output channels of a group are its own.
            let rows =
                unsafe { shared.slice(first * LANES * inputs * taps, channels * inputs * taps) };
            for b in 0..self.grid.blocks {
                let lanes = self.grid.unit.min(inputs - b * self.grid.unit);
                let tile = start + b * self.lines * width;
                for o in 0..channels {
                    let row = &mut rows[(o * inputs + b * self.grid.unit) * taps..][..lanes * taps];
                    for (i, values) in row.chunks_exact_mut(taps).enumerate() {
                        for (t, value) in values.iter_mut().enumerate() {
                            let at = tile + (t * self.grid.unit + i) * width + o;
                            *value = (0..parts).map(|p| sums[p * len + at]).sum();
                        }
                    }
                }
            }
        });
        out
    }
}

/// Most lines of a gradient tile.
pub(super) const MOST_LINES: usize = 16;

/// Lines of the gradient (input channels or taps) that fit into registers beside `nv` blocks of output channels.
pub(super) fn lines_at_once(nv: usize) -> usize {
    match (level(), nv) {
        (Level::Avx512, 1) => 16,
        (Level::Avx512, _) => 8,
        _ => 4,
    }
}

/// Pixels to pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub a: *const f32,
    pub a_row: usize,
    pub a_pixel: usize,
    pub d: *const f32,
    pub d_row: usize,
    pub d_pixel: usize,
    pub d_block: usize,
    pub rows: usize,
    pub columns: usize,
}

/// `out[line][NV * 16] += sum over pixels of a[pixel + at[line]] * d[pixel][NV * 16]`.
///
/// # Safety
/// The instruction set of `S` is there; all addresses of the pass, its lines and the result are valid. With `LINE`
/// the lines follow one another.
#[inline(always)]
unsafe fn pass_lines<S: Simd, const L: usize, const NV: usize, const LINE: bool>(
    p: &Pass,
    at: &[usize; MOST_LINES],
    out: *mut f32,
) {
    // SAFETY: by contract.
    unsafe {
        let mut acc = [[S::zero(); NV]; L];
        for (l, line) in acc.iter_mut().enumerate() {
            for (j, v) in line.iter_mut().enumerate() {
                *v = S::load(out.add((l * NV + j) * LANES));
            }
        }
        for row in 0..p.rows {
            let (mut a, mut d) = (p.a.add(row * p.a_row), p.d.add(row * p.d_row));
            if LINE {
                a = a.wrapping_add(at[0]);
            }
            for _ in 0..p.columns {
                let mut dv = [S::zero(); NV];
                for (j, v) in dv.iter_mut().enumerate() {
                    *v = S::load(d.add(j * p.d_block));
                }
                for l in 0..L {
                    let x = S::splat(if LINE { a.add(l) } else { a.add(at[l]) });
                    for j in 0..NV {
                        acc[l][j] = S::fma(dv[j], x, acc[l][j]);
                    }
                }
                a = a.wrapping_add(p.a_pixel);
                d = d.wrapping_add(p.d_pixel);
            }
        }
        for (l, line) in acc.iter().enumerate() {
            for (j, &v) in line.iter().enumerate() {
                S::store(out.add((l * NV + j) * LANES), v);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
unsafe fn run_avx512(p: &Pass, at: &[usize; MOST_LINES], line: bool, nv: usize, out: *mut f32) {
    use crate::simd::Avx512;
    // SAFETY: the contract of `run`.
    unsafe {
        match (nv, line) {
            (1, true) => pass_lines::<Avx512, 16, 1, true>(p, at, out),
            (2, true) => pass_lines::<Avx512, 8, 2, true>(p, at, out),
            (3, true) => pass_lines::<Avx512, 8, 3, true>(p, at, out),
            (1, false) => pass_lines::<Avx512, 16, 1, false>(p, at, out),
            (2, false) => pass_lines::<Avx512, 8, 2, false>(p, at, out),
            _ => pass_lines::<Avx512, 8, 3, false>(p, at, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(p: &Pass, at: &[usize; MOST_LINES], line: bool, out: *mut f32) {
    use crate::simd::Avx2;
    // SAFETY: the contract of `run`.
    unsafe {
        if line {
            pass_lines::<Avx2, 4, 1, true>(p, at, out)
        } else {
            pass_lines::<Avx2, 4, 1, false>(p, at, out)
        }
    }
}

/// # Safety
/// As [`pass_lines`], for `lines_at_once(nv)` lines.
pub(super) unsafe fn run(p: &Pass, at: &[usize; MOST_LINES], line: bool, nv: usize, out: *mut f32) {
    // SAFETY: `level` found the instruction set; the rest is the caller's promise.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => run_avx512(p, at, line, nv, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => run_avx2(p, at, line, out),
            _ if line => pass_lines::<Portable, 4, 1, true>(p, at, out),
            _ => pass_lines::<Portable, 4, 1, false>(p, at, out),
        }
    }
}

/// Gradient of the bias: the sum over batch and pixels.
pub fn bias_gradient(dy: View) -> Vec<f32> {
    let sums = sum_planes(dy.dims, LANES, |piece, part| {
        add_pixels(
            &dy.plane(piece.n, piece.b)[piece.first * LANES..][..piece.count * LANES],
            part,
        )
    });
    sums[..dy.dims.c].iter().map(|&s| s as f32).collect()
}

multiversion! {
    fn add_pixels(pixels: &[f32], sum: &mut [f32]) {
        let mut acc = [0.0f32; LANES];
        for pixel in pixels.chunks_exact(LANES) {
            for l in 0..LANES {
                acc[l] += pixel[l];
            }
        }
        sum.copy_from_slice(&acc);
    }
}
