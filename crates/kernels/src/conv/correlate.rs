//! Forward pass and input gradient.

use super::kernel::{Tile, channel_groups, most_pixels, most_planar_pixels, run};
use super::pack::PackedWeights;
use super::pass::Axis;
use super::source::{Copied, Grid, Merge, Source, with_workspace};
use super::{Direction, depthwise, winograd};
use crate::buffer::Buffer;
use crate::ops::activation::{self, Activation};
use crate::parallel::{Shared, for_each};
use crate::view::{LANES, View, ViewMut};

/// Floats of source copy that a task keeps in the second-level cache.
const COPY_FLOATS: usize = 96 * 1024;
/// Floats of weights of one channel group that are used for all tiles of a task before the next ones are read.
const WEIGHT_FLOATS: usize = 32 * 1024;
/// Multiplications that are worth a task of their own.
const TASK_WORK: usize = 1 << 20;

/// What is done to the result while it is in registers (sums, rectifier) or right after.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added by channel.
    pub bias: Option<&'a [f32]>,
    /// Added value by value; has the extents of the result.
    pub add: Option<View<'a>>,
    /// Adds to what the result holds already.
    pub accumulate: bool,
    /// Then applied.
    pub after: Option<Activation>,
}

/// `out = after(source * weights + bias + add)`.
pub fn correlate(source: Source, weights: &PackedWeights, epilogue: Epilogue, mut out: ViewMut) {
    let spec = &weights.spec;
    assert_eq!(weights.planar, matches!(source, Source::Planar(..)));
    let [from, to] = weights.channels();
    let bundles = spec.groups / spec.bundle();
    assert!(
        source.dims().c == from * bundles
            && out.dims.c == to * bundles
            && source.dims().n == out.dims.n
    );
    if spec.depthwise() {
        depthwise::correlate(source, weights, epilogue, out.reborrow());
    } else {
        let fast = winograd::pays(weights, source, &out);
        for bundle in 0..bundles {
            let (s, o) = (bundle * from / LANES, bundle * to / LANES);
            let bias = epilogue.bias.map(|b| pad(&b[bundle * to..][..to]));
            let part = Part {
                source: source.channels(s, from),
                weights: if fast { &[] } else { &weights.direct()[bundle] },
                bias: bias.as_deref(),
                add: epilogue.add.map(|v| v.channels(o, to)),
                accumulate: epilogue.accumulate,
                relu: epilogue.after == Some(Activation::Relu),
            };
            if fast {
                winograd::run(
                    &part,
                    &weights.winograd()[bundle],
                    weights.direction,
                    &spec.bundled(),
                    out.channels(o, to),
                );
            } else {
                correlate_bundle(weights, &part, out.channels(o, to));
            }
        }
    }
    match epilogue.after {
        None => {}
        Some(Activation::Relu) if !spec.depthwise() => {}
        Some(kind) => activation::apply(kind, out),
    }
}

/// Bias over whole blocks.
pub(super) fn pad(values: &[f32]) -> Buffer {
    let mut out = Buffer::zeros(values.len().next_multiple_of(LANES));
    out[..values.len()].copy_from_slice(values);
    out
}

/// One bundle of groups.
pub(super) struct Part<'a> {
    pub source: Source<'a>,
    pub weights: &'a [Buffer],
    pub bias: Option<&'a [f32]>,
    pub add: Option<View<'a>>,
    pub accumulate: bool,
    pub relu: bool,
}

fn correlate_bundle(weights: &PackedWeights, part: &Part, mut out: ViewMut) {
    let (spec, direction) = (weights.spec.bundled(), weights.direction);
    let (from, to) = (part.source.dims(), out.dims);
    let residues = match direction {
        Direction::Forward => [1, 1],
        Direction::Backward => spec.stride,
    };
    for ry in 0..residues[0].min(to.h) {
        for rx in 0..residues[1].min(to.w) {
            let y = Axis::new(&spec, direction, 0, ry, from.h, to.h);
            let x = Axis::new(&spec, direction, 1, rx, from.w, to.w);
            run_pass(
                part,
                &part.weights[ry * residues[1] + rx],
                [y, x],
                out.reborrow(),
            );
        }
    }
}

