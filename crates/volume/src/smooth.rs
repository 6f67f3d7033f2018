//! Gaussian smoothing with its width in millimetres.

use crate::volume::Volume;
use rayon::prelude::*;

/// The kernel ends at this many deviations.
const REACH: f64 = 3.5;

/// Smooths with a Gaussian of standard deviation `sigma` mm on every axis; values beyond the border repeat the outermost ones.
/// An axis whose voxels are over five times longer than `sigma` stays as it is.
pub fn gaussian(volume: &Volume<f32>, sigma: f64) -> Volume<f32> {
    let spacing = volume.affine.spacing();
    let [nx, ny, nz] = volume.size;
    let mut out = volume.clone();
    let kernels = spacing.map(|s| kernel(sigma / s));
    if kernels[0].len() > 1 {
        out.data
            .par_chunks_mut(nx)
            .for_each(|row| row.copy_from_slice(&convolved(row, &kernels[0])));
    }
    if kernels[1].len() > 1 {
        out.data
            .par_chunks_mut(nx * ny)
            .for_each(|plane| down(plane, nx, ny, &kernels[1]));
    }
    if kernels[2].len() > 1 && nz > 1 {
        let before = std::mem::take(&mut out.data);
        out.data = vec![0.0; before.len()];
        let (half, plane) = (kernels[2].len() / 2, nx * ny);
        out.data
            .par_chunks_mut(plane)
            .enumerate()
            .for_each(|(k, to)| {
                for (n, w) in kernels[2].iter().enumerate() {
                    let at = (k + n).saturating_sub(half).min(nz - 1);
                    let from = &before[at * plane..(at + 1) * plane];
                    to.iter_mut().zip(from).for_each(|(t, f)| *t += w * f);
                }
            });
    }
    out
}

/// Weights that add up to 1, an odd number of them.
fn kernel(sigma: f64) -> Vec<f32> {
    let half = (REACH * sigma).floor() as usize;
    let weight = |n: usize| {
        let d = n as f64 - half as f64;
        (-0.5 * (d / sigma).powi(2)).exp()
    };
    let raw: Vec<f64> = if half == 0 {
        vec![1.0]
    } else {
        (0..=2 * half).map(weight).collect()
    };
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|w| (w / sum) as f32).collect()
}

fn convolved(row: &[f32], kernel: &[f32]) -> Vec<f32> {
    let (half, last) = (kernel.len() / 2, row.len() - 1);
    let padded: Vec<f32> = (0..row.len() + 2 * half)
        .map(|p| row[p.saturating_sub(half).min(last)])
        .collect();
    let mut out = vec![0f32; row.len()];
    for (n, w) in kernel.iter().enumerate() {
        out.iter_mut()
            .zip(&padded[n..])
            .for_each(|(o, v)| *o += w * v);
    }
    out
}

/// Along the second axis of a plane.
fn down(plane: &mut [f32], nx: usize, ny: usize, kernel: &[f32]) {
    let before = plane.to_vec();
    let half = kernel.len() / 2;
    for (j, row) in plane.chunks_exact_mut(nx).enumerate() {
        row.fill(0.0);
        for (n, w) in kernel.iter().enumerate() {
            let at = (j + n).saturating_sub(half).min(ny - 1);
            let from = &before[at * nx..(at + 1) * nx];
            row.iter_mut().zip(from).for_each(|(t, f)| *t += w * f);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    #[test]
    fn a_point_becomes_a_bell_of_the_width_asked_for_in_mm() {
        let affine = Affine::axis_aligned([0.8, 1.0, 1.6], [0.0; 3]);
        let mut v = Volume::filled([41, 33, 21], affine, 0f32);
        let at = v.at(20, 16, 10);
        v.data[at] = 1.0;
        let s = gaussian(&v, 2.0);
        let (mut sum, mut square) = (0.0, [0.0; 3]);
        for (at, &w) in s.data.iter().enumerate() {
            let index = s.index_of(at);
            sum += f64::from(w);
            for k in 0..3 {
                let d = (index[k] as f64 - [20.0, 16.0, 10.0][k]) * affine.spacing()[k];
                square[k] += f64::from(w) * d * d;
            }
        }
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        for v in square {
            assert!((v.sqrt() - 2.0).abs() < 0.05, "{square:?}");
        }
        let flat = gaussian(&v.map(|_| 7.0), 3.0);
        assert!(flat.data.iter().all(|v| (v - 7.0).abs() < 1e-4));
    }
}
