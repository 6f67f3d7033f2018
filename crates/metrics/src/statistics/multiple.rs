//! Adjusted p-values for several tests at once.

use crate::error::{Result, all_probabilities, not_empty};
use serde::{Deserialize, Serialize};

/// Which adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MultipleTesting {
    /// p times the number of tests.
    Bonferroni,
    /// Holm's step-down; controls the family-wise error, never weaker than Bonferroni.
    Holm,
    /// Benjamini and Hochberg; controls the false discovery rate of independent tests.
    BenjaminiHochberg,
    /// Benjamini and Yekutieli; under any dependence.
    BenjaminiYekutieli,
}

/// Adjusted p-values in the order given.
///
/// # Errors
/// Nothing given; values outside 0 to 1.
pub fn adjust(p: &[f64], method: MultipleTesting) -> Result<Vec<f64>> {
    not_empty("p", p.len())?;
    all_probabilities("p", p)?;
    let m = p.len() as f64;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    Ok(match method {
        MultipleTesting::Bonferroni => p.iter().map(|v| (v * m).min(1.0)).collect(),
        MultipleTesting::Holm => step_down(p, &order),
        MultipleTesting::BenjaminiHochberg => step_up(p, &order, 1.0),
        MultipleTesting::BenjaminiYekutieli => {
            step_up(p, &order, (1..=p.len()).map(|i| 1.0 / i as f64).sum())
        }
    })
}

fn step_down(p: &[f64], order: &[usize]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(p[i] * (p.len() - rank) as f64);
        adjusted[i] = largest.min(1.0);
    }
    adjusted
}

fn step_up(p: &[f64], order: &[usize], factor: f64) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[i] * factor * p.len() as f64 / (rank + 1) as f64);
        adjusted[i] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_lies_between_nothing_and_bonferroni() {
        let p = [0.01, 0.04, 0.03];
        assert_eq!(
            adjust(&p, MultipleTesting::Holm).unwrap(),
            [0.03, 0.06, 0.06]
        );
        assert!(adjust(&[1.2], MultipleTesting::Holm).is_err());
    }
}
