//! One label out of many: confusion matrix, MCC, top-k, one-vs-rest and one-vs-one AUROC.

use super::agreement::{KappaWeights, cohen_kappa};
use super::log_loss::CLIP;
use super::{BinaryScores, Confusion, auroc};
use crate::error::{MetricError, Result, all_finite, not_empty, same_length};

/// Counts of predicted against true class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticlassConfusion {
    classes: usize,
    table: Vec<usize>,
}

impl MulticlassConfusion {
    /// Counts pairs of true and predicted class, both below `classes`.
    ///
    /// # Errors
    /// Lengths that differ, nothing given, a class out of range.
    pub fn new(truth: &[usize], predicted: &[usize], classes: usize) -> Result<Self> {
        same_length("truth", truth.len(), "predicted", predicted.len())?;
        not_empty("truth", truth.len())?;
        check_classes(truth, classes)?;
        check_classes(predicted, classes)?;
        let mut table = vec![0; classes * classes];
        for (t, p) in truth.iter().zip(predicted) {
            table[t * classes + p] += 1;
        }
        Ok(MulticlassConfusion { classes, table })
    }

    /// Row-major table, rows are true classes.
    pub fn table(&self) -> &[usize] {
        &self.table
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Class `k` against the rest.
    pub fn one_vs_rest(&self, k: usize) -> Confusion {
        let total: usize = self.table.iter().sum();
        let tp = self.table[k * self.classes + k];
        let row: usize = self.table[k * self.classes..(k + 1) * self.classes]
            .iter()
            .sum();
        let column: usize = (0..self.classes)
            .map(|i| self.table[i * self.classes + k])
            .sum();
        Confusion {
            tp,
            fp: column - tp,
            fn_: row - tp,
            tn: total + tp - row - column,
        }
    }

    /// Share on the diagonal.
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..self.classes)
            .map(|k| self.table[k * self.classes + k])
            .sum();
        right as f64 / self.table.iter().sum::<usize>() as f64
    }

    /// Mean of a two-class score over the classes for which it is defined, and how many these are.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when it is defined for no class.
    pub fn macro_mean(&self, score: impl Fn(&Confusion) -> Result<f64>) -> Result<(f64, usize)> {
        let values: Vec<f64> = (0..self.classes)
            .filter_map(|k| score(&self.one_vs_rest(k)).ok())
            .collect();
        if values.is_empty() {
            return Err(MetricError::Undefined {
                metric: "macro mean",
                reason: "it is undefined for every class",
            });
        }
        Ok((
            values.iter().sum::<f64>() / values.len() as f64,
            values.len(),
        ))
    }

    /// Cohen's κ between truth and prediction.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when only one class occurs.
    pub fn kappa(&self, weights: KappaWeights) -> Result<f64> {
        cohen_kappa(&self.table, self.classes, weights)
    }

    /// Matthews' correlation for many classes (Gorodkin 2004).
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when truth or prediction is of one class only.
    pub fn mcc(&self) -> Result<f64> {
        let total: f64 = self.table.iter().sum::<usize>() as f64;
        let (mut diagonal, mut cross, mut rows, mut columns) = (0.0, 0.0, 0.0, 0.0);
        for k in 0..self.classes {
            let c = self.one_vs_rest(k);
            let (row, column) = ((c.tp + c.fn_) as f64, (c.tp + c.fp) as f64);
            diagonal += c.tp as f64;
            cross += row * column;
            rows += row * row;
            columns += column * column;
        }
        let scale = (total * total - rows) * (total * total - columns);
        if scale <= 0.0 {
            return Err(MetricError::Undefined {
                metric: "mcc",
                reason: "truth or prediction is of one class only",
            });
        }
        Ok((diagonal * total - cross) / scale.sqrt())
    }
}

/// True classes with a probability per class.
#[derive(Debug, Clone, PartialEq)]
pub struct MulticlassScores {
    truth: Vec<usize>,
    scores: Vec<f64>,
    classes: usize,
}

