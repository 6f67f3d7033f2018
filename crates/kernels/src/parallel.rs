//! Work split into pieces that depend on shapes only, so that results do not depend on the number of threads.

use rayon::prelude::*;

use crate::view::ViewMut;

/// Floats a task of cheap arithmetic should touch: enough to pay for handing it over.
const GRAIN: usize = 1 << 14;

/// Pixels a task, for rows of `width` floats.
pub(crate) fn grain_rows(width: usize) -> usize {
    (GRAIN / width.max(1)).max(1)
}

/// Calls `body(first row, floats from there on)` for pieces of `rows` pixels; the floats of the last piece end with its last channel.
pub(crate) fn for_rows(out: ViewMut, rows: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    let step = rows * out.ld;
    let total = out.dims.rows();
    if total == 0 {
        return;
    }
    let end = (total - 1) * out.ld + out.dims.c;
    let data = &mut out.data[..end];
    if total <= rows {
        body(0, data);
    } else {
        data.par_chunks_mut(step).enumerate().for_each(|(i, chunk)| body(i * rows, chunk));
    }
}

/// Column sums in fixed pieces: `body(first row, end row, partial)` fills one zeroed partial of `width` floats a piece; they are added in order.
pub(crate) fn sum_rows(total: usize, rows: usize, width: usize, body: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f64> {
    let pieces = total.div_ceil(rows).max(1);
    let mut partial = vec![0.0f32; pieces * width];
    let run = |i: usize, part: &mut [f32]| body(i * rows, ((i + 1) * rows).min(total), part);
    if pieces == 1 {
        run(0, &mut partial);
    } else {
        partial.par_chunks_mut(width).enumerate().for_each(|(i, part)| run(i, part));
    }
    let mut sums = vec![0.0f64; width];
    for part in partial.chunks(width) {
        for (sum, &value) in sums.iter_mut().zip(part) {
            *sum += f64::from(value);
        }
    }
    sums
}

/// Rows in the piece `chunk` of a view with row stride `ld`.
#[inline(always)]
pub(crate) fn rows_in(chunk: &[f32], ld: usize) -> usize {
    chunk.len().div_ceil(ld)
}