/// Addresses of the result.
#[derive(Clone, Copy)]
struct Target {
    pixel: usize,
    row: usize,
    block: usize,
    image: usize,
}

fn run_pass(part: &Part, weights: &[f32], axes: [Axis; 2], mut out: ViewMut) {
    let (from, to) = (part.source.dims(), out.dims);
    let blocked = matches!(part.source, Source::Blocked(..));
    let identity = blocked && axes.iter().all(Axis::identity);
    let merge = match (identity, to.pixels()) {
        // Another distance between the images of the term would not be the tile's.
        (true, 1) if part.add.is_none_or(|v| v.image_stride == out.image_stride) => Merge::Batch,
        (true, _) => Merge::Pixels,
        _ => Merge::Nothing,
    };
    let mut target = Target {
        pixel: LANES,
        row: to.w * LANES,
        block: to.plane(),
        image: out.image_stride,
    };
    let [mut y, mut x] = axes;
    let mut images = to.n;
    match merge {
        Merge::Nothing => {}
        Merge::Pixels => (y, x) = (y.line(1), x.line(to.pixels())),
        Merge::Batch => {
            (y, x) = (y.line(1), x.line(to.n));
            (target.pixel, target.block) = (out.image_stride, LANES);
            images = 1;
        }
    }
    let grid = part.source.grid(merge);
    let direct = merge == Merge::Pixels && grid.map.is_none();
    let groups = channel_groups(to.blocks());
    let depth = grid.blocks * grid.unit * y.taps.len() * x.taps.len();
    let size = tile_size(
        [&y, &x],
        &grid,
        images,
        &groups,
        depth * to.blocks() * LANES,
    );
    let job = Job {
        part,
        weights,
        copied: Copied::new([&y, &x], grid.unit, size.height, size.width),
        last: if blocked {
            from.lanes(from.blocks() - 1)
        } else {
            1
        },
        y,
        x,
        grid,
        direct,
        groups,
        target,
        out: Shared::new(out.reborrow().data),
    };
    let (rows, columns) = (
        job.y.count.div_ceil(size.height),
        job.x.count.div_ceil(size.width),
    );
    for_each(
        images.div_ceil(size.images) * rows * columns * size.splits,
        |task| {
            let (split, place) = (task % size.splits, task / size.splits);
            let (n, place) = (
                place / (rows * columns) * size.images,
                place % (rows * columns),
            );
            let at = [place / columns * size.height, place % columns * size.width];
            job.task(n..(n + size.images).min(images), at, &size, split);
        },
    );
}

/// How the work is cut. Only `depth` touches the order of sums, and it depends on shapes alone.
struct Size {
    height: usize,
    width: usize,
    /// Images of a task.
    images: usize,
    /// Tasks that share one piece of the source, by groups of output channels.
    splits: usize,
    /// Depth blocks taken together.
    depth: usize,
}

