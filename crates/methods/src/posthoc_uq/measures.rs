//! Scores of a run whose cases count as often as a resample drew them.

use super::predictions::{Cohort, Run, Uq};
use hilum_metrics::classification::{BinaryScores, auroc_weighted, average_precision_weighted};

/// A score that depends on the ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Area under the ROC curve.
    Auroc,
    /// Average precision.
    Auprc,
}

impl Ranking {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Ranking::Auroc => "AUROC",
            Ranking::Auprc => "AUPRC",
        }
    }
}

/// Ranked probabilities of the cases of a run that are certain enough.
pub struct Kept {
    data: BinaryScores,
    rows: Vec<usize>,
}

impl Kept {
    /// Those of `run` whose certainty is at least `cut`; `None` when there are none.
    pub fn new(cohort: &Cohort, run: &Run, uq: Uq, cut: f64) -> Option<Self> {
        let certain = |&i: &usize| uq.certainty(&run.cases[i]) >= cut;
        Self::of(
            cohort,
            run,
            uq,
            (0..run.cases.len()).filter(certain).collect(),
        )
    }

    /// The `n` of `run` that are most certain.
    pub fn most_certain(cohort: &Cohort, run: &Run, uq: Uq, n: usize) -> Option<Self> {
        let mut rows: Vec<usize> = (0..run.cases.len()).collect();
        let certainty = |i: usize| uq.certainty(&run.cases[i]);
        rows.sort_by(|&a, &b| certainty(b).total_cmp(&certainty(a)));
        rows.truncate(n);
        Self::of(cohort, run, uq, rows)
    }

    fn of(cohort: &Cohort, run: &Run, uq: Uq, rows: Vec<usize>) -> Option<Self> {
        let y: Vec<bool> = rows.iter().map(|&i| cohort.y[i]).collect();
        let p: Vec<f64> = rows
            .iter()
            .map(|&i| uq.probability(&run.cases[i]))
            .collect();
        let data = BinaryScores::new(&y, &p).ok()?;
        Some(Kept { data, rows })
    }

    /// Kept cases.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The score under these counts; `None` when a class is missing.
    pub fn score(&self, kind: Ranking, counts: &[u32]) -> Option<f64> {
        let weights: Vec<f64> = self.rows.iter().map(|&i| f64::from(counts[i])).collect();
        match kind {
            Ranking::Auroc => auroc_weighted(&self.data, &weights).ok(),
            // Without negatives it would be 1 whatever the scores are.
            Ranking::Auprc if self.both(&weights) => {
                average_precision_weighted(&self.data, &weights).ok()
            }
            Ranking::Auprc => None,
        }
    }

    fn both(&self, weights: &[f64]) -> bool {
        [true, false].iter().all(|class| {
            let mut own = self.data.labels().iter().zip(weights);
            own.any(|(y, w)| y == class && *w > 0.0)
        })
    }
}

/// Probabilities of a run in rising order, for its calibration.
pub struct Sorted {
    /// Row, probability, label.
    cases: Vec<(usize, f64, bool)>,
}

impl Sorted {
    /// All cases of a run.
    pub fn new(cohort: &Cohort, run: &Run, uq: Uq) -> Self {
        let case = |(i, c)| (i, uq.probability(c), cohort.y[i]);
        let mut cases: Vec<(usize, f64, bool)> = run.cases.iter().enumerate().map(case).collect();
        cases.sort_by(|a, b| a.1.total_cmp(&b.1));
        Sorted { cases }
    }

    /// Adaptive calibration error (Nixon et al. 2019): the mean over bins of equal mass of the distance between
    /// mean probability and share of positives. With two classes both have the same distances.
    pub fn ace(&self, bins: usize, counts: &[u32]) -> Option<f64> {
        let total: usize = counts.iter().map(|c| *c as usize).sum();
        let (size, larger) = (total / bins, total % bins);
        let (mut gaps, mut used, mut bin) = (0.0, 0_usize, 0_usize);
        let (mut n, mut signed) = (0_usize, 0.0);
        for &(i, p, y) in &self.cases {
            let mut left = counts[i] as usize;
            while left > 0 {
                let room = size + usize::from(bin < larger) - n;
                let taken = left.min(room);
                n += taken;
                left -= taken;
                signed += taken as f64 * (p - f64::from(u8::from(y)));
                if taken == room {
                    gaps += (signed / n as f64).abs();
                    (n, signed, used, bin) = (0, 0.0, used + 1, bin + 1);
                }
            }
        }
        (used > 0).then(|| gaps / used as f64)
    }
}

