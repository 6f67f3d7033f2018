//! Plots of a classifier that has a card: ROC, reliability and confusion of its outputs on labelled pictures.

use super::classify::ClassifyData;
use super::fit::output_scores;
use crate::curves::{Curve, confusion, reliability, roc};
use crate::serve::{ModelCard, OutputCard};
use hilum_metrics::classification::BinaryScores;

/// ROC of all outputs, reliability of those that are calibrated, and the confusion matrix of the first that has an operating point;
/// `on` names the pictures.
pub fn of_card(card: &ModelCard, data: &ClassifyData, logits: &[Vec<f64>], on: &str) -> Vec<Curve> {
    let each = |of: &dyn Fn(&OutputCard, f64) -> Option<f64>| {
        let outputs = card.outputs.iter().enumerate();
        let named = outputs.filter_map(|(k, output)| {
            let scores = scores(data, logits, k, |z| of(output, z))?;
            Some((output.code.as_str(), scores))
        });
        named.collect::<Vec<_>>()
    };
    let scored = each(&|_, z| Some(z));
    let calibrated = each(&|output, z| Some(output.calibrator.as_ref()?.probability(z)));
    let matrix = card.outputs.iter().enumerate().find_map(|(k, output)| {
        let (calibrator, point) = (
            output.calibrator.as_ref()?,
            output.operating_point.as_ref()?,
        );
        let own = output_scores(data, logits, k);
        let pairs = own.labels.iter().zip(&own.logits).map(|(y, z)| {
            let said = calibrator.probability(*z) >= point.threshold;
            (usize::from(*y), usize::from(said))
        });
        let title = format!("{} at its operating point, {on}", output.code);
        confusion(title, &["absent", "present"], pairs)
    });
    [
        roc(format!("ROC, {on}"), scored),
        reliability(format!("Reliability, {on}"), calibrated),
        matrix,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn scores(
    data: &ClassifyData,
    logits: &[Vec<f64>],
    output: usize,
    of: impl Fn(f64) -> Option<f64>,
) -> Option<BinaryScores> {
    let own = output_scores(data, logits, output);
    let values: Option<Vec<f64>> = own.logits.iter().map(|z| of(*z)).collect();
    BinaryScores::new(&own.labels, &values?).ok()
}
