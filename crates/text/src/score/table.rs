//! Per-sample statistics and how a value of the whole set comes from them.
//!
//! Every corpus score here is a function of sums over the samples: BLEU of its counts, METEOR of its
//! matches, F1 of its hits, a mean of values and their number. Keeping the summands lets resampling
//! (bootstrap) and swapping (paired permutation) give the true corpus score of each resample, not the
//! mean of sample scores.

use crate::nlg::Score;
use std::sync::Arc;

/// Sums to a value, or the reason why there is none.
pub type Finish = Arc<dyn Fn(&[f64]) -> Result<f64, &'static str> + Send + Sync>;

/// Rows of summands, one a sample, shared by the scores that are made from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Row after row.
    pub values: Vec<f64>,
    /// Numbers a row.
    pub width: usize,
}

impl Rows {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One sample's summands.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// Row `order[i]` becomes row `i`.
    pub fn reordered(self, order: &[usize]) -> Rows {
        if order.iter().enumerate().all(|(i, o)| i == *o) {
            return self;
        }
        let values = order.iter().flat_map(|&i| self.row(i).to_vec()).collect();
        Rows { values, ..self }
    }
}

/// One score of a set.
#[derive(Clone)]
pub struct Table {
    /// Summands.
    pub rows: Arc<Rows>,
    /// The set's value from the sums.
    pub corpus: Finish,
    /// A sample's value from its row.
    pub sample: Finish,
    /// How the value comes about.
    pub signature: String,
    /// Names of the samples where they are no texts, e.g. patients.
    pub samples: Option<Arc<Vec<String>>>,
}

impl Table {
    /// A table whose corpus value is the mean of its samples; rows hold the value and 1, or twice 0.
    pub fn of_means(rows: Arc<Rows>, signature: String, undefined: &'static str) -> Table {
        let mean: Finish = Arc::new(move |s| {
            if s[1] > 0.0 {
                Ok(s[0] / s[1])
            } else {
                Err(undefined)
            }
        });
        Table {
            rows,
            corpus: mean.clone(),
            sample: mean,
            signature,
            samples: None,
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The reported score.
    pub fn score(&self) -> Score {
        let value = self.value();
        let each: Vec<Result<f64, &'static str>> = (0..self.len())
            .map(|i| finite((self.sample)(self.rows.row(i))))
            .collect();
        let null_reason = each.iter().find_map(|v| v.err()).map(str::to_owned);
        Score {
            value: value.ok(),
            per_sample: each.into_iter().map(Result::ok).collect(),
            signature: self.signature.clone(),
            reason: value.err().map(str::to_owned),
            per_sample_reason: null_reason,
            samples: self.samples.as_ref().map(|s| s.to_vec()),
        }
    }

    /// The set's value.
    pub fn value(&self) -> Result<f64, &'static str> {
        self.of(&self.sum(|_| 1.0))
    }

    /// The value of a resample in which sample `i` occurs `counts[i]` times.
    pub fn resampled(&self, counts: &[u32]) -> Option<f64> {
        self.of(&self.sum(|i| f64::from(counts[i]))).ok()
    }

    /// The value when some samples are taken from `other`, a table of the same score.
    pub fn mixed(&self, other: &Table, from_other: &[bool]) -> Option<f64> {
        let mut sums = vec![0.0; self.rows.width];
        for (i, swap) in from_other.iter().enumerate() {
            let row = if *swap {
                other.rows.row(i)
            } else {
                self.rows.row(i)
            };
            sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
        self.of(&sums).ok()
    }

    fn of(&self, sums: &[f64]) -> Result<f64, &'static str> {
        finite((self.corpus)(sums))
    }

    fn sum(&self, weight: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows.width];
        for i in 0..self.len() {
            let weight = weight(i);
            if weight == 0.0 {
                continue;
            }
            sums.iter_mut()
                .zip(self.rows.row(i))
                .for_each(|(s, v)| *s += weight * v);
        }
        sums
    }
}

/// NaN and infinities are no scores.
fn finite(value: Result<f64, &'static str>) -> Result<f64, &'static str> {
    value.and_then(|v| {
        if v.is_finite() {
            Ok(v)
        } else {
            Err("the computation gave no finite number")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: &[f64]) -> Table {
        let values = values
            .iter()
            .flat_map(|v| if v.is_nan() { [0.0, 0.0] } else { [*v, 1.0] })
            .collect();
        Table::of_means(
            Arc::new(Rows { values, width: 2 }),
            "mean".to_owned(),
            "nothing is defined",
        )
    }

    #[test]
    fn what_is_undefined_leaves_the_mean_and_says_why() {
        let score = table(&[1.0, f64::NAN, 3.0]).score();
        assert_eq!(
            (score.value, score.per_sample),
            (Some(2.0), vec![Some(1.0), None, Some(3.0)])
        );
        assert_eq!(
            score.per_sample_reason.as_deref(),
            Some("nothing is defined")
        );
        let none = table(&[f64::NAN]).score();
        assert_eq!(
            (none.value, none.reason.as_deref()),
            (None, Some("nothing is defined"))
        );
    }

    #[test]
    fn resampling_swapping_and_order() {
        let (a, b) = (table(&[1.0, 2.0, 3.0]), table(&[10.0, 20.0, 30.0]));
        assert_eq!(a.resampled(&[0, 3, 0]), Some(2.0));
        assert_eq!(a.resampled(&[0, 0, 0]), None);
        assert_eq!(a.mixed(&b, &[false, true, false]), Some(8.0));
        let rows = Rows {
            values: vec![1.0, 2.0, 3.0, 4.0],
            width: 2,
        }
        .reordered(&[1, 0]);
        assert_eq!(rows.values, [3.0, 4.0, 1.0, 2.0]);
    }
}
