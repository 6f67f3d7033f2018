//! Exact Euclidean distances in millimetres.
//!
//! Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions" (Theory of Computing 2012): lower envelopes of
//! parabolas, one axis after the other.

use crate::error::VolumeError;
use crate::volume::Volume;
use rayon::prelude::*;

/// Distance in mm of every voxel's centre to the centre of the nearest set voxel; 0 in the mask.
///
/// # Errors
/// [`VolumeError::Empty`] when no voxel is set.
pub fn distance_to(mask: &Volume<u8>) -> Result<Volume<f32>, VolumeError> {
    if mask.data.iter().all(|&v| v == 0) {
        return Err(VolumeError::Empty {
            what: "distance transform",
        });
    }
    let spacing = mask.affine.spacing();
    let mut squared = mask.map(|&v| if v != 0 { 0f32 } else { f32::INFINITY });
    let [nx, ny, nz] = mask.size;
    squared.data.par_chunks_mut(nx).for_each(|row| {
        let line = envelope(row, spacing[0]);
        row.copy_from_slice(&line);
    });
    squared.data.par_chunks_mut(nx * ny).for_each(|plane| {
        for i in 0..nx {
            let line: Vec<f32> = (0..ny).map(|j| plane[j * nx + i]).collect();
            for (j, v) in envelope(&line, spacing[1]).into_iter().enumerate() {
                plane[j * nx + i] = v;
            }
        }
    });
    let before = &squared.data;
    let lines: Vec<Vec<f32>> = (0..nx * ny)
        .into_par_iter()
        .map(|at| {
            let line: Vec<f32> = (0..nz).map(|k| before[k * nx * ny + at]).collect();
            envelope(&line, spacing[2])
        })
        .collect();
    let data = (0..nx * ny * nz)
        .map(|at| lines[at % (nx * ny)][at / (nx * ny)].sqrt())
        .collect();
    Volume::new(mask.size, mask.affine, data)
}

/// `min over q of f(q) + (step (p - q))^2` for every p.
fn envelope(f: &[f32], step: f64) -> Vec<f32> {
    let s2 = step * step;
    let height = |q: usize| f64::from(f[q]) / s2 + (q * q) as f64;
    let mut feet: Vec<usize> = Vec::with_capacity(f.len());
    let mut starts: Vec<f64> = Vec::with_capacity(f.len());
    for q in (0..f.len()).filter(|&q| f[q].is_finite()) {
        let mut start = f64::NEG_INFINITY;
        while let Some(&last) = feet.last() {
            start = (height(q) - height(last)) / (2.0 * (q - last) as f64);
            if starts.last().is_some_and(|&s| start <= s) {
                feet.pop();
                starts.pop();
            } else {
                break;
            }
        }
        if feet.is_empty() {
            start = f64::NEG_INFINITY;
        }
        feet.push(q);
        starts.push(start);
    }
    if feet.is_empty() {
        return vec![f32::INFINITY; f.len()];
    }
    let mut at = 0;
    (0..f.len())
        .map(|p| {
            while at + 1 < feet.len() && starts[at + 1] < p as f64 {
                at += 1;
            }
            let d = p as f64 - feet[at] as f64;
            (s2 * d * d + f64::from(f[feet[at]])) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::{Affine, norm, sub};

    #[test]
    fn equals_brute_force_with_unequal_spacing() {
        let affine = Affine::axis_aligned([0.7, 1.0, 2.5], [0.0; 3]);
        let mut mask = Volume::filled([9, 8, 7], affine, 0u8);
        for (i, j, k) in [(0, 0, 0), (5, 6, 2), (8, 1, 6), (4, 4, 4)] {
            let at = mask.at(i, j, k);
            mask.data[at] = 1;
        }
        let d = distance_to(&mask).unwrap();
        let place = |at: usize| affine.apply(mask.index_of(at).map(|n| n as f64));
        for at in 0..mask.data.len() {
            let set = (0..mask.data.len()).filter(|&q| mask.data[q] != 0);
            let want = set
                .map(|q| norm(sub(place(at), place(q))))
                .fold(f64::INFINITY, f64::min);
            assert!((f64::from(d.data[at]) - want).abs() < 1e-4, "{at}");
        }
        assert!(distance_to(&mask.map(|_| 0)).is_err());
    }
}
