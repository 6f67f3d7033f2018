//! Images cut into square windows, and put together again. Each is the other's gradient: what lies in a window but outside of the image is
//! zero in the one and left out in the other.

use crate::parallel::{Piece, for_planes};
use crate::view::{Dims, LANES, View, ViewMut};

/// Windows of `side` rows and columns along an image of these extents: rows of windows, columns of windows.
fn counts(image: Dims, side: usize) -> [usize; 2] {
    [image.h.div_ceil(side), image.w.div_ceil(side)]
}

/// The windows of every image one behind the other in the batch, row after row.
pub fn split(x: View, side: usize, out: ViewMut) {
    let [rows, columns] = counts(x.dims, side);
    for_planes(out, |piece, chunk| {
        let (image, window) = (piece.n / (rows * columns), piece.n % (rows * columns));
        let corner = [window / columns * side, window % columns * side];
        let plane = x.plane(image, piece.b);
        each_pixel(piece, side, chunk, |pixel, [y, x_at]| {
            let (y, x_at) = (corner[0] + y, corner[1] + x_at);
            if y < x.dims.h && x_at < x.dims.w {
                let from = (y * x.dims.w + x_at) * LANES;
                pixel.copy_from_slice(&plane[from..from + LANES]);
            } else {
                pixel.fill(0.0);
            }
        });
    });
}

/// From windows, as [`split()`] makes them of images with the extents of `out`, to images.
pub fn join(windows: View, out: ViewMut) {
    let (side, dims) = (windows.dims.w, out.dims);
    let [rows, columns] = counts(dims, side);
    for_planes(out, |piece, chunk| {
        each_pixel(piece, dims.w, chunk, |pixel, [y, x]| {
            let window = (piece.n * rows + y / side) * columns + x / side;
            let from = (y % side * side + x % side) * LANES;
            pixel.copy_from_slice(&windows.plane(window, piece.b)[from..from + LANES]);
        });
    });
}

/// Calls `body` for each pixel of a piece of a plane of `width` columns, with its row and column.
fn each_pixel(
    piece: Piece,
    width: usize,
    chunk: &mut [f32],
    mut body: impl FnMut(&mut [f32], [usize; 2]),
) {
    for (i, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
        let at = piece.first + i;
        body(pixel, [at / width, at % width]);
    }
}
