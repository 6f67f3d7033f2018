//! What is fitted after training on images that the networks did not learn from: calibration, operating points, conformal
//! sets, and whether an output may be called assessed. And what is then measured on the test split.

use super::classify::ClassifyData;
use super::measure::{Measured, ece, measured_auroc, row};
use crate::error::Result;
use crate::serve::{MetricRow, OutputCard};
use hilum_metrics::classification::BinaryScores;
use hilum_trust::{BinaryConformal, Calibrator, CalibratorKind, OperatingRule, TunedPoint};

/// Positives and negatives that must be there before anything is fitted.
const ENOUGH: usize = 8;
/// Positives that must be there before an output may count as assessed.
const ENOUGH_TO_ASSESS: usize = 15;
/// The lower end of the AUROC's interval that an assessed output must reach.
const ASSESSED_ABOVE: f64 = 0.55;
/// Error rate of the conformal sets within each class.
pub const ALPHA: f64 = 0.1;

/// The rule in words, for cards; `on` names the images that outputs are fitted on.
pub fn assessed_rule(on: &str) -> String {
    format!(
        "An output counts as assessed when {on} has at least {ENOUGH_TO_ASSESS} positives and \
         the lower end of the 95 % interval (bootstrap over patients) of its AUROC there is above {ASSESSED_ABOVE}. Thresholds, \
         calibration and sets are fitted on the same images."
    )
}

/// Labels, scores and patients of one output.
pub struct OutputScores<'a> {
    /// Labels.
    pub labels: Vec<bool>,
    /// Logits.
    pub logits: Vec<f64>,
    /// Patients.
    pub patients: Vec<&'a str>,
}

/// The labelled cases of one output.
pub fn output_scores<'a>(
    data: &'a ClassifyData,
    logits: &[Vec<f64>],
    output: usize,
) -> OutputScores<'a> {
    let labelled = data.labelled(output);
    OutputScores {
        labels: labelled.iter().map(|&(_, y)| y).collect(),
        logits: labelled.iter().map(|&(i, _)| logits[i][output]).collect(),
        patients: labelled
            .iter()
            .map(|&(i, _)| data.patients[i].as_str())
            .collect(),
    }
}

/// Fits one card entry an output on images that the networks did not learn from; `split` names them.
pub fn fit_outputs(
    codes: &[&str],
    data: &ClassifyData,
    logits: &[Vec<f64>],
    rule: OperatingRule,
    split: &str,
) -> Result<Vec<OutputCard>> {
    codes
        .iter()
        .enumerate()
        .map(|(k, code)| fit_output(code, output_scores(data, logits, k), rule, split))
        .collect()
}

fn fit_output(
    code: &str,
    scores: OutputScores<'_>,
    rule: OperatingRule,
    split: &str,
) -> Result<OutputCard> {
    let positives = scores.labels.iter().filter(|&&y| y).count();
    let negatives = scores.labels.len() - positives;
    let mut card = OutputCard {
        code: code.to_owned(),
        assessed: false,
        shown_by: format!("{positives} positives on {split}"),
        calibrator: None,
        operating_point: None,
        sure_from: None,
        conformal: None,
    };
    if positives < ENOUGH || negatives < ENOUGH {
        return Ok(card);
    }
    let logits = BinaryScores::new(&scores.labels, &scores.logits)?;
    let calibrator = Calibrator::fit(CalibratorKind::Platt, &logits)?;
    let p: Vec<f64> = scores
        .logits
        .iter()
        .map(|&z| calibrator.probability(z))
        .collect();
    let p = BinaryScores::new(&scores.labels, &p)?;
    let Some(m) = measured_auroc(&scores.labels, &scores.logits, &scores.patients) else {
        return Ok(card);
    };
    let (low, high) = m.interval;
    card.shown_by = format!(
        "AUROC 95 % interval {low:.3} to {high:.3} on {split} ({positives} positives, {negatives} negatives)"
    );
    card.assessed = positives >= ENOUGH_TO_ASSESS && low > ASSESSED_ABOVE;
    card.operating_point = Some(TunedPoint::choose(&p, rule, split)?);
    card.conformal = Some(BinaryConformal::fit(&p, ALPHA)?);
    card.calibrator = Some(calibrator);
    Ok(card)
}

/// Another threshold for a fitted output, chosen on the same images; `None` where nothing was fitted.
pub fn operating_point(
    card: &OutputCard,
    data: &ClassifyData,
    logits: &[Vec<f64>],
    output: usize,
    rule: OperatingRule,
    split: &str,
) -> Result<Option<TunedPoint>> {
    let Some(calibrator) = &card.calibrator else {
        return Ok(None);
    };
    let scores = output_scores(data, logits, output);
    let p: Vec<f64> = scores
        .logits
        .iter()
        .map(|&z| calibrator.probability(z))
        .collect();
    let p = BinaryScores::new(&scores.labels, &p)?;
    Ok(Some(TunedPoint::choose(&p, rule, split)?))
}

/// Rows of a card measured on one split of one set: AUROC, calibration error, coverage and error of the
/// conformal sets of every output that has enough cases there.
pub fn measure_outputs(
    outputs: &[OutputCard],
    data: &ClassifyData,
    logits: &[Vec<f64>],
    set: &str,
    split: &str,
) -> Result<Vec<MetricRow>> {
    let mut rows = Vec::new();
    for (k, output) in outputs.iter().enumerate() {
        let scores = output_scores(data, logits, k);
        let auroc = measured_auroc(&scores.labels, &scores.logits, &scores.patients);
        rows.push(row("auroc", &output.code, set, split, auroc));
        let Some(calibrator) = &output.calibrator else {
            continue;
        };
        let p: Vec<f64> = scores
            .logits
            .iter()
            .map(|&z| calibrator.probability(z))
            .collect();
        if let Some(value) = ece(&scores.labels, &p) {
            rows.push(plain("ece_15", value, output, set, split, &scores));
        }
        if let Some(conformal) = &output.conformal {
            let c = conformal.coverage(&BinaryScores::new(&scores.labels, &p)?)?;
            rows.push(plain(
                "conformal_coverage_0.9",
                c.overall,
                output,
                set,
                split,
                &scores,
            ));
            rows.push(plain(
                "conformal_decided",
                c.decided,
                output,
                set,
                split,
                &scores,
            ));
        }
    }
    Ok(rows)
}

fn plain(
    metric: &str,
    value: f64,
    output: &OutputCard,
    set: &str,
    split: &str,
    scores: &OutputScores<'_>,
) -> MetricRow {
    let positives = scores.labels.iter().filter(|&&y| y).count();
    MetricRow {
        interval: None,
        ..row(
            metric,
            &output.code,
            set,
            split,
            Some(Measured {
                value,
                interval: (value, value),
                n: scores.labels.len(),
                positives,
            }),
        )
    }
}
