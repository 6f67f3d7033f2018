//! The source of a correlation, and copies of its pieces with padding, ready for the kernels.

use std::cell::RefCell;

use super::pass::Axis;
use crate::buffer::Buffer;
use crate::simd::multiversion;
use crate::view::{Dims, LANES, View};

/// A pointwise map applied to the source as it is read: `scale * x + shift`, then max(., 0) when `relu`.
/// Arrays cover whole blocks.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Factor by channel.
    pub scale: &'a [f32],
    /// Term by channel.
    pub shift: &'a [f32],
    /// Whether negative values become zero.
    pub relu: bool,
}

/// What a correlation reads.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// An activation, mapped on the way when there is a map.
    Blocked(View<'a>, Option<Affine<'a>>),
    /// An image as it came, `[n, c, h, w]`, for inputs of few channels.
    Planar(&'a [f32], Dims),
}

impl<'a> Source<'a> {
    /// Extents.
    pub fn dims(&self) -> Dims {
        match self {
            Source::Blocked(view, _) => view.dims,
            Source::Planar(_, dims) => *dims,
        }
    }

    /// `count` channels from block `first` on.
    pub(super) fn channels(self, first: usize, count: usize) -> Source<'a> {
        match self {
            Source::Blocked(view, map) => {
                let cut = |values: &'a [f32]| &values[first * LANES..];
                let map = map.map(|m| Affine {
                    scale: cut(m.scale),
                    shift: cut(m.shift),
                    relu: m.relu,
                });
                Source::Blocked(view.channels(first, count), map)
            }
            planar => planar,
        }
    }

    pub(super) fn grid(self, merge: Merge) -> Grid<'a> {
        match self {
            Source::Planar(data, d) => Grid {
                data,
                map: None,
                unit: 1,
                blocks: d.c,
                pixel: 1,
                row: d.w,
                block: d.pixels(),
                image: d.c * d.pixels(),
            },
            Source::Blocked(view, map) => {
                let d = view.dims;
                let mut grid = Grid {
                    data: view.data,
                    map,
                    unit: LANES,
                    blocks: d.blocks(),
                    pixel: LANES,
                    row: d.w * LANES,
                    block: d.plane(),
                    image: view.image_stride,
                };
                if merge == Merge::Batch {
                    (grid.pixel, grid.block) = (view.image_stride, LANES);
                }
                grid
            }
        }
    }
}

/// What is seen as one line of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    Nothing,
    /// The pixels of each image.
    Pixels,
    /// The images, of one pixel each.
    Batch,
}

/// Addresses of a source: `image * n + block * b + row * y + pixel * x`, `unit` floats each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid<'a> {
    pub data: &'a [f32],
    pub map: Option<Affine<'a>>,
    pub unit: usize,
    pub blocks: usize,
    pub pixel: usize,
    pub row: usize,
    pub block: usize,
    pub image: usize,
}

/// Where the pieces of a copy are: `[block][row][phase][column]` units.
#[derive(Debug, Clone)]
pub(super) struct Copied {
    pub phases: Vec<usize>,
    pub columns: usize,
    pub row: usize,
    pub block: usize,
    /// Offsets of the taps, rows outermost.
    pub taps: Vec<usize>,
    used: Vec<bool>,
}

impl Copied {
    /// For tiles of `height` by `width` output places.
    pub fn new([y, x]: [&Axis; 2], unit: usize, height: usize, width: usize) -> Self {
        let phases = x.phases();
        let columns = width + x.span() / x.step;
        let rows = (height - 1) * y.step + y.span() + 1;
        let row = phases.len().max(1) * columns * unit;
        let slot = |phase: usize| phases.iter().position(|&p| p == phase).unwrap_or(0);
        let mut taps = Vec::new();
        for &(_, fy) in &y.taps {
            for &(_, fx) in &x.taps {
                let at = (fx - x.low()) as usize;
                taps.push(
                    (fy - y.low()) as usize * row
                        + (slot(at % x.step) * columns + at / x.step) * unit,
                );
            }
        }
        let mut used = vec![false; rows];
        for o in 0..height {
            y.taps
                .iter()
                .for_each(|&(_, f)| used[o * y.step + (f - y.low()) as usize] = true);
        }
        Copied {
            phases,
            columns,
            row,
            block: rows * row,
            taps,
            used,
        }
    }

