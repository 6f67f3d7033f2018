//! Seeded draws: what a patient is does not depend on threads, order or other patients.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream of numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Body and constitution.
    Patient = 1,
    /// Which findings, where, and how they go on.
    Findings = 2,
    /// Vessels and airways.
    Trees = 3,
    /// How the picture was taken.
    Exposure = 4,
    /// Words of the report.
    Words = 5,
    /// Density texture.
    Texture = 6,
    /// Train, validation or test.
    Split = 7,
    /// Blocks of lung round a nodule.
    Block = 8,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a purpose, a patient and an item.
    pub fn new(seed: u64, purpose: Purpose, patient: u64, item: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key
            .chunks_exact_mut(8)
            .zip([seed, purpose as u64, patient, item])
        {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Draws(ChaCha8Rng::from_seed(key))
    }

    /// Any 64-bit word.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform between two numbers.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..n; `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.word()) * n as u128) >> 64) as usize
    }

    /// Normal with mean and deviation, cut at two and a half deviations.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        let z = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        mean + deviation * z.clamp(-2.5, 2.5)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// -1 or 1: the patient's right or left.
    pub fn side(&mut self) -> f64 {
        if self.chance(0.5) { -1.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_kept_apart() {
        let first = |p, n| Draws::new(1, p, n, 0).word();
        assert_eq!(first(Purpose::Patient, 4), first(Purpose::Patient, 4));
        assert_ne!(first(Purpose::Patient, 4), first(Purpose::Patient, 5));
        assert_ne!(first(Purpose::Patient, 4), first(Purpose::Words, 4));
    }
}
