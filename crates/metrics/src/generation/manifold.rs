//! Precision and recall (Kynkäänniemi 2019), density and coverage (Naeem 2020) of generated features.

use super::Features;
use crate::error::{MetricError, Result};
use serde::{Deserialize, Serialize};

/// How the two sets cover each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Manifold {
    /// Share of generated vectors within the neighbourhood of a real one.
    pub precision: f64,
    /// Share of real vectors within the neighbourhood of a generated one.
    pub recall: f64,
    /// Real neighbourhoods a generated vector lies in, over k; may exceed 1.
    pub density: f64,
    /// Share of real vectors with a generated one in their neighbourhood.
    pub coverage: f64,
}

/// Scores with neighbourhoods up to the `k`-th nearest other vector of the same set (strictly within).
///
/// # Errors
/// Vectors of different length; a `k` of 0 or not below the size of each set.
pub fn manifold(real: &Features, fake: &Features, k: usize) -> Result<Manifold> {
    real.require_same_width(fake)?;
    if k == 0 || k >= real.len().min(fake.len()) {
        return Err(MetricError::Parameter {
            name: "k",
            value: k as f64,
            rule: "1 or more, and below the size of each set",
        });
    }
    let (of_real, of_fake) = (radii(real, k), radii(fake, k));
    let between = real.distances(fake);
    let share = |hits: usize, of: usize| hits as f64 / of as f64;
    let inside = |j: usize| {
        (0..real.len())
            .filter(|&i| between[i][j] < of_real[i])
            .count()
    };
    let neighbourhoods: Vec<usize> = (0..fake.len()).map(inside).collect();
    let recalled = |row: &&Vec<f64>| row.iter().zip(&of_fake).any(|(d, r)| d < r);
    let covered = |(row, radius): &(&Vec<f64>, &f64)| row.iter().any(|d| d < radius);
    Ok(Manifold {
        precision: share(
            neighbourhoods.iter().filter(|n| **n > 0).count(),
            fake.len(),
        ),
        recall: share(between.iter().filter(recalled).count(), real.len()),
        density: share(neighbourhoods.iter().sum(), fake.len() * k),
        coverage: share(
            between.iter().zip(&of_real).filter(covered).count(),
            real.len(),
        ),
    })
}

/// Distance of each vector to its k-th nearest other one.
fn radii(set: &Features, k: usize) -> Vec<f64> {
    let kth = |mut row: Vec<f64>| {
        // The smallest is the vector itself.
        row.sort_by(f64::total_cmp);
        row[k]
    };
    set.distances(set).into_iter().map(kth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_covered_and_strangers_are_not() {
        let real = Features::new(&[0.0, 1.0, 2.0, 3.0], 1).unwrap();
        let same = manifold(&real, &real, 1).unwrap();
        assert_eq!(
            (same.precision, same.recall, same.coverage),
            (1.0, 1.0, 1.0)
        );
        let far = Features::new(&[100.0, 101.0], 1).unwrap();
        let none = manifold(&real, &far, 1).unwrap();
        assert_eq!(
            (none.precision, none.recall, none.density, none.coverage),
            (0.0, 0.0, 0.0, 0.0)
        );
        assert!(manifold(&real, &far, 2).is_err());
    }
}
