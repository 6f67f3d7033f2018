//! Sets of the k likeliest labels, k chosen so that they cover (the "top-k" baseline of Angelopoulos 2021).

use super::conformal_quantile;
use super::multiclass::check;
use crate::error::{Result, finite, shape};
use serde::{Deserialize, Serialize};

/// Keeps the labels that at most `beaten_by` others beat; labels as likely as the last one are in too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopKConformal {
    /// Labels that may be likelier than one in the set: k − 1. Null: too few cases, so every label is in.
    pub beaten_by: Option<usize>,
    /// Classes.
    pub classes: usize,
}

impl TopKConformal {
    /// Fits on `probabilities[i * classes + k]` for an error rate α.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, values that are not finite, α outside 0 to 1.
    pub fn fit(probabilities: &[f64], truth: &[usize], classes: usize, alpha: f64) -> Result<Self> {
        check(probabilities, truth, classes)?;
        let ranks: Vec<f64> = probabilities
            .chunks_exact(classes)
            .zip(truth)
            .map(|(row, t)| likelier(row, row[*t]) as f64)
            .collect();
        Ok(TopKConformal {
            beaten_by: conformal_quantile(&ranks, alpha)?.map(|q| q as usize),
            classes,
        })
    }

    /// Which labels are in the set of a case.
    ///
    /// # Errors
    /// A row of the wrong length or with values that are not finite.
    pub fn set(&self, probabilities: &[f64]) -> Result<Vec<bool>> {
        shape("probabilities", probabilities.len(), self.classes)?;
        finite("probabilities", probabilities.iter().copied())?;
        let inside = |p: &f64| {
            self.beaten_by
                .is_none_or(|most| likelier(probabilities, *p) <= most)
        };
        Ok(probabilities.iter().map(inside).collect())
    }
}

/// Labels that are likelier than one with probability `p`.
pub(super) fn likelier(row: &[f64], p: f64) -> usize {
    row.iter().filter(|other| **other > p).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_with_the_last_label_are_in() {
        let fit = TopKConformal {
            beaten_by: Some(1),
            classes: 4,
        };
        assert_eq!(
            fit.set(&[0.1, 0.4, 0.25, 0.25]).unwrap(),
            [false, true, true, true]
        );
        assert!(fit.set(&[0.5, 0.5]).is_err());
    }

    #[test]
    fn too_few_cases_keep_every_label() {
        let fit = TopKConformal::fit(&[0.9, 0.1, 0.8, 0.2], &[0, 0], 2, 0.1).unwrap();
        assert_eq!(fit.beaten_by, None);
        assert_eq!(fit.set(&[1.0, 0.0]).unwrap(), [true, true]);
    }
}