fn tile_size(
    [y, x]: [&Axis; 2],
    grid: &Grid,
    images: usize,
    groups: &[usize],
    work_per_pixel: usize,
) -> Size {
    let taps = (y.taps.len() * x.taps.len()).max(1);
    let widest = groups.iter().max().copied().unwrap_or(1);
    let most = (WEIGHT_FLOATS / (taps * grid.unit * widest * LANES)).max(1);
    let depth = grid.blocks.div_ceil(grid.blocks.div_ceil(most));
    let floats = |height: usize, width: usize| {
        depth
            * grid.unit
            * ((height - 1) * y.step + y.span() + 1)
            * x.phases().len().max(1)
            * (width + x.span() / x.step)
    };
    let (mut height, mut width, mut splits) = (y.count, x.count, 1);
    while floats(height, width) > COPY_FLOATS && height > 1 {
        height = height.div_ceil(2);
    }
    while floats(height, width) > COPY_FLOATS && width > 28 {
        width = width.div_ceil(2);
    }
    let threads = rayon::current_num_threads();
    let pixels = images * y.count * x.count;
    let want = if threads == 1 {
        1
    } else {
        (4 * threads).min(pixels.saturating_mul(work_per_pixel) / TASK_WORK)
    };
    let tasks = |height: usize, width: usize, splits: usize| {
        images * y.count.div_ceil(height) * x.count.div_ceil(width) * splits
    };
    while tasks(height, width, splits) < want {
        if height >= 14 {
            height = height.div_ceil(2);
        } else if height == 1 && width >= 112 {
            width = width.div_ceil(2);
        } else if splits < groups.len().min(8) {
            splits = (splits * 2).min(groups.len());
        } else {
            break;
        }
    }
    // A line of pixels is cut where tiles end.
    if y.count == 1 && width < x.count {
        width = width.next_multiple_of(most_pixels(2)).min(x.count);
    }
    // Small images share what is read of the weights.
    let whole = height == y.count && width == x.count;
    let together = if whole {
        COPY_FLOATS / floats(height, width).max(1)
    } else {
        1
    };
    let images = together
        .clamp(1, 8)
        .min((images * splits / want.max(1)).max(1));
    Size {
        height,
        width,
        images,
        splits,
        depth,
    }
}

struct Job<'a> {
    part: &'a Part<'a>,
    weights: &'a [f32],
    y: Axis,
    x: Axis,
    grid: Grid<'a>,
    copied: Copied,
    direct: bool,
    last: usize,
    groups: Vec<usize>,
    target: Target,
    out: Shared<f32>,
}

