//! Feature vectors of a set of images or texts.

use crate::error::{MetricError, Result, all_finite, not_empty, same_length};

/// Vectors of one length, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    values: Vec<f64>,
    width: usize,
}

impl Features {
    /// `values[i * width + j]` is component `j` of vector `i`.
    ///
    /// # Errors
    /// Nothing given, values that do not fill rows of `width`, or are not finite.
    pub fn new<S: Copy + Into<f64>>(values: &[S], width: usize) -> Result<Self> {
        not_empty("features", values.len())?;
        not_empty("components of a feature", width)?;
        same_length(
            "features",
            values.len(),
            "rows times components",
            values.len() / width * width,
        )?;
        let values: Vec<f64> = values.iter().map(|v| (*v).into()).collect();
        all_finite("features", &values)?;
        Ok(Features { values, width })
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Never: a set without vectors cannot be made.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Length of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One vector.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// Every vector.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The vectors at these places.
    ///
    /// # Errors
    /// No place, or one out of range.
    pub fn subset(&self, at: &[usize]) -> Result<Features> {
        if let Some(bad) = at.iter().find(|i| **i >= self.len()) {
            return Err(MetricError::Parameter {
                name: "index",
                value: *bad as f64,
                rule: "below the number of vectors",
            });
        }
        let values: Vec<f64> = at.iter().flat_map(|i| self.row(*i)).copied().collect();
        Features::new(&values, self.width)
    }

    pub(super) fn require_same_width(&self, other: &Features) -> Result<()> {
        same_length(
            "components of the one",
            self.width,
            "components of the other",
            other.width,
        )
    }

    /// Euclidean distances, `len()` rows of `other.len()`.
    pub(super) fn distances(&self, other: &Features) -> Vec<Vec<f64>> {
        use rayon::prelude::*;
        let squared =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
        (0..self.len())
            .into_par_iter()
            .map(|i| {
                other
                    .rows()
                    .map(|r| squared(self.row(i), r).sqrt())
                    .collect()
            })
            .collect()
    }

    /// Cosines, `len()` rows of `other.len()`; null vectors are at right angles to all.
    pub(super) fn cosines(&self, other: &Features) -> Vec<Vec<f64>> {
        let norm = |r: &[f64]| r.iter().map(|v| v * v).sum::<f64>().sqrt();
        let cosine = |a: &[f64], b: &[f64]| {
            let lengths = norm(a) * norm(b);
            if lengths > 0.0 {
                a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / lengths
            } else {
                0.0
            }
        };
        self.rows()
            .map(|a| other.rows().map(|b| cosine(a, b)).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_subsets_and_distances() {
        let f = Features::new(&[0.0, 0.0, 3.0, 4.0], 2).unwrap();
        assert_eq!((f.len(), f.row(1)), (2, &[3.0, 4.0][..]));
        assert_eq!(f.distances(&f), [[0.0, 5.0], [5.0, 0.0]]);
        assert_eq!(f.subset(&[1]).unwrap().row(0), [3.0, 4.0]);
        assert!(f.subset(&[2]).is_err() && Features::new(&[1.0], 2).is_err());
        assert!(Features::new(&[f64::NAN], 1).is_err());
    }
}
