//! Along the third axis of volumes. A volume is `slices` images one behind the other in the batch, so that every layer
//! for images works on each slice; these layers are what goes from slice to slice. A 3-D convolution is
//! [`gather`] followed by a convolution over the gathered channels; a transposed one is a transposed convolution
//! followed by [`spread`]; 3-D pooling and trilinear resizing are the layers for images followed by
//! [`pool`] and [`resize`] along the slices.

use crate::ops::resize::AxisWeights;
use crate::parallel::{Piece, for_planes};
use crate::view::{LANES, View, ViewMut};

/// A window that moves along the slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceWindow {
    /// Slices of a volume on the side that windows are taken from.
    pub slices: usize,
    /// Slices in a window.
    pub taps: usize,
    /// Slices from one window to the next.
    pub stride: usize,
    /// Empty slices before the first and behind the last.
    pub padding: usize,
}

impl SliceWindow {
    /// The slice that tap `tap` of window `window` reads; `None` in the padding.
    fn source(&self, window: usize, tap: usize) -> Option<usize> {
        (window * self.stride + tap)
            .checked_sub(self.padding)
            .filter(|&slice| slice < self.slices)
    }

    /// The windows, of `count`, that slice `slice` lies in, each with the tap that reads it, in the order of the windows.
    fn covering(self, slice: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let at = slice + self.padding;
        let first = (at + 1).saturating_sub(self.taps).div_ceil(self.stride);
        let last = (at / self.stride + 1).min(count);
        (first..last).map(move |window| (window, at - window * self.stride))
    }
}

/// Whether a pooling window hands on its maximum or its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlicePooling {
    /// The maximum; of equal values the first has the gradient.
    Max,
    /// The mean.
    Mean,
}

/// The slices of each window as channels, tap after tap: channel `tap c + ch` of window `o` is channel `ch` of slice
/// `o stride + tap - padding`, zero in the padding.
pub fn gather(x: View, window: &SliceWindow, out: ViewMut) {
    let (c, windows) = (x.dims.c, out.dims.n / (x.dims.n / window.slices));
    let channels = out.dims.c;
    for_planes(out, |piece, chunk| {
        let (volume, o) = (piece.n / windows, piece.n % windows);
        let source = |tap| {
            let slice = window.source(o, tap)?;
            Some(volume * window.slices + slice)
        };
        move_lanes(piece, channels, chunk, |channel| {
            source(channel / c).map(|n| (x, n, channel % c))
        });
    });
}

/// The transpose of [`gather`]: each slice is the sum of the channels that would have been gathered from it.
/// `window.slices` are those of `out`.
pub fn spread(x: View, window: &SliceWindow, out: ViewMut) {
    let c = out.dims.c;
    let windows = x.dims.n / (out.dims.n / window.slices);
    for_planes(out, |piece, chunk| {
        let (volume, slice) = (piece.n / window.slices, piece.n % window.slices);
        chunk.fill(0.0);
        for (o, tap) in window.covering(slice, windows) {
            add_lanes(x, volume * windows + o, tap * c, piece, c, chunk);
        }
    });
}

/// Copies lane by lane from where `source` says (view, image, channel), zero where it says nothing; whole blocks at once.
fn move_lanes<'a>(
    piece: Piece,
    channels: usize,
    chunk: &mut [f32],
    source: impl Fn(usize) -> Option<(View<'a>, usize, usize)>,
) {
    let first = piece.b * LANES;
    let plane = |(x, n, channel): (View<'a>, usize, usize)| {
        &x.plane(n, channel / LANES)[piece.first * LANES..][..piece.count * LANES]
    };
    let whole = |from: (View<'a>, usize, usize)| {
        from.2.is_multiple_of(LANES) && from.2 + LANES <= from.0.dims.c
    };
    if let Some(from) = source(first)
        && first + LANES <= channels
        && whole(from)
    {
        chunk.copy_from_slice(plane(from));
        return;
    }
    chunk.fill(0.0);
    for l in 0..LANES.min(channels - first) {
        if let Some(from) = source(first + l) {
            let lane = from.2 % LANES;
            for (o, s) in chunk
                .chunks_exact_mut(LANES)
                .zip(plane(from).chunks_exact(LANES))
            {
                o[l] = s[lane];
            }
        }
    }
}

