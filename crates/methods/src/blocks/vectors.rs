//! Exact search among vectors of length one: no index structure to be built or tuned, the same answer on any number of threads.

use rayon::prelude::*;
use std::sync::Arc;

/// Vectors that one task compares.
const BLOCK: usize = 1024;

/// Vectors of length one, all of one width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vectors {
    width: usize,
    values: Arc<Vec<f32>>,
}

impl Vectors {
    /// None yet, of `width` values each.
    pub fn new(width: usize) -> Self {
        Vectors {
            width,
            values: Arc::default(),
        }
    }

    /// From values that are taken as they are, one vector after the other; `None` when they do not fill whole vectors.
    pub fn from_values(width: usize, values: Vec<f32>) -> Option<Self> {
        let whole = width > 0 && values.len().is_multiple_of(width);
        whole.then(|| Vectors {
            width,
            values: Arc::new(values),
        })
    }

    /// Adds a vector, scaled to length one; false, and nothing is added, when it has another width or no direction.
    #[must_use]
    pub fn push(&mut self, vector: &[f64]) -> bool {
        match unit(vector) {
            Some(unit) if unit.len() == self.width => {
                Arc::make_mut(&mut self.values).extend(unit);
                true
            }
            _ => false,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, one vector after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, to be kept besides without a copy.
    pub fn shared(&self) -> Arc<Vec<f32>> {
        Arc::clone(&self.values)
    }

    /// One vector.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..][..self.width]
    }

    /// The `k` that are most alike to `query`, of length one, among those that `keep` accepts, with their cosines, the most alike first; of
    /// equal ones the first. Empty when the query has another width.
    pub fn nearest(
        &self,
        query: &[f32],
        k: usize,
        keep: impl Fn(usize) -> bool,
    ) -> Vec<(usize, f32)> {
        if query.len() != self.width {
            return Vec::new();
        }
        let mut cosines = vec![0.0f32; self.len()];
        cosines
            .par_chunks_mut(BLOCK)
            .zip(self.values.par_chunks(BLOCK * self.width))
            .for_each(|(out, rows)| {
                for (s, row) in out.iter_mut().zip(rows.chunks_exact(self.width)) {
                    *s = dot(query, row);
                }
            });
        closest(cosines.into_iter().enumerate(), k, keep)
    }
}

/// The `k` largest cosines of those that `keep` accepts, the largest first; of equal ones the first to come.
pub(crate) fn closest(
    cosines: impl Iterator<Item = (usize, f32)>,
    k: usize,
    keep: impl Fn(usize) -> bool,
) -> Vec<(usize, f32)> {
    let mut found: Vec<(usize, f32)> = Vec::with_capacity(k + 1);
    for (at, s) in cosines {
        let full = found.len() == k;
        if k == 0 || (full && found.last().is_some_and(|(_, worst)| s <= *worst)) {
            continue;
        }
        if keep(at) {
            let place = found.partition_point(|(_, other)| *other >= s);
            found.insert(place, (at, s));
            found.truncate(k);
        }
    }
    found
}

/// Mean of what is known of neighbours, weighted by their cosines (those below zero have no weight); `None` where nothing has weight.
pub fn vote(neighbours: &[(usize, f32)], value: impl Fn(usize) -> f64) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for &(at, cosine) in neighbours {
        let weight = f64::from(cosine.max(0.0));
        sum += weight * value(at);
        weights += weight;
    }
    (weights > 0.0).then(|| sum / weights)
}

/// Scaled to length 1; `None` without a direction.
pub fn unit(vector: &[f64]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    (length.is_finite() && length > 0.0)
        .then(|| vector.iter().map(|v| (v / length) as f32).collect())
}

/// Sixteen sums at once, so that the compiler can use wide registers; the order of sums is fixed.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (wide_a, rest_a) = a.as_chunks::<16>();
    let (wide_b, rest_b) = b.as_chunks::<16>();
    for (x, y) in wide_a.iter().zip(wide_b) {
        for i in 0..16 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::time::{Duration, Instant};

    fn random(n: usize, width: usize) -> Vectors {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut out = Vectors::new(width);
        for _ in 0..n {
            let row: Vec<f64> = (0..width).map(|_| rng.random_range(-1.0..1.0)).collect();
            assert!(out.push(&row));
        }
        out
    }

    #[test]
    fn a_hundred_thousand_are_searched_in_less_than_fifty_milliseconds() {
        let all = random(100_000, 64);
        let mut best = Duration::MAX;
        for at in (0..100_000).step_by(9_999) {
            let start = Instant::now();
            let found = all.nearest(all.row(at), 10, |_| true);
            best = best.min(start.elapsed());
            assert_eq!((found.len(), found[0].0), (10, at));
        }
        // The best of several: another process may have the cores for a while.
        assert!(best < Duration::from_millis(50), "{best:?}");
    }

    #[test]
    fn the_nearest_are_those_of_a_sorted_list() {
        let all = random(3_000, 19);
        let query = all.row(17).to_vec();
        let found = all.nearest(&query, 7, |at| at % 3 != 2);
        let mut sorted: Vec<(usize, f32)> = (0..all.len())
            .filter(|at| at % 3 != 2)
            .map(|at| (at, dot(&query, all.row(at))))
            .collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        // 17 itself is left out by the filter.
        assert_ne!(found[0].0, 17);
        assert_eq!(found, sorted[..7]);
        assert!(all.nearest(&query[..18], 7, |_| true).is_empty());
        assert!(all.nearest(&query, 0, |_| true).is_empty());
    }

    #[test]
    fn votes_are_weighted_means() {
        let neighbours = [(0, 0.9), (1, 0.3), (2, -0.5)];
        let got = vote(&neighbours, |at| [1.0, 0.0, 1.0][at]).unwrap();
        assert!((got - 0.75).abs() < 1e-6, "{got}");
        assert_eq!(vote(&neighbours[2..], |_| 1.0), None);
        let mut all = Vectors::new(2);
        assert!(!all.push(&[0.0, 0.0]) && !all.push(&[1.0]) && all.is_empty());
        assert!(Vectors::from_values(2, vec![0.0; 3]).is_none());
    }
}
