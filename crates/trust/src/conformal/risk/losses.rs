//! What a threshold costs each sample.

use crate::error::{Result, TrustError, finite, shape};
use serde::{Deserialize, Serialize};

/// When a label is in the set of a threshold λ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Score at least λ.
    AtLeast,
    /// Score above λ.
    Above,
}

impl Entry {
    /// Whether a label with this score is in the set.
    pub fn admits(self, score: f64, lambda: f64) -> bool {
        match self {
            Entry::AtLeast => score >= lambda,
            Entry::Above => score > lambda,
        }
    }

    /// Which labels are in the set of a case.
    pub fn set(self, scores: &[f64], lambda: f64) -> Vec<bool> {
        scores.iter().map(|s| self.admits(*s, lambda)).collect()
    }
}

/// Loss of a set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelRisk {
    /// Share of the present labels left out; 0 for a case without present labels. Does not fall as λ rises.
    FalseNegatives,
    /// Share of wrong labels in the set; an empty set says nothing wrong, or, if that is to be no way out, counts as all wrong.
    FalseDiscoveries {
        /// Loss of an empty set, 0 or 1.
        empty: f64,
    },
}

impl LabelRisk {
    fn of(self, present: usize, chosen: usize, both: usize) -> f64 {
        let share = |part: usize, whole: usize, none: f64| match whole {
            0 => none,
            _ => part as f64 / whole as f64,
        };
        match self {
            LabelRisk::FalseNegatives => share(present - both, present, 0.0),
            LabelRisk::FalseDiscoveries { empty } => share(chosen - both, chosen, empty),
        }
    }
}

/// Loss of each sample at each λ, between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// λ by λ: `columns[j][i]` is the loss of sample i at λ j.
    columns: Vec<Vec<f64>>,
    samples: usize,
}

impl Losses {
    /// From `scores[i * classes + k]` and the labels in the same places.
    ///
    /// # Errors
    /// Shapes that do not fit; scores that are not finite; an empty set's loss outside 0 to 1.
    pub fn of(
        scores: &[f64],
        labels: &[bool],
        classes: usize,
        lambdas: &[f64],
        entry: Entry,
        risk: LabelRisk,
    ) -> Result<Self> {
        shape("labels", labels.len(), scores.len())?;
        finite("scores", scores.iter().copied())?;
        if classes == 0 || scores.is_empty() || !scores.len().is_multiple_of(classes) {
            return Err(TrustError::Shape {
                what: "scores",
                got: scores.len(),
                expected: classes,
            });
        }
        if let LabelRisk::FalseDiscoveries { empty } = risk
            && !(0.0..=1.0).contains(&empty)
        {
            return Err(TrustError::Parameter {
                name: "empty",
                value: empty,
                rule: "between 0 and 1",
            });
        }
        let sample = |s: &[f64], y: &[bool], lambda: f64| {
            let chosen: Vec<bool> = entry.set(s, lambda);
            let both = chosen.iter().zip(y).filter(|(c, y)| **c && **y).count();
            let count = |flags: &[bool]| flags.iter().filter(|f| **f).count();
            risk.of(count(y), count(&chosen), both)
        };
        let column = |lambda: &f64| {
            scores
                .chunks_exact(classes)
                .zip(labels.chunks_exact(classes))
                .map(|(s, y)| sample(s, y, *lambda))
                .collect()
        };
        Ok(Losses {
            columns: lambdas.iter().map(column).collect(),
            samples: scores.len() / classes,
        })
    }

    /// Samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The losses of all samples, λ by λ.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Mean loss at each λ.
    pub fn means(&self) -> Vec<f64> {
        let mean = |column: &Vec<f64>| column.iter().sum::<f64>() / self.samples as f64;
        self.columns.iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 4] = [0.9, 0.2, 0.6, 0.1];
    const LABELS: [bool; 4] = [true, true, false, false];

    fn means(risk: LabelRisk, lambda: f64, entry: Entry) -> f64 {
        let losses = Losses::of(&SCORES, &LABELS, 2, &[lambda], entry, risk).unwrap();
        assert_eq!(losses.samples(), 2);
        losses.means()[0]
    }

    #[test]
    fn risks_of_a_small_case() {
        use LabelRisk::*;
        assert_eq!(means(FalseNegatives, 0.5, Entry::AtLeast), 0.25);
        let lenient = FalseDiscoveries { empty: 0.0 };
        assert_eq!(means(lenient, 0.5, Entry::AtLeast), 0.5);
        // Nothing scores above 0.95: two empty sets.
        assert_eq!(means(lenient, 0.95, Entry::AtLeast), 0.0);
        let strict = FalseDiscoveries { empty: 1.0 };
        assert_eq!(means(strict, 0.95, Entry::AtLeast), 1.0);
    }

    #[test]
    fn a_score_equal_to_the_threshold() {
        assert!(Entry::AtLeast.admits(0.5, 0.5) && !Entry::Above.admits(0.5, 0.5));
    }

    #[test]
    fn shapes_and_options_are_checked() {
        let of = |labels: &[bool], classes, empty| {
            let risk = LabelRisk::FalseDiscoveries { empty };
            Losses::of(&SCORES, labels, classes, &[0.5], Entry::Above, risk)
        };
        assert!(of(&LABELS, 3, 0.0).is_err());
        assert!(of(&LABELS[..3], 2, 0.0).is_err());
        assert!(of(&LABELS, 0, 0.0).is_err());
        assert!(of(&LABELS, 2, 2.0).is_err());
    }
}