/// Adds channels `offset + block of piece` of image `n` to the chunk.
fn add_lanes(x: View, n: usize, offset: usize, piece: Piece, channels: usize, chunk: &mut [f32]) {
    let first = piece.b * LANES;
    let lanes = LANES.min(channels - first);
    let from = offset + first;
    if from.is_multiple_of(LANES) {
        let plane = &x.plane(n, from / LANES)[piece.first * LANES..];
        for (o, s) in chunk.chunks_exact_mut(LANES).zip(plane.chunks_exact(LANES)) {
            for l in 0..lanes {
                o[l] += s[l];
            }
        }
        return;
    }
    for l in 0..lanes {
        let (block, lane) = ((from + l) / LANES, (from + l) % LANES);
        let plane = &x.plane(n, block)[piece.first * LANES..];
        for (o, s) in chunk.chunks_exact_mut(LANES).zip(plane.chunks_exact(LANES)) {
            o[l] += s[lane];
        }
    }
}

/// Pooling along the slices, without padding.
pub fn pool(x: View, window: &SliceWindow, kind: SlicePooling, out: ViewMut) {
    let windows = out.dims.n / (x.dims.n / window.slices);
    for_planes(out, |piece, chunk| {
        let first = piece.n / windows * window.slices + piece.n % windows * window.stride;
        let plane =
            |tap: usize| &x.plane(first + tap, piece.b)[piece.first * LANES..][..chunk_len(piece)];
        chunk.copy_from_slice(plane(0));
        for tap in 1..window.taps {
            for (o, &s) in chunk.iter_mut().zip(plane(tap)) {
                *o = match kind {
                    SlicePooling::Max => o.max(s),
                    SlicePooling::Mean => *o + s,
                };
            }
        }
        if kind == SlicePooling::Mean {
            let share = 1.0 / window.taps as f32;
            chunk.iter_mut().for_each(|o| *o *= share);
        }
    });
}

fn chunk_len(piece: Piece) -> usize {
    piece.count * LANES
}

/// Gradient of [`pool`]; the maximum's reads its input `x`, the mean's does not.
pub fn pool_backward(x: Option<View>, dy: View, window: &SliceWindow, out: ViewMut) {
    let windows = dy.dims.n / (out.dims.n / window.slices);
    let share = 1.0 / window.taps as f32;
    for_planes(out, |piece, chunk| {
        let (volume, slice) = (piece.n / window.slices, piece.n % window.slices);
        let cut = |plane: &[f32], at: usize| plane[piece.first * LANES + at];
        chunk.fill(0.0);
        for (o, tap) in window.covering(slice, windows) {
            let grad = dy.plane(volume * windows + o, piece.b);
            for (at, sum) in chunk.iter_mut().enumerate() {
                let g = cut(grad, at);
                *sum += match x {
                    None => g * share,
                    Some(x) => {
                        let first = volume * window.slices + o * window.stride;
                        let value = |tap: usize| cut(x.plane(first + tap, piece.b), at);
                        let own = value(tap);
                        let wins = (0..tap).all(|t| value(t) < own)
                            && (tap + 1..window.taps).all(|t| value(t) <= own);
                        if wins { g } else { 0.0 }
                    }
                };
            }
        }
    });
}

/// Linear resizing along the slices, from `from` to `to` of them.
pub fn resize(x: View, [from, to]: [usize; 2], align_corners: bool, out: ViewMut) {
    mix(
        x,
        [from, to],
        &AxisWeights::new(from, to, align_corners),
        out,
    );
}

/// Gradient of [`resize`] from `from` to `to` slices.
pub fn resize_backward(dy: View, [from, to]: [usize; 2], align_corners: bool, dx: ViewMut) {
    let weights = AxisWeights::new(from, to, align_corners).transposed(from);
    mix(dy, [to, from], &weights, dx);
}

fn mix(x: View, [from, to]: [usize; 2], weights: &AxisWeights, out: ViewMut) {
    for_planes(out, |piece, chunk| {
        let (volume, slice) = (piece.n / to, piece.n % to);
        chunk.fill(0.0);
        for &(i, weight) in weights.taps(slice) {
            let plane = &x.plane(volume * from + i, piece.b)[piece.first * LANES..];
            chunk
                .iter_mut()
                .zip(plane)
                .for_each(|(o, &s)| *o += s * weight);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_what_they_read() {
        for (slices, taps, stride, padding) in
            [(7, 3, 1, 1), (8, 2, 2, 0), (9, 5, 3, 2), (4, 4, 1, 0)]
        {
            let window = SliceWindow {
                slices,
                taps,
                stride,
                padding,
            };
            let count = (slices + 2 * padding - taps) / stride + 1;
            for slice in 0..slices {
                let covering: Vec<_> = window.covering(slice, count).collect();
                let read: Vec<_> = (0..count)
                    .flat_map(|o| (0..taps).map(move |tap| (o, tap)))
                    .filter(|&(o, tap)| window.source(o, tap) == Some(slice))
                    .collect();
                assert_eq!(covering, read, "{window:?} {slice}");
            }
        }
    }
}