impl MulticlassScores {
    /// `scores[i * classes + k]` is the score of class `k` for sample `i`.
    ///
    /// # Errors
    /// Shapes that do not fit, a class out of range, scores that are not finite.
    pub fn new<S: Copy + Into<f64>>(truth: &[usize], scores: &[S], classes: usize) -> Result<Self> {
        not_empty("truth", truth.len())?;
        same_length(
            "truth times classes",
            truth.len() * classes,
            "scores",
            scores.len(),
        )?;
        check_classes(truth, classes)?;
        let scores: Vec<f64> = scores.iter().map(|s| (*s).into()).collect();
        all_finite("scores", &scores)?;
        Ok(MulticlassScores {
            truth: truth.to_vec(),
            scores,
            classes,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// True class and scores of each sample.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.truth
            .iter()
            .copied()
            .zip(self.scores.chunks_exact(self.classes))
    }

    /// Mean of −ln p(true class), rows scaled to sum to one, clipped at 1e-15.
    ///
    /// # Errors
    /// Scores outside 0 to 1.
    pub fn log_loss(&self) -> Result<f64> {
        crate::error::all_probabilities("scores", &self.scores)?;
        let sum: f64 = self
            .rows()
            .map(|(t, row)| {
                -(row[t] / row.iter().sum::<f64>())
                    .clamp(CLIP, 1.0 - CLIP)
                    .ln()
            })
            .sum();
        Ok(sum / self.truth.len() as f64)
    }

    /// Share of samples whose true class is among the `k` highest; of equal scores the later class ranks
    /// higher, as in scikit-learn.
    pub fn top_k(&self, k: usize) -> f64 {
        let hits = self.rows().filter(|(t, row)| {
            let ahead = (0..row.len())
                .filter(|&j| row[j] > row[*t] || (row[j] == row[*t] && j > *t))
                .count();
            ahead < k
        });
        hits.count() as f64 / self.truth.len() as f64
    }

    /// AUROC of class `k` against the rest.
    ///
    /// # Errors
    /// [`MetricError::SingleClass`].
    pub fn auroc_one_vs_rest(&self, k: usize) -> Result<f64> {
        let (labels, scores): (Vec<bool>, Vec<f64>) =
            self.rows().map(|(t, row)| (t == k, row[k])).unzip();
        auroc(&BinaryScores::new(&labels, &scores)?)
    }

    /// Unweighted mean of the one-vs-rest AUROCs.
    ///
    /// # Errors
    /// [`MetricError::SingleClass`] when a class is missing.
    pub fn auroc_ovr_macro(&self) -> Result<f64> {
        let each: Result<Vec<f64>> = (0..self.classes)
            .map(|k| self.auroc_one_vs_rest(k))
            .collect();
        Ok(each?.iter().sum::<f64>() / self.classes as f64)
    }

    /// Unweighted mean over pairs of classes (Hand and Till 2001).
    ///
    /// # Errors
    /// [`MetricError::SingleClass`] when a class is missing.
    pub fn auroc_ovo_macro(&self) -> Result<f64> {
        let mut values = Vec::new();
        for a in 0..self.classes {
            for b in a + 1..self.classes {
                values.push((self.pair(a, b)? + self.pair(b, a)?) / 2.0);
            }
        }
        not_empty("pairs of classes", values.len())?;
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    fn pair(&self, positive: usize, negative: usize) -> Result<f64> {
        let (labels, scores): (Vec<bool>, Vec<f64>) = self
            .rows()
            .filter(|(t, _)| *t == positive || *t == negative)
            .map(|(t, row)| (t == positive, row[positive]))
            .unzip();
        if labels.is_empty() {
            return Err(MetricError::SingleClass {
                metric: "auroc",
                positives: 0,
                negatives: 0,
            });
        }
        auroc(&BinaryScores::new(&labels, &scores)?)
    }
}

fn check_classes(values: &[usize], classes: usize) -> Result<()> {
    match values.iter().find(|v| **v >= classes) {
        Some(value) => Err(MetricError::Parameter {
            name: "class",
            value: *value as f64,
            rule: "below the number of classes",
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_agree_with_the_binary_scores() {
        let table = MulticlassConfusion::new(&[0, 1, 1, 0, 1], &[0, 1, 0, 1, 1], 2).unwrap();
        let binary = table.one_vs_rest(1);
        assert_eq!(
            binary,
            Confusion {
                tp: 2,
                fp: 1,
                tn: 1,
                fn_: 1
            }
        );
        assert!((table.mcc().unwrap() - binary.mcc().unwrap()).abs() < 1e-15);
        assert!((table.kappa(KappaWeights::None).unwrap() - binary.kappa().unwrap()).abs() < 1e-15);
        assert_eq!(table.accuracy(), binary.accuracy().unwrap());
    }

    #[test]
    fn a_missing_class_is_undefined() {
        let data = MulticlassScores::new(&[0, 1], &[0.6, 0.3, 0.1, 0.2, 0.7, 0.1], 3).unwrap();
        assert!(data.auroc_ovr_macro().unwrap_err().is_undefined());
        assert!(data.auroc_ovo_macro().unwrap_err().is_undefined());
        assert_eq!(data.top_k(1), 1.0);
        assert!(MulticlassScores::new(&[3], &[0.6, 0.3, 0.1], 3).is_err());
    }
}
