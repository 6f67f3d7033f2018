//! Inverted dropout. The mask is a function of seed and place, so it is the same for every number of threads
//! and is made again for the gradient instead of being kept.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, ViewMut};

/// Multiplies each value by 0 with chance `p` and by 1 / (1 - p) otherwise; the gradient is the same call.
pub fn apply(data: ViewMut, p: f32, seed: u64) {
    let dims = data.dims;
    for_planes(data, |piece, chunk| {
        let first = ((piece.n * dims.blocks() + piece.b) * dims.pixels() + piece.first) * LANES;
        mask(chunk, first as u64, p, seed);
    });
}

multiversion! {
    fn mask(chunk: &mut [f32], first: u64, p: f32, seed: u64) {
        let threshold = (f64::from(p) * 2f64.powi(32)) as u64;
        let keep = 1.0 / (1.0 - p);
        for (i, value) in chunk.iter_mut().enumerate() {
            // splitmix64 of the place.
            let mut z = seed.wrapping_add((first + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *value *= if ((z ^ (z >> 31)) >> 32) < threshold { 0.0 } else { keep };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Dims;

    #[test]
    fn rate_scale_and_repeatability() {
        let run = |seed| {
            let mut x = vec![1.0f32; 102_400];
            apply(
                ViewMut::new(
                    &mut x,
                    Dims {
                        n: 2,
                        h: 40,
                        w: 40,
                        c: 32,
                    },
                ),
                0.3,
                seed,
            );
            x
        };
        let x = run(7);
        let zeros = x.iter().filter(|&&v| v == 0.0).count() as f64 / x.len() as f64;
        assert!((zeros - 0.3).abs() < 0.006, "{zeros}");
        assert!(x.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
        assert_eq!(x, run(7));
        assert_ne!(x, run(8));
    }
}
