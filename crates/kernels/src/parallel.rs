//! Work split into pieces that depend on shapes only, so that results do not depend on the number of threads.

use rayon::prelude::*;

use crate::view::{LANES, ViewMut};

/// Floats a task of cheap arithmetic touches: enough to pay for handing it over.
const GRAIN: usize = 1 << 14;

/// A pointer that tasks share to write places of their own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: the pointer is only dereferenced by tasks that write disjoint places (contract of `slice`).
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(data: &mut [T]) -> Self {
        Shared(data.as_mut_ptr())
    }

    pub fn ptr(self) -> *mut T {
        self.0
    }

    /// # Safety
    /// The range must lie inside the slice this was made from, which must outlive the use, and no other
    /// reference to the range may exist meanwhile.
    pub unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: by contract.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// Runs `body` on a thread of the pool, so that each of its layers begins there instead of being handed over.
pub(crate) fn on_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    match rayon::current_thread_index() {
        Some(_) => body(),
        None => rayon::scope(|_| body()),
    }
}

/// Runs `body` for every index; on this thread when there is one only.
pub(crate) fn for_each(count: usize, body: impl Fn(usize) + Sync + Send) {
    if count <= 1 {
        (0..count).for_each(body);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(body);
    }
}

/// Pixels of a plane in one piece.
pub(crate) fn piece_pixels(pixels: usize) -> usize {
    let most = GRAIN / LANES;
    let pieces = pixels.div_ceil(most).max(1);
    pixels.div_ceil(pieces).max(1)
}

/// A piece of one plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub n: usize,
    pub b: usize,
    /// First pixel.
    pub first: usize,
    /// Pixels.
    pub count: usize,
}

/// Calls `body(piece, its floats)` for every piece of every plane; small planes are handed over several at a time.
pub(crate) fn for_planes(out: ViewMut, body: impl Fn(Piece, &mut [f32]) + Sync) {
    let (dims, stride) = (out.dims, out.image_stride);
    let (pixels, blocks) = (dims.pixels(), dims.blocks());
    let step = piece_pixels(pixels);
    let per_plane = pixels.div_ceil(step);
    let total = dims.n * blocks * per_plane;
    let batch = (GRAIN / (step * LANES)).max(1);
    let shared = Shared::new(out.data);
    for_each(total.div_ceil(batch), |task| {
        for i in task * batch..((task + 1) * batch).min(total) {
            let (plane, first) = (i / per_plane, i % per_plane * step);
            let piece = Piece {
                n: plane / blocks,
                b: plane % blocks,
                first,
                count: step.min(pixels - first),
            };
            let start = piece.n * stride + piece.b * dims.plane() + first * LANES;
            // SAFETY: pieces are disjoint and inside the view (checked when it was made).
            body(piece, unsafe { shared.slice(start, piece.count * LANES) });
        }
    });
}

/// Calls `body(piece, floats, marks)` as [`for_planes`]; `marks` are the piece's bytes in a contiguous array beside `out`.
pub(crate) fn for_planes_marked(
    out: ViewMut,
    marks: &mut [u8],
    body: impl Fn(Piece, &mut [f32], &mut [u8]) + Sync,
) {
    let dims = out.dims;
    assert_eq!(marks.len(), dims.stored());
    let shared = Shared::new(marks);
    for_planes(out, |piece, chunk| {
        let start = piece.n * dims.image() + piece.b * dims.plane() + piece.first * LANES;
        // SAFETY: disjoint as the pieces are, and inside `marks` (asserted).
        body(piece, chunk, unsafe { shared.slice(start, chunk.len()) });
    });
}

/// Sums over batch and pixels: `body(piece, partial)` fills the zeroed `width` floats of one piece; the partials of
/// a block are added in order, in double precision. Returns `[block][width]`.
pub(crate) fn sum_planes(
    dims: crate::view::Dims,
    width: usize,
    body: impl Fn(Piece, &mut [f32]) + Sync,
) -> Vec<f64> {
    let (pixels, blocks) = (dims.pixels(), dims.blocks());
    let step = piece_pixels(pixels);
    let per_plane = pixels.div_ceil(step);
    let total = dims.n * blocks * per_plane;
    let mut partial = vec![0.0f32; total * width];
    let batch = (GRAIN / (step * LANES)).max(1);
    partial
        .par_chunks_mut(batch * width)
        .enumerate()
        .for_each(|(task, parts)| {
            for (i, part) in parts.chunks_mut(width).enumerate() {
                let i = task * batch + i;
                let (plane, first) = (i / per_plane, i % per_plane * step);
                body(
                    Piece {
                        n: plane / blocks,
                        b: plane % blocks,
                        first,
                        count: step.min(pixels - first),
                    },
                    part,
                );
            }
        });
    let mut sums = vec![0.0f64; blocks * width];
    for (i, part) in partial.chunks(width).enumerate() {
        let b = i / per_plane % blocks;
        for (sum, &value) in sums[b * width..].iter_mut().zip(part) {
            *sum += f64::from(value);
        }
    }
    sums
}
