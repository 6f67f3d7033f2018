//! 2-D convolution: forward, input gradient, weight gradient.
//!
//! Every pass is a gather of pixels (one tap of the kernel after the other, all channels of a pixel at once)
//! followed by a matrix product. The transposed convolution is the same three passes with the roles of input
//! and output exchanged: its forward pass is the input gradient here.

use rayon::prelude::*;
use std::cell::RefCell;

use crate::gemm::{Mat, gemm};
use crate::ops::activation::{Activation, apply_chunk};
use crate::ops::layout;
use crate::parallel::{for_rows, rows_in, sum_rows};
use crate::simd::multiversion;
use crate::view::{Dims, View, ViewMut};

/// A convolution from `x` to `out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Extents of the input.
    pub x: Dims,
    /// Extents of the output.
    pub out: Dims,
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

impl ConvShape {
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Output channels, input channels of one group, taps: the shape of a group's weight.
    fn group(&self) -> [usize; 3] {
        [self.out.c / self.groups, self.x.c / self.groups, self.taps()]
    }

    fn depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.x.c && self.groups == self.out.c
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        let [o, i, taps] = self.group();
        self.groups * o * i * taps
    }

    /// Output place to input place.
    fn forward_map(&self) -> Gather {
        let axis = |a: usize, from: usize, to: usize| {
            AxisMap::new(to, self.kernel[a], |o, k| {
                (o * self.stride[a] + k * self.dilation[a]).checked_sub(self.padding[a]).filter(|&i| i < from)
            })
        };
        Gather { src: self.x, dst: self.out, y: axis(0, self.x.h, self.out.h), x: axis(1, self.x.w, self.out.w) }
    }

    /// Input place to the output place that a tap carries it to.
    fn backward_map(&self) -> Gather {
        let axis = |a: usize, from: usize, to: usize| {
            AxisMap::new(to, self.kernel[a], |i, k| {
                let at = (i + self.padding[a]).checked_sub(k * self.dilation[a])?;
                (at % self.stride[a] == 0).then_some(at / self.stride[a]).filter(|&o| o < from)
            })
        };
        Gather { src: self.out, dst: self.x, y: axis(0, self.out.h, self.x.h), x: axis(1, self.out.w, self.x.w) }
    }
}

/// Where each tap of each place on one axis reads, or nowhere.
#[derive(Debug, Clone)]
struct AxisMap {
    taps: usize,
    from: Vec<Option<u32>>,
}

impl AxisMap {
    fn new(places: usize, taps: usize, source: impl Fn(usize, usize) -> Option<usize>) -> Self {
        let from = (0..places * taps).map(|i| source(i / taps, i % taps).map(|v| v as u32)).collect();
        AxisMap { taps, from }
    }

    #[inline(always)]
    fn get(&self, place: usize, tap: usize) -> Option<usize> {
        self.from[place * self.taps + tap].map(|v| v as usize)
    }
}

/// For every pixel of `dst` and every tap: a pixel of `src` or none.
#[derive(Debug, Clone)]
struct Gather {
    src: Dims,
    dst: Dims,
    y: AxisMap,
    x: AxisMap,
}

impl Gather {
    /// Every pixel takes itself alone: the columns are the activation as it stands.
    fn identity(&self) -> bool {
        let same = |map: &AxisMap, n: usize| map.taps == 1 && (0..n).all(|i| map.get(i, 0) == Some(i));
        self.src.h == self.dst.h && self.src.w == self.dst.w && same(&self.y, self.dst.h) && same(&self.x, self.dst.w)
    }

    fn taps(&self) -> usize {
        self.y.taps * self.x.taps
    }

    #[inline(always)]
    fn place(&self, row: usize) -> [usize; 3] {
        [row / self.dst.pixels(), row / self.dst.w % self.dst.h, row % self.dst.w]
    }

    #[inline(always)]
    fn source(&self, [n, y, x]: [usize; 3], tap: usize) -> Option<usize> {
        let (ky, kx) = (tap / self.x.taps, tap % self.x.taps);
        let (sy, sx) = (self.y.get(y, ky)?, self.x.get(x, kx)?);
        Some((n * self.src.h + sy) * self.src.w + sx)
    }

    /// Fills `col[row, tap, channel]` for the rows from `first` on.
    fn columns(&self, src: View, channels: std::ops::Range<usize>, first: usize, col: &mut [f32]) {
        let c = channels.len();
        let taps = self.taps();
        for (r, line) in col.chunks_mut(taps * c).enumerate() {
            let place = self.place(first + r);
            for (tap, cell) in line.chunks_mut(c).enumerate() {
                match self.source(place, tap) {
                    Some(pixel) => cell.copy_from_slice(&src.data[pixel * src.ld + channels.start..][..c]),
                    None => cell.fill(0.0),
                }
            }
        }
    }
}

