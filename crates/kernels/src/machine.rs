//! What the machine can do: multiply-adds in registers and bytes from memory, by one thread and by all.
//! The two limits of the roofline (Williams, Waterman and Patterson 2009).

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

/// Registers of sums: more than latency times units, so that every unit is busy in every cycle.
const SUMS: usize = 16;
const ROUNDS: usize = 1_000_000;
/// Each rate is the best of so many: what other work takes away is not the machine's limit.
const TRIALS: usize = 7;
/// Values read for the memory's rate: 256 MB, beyond every cache.
const FLOATS: usize = 64 << 20;

/// Rates of this machine, measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Threads of the pool.
    pub threads: usize,
    /// Billions of single-precision multiply-adds a second, one thread.
    pub gmacs_one: f64,
    /// The same, all threads.
    pub gmacs_all: f64,
    /// Gigabytes read from memory a second, one thread.
    pub gbytes_one: f64,
    /// The same, all threads.
    pub gbytes_all: f64,
}

impl Machine {
    /// Measures for about a second; takes 256 MB while it does.
    pub fn measure() -> Self {
        let threads = rayon::current_num_threads();
        let data = vec![1.0f32; FLOATS];
        Machine {
            threads,
            gmacs_one: best(|| multiply_add_rate(1)),
            gmacs_all: best(|| multiply_add_rate(threads)),
            gbytes_one: best(|| read_rate(&data, 1)),
            gbytes_all: best(|| read_rate(&data, threads)),
        }
    }

    /// The least milliseconds that so many multiply-adds and bytes can take on all threads.
    pub fn roof_ms(&self, macs: f64, bytes: f64) -> f64 {
        (macs / self.gmacs_all).max(bytes / self.gbytes_all) / 1e6
    }
}

fn best(rate: impl Fn() -> f64) -> f64 {
    (0..TRIALS).map(|_| rate()).fold(0.0, f64::max)
}

fn multiply_add_rate(threads: usize) -> f64 {
    let start = Instant::now();
    (0..threads).into_par_iter().with_max_len(1).for_each(|_| {
        black_box(multiply_adds(black_box(1.000_001), black_box(1e-9)));
    });
    (threads * ROUNDS * SUMS * 16) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn read_rate(data: &[f32], threads: usize) -> f64 {
    let start = Instant::now();
    let sum: f32 = data
        .par_chunks(data.len().div_ceil(threads))
        .map(|part| {
            part.chunks_exact(16)
                .fold([0.0f32; 16], add)
                .iter()
                .sum::<f32>()
        })
        .sum();
    black_box(sum);
    data.len() as f64 * 4.0 / start.elapsed().as_secs_f64() / 1e9
}

fn add(mut sums: [f32; 16], values: &[f32]) -> [f32; 16] {
    sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
    sums
}

#[cfg(target_arch = "x86_64")]
fn multiply_adds(factor: f32, term: f32) -> f32 {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature is there.
        return unsafe { multiply_adds_avx512(factor, term) };
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features are there.
        return unsafe { multiply_adds_avx2(factor, term) };
    }
    rounds(factor, term)
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds(factor: f32, term: f32) -> f32 {
    rounds(factor, term)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_adds_avx512(factor: f32, term: f32) -> f32 {
    use std::arch::x86_64::{_mm512_add_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    let (factor, term) = (_mm512_set1_ps(factor), _mm512_set1_ps(term));
    let mut sums = [_mm512_set1_ps(1.0); SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, term);
        }
    }
    let zero = _mm512_set1_ps(0.0);
    _mm512_reduce_add_ps(sums.into_iter().fold(zero, |a, b| _mm512_add_ps(a, b)))
}

/// Half as wide, so each round takes two turns: the count of multiply-adds stays the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_adds_avx2(factor: f32, term: f32) -> f32 {
    use std::arch::x86_64::{_mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let (factor, term) = (_mm256_set1_ps(factor), _mm256_set1_ps(term));
    // Sixteen registers hold twelve sums and what they are made with.
    let mut sums = [_mm256_set1_ps(1.0); 12];
    for _ in 0..2 * ROUNDS * SUMS / 12 {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    let zero = _mm256_set1_ps(0.0);
    _mm256_cvtss_f32(sums.into_iter().fold(zero, |a, b| _mm256_add_ps(a, b)))
}

/// Without either: what the compiler makes of it.
fn rounds(factor: f32, term: f32) -> f32 {
    let mut sums = [[1.0f32; 16]; SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for value in sum {
                *value = *value * factor + term;
            }
        }
    }
    sums.iter().flatten().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_the_two_limits_is_the_roof() {
        let machine = Machine {
            threads: 2,
            gmacs_one: 50.0,
            gmacs_all: 100.0,
            gbytes_one: 10.0,
            gbytes_all: 20.0,
        };
        assert_eq!(machine.roof_ms(1e9, 1e6), 10.0);
        assert_eq!(machine.roof_ms(1e6, 1e9), 50.0);
    }
}
