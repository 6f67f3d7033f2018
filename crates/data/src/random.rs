//! Seeded randomness that depends on what is drawn for, never on threads or library versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers for one purpose, e.g. (seed, epoch, sample).
#[derive(Debug, Clone)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(seed: u64, purpose: u64, epoch: u64, item: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose, epoch, item]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Draws(ChaCha8Rng::from_seed(key))
    }

    /// Uniform over all 64-bit words.
    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..n; `n` must not be 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in 0.0..1.0.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in -limit..limit.
    pub(crate) fn within(&mut self, limit: f32) -> f32 {
        (2.0 * self.unit() - 1.0) * limit
    }

    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Fisher-Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A cheap generator for per-pixel noise (SplitMix64, Steele et al. 2014).
pub(crate) struct PixelNoise(pub(crate) u64);

impl PixelNoise {
    /// About normal with mean 0 and deviation 1: the sum of four bytes, standardised.
    #[inline]
    pub(crate) fn pair(&mut self) -> (f32, f32) {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let pairs = (z & 0x00ff_00ff_00ff_00ff) + ((z >> 8) & 0x00ff_00ff_00ff_00ff);
        let quads = (pairs & 0x0000_ffff_0000_ffff) + ((pairs >> 16) & 0x0000_ffff_0000_ffff);
        let standard = |sum: u64| (sum as i32 - 510) as f32 * (1.0 / 147.8017);
        (standard(quads & 0xffff_ffff), standard(quads >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_about_standard_normal() {
        let mut noise = PixelNoise(7);
        let values: Vec<f64> = (0..50_000)
            .flat_map(|_| <[f32; 2]>::from(noise.pair()))
            .map(f64::from)
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let var = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        assert!(
            mean.abs() < 0.02 && (var - 1.0).abs() < 0.02,
            "{mean} {var}"
        );
    }

    #[test]
    fn streams_depend_on_every_part() {
        let first = |a, b, c, d| Draws::new(a, b, c, d).word();
        let all = [
            first(0, 0, 0, 0),
            first(1, 0, 0, 0),
            first(0, 1, 0, 0),
            first(0, 0, 1, 0),
            first(0, 0, 0, 1),
        ];
        assert_eq!(
            all.iter().collect::<std::collections::HashSet<_>>().len(),
            5
        );
        assert_eq!(first(3, 4, 5, 6), first(3, 4, 5, 6));
        let mut items: Vec<_> = (0..100).collect();
        Draws::new(1, 0, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