impl Job<'_> {
    fn task(
        &self,
        images: std::ops::Range<usize>,
        [y0, x0]: [usize; 2],
        size: &Size,
        split: usize,
    ) {
        let shape = [
            size.height.min(self.y.count - y0),
            size.width.min(self.x.count - x0),
        ];
        let per = self.groups.len().div_ceil(size.splits);
        let groups =
            (split * per).min(self.groups.len())..((split + 1) * per).min(self.groups.len());
        let copied = &self.copied;
        let image = size.depth * copied.block;
        let len = if self.direct {
            0
        } else {
            images.len() * image + LANES
        };
        with_workspace(len, |space| {
            for first in (0..self.grid.blocks).step_by(size.depth) {
                let blocks = first..(first + size.depth).min(self.grid.blocks);
                if !self.direct {
                    for (i, n) in images.clone().enumerate() {
                        for b in blocks.clone() {
                            let place = &mut space[i * image + (b - first) * copied.block..];
                            copied.fill_block(
                                &self.grid,
                                [&self.y, &self.x],
                                n,
                                b,
                                [y0, x0],
                                place,
                            );
                        }
                    }
                }
                let sources: Vec<Prepared> = images
                    .clone()
                    .enumerate()
                    .map(|(i, n)| self.prepared(&space[(i * image).min(len)..], n, x0, &blocks))
                    .collect();
                self.tiles(images.start, [y0, x0], shape, groups.clone(), &sources);
            }
        });
    }

    /// Some depth blocks of one image, from the copy or, when there is none, from the plane itself.
    fn prepared<'a>(
        &'a self,
        space: &'a [f32],
        n: usize,
        x0: usize,
        blocks: &std::ops::Range<usize>,
    ) -> Prepared<'a> {
        let (data, row, block, taps): (&[f32], usize, usize, &[usize]) = if self.direct {
            (
                &self.grid.data
                    [n * self.grid.image + blocks.start * self.grid.block + x0 * LANES..],
                0,
                self.grid.block,
                &[0],
            )
        } else {
            (
                space,
                self.y.step * self.copied.row,
                self.copied.block,
                &self.copied.taps,
            )
        };
        Prepared {
            data,
            row,
            block,
            taps,
            blocks: blocks.clone(),
        }
    }

    fn tiles(
        &self,
        n: usize,
        [y0, x0]: [usize; 2],
        [height, width]: [usize; 2],
        groups: std::ops::Range<usize>,
        sources: &[Prepared],
    ) {
        let mut block: usize = self.groups[..groups.start].iter().sum();
        for &nv in &self.groups[groups] {
            let planar = self.grid.unit == 1;
            let most = if planar {
                most_planar_pixels(nv)
            } else {
                most_pixels(nv)
            };
            let tile_rows = if 2 * width <= most && !planar { 2 } else { 1 };
            let pieces = width.div_ceil(most);
            for (i, source) in sources.iter().enumerate() {
                for row in (0..height).step_by(tile_rows) {
                    let rows = tile_rows.min(height - row);
                    for piece in 0..pieces {
                        let (start, end) = (piece * width / pieces, (piece + 1) * width / pieces);
                        let tile = self.tile(
                            source,
                            [row, start],
                            self.place(n + i, block, y0 + row, x0 + start),
                            block,
                            nv,
                        );
                        // SAFETY: the source holds every tap of the tile's pixels (the copy was made for `height` by
                        // `width` output places; a direct source is the plane itself), weights and bias cover `nv`
                        // blocks, and the places written belong to this task alone.
                        unsafe { run(&tile, planar, [rows, end - start, nv]) };
                    }
                }
            }
            block += nv;
        }
    }

    /// Offset of an output place.
    fn place(&self, n: usize, block: usize, y: usize, x: usize) -> usize {
        let (y, x) = (
            y * self.y.out_step + self.y.out_first,
            x * self.x.out_step + self.x.out_first,
        );
        n * self.target.image
            + block * self.target.block
            + y * self.target.row
            + x * self.target.pixel
    }

    fn tile(
        &self,
        source: &Prepared,
        [row, column]: [usize; 2],
        place: usize,
        block: usize,
        nv: usize,
    ) -> Tile {
        let out = self.out.ptr().wrapping_add(place);
        let (begins, ends) = (
            source.blocks.start == 0,
            source.blocks.end == self.grid.blocks,
        );
        let add = match (self.part.accumulate || !begins, self.part.add) {
            (true, _) => out.cast_const(),
            (false, Some(view)) => {
                let image = place / self.target.image;
                view.data
                    .as_ptr()
                    .wrapping_add(place - image * self.target.image + image * view.image_stride)
            }
            (false, None) => std::ptr::null(),
        };
        let per_block = self.grid.unit * source.taps.len() * LANES;
        let weights =
            &self.weights[(block * self.grid.blocks + source.blocks.start * nv) * per_block..];
        Tile {
            a: source
                .data
                .as_ptr()
                .wrapping_add(row * source.row + column * self.grid.unit),
            a_row: source.row,
            a_block: source.block,
            taps: source.taps.as_ptr(),
            tap_count: source.taps.len(),
            blocks: source.blocks.len(),
            inner: self.grid.unit,
            last: if ends { self.last } else { self.grid.unit },
            w: weights.as_ptr(),
            bias: self
                .part
                .bias
                .filter(|_| begins)
                .map_or(std::ptr::null(), |b| b[block * LANES..].as_ptr()),
            add,
            out,
            out_row: self.y.out_step * self.target.row,
            out_pixel: self.x.out_step * self.target.pixel,
            out_block: self.target.block,
            relu: self.part.relu && ends,
        }
    }
}

/// Some depth blocks of a piece of the source, as the kernels read them.
struct Prepared<'a> {
    data: &'a [f32],
    row: usize,
    block: usize,
    taps: &'a [usize],
    blocks: std::ops::Range<usize>,
}
