//! Many findings at once: a score per finding, macro over the findings for which it is defined, micro over
//! all labelled entries. Null labels take no part, and every count is reported.

use super::{BinaryScores, Confusion, Label};
use crate::error::{MetricError, Result, same_length};
use crate::score::{Score, Signature};
use serde::{Deserialize, Serialize};

/// How the findings are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// Unweighted mean over the findings for which the score is defined.
    Macro,
    /// Mean weighted by the number of positives.
    Weighted,
    /// One score over all labelled entries of all findings.
    Micro,
}

/// Labels and scores of several findings. A finding whose labels are all null, or of one class, stays in the
/// list; its scores are null with the reason.
#[derive(Debug, Clone)]
pub struct MultilabelScores {
    names: Vec<String>,
    classes: Vec<std::result::Result<BinaryScores, usize>>,
    micro: BinaryScores,
    samples: usize,
}

/// A score for every finding with its averages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultilabelReport {
    /// Finding and score, in the order given.
    pub per_class: Vec<(String, Score)>,
    /// Unweighted mean over the `defined` findings.
    #[serde(rename = "macro")]
    pub macro_mean: Score,
    /// Over all labelled entries together.
    pub micro: Score,
    /// Findings for which the score is defined.
    pub defined: usize,
}

impl MultilabelScores {
    /// `labels[i * k + c]` and `scores[i * k + c]` belong to sample `i` and finding `names[c]`.
    ///
    /// # Errors
    /// Shapes that do not fit, bad labels or scores, or [`MetricError::AllNull`] when nothing is labelled.
    pub fn new<L: Label, S: Copy + Into<f64>>(
        names: &[String],
        labels: &[L],
        scores: &[S],
    ) -> Result<Self> {
        let k = names.len();
        crate::error::not_empty("names", k)?;
        same_length("labels", labels.len(), "scores", scores.len())?;
        let samples = labels.len() / k;
        same_length(
            "labels",
            labels.len(),
            "samples times findings",
            samples * k,
        )?;
        // Checks every label and score once, so that the columns below can only fail by being all null.
        let micro = BinaryScores::new(labels, scores)?;
        let mut classes = Vec::with_capacity(k);
        for c in 0..k {
            let column = |i: usize| i * k + c;
            let l: Vec<L> = (0..samples).map(|i| labels[column(i)]).collect();
            let s: Vec<S> = (0..samples).map(|i| scores[column(i)]).collect();
            classes.push(match BinaryScores::new(&l, &s) {
                Ok(data) => Ok(data),
                Err(MetricError::AllNull { n }) => Err(n),
                Err(other) => return Err(other),
            });
        }
        Ok(MultilabelScores {
            names: names.to_vec(),
            classes,
            micro,
            samples,
        })
    }

    /// Names of the findings.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// One finding.
    ///
    /// # Errors
    /// [`MetricError::AllNull`] when nothing of it is labelled.
    pub fn class(&self, c: usize) -> Result<&BinaryScores> {
        self.classes[c]
            .as_ref()
            .map_err(|n| MetricError::AllNull { n: *n })
    }

    /// All labelled entries of all findings as one problem.
    pub fn micro(&self) -> &BinaryScores {
        &self.micro
    }

    /// Joins a score over the findings; also says over how many it was defined.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when it is defined for none; input errors of the score itself.
    pub fn average(
        &self,
        how: Average,
        score: impl Fn(&BinaryScores) -> Result<f64>,
    ) -> Result<(f64, usize)> {
        if how == Average::Micro {
            return Ok((score(&self.micro)?, self.names.len()));
        }
        let (mut sum, mut weights, mut defined) = (0.0, 0.0, 0);
        for c in 0..self.names.len() {
            match self.class(c).and_then(&score) {
                Ok(value) => {
                    let weight = if how == Average::Macro {
                        1.0
                    } else {
                        self.class(c)?.positives() as f64
                    };
                    sum += weight * value;
                    weights += weight;
                    defined += 1;
                }
                Err(error) if error.is_undefined() => {}
                Err(error) => return Err(error),
            }
        }
        if weights == 0.0 {
            return Err(MetricError::Undefined {
                metric: "macro mean",
                reason: "it is undefined for every finding",
            });
        }
        Ok((sum / weights, defined))
    }

