//! Agreement between two raters (Cohen) and among many (Fleiss).

use crate::error::{MetricError, Result, not_empty};

/// How far-apart categories count in Cohen's κ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KappaWeights {
    /// Every disagreement counts the same.
    None,
    /// By the distance of the categories.
    Linear,
    /// By the squared distance of the categories.
    Quadratic,
}

impl KappaWeights {
    fn of(self, i: usize, j: usize) -> f64 {
        let distance = i.abs_diff(j) as f64;
        match self {
            KappaWeights::None => f64::from(u8::from(i != j)),
            KappaWeights::Linear => distance,
            KappaWeights::Quadratic => distance * distance,
        }
    }
}

/// Cohen's κ of a square table `table[i * classes + j]` (rater A said i, rater B said j).
///
/// # Errors
/// A table that is not square or empty; [`MetricError::Undefined`] when chance disagreement is zero.
pub fn cohen_kappa(table: &[usize], classes: usize, weights: KappaWeights) -> Result<f64> {
    crate::error::same_length("table", table.len(), "classes squared", classes * classes)?;
    let total: usize = table.iter().sum();
    not_empty("table", total)?;
    let row = |i: usize| table[i * classes..(i + 1) * classes].iter().sum::<usize>() as f64;
    let column = |j: usize| (0..classes).map(|i| table[i * classes + j]).sum::<usize>() as f64;
    let columns: Vec<f64> = (0..classes).map(column).collect();
    let (mut observed, mut chance) = (0.0, 0.0);
    for i in 0..classes {
        let row = row(i);
        for (j, column) in columns.iter().enumerate() {
            let w = weights.of(i, j);
            observed += w * table[i * classes + j] as f64;
            chance += w * row * column / total as f64;
        }
    }
    if chance == 0.0 {
        return Err(MetricError::Undefined {
            metric: "kappa",
            reason: "both raters used one and the same category throughout",
        });
    }
    Ok(1.0 - observed / chance)
}

/// Fleiss' κ of `ratings[subject * raters + rater]`, categories 0 to `classes - 1` (Fleiss 1971).
///
/// # Errors
/// Nothing given, a shape that does not divide, fewer than two raters, a category out of range, or
/// [`MetricError::Undefined`] when all ratings are of one category.
pub fn fleiss_kappa(ratings: &[usize], raters: usize, classes: usize) -> Result<f64> {
    not_empty("ratings", ratings.len())?;
    if raters < 2 || !ratings.len().is_multiple_of(raters) {
        return Err(MetricError::Parameter {
            name: "raters",
            value: raters as f64,
            rule: "two or more and a divisor of the number of ratings",
        });
    }
    let subjects = ratings.len() / raters;
    let mut totals = vec![0_usize; classes];
    let mut agreement = 0.0;
    for row in ratings.chunks_exact(raters) {
        let mut counts = vec![0_usize; classes];
        for &category in row {
            let slot = counts.get_mut(category).ok_or(MetricError::Parameter {
                name: "category",
                value: category as f64,
                rule: "below the number of classes",
            })?;
            *slot += 1;
        }
        let same: usize = counts.iter().map(|c| c * c).sum();
        agreement += (same - raters) as f64 / (raters * (raters - 1)) as f64;
        totals.iter_mut().zip(&counts).for_each(|(t, c)| *t += c);
    }
    let observed = agreement / subjects as f64;
    let chance: f64 = totals
        .iter()
        .map(|t| (*t as f64 / ratings.len() as f64).powi(2))
        .sum();
    if chance >= 1.0 {
        return Err(MetricError::Undefined {
            metric: "fleiss_kappa",
            reason: "all ratings are of one category",
        });
    }
    Ok((observed - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_agreement_is_one_and_one_category_is_undefined() {
        assert_eq!(
            cohen_kappa(&[3, 0, 0, 2], 2, KappaWeights::None).unwrap(),
            1.0
        );
        assert!(
            cohen_kappa(&[3, 0, 0, 0], 2, KappaWeights::None)
                .unwrap_err()
                .is_undefined()
        );
        assert_eq!(fleiss_kappa(&[0, 0, 1, 1], 2, 2).unwrap(), 1.0);
        assert!(
            fleiss_kappa(&[0, 0, 0, 0], 2, 2)
                .unwrap_err()
                .is_undefined()
        );
    }

    #[test]
    fn shapes_are_checked() {
        assert!(cohen_kappa(&[1, 2, 3], 2, KappaWeights::Linear).is_err());
        assert!(fleiss_kappa(&[0, 1, 0], 2, 2).is_err());
        assert!(fleiss_kappa(&[0, 7], 2, 2).is_err());
    }
}
