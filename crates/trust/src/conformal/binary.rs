//! Label-conditional (Mondrian) conformal sets of a binary finding: present, absent or undecided.

use super::{SLACK, conformal_quantile};
use crate::error::Result;
use hilum_core::PredictionSet;
use hilum_metrics::ConfidenceInterval;
use hilum_metrics::classification::BinaryScores;
use hilum_metrics::statistics::{ProportionMethod, proportion_ci};
use serde::{Deserialize, Serialize};

/// Threshold of one class and what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassQuantile {
    /// Largest score 1 − p(class) that conforms; null: too few calibration cases, so the class always conforms.
    pub quantile: Option<f64>,
    /// Calibration cases of the class.
    pub n: usize,
}

impl ClassQuantile {
    fn admits(&self, score: f64) -> bool {
        self.quantile.is_none_or(|q| score <= q + SLACK)
    }
}

/// Fitted sets: of the present cases at least 1 − α keep "present" in their set, of the absent ones "absent".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BinaryConformal {
    /// Permitted error rate within each class.
    pub alpha: f64,
    /// Threshold of "present".
    pub present: ClassQuantile,
    /// Threshold of "absent".
    pub absent: ClassQuantile,
}

impl BinaryConformal {
    /// Fits on the calibrated probabilities of a calibration split.
    ///
    /// # Errors
    /// α outside 0 to 1, probabilities outside 0 to 1, or one class only.
    pub fn fit(probabilities: &BinaryScores, alpha: f64) -> Result<Self> {
        probabilities.require_both("conformal")?;
        check(probabilities)?;
        let of = |class: bool| -> Result<ClassQuantile> {
            let scores: Vec<f64> = probabilities
                .labels()
                .iter()
                .zip(probabilities.scores())
                .filter(|(y, _)| **y == class)
                .map(|(_, p)| if class { 1.0 - p } else { *p })
                .collect();
            Ok(ClassQuantile {
                quantile: conformal_quantile(&scores, alpha)?,
                n: scores.len(),
            })
        };
        Ok(BinaryConformal {
            alpha,
            present: of(true)?,
            absent: of(false)?,
        })
    }

    /// Which labels conform: (present, absent).
    pub fn labels(&self, probability: f64) -> (bool, bool) {
        (
            self.present.admits(1.0 - probability),
            self.absent.admits(probability),
        )
    }

    /// Present, absent, or undecided (both or neither conform; NaN too).
    pub fn set(&self, probability: f64) -> PredictionSet {
        match self.labels(probability) {
            (true, false) if !probability.is_nan() => PredictionSet::Present,
            (false, true) if !probability.is_nan() => PredictionSet::Absent,
            _ => PredictionSet::Undecided,
        }
    }

    /// Measures the sets on another split.
    ///
    /// # Errors
    /// Probabilities outside 0 to 1.
    pub fn coverage(&self, probabilities: &BinaryScores) -> Result<BinaryCoverage> {
        check(probabilities)?;
        let (mut kept_present, mut kept_absent, mut decided, mut wrong) = (0, 0, 0, 0);
        for (&y, &p) in probabilities.labels().iter().zip(probabilities.scores()) {
            let (present, absent) = self.labels(p);
            kept_present += usize::from(y && present);
            kept_absent += usize::from(!y && absent);
            decided += usize::from(present != absent);
            wrong += usize::from(present != absent && present != y);
        }
        let (np, na) = (probabilities.positives(), probabilities.negatives());
        BinaryCoverage::of_counts(
            1.0 - self.alpha,
            (kept_present, np),
            (kept_absent, na),
            (decided, wrong),
        )
    }
}