    /// The tables at one threshold per finding; null for a finding without labels.
    ///
    /// # Errors
    /// A number of thresholds other than that of the findings.
    pub fn confusions(&self, thresholds: &[f64]) -> Result<Vec<Option<Confusion>>> {
        same_length("findings", self.names.len(), "thresholds", thresholds.len())?;
        let table =
            |(c, t): (usize, &f64)| self.class(c).ok().map(|d| Confusion::at_threshold(d, *t));
        Ok(thresholds.iter().enumerate().map(table).collect())
    }

    /// A score for every finding, its macro and its micro value, with counts and signatures.
    ///
    /// # Errors
    /// Input errors of the score itself; undefined values become null.
    pub fn report(
        &self,
        metric: &str,
        score: impl Fn(&BinaryScores) -> Result<f64>,
    ) -> Result<MultilabelReport> {
        let mut per_class = Vec::with_capacity(self.names.len());
        for (c, name) in self.names.iter().enumerate() {
            let class = self.class(c);
            let (n, pos) = class.as_ref().map_or((0, 0), |d| (d.len(), d.positives()));
            let value = class.and_then(&score);
            let one = Score::report(
                metric,
                Signature::new(metric).with("finding", name),
                n,
                value,
            )?;
            per_class.push((name.clone(), one.with_counts(pos, n - pos)));
        }
        let joined = self.average(Average::Macro, &score);
        let defined = joined.as_ref().map_or(0, |(_, d)| *d);
        let n = self.micro.len();
        let macro_mean = Score::report(
            metric,
            Signature::new(metric)
                .with("avg", "macro")
                .with("findings", format!("{defined}/{}", self.names.len())),
            n,
            joined.map(|(value, _)| value),
        )?;
        let micro = Score::report(
            metric,
            Signature::new(metric).with("avg", "micro"),
            n,
            score(&self.micro),
        )?;
        Ok(MultilabelReport {
            per_class,
            macro_mean,
            micro: micro.with_counts(self.micro.positives(), self.micro.negatives()),
            defined,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::auroc;

    fn names(k: usize) -> Vec<String> {
        (0..k).map(|c| format!("f{c}")).collect()
    }

    #[test]
    fn null_and_one_class_findings_leave_the_macro_mean() {
        let labels = [Some(1_u8), None, Some(1), Some(0), None, Some(1)];
        let scores = [0.9, f64::NAN, 0.3, 0.1, f64::NAN, 0.2];
        let data = MultilabelScores::new(&names(3), &labels, &scores).unwrap();
        let report = data.report("auroc", auroc).unwrap();
        assert_eq!(report.defined, 1);
        assert_eq!(report.macro_mean.value, Some(1.0));
        let (all_null, one_class) = (&report.per_class[1].1, &report.per_class[2].1);
        assert!(
            all_null
                .undefined
                .as_deref()
                .unwrap()
                .contains("2 labels are null")
        );
        assert_eq!(
            (one_class.value, one_class.positives, one_class.negatives),
            (None, Some(2), Some(0))
        );
        assert!(
            report
                .macro_mean
                .signature
                .as_str()
                .contains("findings:1/3")
        );
    }

    #[test]
    fn shapes_are_checked() {
        assert!(MultilabelScores::new(&names(2), &[1_u8, 0, 1], &[0.1, 0.2, 0.3]).is_err());
        assert!(MultilabelScores::new(&names(1), &[None::<u8>], &[0.1]).is_err());
        let data = MultilabelScores::new(&names(1), &[1_u8, 0], &[0.4, 0.2]).unwrap();
        assert!(data.confusions(&[0.1, 0.2]).is_err());
        assert_eq!(data.confusions(&[0.3]).unwrap()[0].unwrap().tp, 1);
    }
}
