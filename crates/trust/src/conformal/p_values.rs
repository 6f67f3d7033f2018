//! Conformal p-values of the two labels of a finding (Vovk, Gammerman and Shafer 2005): a set at every error
//! rate at once, and how certain the likelier label is.

use super::SLACK;
use super::binary::check;
use crate::error::Result;
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

/// P-values of one case; a label is in the set at error rate ε when its p-value exceeds ε.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelPValues {
    /// Of "present".
    pub present: f64,
    /// Of "absent".
    pub absent: f64,
}

impl LabelPValues {
    /// One minus the smaller p-value: the largest confidence at which the set still has one label at most.
    pub fn certainty(&self) -> f64 {
        1.0 - self.present.min(self.absent)
    }

    /// Share of the present label's p-value in the sum of both. It ranks as the p-values do; it has no guarantee
    /// as a probability.
    pub fn probability(&self) -> f64 {
        self.present / (self.present + self.absent)
    }

    /// Which labels are in the set at an error rate: (present, absent).
    pub fn set(&self, error_rate: f64) -> (bool, bool) {
        (self.present > error_rate, self.absent > error_rate)
    }
}

/// Nonconformity 1 − p(own label) of the cases of a calibration split, both labels in one list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalPValues {
    /// Rising.
    scores: Vec<f64>,
}

impl ConformalPValues {
    /// Fits on the probabilities of a calibration split.
    ///
    /// # Errors
    /// Probabilities outside 0 to 1, or one class only.
    pub fn fit(probabilities: &BinaryScores) -> Result<Self> {
        probabilities.require_both("conformal")?;
        check(probabilities)?;
        let own = |(y, p): (&bool, &f64)| if *y { 1.0 - p } else { *p };
        let mut scores: Vec<f64> = probabilities
            .labels()
            .iter()
            .zip(probabilities.scores())
            .map(own)
            .collect();
        scores.sort_by(f64::total_cmp);
        Ok(ConformalPValues { scores })
    }

    /// P-values of a case with this probability of "present".
    pub fn p_values(&self, probability: f64) -> LabelPValues {
        LabelPValues {
            present: self.p(1.0 - probability),
            absent: self.p(probability),
        }
    }

    /// (#{calibration scores at least this} + 1) / (n + 1); NaN for a NaN.
    fn p(&self, score: f64) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let below = self.scores.partition_point(|s| *s < score - SLACK);
        (self.scores.len() - below + 1) as f64 / (self.scores.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn fitted(labels: &[bool], p: &[f64]) -> ConformalPValues {
        ConformalPValues::fit(&BinaryScores::new(labels, p).unwrap()).unwrap()
    }

    #[test]
    fn p_values_count_what_is_at_least_as_strange() {
        // Nonconformity: 0.1, 0.4, 0.2, 0.7.
        let c = fitted(&[true, true, false, false], &[0.9, 0.6, 0.2, 0.7]);
        let v = c.p_values(0.8);
        assert_eq!((v.present, v.absent), (4.0 / 5.0, 1.0 / 5.0));
        assert!((v.certainty() - 0.8).abs() < 1e-12);
        assert_eq!(v.set(0.2), (true, false));
        assert!(c.p_values(f64::NAN).present.is_nan());
    }

    #[test]
    fn sets_cover_as_often_as_they_promise() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut draw = |n: usize| -> (Vec<bool>, Vec<f64>) {
            (0..n)
                .map(|_| {
                    let p: f64 = rng.random();
                    // Wrong on purpose: coverage must not depend on it.
                    (rng.random::<f64>() < p, p.powi(3))
                })
                .unzip()
        };
        let (mut kept, mut n) = (0_usize, 0_usize);
        for _ in 0..40 {
            let (y, p) = draw(99);
            let c = fitted(&y, &p);
            let (y, p) = draw(100);
            for (y, p) in y.iter().zip(&p) {
                let (present, absent) = c.p_values(*p).set(0.1);
                kept += usize::from(if *y { present } else { absent });
                n += 1;
            }
        }
        // Three deviations of a beta-binomial with 99 calibration cases, 40 times 100 test cases.
        let seen = kept as f64 / n as f64;
        assert!((seen - 0.9).abs() < 0.02, "{seen}");
    }
}
