//! Everything usually reported of a two-class problem, with intervals and signatures.

use super::{BinaryScores, Confusion, auroc, average_precision, brier, log_loss};
use crate::error::Result;
use crate::score::{ConfidenceInterval, Score, Signature};
use crate::statistics::{
    BootstrapOptions, ProportionMethod, bootstrap_rank, delong_ci, proportion_ci,
};
use serde::{Deserialize, Serialize};

/// Scores of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinaryReport {
    /// In a fixed order: ranking, then probabilities (where the scores are such), then decisions.
    pub scores: Vec<Score>,
    /// Table at the threshold.
    pub confusion: Confusion,
    /// Threshold the decisions stand on; positive means `score >= threshold`.
    pub threshold: f64,
    /// Entries left out because their label is null.
    pub nulls: usize,
}

impl BinaryReport {
    /// A score by its registry name.
    pub fn get(&self, metric: &str) -> Option<&Score> {
        self.scores.iter().find(|s| s.metric == metric)
    }
}

/// AUROC (DeLong interval on the logit scale), AP (percentile bootstrap, patients resampled when `clusters`
/// are given), Brier and log loss when the scores are probabilities, and the decisions at `threshold` with
/// Wilson intervals. With clusters the AUROC interval is the clustered bootstrap's too.
///
/// # Errors
/// Input errors only; what the data do not determine is a null score with its reason.
pub fn binary_report(
    data: &BinaryScores,
    threshold: f64,
    clusters: Option<&[usize]>,
    options: &BootstrapOptions,
) -> Result<BinaryReport> {
    let mut scores = ranking(data, clusters, options)?;
    if data.scores().iter().all(|s| (0.0..=1.0).contains(s)) {
        scores.push(plain(data, "brier", Signature::new("brier"), brier(data))?);
        scores.push(plain(
            data,
            "log_loss",
            Signature::new("log_loss").with("clip", "1e-15"),
            log_loss(data),
        )?);
    }
    let confusion = Confusion::at_threshold(data, threshold);
    decisions(data, &confusion, threshold, options.level, &mut scores)?;
    Ok(BinaryReport {
        scores,
        confusion,
        threshold,
        nulls: data.nulls(),
    })
}

fn plain(
    data: &BinaryScores,
    name: &str,
    signature: Signature,
    value: Result<f64>,
) -> Result<Score> {
    Ok(Score::report(name, signature, data.len(), value)?
        .with_counts(data.positives(), data.negatives()))
}

fn ranking(
    data: &BinaryScores,
    clusters: Option<&[usize]>,
    options: &BootstrapOptions,
) -> Result<Vec<Score>> {
    use crate::statistics::RankScore::{Auroc, AveragePrecision};
    let area = plain(
        data,
        "auroc",
        Signature::new("auroc").with("ties", "half"),
        auroc(data),
    )?;
    let interval = match clusters {
        Some(_) => {
            bootstrap_rank(data, Auroc, clusters, options).and_then(|b| b.percentile(options.level))
        }
        None => delong_ci(data, options.level),
    };
    let area = area.with_interval(interval)?;
    let ap = plain(
        data,
        "average_precision",
        Signature::new("average_precision").with("sum", "step"),
        average_precision(data),
    )?;
    let interval = bootstrap_rank(data, AveragePrecision, clusters, options)
        .and_then(|b| b.percentile(options.level));
    Ok(vec![area, ap.with_interval(interval)?])
}

type Ratio = (&'static str, Result<f64>, usize, usize);

fn decisions(
    data: &BinaryScores,
    c: &Confusion,
    threshold: f64,
    level: f64,
    out: &mut Vec<Score>,
) -> Result<()> {
    let ratios: [Ratio; 5] = [
        ("sensitivity", c.sensitivity(), c.tp, c.tp + c.fn_),
        ("specificity", c.specificity(), c.tn, c.tn + c.fp),
        ("ppv", c.ppv(), c.tp, c.tp + c.fp),
        ("npv", c.npv(), c.tn, c.tn + c.fn_),
        ("accuracy", c.accuracy(), c.tp + c.tn, c.total()),
    ];
    let signed = |name: &str| Signature::new(name).with("threshold", threshold);
    for (name, value, part, whole) in ratios {
        let score = plain(data, name, signed(name), value)?;
        let interval = wilson(part, whole, level);
        out.push(score.with_interval(interval)?);
    }
    for (name, value) in [("f1", c.f1()), ("mcc", c.mcc()), ("kappa", c.kappa())] {
        out.push(plain(data, name, signed(name), value)?);
    }
    Ok(())
}

fn wilson(part: usize, whole: usize, level: f64) -> Result<ConfidenceInterval> {
    proportion_ci(part, whole, level, ProportionMethod::Wilson)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_gives_nulls_not_numbers() {
        let data = BinaryScores::new(&[1_u8, 1, 1], &[0.2, 0.7, 0.9]).unwrap();
        let report = binary_report(&data, 0.5, None, &BootstrapOptions::default()).unwrap();
        assert_eq!(report.get("auroc").unwrap().value, None);
        let ap = report.get("average_precision").unwrap();
        assert!(ap.interval.is_none() && ap.interval_undefined.is_some());
        assert_eq!(report.get("specificity").unwrap().value, None);
        assert!((report.get("sensitivity").unwrap().value.unwrap() - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn logits_have_no_brier_score() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0], &[2.0, -1.0, 0.1, 0.3]).unwrap();
        let report = binary_report(&data, 0.0, None, &BootstrapOptions::default()).unwrap();
        assert!(report.get("brier").is_none());
        assert!(report.get("auroc").unwrap().interval.is_some());
        assert!(
            report
                .get("f1")
                .unwrap()
                .signature
                .as_str()
                .contains("threshold:0")
        );
    }
}
