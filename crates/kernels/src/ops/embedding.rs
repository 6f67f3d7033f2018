//! Tables of learned vectors (by token, by place), tokens put before the places, and one place taken out.

use crate::parallel::for_planes;
use crate::view::{LANES, View, ViewMut};

/// Which row of a table each place shows.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// The whole number in a channel of the graph's input, checked to be a row.
    Channel(View<'a>, usize),
    /// The number of the place, counted from an offset.
    Place(usize),
}

impl Rows<'_> {
    #[inline(always)]
    fn at(&self, n: usize, pixel: usize) -> usize {
        match self {
            Rows::Channel(view, channel) => {
                view.plane(n, channel / LANES)[pixel * LANES + channel % LANES] as usize
            }
            Rows::Place(offset) => offset + pixel,
        }
    }
}

/// `out[n, :, p] = table[row(n, p)]`, `table` of rows of `out.dims.c` values.
pub fn look_up(rows: Rows, table: &[f32], out: ViewMut) {
    let width = out.dims.c;
    for_planes(out, |piece, chunk| {
        let first = piece.b * LANES;
        let lanes = LANES.min(width - first);
        for (i, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
            let row = rows.at(piece.n, piece.first + i) * width + first;
            pixel[..lanes].copy_from_slice(&table[row..row + lanes]);
            pixel[lanes..].fill(0.0);
        }
    });
}

/// Gradient of the table (of `len` values): the sum over the places that show a row, in their order.
pub fn table_gradient(rows: Rows, dy: View, len: usize) -> Vec<f32> {
    let (dims, mut out) = (dy.dims, vec![0.0f32; len]);
    for n in 0..dims.n {
        for b in 0..dims.blocks() {
            let lanes = dims.lanes(b);
            for (pixel, values) in dy.plane(n, b).chunks_exact(LANES).enumerate() {
                let row = rows.at(n, pixel) * dims.c + b * LANES;
                let sums = &mut out[row..row + lanes];
                sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
            }
        }
    }
    out
}

/// `[n, d, h, w]` to `[n, d, 1, 1 + h w]`, the token first.
pub fn prepend(x: View, token: &[f32], out: ViewMut) {
    for_planes(out, |piece, chunk| {
        let lanes = x.dims.lanes(piece.b);
        let plane = x.plane(piece.n, piece.b);
        for (i, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
            match piece.first + i {
                0 => {
                    pixel[..lanes].copy_from_slice(&token[piece.b * LANES..][..lanes]);
                    pixel[lanes..].fill(0.0);
                }
                place => pixel.copy_from_slice(&plane[(place - 1) * LANES..][..LANES]),
            }
        }
    });
}

/// Gradient of [`prepend`]'s input.
pub fn prepend_backward(dy: View, dx: ViewMut) {
    for_planes(dx, |piece, chunk| {
        let from = (piece.first + 1) * LANES;
        chunk.copy_from_slice(&dy.plane(piece.n, piece.b)[from..from + piece.count * LANES]);
    });
}

/// Gradient of [`prepend`]'s token.
pub fn token_gradient(dy: View) -> Vec<f32> {
    let mut out = vec![0.0; dy.dims.c];
    for n in 0..dy.dims.n {
        for b in 0..dy.dims.blocks() {
            let sums = out[b * LANES..].iter_mut();
            sums.zip(&dy.plane(n, b)[..LANES])
                .for_each(|(s, v)| *s += v);
        }
    }
    out
}

/// The values at one place: `[n, d, h, w]` to `[n, d]`.
pub fn take_place(x: View, index: usize, out: ViewMut) {
    for_planes(out, |piece, chunk| {
        chunk.copy_from_slice(&x.plane(piece.n, piece.b)[index * LANES..][..LANES]);
    });
}

/// Gradient of [`take_place`].
pub fn take_place_backward(dy: View, index: usize, dx: ViewMut) {
    for_planes(dx, |piece, chunk| {
        chunk.fill(0.0);
        if (piece.first..piece.first + piece.count).contains(&index) {
            chunk[(index - piece.first) * LANES..][..LANES]
                .copy_from_slice(&dy.plane(piece.n, piece.b)[..LANES]);
        }
    });
}
