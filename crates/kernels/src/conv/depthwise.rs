//! Convolutions of each channel by itself.

use super::correlate::{Epilogue, pad};
use super::pack::PackedWeights;
use super::pass::Axis;
use super::source::Source;
use super::{ConvSpec, Direction};
use crate::parallel::{for_planes, sum_planes};
use crate::simd::multiversion;
use crate::view::{Dims, LANES, View, ViewMut};

/// For each output place of an axis the taps that fall inside: kernel index and source place.
type Reads = Vec<Vec<(usize, usize)>>;

fn reads(spec: &ConvSpec, direction: Direction, a: usize, source: usize, out: usize) -> Reads {
    let mut reads = vec![Vec::new(); out];
    let residues = if direction == Direction::Forward {
        1
    } else {
        spec.stride[a].min(out)
    };
    for residue in 0..residues {
        let axis = Axis::new(spec, direction, a, residue, source, out);
        for o in 0..axis.count {
            let inside = axis.taps.iter().filter_map(|&(k, f)| {
                let at = (o * axis.step) as isize + f;
                (at >= 0 && at < source as isize).then_some((k, at as usize))
            });
            reads[o * axis.out_step + axis.out_first] = inside.collect();
        }
    }
    reads
}

/// The activation itself; depthwise layers read no planar images and apply no map.
fn plain(source: Source<'_>) -> View<'_> {
    match source {
        Source::Blocked(view, None) => view,
        _ => unreachable!("a depthwise convolution reads a plain activation"),
    }
}

pub(super) fn correlate(
    source: Source,
    weights: &PackedWeights,
    epilogue: Epilogue,
    mut out: ViewMut,
) {
    let spec = &weights.spec;
    let (x, to) = (plain(source), out.dims);
    let rows = reads(spec, weights.direction, 0, x.dims.h, to.h);
    let columns = reads(spec, weights.direction, 1, x.dims.w, to.w);
    let bias = pad(epilogue.bias.unwrap_or(&vec![0.0; to.c]));
    let (packed, taps) = (&weights.direct()[0][0], spec.taps());
    for_planes(out.reborrow(), |piece, chunk| {
        let w = &packed[piece.b * taps * LANES..][..taps * LANES];
        let start = &bias[piece.b * LANES..][..LANES];
        if epilogue.accumulate {
            plane_piece(
                x.plane(piece.n, piece.b),
                x.dims,
                w,
                spec.kernel[1],
                &rows,
                &columns,
                piece.first,
                None,
                chunk,
            );
        } else {
            plane_piece(
                x.plane(piece.n, piece.b),
                x.dims,
                w,
                spec.kernel[1],
                &rows,
                &columns,
                piece.first,
                Some(start),
                chunk,
            );
        }
    });
    if let (Some(add), false) = (epilogue.add, epilogue.accumulate) {
        crate::ops::copy::accumulate(add, out);
    }
}

multiversion! {
    /// Begins from `start`, or from what the result holds.
    fn plane_piece(x: &[f32], dims: Dims, w: &[f32], kernel_columns: usize, rows: &Reads, columns: &Reads, first: usize, start: Option<&[f32]>, out: &mut [f32]) {
        for (p, pixel) in out.chunks_exact_mut(LANES).enumerate() {
            let (oy, ox) = ((first + p) / columns.len(), (first + p) % columns.len());
            let mut acc = [0.0f32; LANES];
            acc.copy_from_slice(start.unwrap_or(pixel));
            for &(ky, iy) in &rows[oy] {
                for &(kx, ix) in &columns[ox] {
                    let weight = &w[(ky * kernel_columns + kx) * LANES..][..LANES];
                    let value = &x[(iy * dims.w + ix) * LANES..][..LANES];
                    for l in 0..LANES {
                        acc[l] += weight[l] * value[l];
                    }
                }
            }
            pixel.copy_from_slice(&acc);
        }
    }
}

pub(super) fn weight_gradient(source: Source, dy: View, spec: &ConvSpec) -> Vec<f32> {
    let x = plain(source);
    let rows = reads(spec, Direction::Forward, 0, x.dims.h, dy.dims.h);
    let columns = reads(spec, Direction::Forward, 1, x.dims.w, dy.dims.w);
    let taps = spec.taps();
    let sums = sum_planes(dy.dims, taps * LANES, |piece, part| {
        let d = &dy.plane(piece.n, piece.b)[piece.first * LANES..][..piece.count * LANES];
        gradient_piece(
            x.plane(piece.n, piece.b),
            x.dims,
            spec.kernel[1],
            &rows,
            &columns,
            piece.first,
            d,
            part,
        );
    });
    (0..spec.inputs * taps)
        .map(|at| {
            let (c, t) = (at / taps, at % taps);
            sums[(c / LANES * taps + t) * LANES + c % LANES] as f32
        })
        .collect()
}

multiversion! {
    fn gradient_piece(x: &[f32], dims: Dims, kernel_columns: usize, rows: &Reads, columns: &Reads, first: usize, d: &[f32], part: &mut [f32]) {
        for (p, d) in d.chunks_exact(LANES).enumerate() {
            let (oy, ox) = ((first + p) / columns.len(), (first + p) % columns.len());
            for &(ky, iy) in &rows[oy] {
                for &(kx, ix) in &columns[ox] {
                    let sum = &mut part[(ky * kernel_columns + kx) * LANES..][..LANES];
                    let value = &x[(iy * dims.w + ix) * LANES..][..LANES];
                    for l in 0..LANES {
                        sum[l] += value[l] * d[l];
                    }
                }
            }
        }
    }
}