/// Mean of the values that are defined, unless fewer than half are.
pub fn mean_of(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut defined, mut all) = (0.0, 0_usize, 0_usize);
    for v in values {
        all += 1;
        if let Some(v) = v {
            sum += v;
            defined += 1;
        }
    }
    (defined > 0 && 2 * defined >= all).then(|| sum / defined as f64)
}

#[cfg(test)]
mod tests {
    use super::super::predictions::{Case, Part};
    use super::*;
    use hilum_metrics::calibration::{Binning, reliability_curve};
    use hilum_tabular::LearnerKind;
    use hilum_trust::{LabelPValues, VennAbersInterval};

    fn cohort(p: &[f64], y: &[bool]) -> Cohort {
        let case = |p: &f64| Case {
            raw: *p,
            platt: *p,
            isotonic: *p,
            venn_abers: VennAbersInterval { p0: *p, p1: *p },
            conformal: LabelPValues {
                present: *p,
                absent: 1.0 - p,
            },
        };
        Cohort {
            table: "t".to_owned(),
            part: Part::Folds,
            y: y.to_vec(),
            groups: (0..y.len()).collect(),
            runs: vec![Run {
                learner: LearnerKind::Logistic,
                lean: false,
                seed: 1,
                cases: p.iter().map(case).collect(),
            }],
        }
    }

    #[test]
    fn ace_is_the_mean_gap_of_the_reliability_curve() {
        let p: Vec<f64> = (0..23).map(|i| f64::from(i * 7 % 23) / 23.0).collect();
        let y: Vec<bool> = (0..23).map(|i| i % 3 == 0).collect();
        let c = cohort(&p, &y);
        let data = BinaryScores::new(&y, &p).unwrap();
        let curve = reliability_curve(&data, Binning::EqualMass(5)).unwrap();
        let wanted = curve.iter().map(|b| b.gap()).sum::<f64>() / curve.len() as f64;
        let seen = Sorted::new(&c, &c.runs[0], Uq::Raw)
            .ace(5, &[1; 23])
            .unwrap();
        assert!((seen - wanted).abs() < 1e-12, "{seen} {wanted}");
    }

    #[test]
    fn the_most_certain_cases_are_kept_whatever_their_label() {
        let c = cohort(&[0.55, 0.02, 0.9, 0.4], &[true, false, true, false]);
        let kept = Kept::most_certain(&c, &c.runs[0], Uq::Raw, 2).unwrap();
        assert_eq!(kept.rows, [1, 2]);
        assert_eq!(kept.score(Ranking::Auroc, &[1; 4]), Some(1.0));
    }

    #[test]
    fn counts_mean_repeated_cases() {
        let (p, y) = ([0.2, 0.6, 0.9], [false, true, true]);
        let c = cohort(&p, &y);
        let doubled = cohort(
            &[0.2, 0.2, 0.6, 0.9, 0.9, 0.9],
            &[false, false, true, true, true, true],
        );
        let once = Sorted::new(&doubled, &doubled.runs[0], Uq::Platt).ace(2, &[1; 6]);
        let counted = Sorted::new(&c, &c.runs[0], Uq::Platt).ace(2, &[2, 1, 3]);
        assert!((once.unwrap() - counted.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_missing_class_leaves_the_scores_undefined() {
        let c = cohort(&[0.05, 0.5, 0.95, 0.9], &[false, false, true, true]);
        let run = &c.runs[0];
        let kept = Kept::new(&c, run, Uq::Conformal, 0.9).unwrap();
        assert_eq!(kept.len(), 3);
        assert_eq!(kept.score(Ranking::Auroc, &[1; 4]), Some(1.0));
        for kind in [Ranking::Auroc, Ranking::Auprc] {
            assert_eq!(kept.score(kind, &[0, 1, 1, 1]), None);
        }
        assert!(Kept::new(&c, run, Uq::Conformal, 0.99).is_none());
        assert_eq!(mean_of([Some(1.0), None, None].into_iter()), None);
        assert_eq!(mean_of([Some(1.0), None].into_iter()), Some(1.0));
    }
}
