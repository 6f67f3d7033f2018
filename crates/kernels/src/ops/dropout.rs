//! Inverted dropout. The mask is a function of seed and place, so it is the same for every number of threads
//! and is made again for the gradient instead of being kept.

use crate::parallel::for_rows;
use crate::simd::multiversion;
use crate::view::{Dims, ViewMut};

/// Multiplies each value by 0 with chance `p` and by 1 / (1 - p) otherwise; the gradient is the same call.
pub fn apply(data: &mut [f32], p: f32, seed: u64) {
    let dims = Dims { n: data.len(), h: 1, w: 1, c: 1 };
    for_rows(ViewMut::new(data, dims), 1 << 13, |first, chunk| mask(chunk, first as u64, p, seed));
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

    #[test]
    fn rate_scale_and_repeatability() {
        let run = |seed| {
            let mut x = vec![1.0f32; 100_000];
            apply(&mut x, 0.3, seed);
            x
        };
        let x = run(7);
        let zeros = x.iter().filter(|&&v| v == 0.0).count() as f64 / 1e5;
        assert!((zeros - 0.3).abs() < 0.006, "{zeros}");
        assert!(x.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
        assert_eq!(x, run(7));
        assert_ne!(x, run(8));
    }
}
