//! Labels and scores of a two-class problem, checked once and sorted once.

use crate::error::{MetricError, Result, not_empty, same_length};

/// Something that can be read as a binary label or as "not labelled".
pub trait Label: Copy {
    /// `Some(true)` present, `Some(false)` absent, `None` not labelled.
    ///
    /// # Errors
    /// The raw code when it is none of these.
    fn truth(self) -> std::result::Result<Option<bool>, i64>;
}

impl Label for bool {
    fn truth(self) -> std::result::Result<Option<bool>, i64> {
        Ok(Some(self))
    }
}

impl Label for u8 {
    fn truth(self) -> std::result::Result<Option<bool>, i64> {
        match self {
            0 => Ok(Some(false)),
            1 => Ok(Some(true)),
            other => Err(i64::from(other)),
        }
    }
}

impl<L: Label> Label for Option<L> {
    fn truth(self) -> std::result::Result<Option<bool>, i64> {
        self.map_or(Ok(None), Label::truth)
    }
}

/// Labels and scores of a two-class problem: equal length, at least one labelled entry, all scores finite,
/// null labels left out, ranked from the highest score down.
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryScores {
    labels: Vec<bool>,
    scores: Vec<f64>,
    order: Vec<u32>,
    kept: Vec<u32>,
    positives: usize,
    nulls: usize,
}

impl BinaryScores {
    /// Checks and ranks. Labels may be `bool`, `u8` (0 or 1) or an `Option` of these; scores `f32` or `f64`.
    /// A larger score means "more likely present".
    ///
    /// # Errors
    /// Lengths that differ, nothing given, a label that is not 0 or 1, a labelled entry whose score is not
    /// finite, or [`MetricError::AllNull`].
    pub fn new<L: Label, S: Copy + Into<f64>>(labels: &[L], scores: &[S]) -> Result<Self> {
        same_length("labels", labels.len(), "scores", scores.len())?;
        not_empty("labels", labels.len())?;
        let mut data = BinaryScores {
            labels: Vec::with_capacity(labels.len()),
            scores: Vec::with_capacity(labels.len()),
            order: Vec::new(),
            kept: Vec::with_capacity(labels.len()),
            positives: 0,
            nulls: 0,
        };
        for (index, (label, score)) in labels.iter().zip(scores).enumerate() {
            data.push(index, *label, (*score).into())?;
        }
        if data.labels.is_empty() {
            return Err(MetricError::AllNull { n: labels.len() });
        }
        data.rank();
        Ok(data)
    }

    fn push<L: Label>(&mut self, index: usize, label: L, score: f64) -> Result<()> {
        match label.truth() {
            Ok(None) => self.nulls += 1,
            Ok(Some(truth)) => {
                if !score.is_finite() {
                    return Err(MetricError::NonFinite {
                        what: "scores",
                        index,
                        value: score,
                    });
                }
                self.positives += usize::from(truth);
                self.labels.push(truth);
                // Adding zero turns -0.0 into 0.0, so that the two tie.
                self.scores.push(score + 0.0);
                self.kept.push(index as u32);
            }
            Err(value) => return Err(MetricError::BadLabel { index, value }),
        }
        Ok(())
    }

    fn rank(&mut self) {
        let scores = &self.scores;
        self.order = (0..scores.len() as u32).collect();
        // Stable, so that equal scores keep the order of the input.
        self.order
            .sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
    }

    /// Labels of the entries that are labelled, in input order.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Their scores.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Indices into [`labels`](Self::labels), highest score first.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// For each labelled entry its place in the input that was given.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Labelled entries.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never true: an empty input is refused.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Labelled entries that are present.
    pub fn positives(&self) -> usize {
        self.positives
    }

    /// Labelled entries that are absent.
    pub fn negatives(&self) -> usize {
        self.labels.len() - self.positives
    }

    /// Entries left out because their label is null.
    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// Fails unless both classes occur.
    ///
    /// # Errors
    /// [`MetricError::SingleClass`] with the counts.
    pub fn require_both(&self, metric: &'static str) -> Result<()> {
        if self.positives > 0 && self.negatives() > 0 {
            return Ok(());
        }
        Err(MetricError::SingleClass {
            metric,
            positives: self.positives,
            negatives: self.negatives(),
        })
    }

    /// Walks the groups of equal score from the highest down: `(score, entries of the group)`.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (f64, &[u32])> {
        let mut rest = &self.order[..];
        std::iter::from_fn(move || {
            let first = *rest.first()?;
            let score = self.scores[first as usize];
            let len = rest
                .iter()
                .take_while(|i| self.scores[**i as usize] == score)
                .count();
            let (group, tail) = rest.split_at(len);
            rest = tail;
            Some((score, group))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_left_out_and_counted() {
        let data =
            BinaryScores::new(&[Some(true), None, Some(false)], &[0.1_f32, f32::NAN, 0.2]).unwrap();
        assert_eq!(
            (data.len(), data.nulls(), data.positives(), data.negatives()),
            (2, 1, 1, 1)
        );
        assert_eq!(data.kept(), [0, 2]);
        assert_eq!(data.order(), [1, 0]);
    }

    #[test]
    fn wrong_input_is_refused() {
        assert!(matches!(
            BinaryScores::new::<Option<bool>, f64>(&[None, None], &[0.1, 0.2]),
            Err(MetricError::AllNull { n: 2 })
        ));
        assert!(matches!(
            BinaryScores::new(&[2_u8], &[0.1]),
            Err(MetricError::BadLabel { index: 0, value: 2 })
        ));
        assert!(matches!(
            BinaryScores::new(&[1_u8], &[f64::NAN]),
            Err(MetricError::NonFinite { index: 0, .. })
        ));
        assert!(matches!(
            BinaryScores::new::<u8, f64>(&[], &[]),
            Err(MetricError::Empty { .. })
        ));
        assert!(matches!(
            BinaryScores::new(&[1_u8], &[0.1, 0.2]),
            Err(MetricError::LengthMismatch { .. })
        ));
    }

    #[test]
    fn groups_join_ties_and_both_zeros() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[0.0, -0.0, 0.5, 0.5]).unwrap();
        let sizes: Vec<_> = data.groups().map(|(s, g)| (s, g.len())).collect();
        assert_eq!(sizes, [(0.5, 2), (0.0, 2)]);
    }
}