    /// Copies one depth block of the piece that output places from (`y0`, `x0`) on read.
    pub fn fill_block(
        &self,
        grid: &Grid,
        [y, x]: [&Axis; 2],
        n: usize,
        b: usize,
        [y0, x0]: [usize; 2],
        out: &mut [f32],
    ) {
        let map = grid.map.map(|m| {
            (
                &m.scale[b * LANES..][..LANES],
                &m.shift[b * LANES..][..LANES],
                m.relu,
            )
        });
        for (j, line) in out[..self.block].chunks_mut(self.row).enumerate() {
            if !self.used[j] {
                continue;
            }
            let sy = (y0 * y.step + j) as isize + y.low();
            if sy < 0 || sy >= y.source as isize {
                line.fill(0.0);
                continue;
            }
            let from = &grid.data[n * grid.image + b * grid.block + sy as usize * grid.row..];
            for (&phase, cells) in self
                .phases
                .iter()
                .zip(line.chunks_mut(self.columns * grid.unit))
            {
                let first = (x0 * x.step + phase) as isize + x.low();
                copy_line(
                    from, cells, grid.unit, first, x.step, x.source, grid.pixel, map,
                );
            }
        }
    }
}

multiversion! {
    /// Copies places `first`, `first + step`, ... of a line; places outside become zero.
    fn copy_line(from: &[f32], cells: &mut [f32], unit: usize, first: isize, step: usize, places: usize, pixel: usize, map: Option<(&[f32], &[f32], bool)>) {
        let count = cells.len() / unit;
        let skip = if first < 0 { (first.unsigned_abs()).div_ceil(step).min(count) } else { 0 };
        let end = if (places as isize) <= first { skip } else { ((places as isize - first) as usize).div_ceil(step).clamp(skip, count) };
        cells[..skip * unit].fill(0.0);
        cells[end * unit..].fill(0.0);
        if end == skip {
            return;
        }
        let start = (first + (skip * step) as isize) as usize;
        let inside = &mut cells[skip * unit..end * unit];
        match map {
            None if step == 1 && pixel == unit => inside.copy_from_slice(&from[start * unit..][..(end - skip) * unit]),
            None => {
                for (i, cell) in inside.chunks_exact_mut(unit).enumerate() {
                    cell.copy_from_slice(&from[(start + i * step) * pixel..][..unit]);
                }
            }
            Some((scale, shift, relu)) => {
                let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
                let (mut a, mut b) = ([0.0f32; LANES], [0.0f32; LANES]);
                a.copy_from_slice(scale);
                b.copy_from_slice(shift);
                for (i, cell) in inside.chunks_exact_mut(LANES).enumerate() {
                    let src = &from[(start + i * step) * pixel..][..LANES];
                    for l in 0..LANES {
                        let v = a[l] * src[l] + b[l];
                        cell[l] = if v < floor { floor } else { v };
                    }
                }
            }
        }
    }
}

thread_local! {
    static WORKSPACE: RefCell<Option<Buffer>> = const { RefCell::new(None) };
}

/// Calls `body` with `len` floats of this thread's workspace, contents arbitrary.
pub(super) fn with_workspace<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let taken = WORKSPACE.with(|cell| cell.take());
    let mut space = match taken {
        Some(space) if space.len() >= len => space,
        _ => Buffer::zeros(len),
    };
    let result = body(&mut space[..len]);
    WORKSPACE.with(|cell| cell.replace(Some(space)));
    result
}
