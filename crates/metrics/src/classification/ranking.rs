//! Scores of the ranking of findings within each sample, and of label sets sample by sample (Tsoumakas 2010).

use crate::error::{MetricError, Result, all_finite, not_empty, same_length};

/// What a sample without any finding, neither said nor true, is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EmptySample {
    /// It takes no part.
    LeftOut,
    /// This value; scikit-learn's `zero_division`.
    Counts(f64),
}

/// True findings and scores, sample by sample.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRanking {
    truth: Vec<bool>,
    scores: Vec<f64>,
    findings: usize,
}

impl LabelRanking {
    /// `truth[i * findings + c]` and `scores[i * findings + c]` belong to sample `i` and finding `c`.
    ///
    /// # Errors
    /// Nothing given, shapes that do not fit, scores that are not finite.
    pub fn new(truth: &[bool], scores: &[f64], findings: usize) -> Result<Self> {
        check_shape(truth.len(), scores.len(), findings)?;
        all_finite("scores", scores)?;
        Ok(LabelRanking {
            truth: truth.to_vec(),
            scores: scores.to_vec(),
            findings,
        })
    }

    fn mean(&self, sample: impl Fn(&[bool], &[f64]) -> f64) -> f64 {
        let rows = self
            .truth
            .chunks(self.findings)
            .zip(self.scores.chunks(self.findings));
        rows.map(|(t, s)| sample(t, s)).sum::<f64>() / (self.truth.len() / self.findings) as f64
    }

    /// Mean over the true findings of the share of true ones among those ranked at least as high; 1 for a
    /// sample in which nothing can be ranked wrongly.
    pub fn average_precision(&self) -> f64 {
        self.mean(|truth, scores| {
            let positives = truth.iter().filter(|t| **t).count();
            if positives == 0 || positives == truth.len() {
                return 1.0;
            }
            let at_least = |bar: f64, only_true: bool| {
                let counted = |(s, t): (&f64, &bool)| *s >= bar && (*t || !only_true);
                scores
                    .iter()
                    .zip(truth)
                    .filter(|(s, t)| counted((*s, *t)))
                    .count() as f64
            };
            let share = |bar: &f64| at_least(*bar, true) / at_least(*bar, false);
            let of_true = scores.iter().zip(truth).filter(|(_, t)| **t);
            of_true.map(|(s, _)| share(s)).sum::<f64>() / positives as f64
        })
    }

    /// How many findings one has to read down the ranking to have every true one; 0 where there is none.
    pub fn coverage_error(&self) -> f64 {
        self.mean(|truth, scores| {
            let of_true = scores
                .iter()
                .zip(truth)
                .filter(|(_, t)| **t)
                .map(|(s, _)| *s);
            let lowest = of_true.fold(f64::INFINITY, f64::min);
            scores.iter().filter(|s| **s >= lowest).count() as f64
        })
    }

    /// Share of pairs of a true and another finding that are in the wrong order or tied; 0 without pairs.
    pub fn ranking_loss(&self) -> f64 {
        self.mean(|truth, scores| {
            let positives = truth.iter().filter(|t| **t).count();
            let pairs = positives * (truth.len() - positives);
            if pairs == 0 {
                return 0.0;
            }
            let wrong = |bar: f64| {
                scores
                    .iter()
                    .zip(truth)
                    .filter(|(s, t)| !**t && **s >= bar)
                    .count()
            };
            let of_true = scores.iter().zip(truth).filter(|(_, t)| **t);
            of_true.map(|(s, _)| wrong(*s)).sum::<usize>() as f64 / pairs as f64
        })
    }
}

fn check_shape(truth: usize, other: usize, findings: usize) -> Result<()> {
    not_empty("truth", truth)?;
    not_empty("findings", findings)?;
    same_length("truth", truth, "scores or decisions", other)?;
    same_length(
        "truth",
        truth,
        "samples times findings",
        truth / findings * findings,
    )
}

/// Sample-wise scores of label sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelSets {
    /// Share of labels that are wrong.
    pub hamming_loss: f64,
    /// Share of samples with every label right.
    pub subset_accuracy: f64,
    /// Mean over samples of the F1 of their findings.
    pub f1_samples: f64,
    /// Mean over samples of the Jaccard index of their findings.
    pub jaccard_samples: f64,
}

/// Compares label sets, `truth[i * findings + c]` with `said[i * findings + c]`.
///
/// # Errors
/// Nothing given, shapes that do not fit; [`MetricError::Undefined`] when every sample is left out.
pub fn label_sets(
    truth: &[bool],
    said: &[bool],
    findings: usize,
    empty: EmptySample,
) -> Result<LabelSets> {
    check_shape(truth.len(), said.len(), findings)?;
    let samples = (truth.len() / findings) as f64;
    let (mut f1, mut jaccard, mut counted, mut whole) = (0.0, 0.0, 0.0, 0.0);
    for (t, s) in truth.chunks(findings).zip(said.chunks(findings)) {
        let both = t.iter().zip(s).filter(|(t, s)| **t && **s).count() as f64;
        let either = t.iter().zip(s).filter(|(t, s)| **t || **s).count() as f64;
        whole += f64::from(u8::from(t == s));
        match empty {
            EmptySample::LeftOut if either == 0.0 => continue,
            EmptySample::Counts(value) if either == 0.0 => {
                f1 += value;
                jaccard += value;
            }
            _ => {
                f1 += 2.0 * both / (both + either);
                jaccard += both / either;
            }
        }
        counted += 1.0;
    }
    if counted == 0.0 {
        return Err(MetricError::Undefined {
            metric: "f1_samples",
            reason: "no sample has a finding, said or true",
        });
    }
    let wrong = truth.iter().zip(said).filter(|(t, s)| t != s).count();
    Ok(LabelSets {
        hamming_loss: wrong as f64 / truth.len() as f64,
        subset_accuracy: whole / samples,
        f1_samples: f1 / counted,
        jaccard_samples: jaccard / counted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_by_hand() {
        // True findings rank first and third; the second is in the way.
        let r = LabelRanking::new(&[true, false, true, false], &[0.9, 0.8, 0.7, 0.1], 4).unwrap();
        assert!((r.average_precision() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(r.coverage_error(), 3.0);
        assert_eq!(r.ranking_loss(), 0.25);
    }

    #[test]
    fn samples_without_findings() {
        let none = LabelRanking::new(&[false, false], &[0.1, 0.2], 2).unwrap();
        assert_eq!(
            (
                none.average_precision(),
                none.coverage_error(),
                none.ranking_loss()
            ),
            (1.0, 0.0, 0.0)
        );
        let (truth, said) = ([true, false, false, false], [true, true, false, false]);
        let left_out = label_sets(&truth, &said, 2, EmptySample::LeftOut).unwrap();
        assert!((left_out.f1_samples - 2.0 / 3.0).abs() < 1e-12);
        let counted = label_sets(&truth, &said, 2, EmptySample::Counts(0.0)).unwrap();
        assert!((counted.f1_samples - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((counted.hamming_loss, counted.subset_accuracy), (0.25, 0.5));
        assert!(
            label_sets(&[false], &[false], 1, EmptySample::LeftOut)
                .unwrap_err()
                .is_undefined()
        );
        assert!(label_sets(&[false; 3], &[false; 3], 2, EmptySample::LeftOut).is_err());
    }
}