/// What the sets did on a split; a rate is null when there is nothing to take it of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinaryCoverage {
    /// 1 − α.
    pub nominal: f64,
    /// Share of cases whose label is in their set.
    pub overall: f64,
    /// Wilson interval, 95 %.
    pub overall_interval: Option<ConfidenceInterval>,
    /// The same among present cases.
    pub present: Option<f64>,
    /// Wilson interval, 95 %.
    pub present_interval: Option<ConfidenceInterval>,
    /// The same among absent cases.
    pub absent: Option<f64>,
    /// Wilson interval, 95 %.
    pub absent_interval: Option<ConfidenceInterval>,
    /// Share of cases answered with present or absent.
    pub decided: f64,
    /// Share of wrong answers among these.
    pub decided_wrong: Option<f64>,
    /// Cases.
    pub n: usize,
}

impl BinaryCoverage {
    /// From counts: (kept, cases) of the present and of the absent cases, and (answered, wrongly answered).
    ///
    /// # Errors
    /// No case.
    pub(crate) fn of_counts(
        nominal: f64,
        (kept_present, np): (usize, usize),
        (kept_absent, na): (usize, usize),
        (decided, wrong): (usize, usize),
    ) -> Result<Self> {
        let n = np + na;
        if n == 0 {
            return Err(hilum_metrics::MetricError::Empty { what: "cases" }.into());
        }
        let share = |k: usize, n: usize| proportion_ci(k, n, 0.95, ProportionMethod::Wilson).ok();
        let rate = |k: usize, n: usize| (n > 0).then(|| k as f64 / n as f64);
        Ok(BinaryCoverage {
            nominal,
            overall: (kept_present + kept_absent) as f64 / n as f64,
            overall_interval: share(kept_present + kept_absent, n),
            present: rate(kept_present, np),
            present_interval: share(kept_present, np),
            absent: rate(kept_absent, na),
            absent_interval: share(kept_absent, na),
            decided: decided as f64 / n as f64,
            decided_wrong: rate(wrong, decided),
            n,
        })
    }
}

pub(super) fn check(data: &BinaryScores) -> Result<()> {
    match data.scores().iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(index) => Err(hilum_metrics::MetricError::OutOfRange {
            what: "probabilities",
            index,
            value: data.scores()[index],
            low: 0.0,
            high: 1.0,
        }
        .into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(alpha: f64) -> BinaryConformal {
        let p: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let y: Vec<bool> = (0..100).map(|i| i >= 50).collect();
        BinaryConformal::fit(&BinaryScores::new(&y, &p).unwrap(), alpha).unwrap()
    }

    #[test]
    fn sure_cases_are_decided_and_others_are_not() {
        let fit = fitted(0.2);
        assert_eq!(fit.set(0.95), PredictionSet::Present);
        assert_eq!(fit.set(0.05), PredictionSet::Absent);
        assert_eq!(fit.set(0.5), PredictionSet::Undecided);
        assert_eq!(fit.set(f64::NAN), PredictionSet::Undecided);
    }

    #[test]
    fn too_few_cases_decide_nothing() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.9, 0.1]).unwrap();
        let fit = BinaryConformal::fit(&data, 0.1).unwrap();
        assert_eq!(
            fit.present,
            ClassQuantile {
                quantile: None,
                n: 1
            }
        );
        assert_eq!(fit.set(1.0), PredictionSet::Undecided);
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<BinaryConformal>(&text).unwrap(), fit);
    }

    #[test]
    fn wrong_input_is_refused() {
        let logits = BinaryScores::new(&[1_u8, 0], &[3.0, 0.1]).unwrap();
        assert!(BinaryConformal::fit(&logits, 0.1).is_err());
        assert!(fitted(0.1).coverage(&logits).is_err());
        let one = BinaryScores::new(&[1_u8, 1], &[0.3, 0.1]).unwrap();
        assert!(BinaryConformal::fit(&one, 0.1).is_err());
    }

    #[test]
    fn coverage_without_a_class_is_null_there() {
        let one = BinaryScores::new(&[1_u8, 1], &[0.95, 0.1]).unwrap();
        let coverage = fitted(0.2).coverage(&one).unwrap();
        assert_eq!(
            (coverage.present, coverage.absent, coverage.absent_interval),
            (Some(0.5), None, None)
        );
        assert_eq!(coverage.decided_wrong, Some(0.5));
    }
}
