//! Does a generator give back its training images? Nearest real neighbours of generated features.

use super::Features;
use crate::error::{MetricError, Result};
use crate::statistics::percentile;
use serde::{Deserialize, Serialize};

/// Nearest neighbours and what they say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// Nearest real vector of each generated one.
    pub nearest: Vec<usize>,
    /// Its distance.
    pub distance: Vec<f64>,
    /// That distance over the one to the second nearest; near 0 for a copy.
    pub ratio: Vec<f64>,
    /// Distance of each real vector to the nearest other real one.
    pub real_distance: Vec<f64>,
    /// Highest cosine of each generated vector with a real one.
    pub max_cosine: Vec<f64>,
    /// The real vector of that cosine.
    pub max_cosine_index: Vec<usize>,
    /// Generated vectors closer to a real one than all but 1% of the real ones are to each other.
    pub memorised: usize,
    /// Share of generated vectors whose nearest real one is farther than that one's own nearest real
    /// neighbour (Alaa 2022).
    pub authenticity: f64,
}

/// Compares generated with real features.
///
/// # Errors
/// Vectors of different length; [`MetricError::Undefined`] with fewer than two real vectors.
pub fn memorisation(real: &Features, fake: &Features) -> Result<Memorisation> {
    real.require_same_width(fake)?;
    if real.len() < 2 {
        return Err(MetricError::Undefined {
            metric: "memorisation",
            reason: "one real vector has no real neighbour",
        });
    }
    let real_distance: Vec<f64> = real
        .distances(real)
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let others = row.iter().enumerate().filter(|(j, _)| *j != i);
            others.map(|(_, d)| *d).fold(f64::INFINITY, f64::min)
        })
        .collect();
    let between = fake.distances(real);
    let nearest: Vec<usize> = between.iter().map(|row| first_smallest(row)).collect();
    let distance: Vec<f64> = between
        .iter()
        .zip(&nearest)
        .map(|(row, n)| row[*n])
        .collect();
    let ratio = between
        .iter()
        .zip(&nearest)
        .map(|(row, n)| {
            let second = row
                .iter()
                .enumerate()
                .filter(|(j, _)| j != n)
                .map(|(_, d)| *d)
                .fold(f64::INFINITY, f64::min);
            // Two real vectors at the same place as the generated one: a copy of both.
            if second > 0.0 { row[*n] / second } else { 0.0 }
        })
        .collect();
    let cosines = fake.cosines(real);
    let max_cosine_index: Vec<usize> = cosines
        .iter()
        .map(|row| first_smallest(&row.iter().map(|c| -c).collect::<Vec<_>>()))
        .collect();
    let max_cosine = cosines
        .iter()
        .zip(&max_cosine_index)
        .map(|(row, i)| row[*i])
        .collect();
    let mut sorted = real_distance.clone();
    sorted.sort_by(f64::total_cmp);
    let bar = percentile(&sorted, 0.01)?;
    let authentic = distance
        .iter()
        .zip(&nearest)
        .filter(|(d, n)| **d > real_distance[**n])
        .count();
    Ok(Memorisation {
        memorised: distance.iter().filter(|d| **d < bar).count(),
        authenticity: authentic as f64 / fake.len() as f64,
        nearest,
        distance,
        ratio,
        real_distance,
        max_cosine,
        max_cosine_index,
    })
}

fn first_smallest(row: &[f64]) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v < row[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_found() {
        let real = Features::new(&[0.0, 1.0, 5.0, 0.0, 0.0, 9.0], 2).unwrap();
        let fake = Features::new(&[5.0, 0.0001, 20.0, 20.0], 2).unwrap();
        let m = memorisation(&real, &fake).unwrap();
        assert_eq!((m.nearest[0], m.memorised, m.authenticity), (1, 1, 0.5));
        assert!(m.ratio[0] < 1e-3 && m.max_cosine[0] > 0.999);
        let one = Features::new(&[0.0, 1.0], 2).unwrap();
        assert!(memorisation(&one, &fake).unwrap_err().is_undefined());
    }
}
