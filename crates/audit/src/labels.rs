//! Labels that are likely wrong, by confident learning (Northcutt, Jiang and Chuang 2021).
//!
//! A case is counted as "really class j" when its probability of j reaches the mean probability of j among the cases
//! labelled j. Counts of (label, real class) are scaled to the labels' numbers; the off-diagonal shares estimate how much of
//! the labels is wrong. Probabilities must come from a model that did not learn from these labels (left-out folds).

use crate::error::{AuditError, Result};
use serde::{Deserialize, Serialize};

/// One case whose label may be wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// Index of the case.
    pub case: usize,
    /// Class given.
    pub given: usize,
    /// Class that it is likelier to be.
    pub likelier: usize,
    /// Probability of the class given: the lower, the more suspect.
    pub self_confidence: f64,
    /// Probability of the class given less the largest of the others.
    pub margin: f64,
}

/// What confident learning says of the labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelNoise {
    /// Cases.
    pub n: usize,
    /// Mean probability of each class among the cases labelled so.
    pub thresholds: Vec<f64>,
    /// Cases by label (row) and confident class (column), `classes` x `classes`.
    pub confident: Vec<usize>,
    /// Estimated joint distribution of label (row) and real class (column), summing to 1.
    pub joint: Vec<f64>,
    /// Share of labels estimated to be wrong: the joint's mass off its diagonal.
    pub noise: f64,
    /// Suspects, the least self-confident first.
    pub suspects: Vec<Suspect>,
}

/// Looks for wrong labels. `probabilities[i * classes + k]`.
///
/// # Errors
/// Shapes that do not fit, values that are no probabilities or rows that do not sum to 1, a class without a case.
pub fn label_noise(labels: &[usize], probabilities: &[f64], classes: usize) -> Result<LabelNoise> {
    check(labels, probabilities, classes)?;
    let rows: Vec<&[f64]> = probabilities.chunks_exact(classes).collect();
    let thresholds = thresholds(labels, &rows, classes);
    let mut confident = vec![0usize; classes * classes];
    let mut off_diagonal = Vec::new();
    for (case, (&given, row)) in labels.iter().zip(&rows).enumerate() {
        if let Some(real) = confident_class(row, &thresholds) {
            confident[given * classes + real] += 1;
            if real != given {
                off_diagonal.push(suspect(case, given, real, row));
            }
        }
    }
    let joint = joint(labels, &confident, classes);
    let right: f64 = (0..classes).map(|k| joint[k * classes + k]).sum();
    off_diagonal.sort_by(|a, b| {
        a.self_confidence
            .total_cmp(&b.self_confidence)
            .then(a.case.cmp(&b.case))
    });
    Ok(LabelNoise {
        n: labels.len(),
        thresholds,
        confident,
        joint,
        noise: (1.0 - right).max(0.0),
        suspects: off_diagonal,
    })
}

/// The same for a finding with one probability a case.
///
/// # Errors
/// As [`label_noise`].
pub fn binary_label_noise(labels: &[bool], probabilities: &[f64]) -> Result<LabelNoise> {
    let labels: Vec<usize> = labels.iter().map(|y| usize::from(*y)).collect();
    let both: Vec<f64> = probabilities.iter().flat_map(|p| [1.0 - p, *p]).collect();
    label_noise(&labels, &both, 2)
}