thread_local! {
    static COLUMNS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` with a workspace of this thread.
fn with_workspace<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    COLUMNS.with(|cell| {
        // Another use on this thread can be under way when a task waits inside a task.
        let mut own = cell.try_borrow_mut().ok();
        let mut spare = Vec::new();
        let space: &mut Vec<f32> = own.as_deref_mut().unwrap_or(&mut spare);
        if space.len() < len {
            space.resize(len, 0.0);
        }
        body(&mut space[..len])
    })
}

/// What is done to the result while it is still in the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added by channel.
    pub bias: Option<&'a [f32]>,
    /// Then applied.
    pub after: Option<Activation>,
}

/// Rows of columns that stay in the second-level cache.
fn column_rows(depth: usize) -> usize {
    ((96 * 1024) / depth.max(1)).clamp(16, 1024)
}

/// `out[row, o] = sum of col[row, tap, i] * weight[tap, i, o]` by group, plus bias.
fn gather_product(src: View, gather: &Gather, weight: &[f32], [o, i, groups]: [usize; 3], epilogue: Epilogue, out: ViewMut) {
    let depth = gather.taps() * i;
    let rows = column_rows(depth);
    let (ld, identity) = (out.ld, gather.identity());
    for_rows(out, rows, |first, chunk| {
        let count = rows_in(chunk, ld);
        for g in 0..groups {
            let w = Mat::new(&weight[g * depth * o..(g + 1) * depth * o], o, 1);
            let target = &mut chunk[g * o..];
            if identity {
                let a = Mat::new(&src.data[first * src.ld + g * i..], src.ld, 1);
                gemm([count, o, depth], a, w, target, ld, false);
            } else {
                with_workspace(count * depth, |col| {
                    gather.columns(src, g * i..(g + 1) * i, first, col);
                    gemm([count, o, depth], Mat::new(col, depth, 1), w, target, ld, false);
                });
            }
        }
        finish(chunk, ld, o * groups, epilogue);
    });
}

fn finish(chunk: &mut [f32], ld: usize, channels: usize, epilogue: Epilogue) {
    if let Some(bias) = epilogue.bias {
        add_bias(chunk, ld, bias);
    }
    if let Some(kind) = epilogue.after {
        chunk.chunks_mut(ld).for_each(|row| apply_chunk(kind, &mut row[..channels]));
    }
}

multiversion! {
    fn add_bias(chunk: &mut [f32], ld: usize, bias: &[f32]) {
        for row in chunk.chunks_mut(ld) {
            row.iter_mut().zip(bias).for_each(|(o, &b)| *o += b);
        }
    }
}

/// Weight as the forward pass reads it, `[group, tap, in, out]`, from `[out, in / groups, kh, kw]`.
pub fn pack_forward(weight: &[f32], shape: &ConvShape) -> Vec<f32> {
    pack(weight, shape, layout::taps_in_out)
}

/// Weight as the input gradient reads it, `[group, tap, out, in]`.
pub fn pack_backward(weight: &[f32], shape: &ConvShape) -> Vec<f32> {
    pack(weight, shape, layout::taps_out_in)
}

fn pack(weight: &[f32], shape: &ConvShape, order: impl Fn(&[f32], [usize; 3], &mut [f32])) -> Vec<f32> {
    let group = shape.group();
    let len = group.iter().product();
    let mut out = vec![0.0; weight.len()];
    for (src, dst) in weight.chunks(len).zip(out.chunks_mut(len)) {
        order(src, group, dst);
    }
    out
}

/// Forward pass; `packed` comes from [`pack_forward`].
pub fn forward(x: View, packed: &[f32], epilogue: Epilogue, shape: &ConvShape, out: ViewMut) {
    assert!(x.dims == shape.x && out.dims == shape.out && packed.len() == shape.weight_len());
    let gather = shape.forward_map();
    if shape.depthwise() {
        return depthwise(x, &gather, &by_tap(packed, shape), epilogue, out);
    }
    let [o, i, _] = shape.group();
    gather_product(x, &gather, packed, [o, i, shape.groups], epilogue, out);
}

/// Gradient of the input; `packed` comes from [`pack_backward`]. The epilogue is for the transposed convolution.
pub fn input_gradient(dy: View, packed: &[f32], epilogue: Epilogue, shape: &ConvShape, dx: ViewMut) {
    assert!(dy.dims == shape.out && dx.dims == shape.x && packed.len() == shape.weight_len());
    let gather = shape.backward_map();
    if shape.depthwise() {
        return depthwise(dy, &gather, &by_tap(packed, shape), epilogue, dx);
    }
    let [o, i, _] = shape.group();
    gather_product(dy, &gather, packed, [i, o, shape.groups], epilogue, dx);
}

/// `[group, tap]` to `[tap, group]`.
fn by_tap(packed: &[f32], shape: &ConvShape) -> Vec<f32> {
    let (taps, groups) = (shape.taps(), shape.groups);
    (0..taps * groups).map(|at| packed[at % groups * taps + at / groups]).collect()
}

fn depthwise(src: View, gather: &Gather, weight: &[f32], epilogue: Epilogue, out: ViewMut) {
    let ld = out.ld;
    for_rows(out, crate::parallel::grain_rows(src.dims.c * gather.taps()), |first, chunk| {
        depthwise_piece(src, gather, weight, first, chunk, ld);
        finish(chunk, ld, src.dims.c, epilogue);
    });
}

multiversion! {
    fn depthwise_piece(src: View, gather: &Gather, weight: &[f32], first: usize, chunk: &mut [f32], ld: usize) {
        let c = src.dims.c;
        for (r, row) in chunk.chunks_mut(ld).enumerate() {
            let row = &mut row[..c];
            row.fill(0.0);
            let place = gather.place(first + r);
            for tap in 0..gather.taps() {
                if let Some(pixel) = gather.source(place, tap) {
                    let w = &weight[tap * c..(tap + 1) * c];
                    for ((o, &v), &w) in row.iter_mut().zip(src.row(pixel)).zip(w) {
                        *o += v * w;
                    }
                }
            }
        }
    }
}

/// Gradient of the weight, `[out, in / groups, kh, kw]`.
pub fn weight_gradient(x: View, dy: View, shape: &ConvShape) -> Vec<f32> {
    assert!(x.dims == shape.x && dy.dims == shape.out);
    let gather = shape.forward_map();
    let packed = if shape.depthwise() {
        depthwise_weight_gradient(x, dy, &gather)
    } else {
        product_weight_gradient(x, dy, shape, &gather)
    };
    let group = shape.group();
    let len = group.iter().product();
    let mut out = vec![0.0; packed.len()];
    for (src, dst) in packed.chunks(len).zip(out.chunks_mut(len)) {
        layout::out_in_taps(src, group, dst);
    }
    out
}

fn depthwise_weight_gradient(x: View, dy: View, gather: &Gather) -> Vec<f32> {
    let (c, taps) = (x.dims.c, gather.taps());
    let sums = sum_rows(dy.dims.rows(), 1024, taps * c, |first, end, part| {
        for row in first..end {
            let place = gather.place(row);
            for tap in 0..taps {
                if let Some(pixel) = gather.source(place, tap) {
                    let cells = part[tap * c..(tap + 1) * c].iter_mut();
                    cells.zip(x.row(pixel)).zip(dy.row(row)).for_each(|((s, &v), &d)| *s += v * d);
                }
            }
        }
    });
    (0..c * taps).map(|at| sums[at % taps * c + at / taps] as f32).collect()
}

/// The batch in fixed parts, each summed by one task; the parts are added in order.
fn product_weight_gradient(x: View, dy: View, shape: &ConvShape, gather: &Gather) -> Vec<f32> {
    let [o, i, taps] = shape.group();
    let depth = taps * i;
    let len = shape.weight_len();
    let total = dy.dims.rows();
    let parts = if len > 1 << 20 { 2 } else { 8 }.min(total.div_ceil(256));
    let rows = total.div_ceil(parts);
    let mut partial = vec![0.0f32; parts * len];
    partial.par_chunks_mut(len).enumerate().for_each(|(part, sums)| {
        let step = column_rows(depth);
        let end = ((part + 1) * rows).min(total);
        for first in (part * rows..end).step_by(step) {
            let count = step.min(end - first);
            for g in 0..shape.groups {
                let target = &mut sums[g * depth * o..(g + 1) * depth * o];
                let d = Mat::new(&dy.data[first * dy.ld + g * o..], dy.ld, 1);
                if gather.identity() {
                    let a = Mat::new(&x.data[first * x.ld + g * i..], 1, x.ld);
                    gemm([depth, o, count], a, d, target, o, true);
                } else {
                    with_workspace(count * depth, |col| {
                        gather.columns(x, g * i..(g + 1) * i, first, col);
                        gemm([depth, o, count], Mat::new(col, 1, depth), d, target, o, true);
                    });
                }
            }
        }
    });
    let (sum, rest) = partial.split_at_mut(len);
    for part in rest.chunks(len) {
        sum.iter_mut().zip(part).for_each(|(s, &p)| *s += p);
    }
    partial.truncate(len);
    partial
}

/// Gradient of the bias: the sum over all pixels.
pub fn bias_gradient(dy: View) -> Vec<f32> {
    let c = dy.dims.c;
    let sums = sum_rows(dy.dims.rows(), crate::parallel::grain_rows(c), c, |first, end, part| column_sums(dy, first, end, part));
    sums.into_iter().map(|s| s as f32).collect()
}

multiversion! {
    fn column_sums(dy: View, first: usize, end: usize, part: &mut [f32]) {
        for row in first..end {
            part.iter_mut().zip(dy.row(row)).for_each(|(s, &d)| *s += d);
        }
    }
}
