//! Scores with intervals over patients, as rows of a card or a claim table.

use crate::claims::ClaimRow;
use crate::error::Result;
use crate::serve::MetricRow;
use hilum_metrics::calibration::{Binning, calibration_error};
use hilum_metrics::classification::{BinaryScores, auroc};
use hilum_metrics::statistics::{BootstrapOptions, RankScore, bootstrap, bootstrap_rank};
use std::collections::HashMap;

/// A score with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The score.
    pub value: f64,
    /// Bootstrap percentile interval over patients.
    pub interval: (f64, f64),
    /// Cases.
    pub n: usize,
    /// Positive cases.
    pub positives: usize,
}

/// Numbers the patients in order of appearance.
pub fn patient_ids<'a>(patients: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    patients
        .map(|p| {
            let next = seen.len();
            *seen.entry(p).or_insert(next)
        })
        .collect()
}

/// AUROC with its interval; `None` when a class is missing.
pub fn measured_auroc(labels: &[bool], scores: &[f64], patients: &[&str]) -> Option<Measured> {
    let data = BinaryScores::new(labels, scores).ok()?;
    let value = auroc(&data).ok()?;
    let ids = patient_ids(patients.iter().copied());
    let options = BootstrapOptions::default();
    let boot = bootstrap_rank(&data, RankScore::Auroc, Some(&ids), &options).ok()?;
    let ci = boot.percentile(options.level).ok()?;
    let positives = data.positives();
    Some(Measured {
        value,
        interval: (ci.low, ci.high),
        n: data.len(),
        positives,
    })
}

/// Mean of per-case values with its interval over patients.
pub fn measured_mean(values: &[f64], patients: &[&str]) -> Result<Measured> {
    let ids = patient_ids(patients.iter().copied());
    let options = BootstrapOptions::default();
    let mean = |counts: &[u32]| {
        let (sum, n) = values
            .iter()
            .zip(counts)
            .fold((0.0, 0u64), |(s, n), (v, &c)| {
                (s + v * f64::from(c), n + u64::from(c))
            });
        (n > 0).then(|| sum / n as f64)
    };
    let boot = bootstrap(values.len(), Some(&ids), &options, mean)?;
    let ci = boot.percentile(options.level)?;
    Ok(Measured {
        value: boot.estimate,
        interval: (ci.low, ci.high),
        n: values.len(),
        positives: 0,
    })
}

/// Expected calibration error in 15 bins of equal width.
pub fn ece(labels: &[bool], probabilities: &[f64]) -> Option<f64> {
    let data = BinaryScores::new(labels, probabilities).ok()?;
    calibration_error(&data, Binning::EqualWidth(15))
        .ok()
        .map(|e| e.ece)
}

/// A row of a claim table for a figure that the paper does not give; null where it is undefined here.
pub fn claim_row(
    claim: String,
    seen: Option<Measured>,
    holds: Option<bool>,
    note: String,
) -> ClaimRow {
    ClaimRow {
        claim,
        paper: None,
        here: seen.map(|m| m.value),
        interval: seen.map(|m| m.interval),
        holds,
        n: seen.map_or(0, |m| m.n),
        note,
    }
}

/// A row of a card.
pub fn row(metric: &str, target: &str, set: &str, split: &str, m: Option<Measured>) -> MetricRow {
    MetricRow {
        metric: metric.to_owned(),
        target: target.to_owned(),
        set: set.to_owned(),
        split: split.to_owned(),
        value: m.map(|m| m.value),
        interval: m.map(|m| m.interval),
        n: m.map_or(0, |m| m.n),
        positives: m.map(|m| m.positives),
    }
}

/// Any score of weighted cases with its interval over groups; `None` when it is undefined on the data.
/// The score receives how often each case was drawn.
pub fn measured_by(
    groups: &[usize],
    score: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Option<Measured> {
    let options = BootstrapOptions::default();
    let boot = bootstrap(groups.len(), Some(groups), &options, score).ok()?;
    let ci = boot.percentile(options.level).ok()?;
    Some(Measured {
        value: boot.estimate,
        interval: (ci.low, ci.high),
        n: groups.len(),
        positives: 0,
    })
}
