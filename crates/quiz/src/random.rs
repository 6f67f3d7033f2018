//! Seeded choices that depend on what they are for, not on the order in which they are made.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// FNV-1a over text, kept here because it must never change.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A stream of choices.
pub(crate) struct Choices(ChaCha8Rng);

impl Choices {
    /// The stream for something named, under a seed.
    pub(crate) fn new(seed: u64, what: &str) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&hash(what).to_le_bytes());
        Choices(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0..n; 0 for n = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for k in (1..items.len()).rev() {
            items.swap(k, self.below(k + 1));
        }
    }

    /// Some of the items, in any order.
    pub(crate) fn pick<T>(&mut self, mut items: Vec<T>, n: usize) -> Vec<T> {
        self.shuffle(&mut items);
        items.truncate(n);
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_depend_on_seed_and_purpose_alone() {
        let draw = |seed, what: &str| Choices::new(seed, what).below(1_000_000);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        let mut items: Vec<u32> = (0..20).collect();
        Choices::new(1, "x").shuffle(&mut items);
        let mut back = items.clone();
        back.sort_unstable();
        assert_ne!(items, back);
        assert_eq!(back, (0..20).collect::<Vec<u32>>());
    }
}
