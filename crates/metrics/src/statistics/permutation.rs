//! Paired permutation test: under the null hypothesis the two systems' outputs may be swapped per unit.

use crate::error::{MetricError, Result, not_empty, same_length};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// Difference seen.
    pub difference: f64,
    /// Two-sided p-value, (1 + as extreme) / (1 + permutations): never 0.
    pub p: f64,
    /// Permutations for which the difference was defined.
    pub permutations: usize,
}

/// Swaps the outputs of A and B at random, per observation or per cluster (patient), and asks how often the
/// difference is at least as far from 0 as the one seen. `difference` receives, for each observation, whether
/// its outputs are swapped.
///
/// # Errors
/// Nothing given, cluster ids that do not pair up, or a difference that is undefined without any swap.
pub fn paired_permutation(
    n: usize,
    clusters: Option<&[usize]>,
    permutations: usize,
    seed: u64,
    difference: impl Fn(&[bool]) -> Option<f64> + Sync,
) -> Result<PermutationTest> {
    not_empty("observations", n)?;
    let units = units(n, clusters)?;
    let count = units.iter().max().map_or(0, |m| m + 1);
    let seen = difference(&vec![false; n]).ok_or(MetricError::Undefined {
        metric: "paired_permutation",
        reason: "the difference is undefined on the data themselves",
    })?;
    // Sums in another order differ in the last bits; such a difference is "as extreme".
    let bar = seen.abs() * (1.0 - 1e-12);
    let outcomes: Vec<Option<bool>> = (0..permutations as u64)
        .into_par_iter()
        .map(|b| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(b);
            let swaps: Vec<bool> = (0..count).map(|_| rng.next_u32() & 1 == 1).collect();
            let swapped: Vec<bool> = units.iter().map(|u| swaps[*u]).collect();
            difference(&swapped).map(|d| d.abs() >= bar)
        })
        .collect();
    let (defined, extreme) = outcomes
        .iter()
        .flatten()
        .fold((0_usize, 0_usize), |(d, e), o| (d + 1, e + usize::from(*o)));
    Ok(PermutationTest {
        difference: seen,
        p: (1 + extreme) as f64 / (1 + defined) as f64,
        permutations: defined,
    })
}

fn units(n: usize, clusters: Option<&[usize]>) -> Result<Vec<usize>> {
    let Some(ids) = clusters else {
        return Ok((0..n).collect());
    };
    same_length("observations", n, "clusters", ids.len())?;
    let mut known = HashMap::new();
    let index = |id: &usize| {
        let next = known.len();
        *known.entry(*id).or_insert(next)
    };
    Ok(ids.iter().map(index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_difference(d: &[f64]) -> impl Fn(&[bool]) -> Option<f64> + Sync {
        move |swap: &[bool]| {
            Some(
                d.iter()
                    .zip(swap)
                    .map(|(v, s)| if *s { -v } else { *v })
                    .sum::<f64>()
                    / d.len() as f64,
            )
        }
    }

    #[test]
    fn a_steady_difference_is_found_and_no_difference_is_not() {
        let steady: Vec<f64> = (0..30).map(|i| 1.0 + f64::from(i % 3)).collect();
        let test = paired_permutation(30, None, 999, 1, mean_difference(&steady)).unwrap();
        assert!((test.p - 0.001).abs() < 1e-12, "{test:?}");
        let none: Vec<f64> = (0..30)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        assert_eq!(
            paired_permutation(30, None, 999, 1, mean_difference(&none))
                .unwrap()
                .p,
            1.0
        );
    }

    #[test]
    fn one_cluster_can_only_be_swapped_whole() {
        let test = paired_permutation(
            3,
            Some(&[5, 5, 5]),
            100,
            0,
            mean_difference(&[1.0, 2.0, 3.0]),
        )
        .unwrap();
        assert_eq!(test.p, 1.0);
        assert!(
            paired_permutation(3, Some(&[5]), 100, 0, mean_difference(&[1.0, 2.0, 3.0])).is_err()
        );
    }
}