fn check(labels: &[usize], probabilities: &[f64], classes: usize) -> Result<()> {
    let bad = |reason: String| Err(AuditError::Probabilities { reason });
    if classes < 2 || probabilities.len() != labels.len() * classes || labels.is_empty() {
        return bad(format!(
            "{} values for {} cases of {classes} classes",
            probabilities.len(),
            labels.len()
        ));
    }
    if let Some(k) = labels.iter().find(|k| **k >= classes) {
        return bad(format!("a label of class {k}, there are {classes}"));
    }
    for class in 0..classes {
        if !labels.contains(&class) {
            return bad(format!(
                "no case is labelled as class {class}; with one class nothing can be mistaken for another"
            ));
        }
    }
    for (case, row) in probabilities.chunks_exact(classes).enumerate() {
        let sum: f64 = row.iter().sum();
        if row.iter().any(|p| !(0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-3 {
            return bad(format!("case {case}: {row:?} are no probabilities"));
        }
    }
    Ok(())
}

fn thresholds(labels: &[usize], rows: &[&[f64]], classes: usize) -> Vec<f64> {
    (0..classes)
        .map(|class| {
            let own: Vec<f64> = labels
                .iter()
                .zip(rows)
                .filter(|(k, _)| **k == class)
                .map(|(_, row)| row[class])
                .collect();
            own.iter().sum::<f64>() / own.len() as f64
        })
        .collect()
}

/// The likeliest class among those whose probability reaches their threshold.
fn confident_class(row: &[f64], thresholds: &[f64]) -> Option<usize> {
    // Equal to a mean up to the rounding of the mean.
    let reaches = |k: &usize| row[*k] >= thresholds[*k] - 1e-6;
    (0..row.len())
        .filter(reaches)
        .reduce(|best, k| if row[k] > row[best] { k } else { best })
}

fn suspect(case: usize, given: usize, likelier: usize, row: &[f64]) -> Suspect {
    let others = row
        .iter()
        .enumerate()
        .filter(|(k, _)| *k != given)
        .map(|(_, p)| *p);
    Suspect {
        case,
        given,
        likelier,
        self_confidence: row[given],
        margin: row[given] - others.fold(f64::NEG_INFINITY, f64::max),
    }
}

/// Counts scaled so that each row sums to the share of its label.
fn joint(labels: &[usize], confident: &[usize], classes: usize) -> Vec<f64> {
    let n = labels.len() as f64;
    let mut out = vec![0.0; classes * classes];
    for given in 0..classes {
        let row = &confident[given * classes..(given + 1) * classes];
        let total: usize = row.iter().sum();
        let share = labels.iter().filter(|k| **k == given).count() as f64 / n;
        for real in 0..classes {
            // Without a confident case the label is all that is known.
            out[given * classes + real] = match total {
                0 => f64::from(u8::from(real == given)) * share,
                _ => row[real] as f64 / total as f64 * share,
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Good probabilities; every tenth label is turned.
    fn noisy(n: usize) -> (Vec<bool>, Vec<f64>, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut labels, mut p, mut turned) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let real = rng.random::<f64>() < 0.5;
            let sure = 0.75 + 0.25 * rng.random::<f64>();
            p.push(if real { sure } else { 1.0 - sure });
            let wrong = rng.random::<f64>() < 0.1;
            labels.push(real != wrong);
            turned.push(wrong);
        }
        (labels, p, turned)
    }

    #[test]
    fn turned_labels_are_ranked_first() {
        let (labels, p, turned) = noisy(1000);
        let found = binary_label_noise(&labels, &p).unwrap();
        let right = found.suspects.iter().filter(|s| turned[s.case]).count();
        let wrong = turned.iter().filter(|t| **t).count();
        assert!(right as f64 >= 0.6 * wrong as f64, "{right} of {wrong}");
        assert!(right as f64 >= 0.9 * found.suspects.len() as f64);
        assert!((found.noise - 0.1).abs() < 0.03, "{}", found.noise);
        assert!((found.joint.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let confidences: Vec<f64> = found.suspects.iter().map(|s| s.self_confidence).collect();
        assert!(confidences.windows(2).all(|w| w[0] <= w[1]));
    }

    /// `compute_confident_joint(calibrate=False)` and `find_label_issues(filter_by="confident_learning",
    /// return_indices_ranked_by="self_confidence")` of cleanlab 2.9.0 on these cases.
    #[test]
    #[rustfmt::skip]
    fn cleanlab_counts_and_ranks_the_same() {
        let p = [
            0.102, 0.247, 0.789, 0.579, 0.11, 0.436, 0.48, 0.173, 0.725, 0.129, 0.396, 0.516,
            0.433, 0.583, 0.728, 0.938, 0.293, 0.643, 0.688, 0.301, 0.021, 0.955, 0.306, 0.321,
            0.876, 0.582, 0.472, 0.762, 0.049, 0.699, 0.379, 0.107, 0.654, 0.914, 0.219, 0.625,
            0.306, 0.732, 0.713, 0.23, 0.817, 0.651, 0.675, 0.807, 0.431, 0.748, 0.863, 0.118,
            0.836, 0.398, 0.48, 0.16, 0.69, 0.3, 0.856, 0.284, 0.559, 0.404, 0.608, 0.209,
        ];
        let y = [
            0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0,
            0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0,
            0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1,
            0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0,
            1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0,
        ];
        let labels: Vec<bool> = y.iter().map(|v| *v == 1).collect();
        let found = binary_label_noise(&labels, &p).unwrap();
        assert_eq!(found.confident, [16, 3, 4, 20]);
        let ranked: Vec<usize> = found.suspects.iter().map(|s| s.case).collect();
        assert_eq!(ranked, [24, 7, 39, 8, 55, 16, 42]);
    }

    #[test]
    fn wrong_input_is_refused() {
        assert!(binary_label_noise(&[true, true], &[0.5, 0.5]).is_err());
        assert!(binary_label_noise(&[true, false], &[f64::NAN, 0.5]).is_err());
        assert!(label_noise(&[0, 1], &[0.9, 0.9, 0.1, 0.9], 2).is_err());
        assert!(label_noise(&[0, 2], &[0.5; 4], 2).is_err());
        assert!(label_noise(&[], &[], 2).is_err());
    }
}
