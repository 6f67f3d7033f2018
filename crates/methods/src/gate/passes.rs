//! How many pictures of each set the gate lets through: an AUROC of one hides a threshold in the wrong place.

use super::data::Labelled;
use crate::error::Result;
use crate::serve::{MetricRow, OutputCard};
use hilum_metrics::statistics::{ProportionMethod, proportion_ci};
use std::collections::BTreeMap;

/// Share of each set's test pictures that pass, as stored and framed otherwise, with Wilson intervals.
/// Inverted copies are left out: the reader meets them one at a time.
pub fn by_set(chest: &OutputCard, test: &Labelled, logits: &[Vec<f64>]) -> Result<Vec<MetricRow>> {
    let (Some(point), Some(calibrator)) = (&chest.operating_point, &chest.calibrator) else {
        return Ok(Vec::new());
    };
    let mut counts: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
    for (i, logit) in logits.iter().enumerate() {
        if test.data.targets[i][2] == 1.0 {
            continue;
        }
        let (passed, all) = counts
            .entry((test.sets[i].as_str(), test.framed[i]))
            .or_default();
        *passed += usize::from(calibrator.probability(logit[0]) >= point.threshold);
        *all += 1;
    }
    counts
        .into_iter()
        .map(|((set, framed), (passed, all))| {
            let interval = proportion_ci(passed, all, 0.95, ProportionMethod::Wilson)?;
            Ok(MetricRow {
                metric: if framed { "passes_framed" } else { "passes" }.to_owned(),
                target: chest.code.clone(),
                set: set.to_owned(),
                split: "test".to_owned(),
                value: Some(passed as f64 / all as f64),
                interval: Some((interval.low, interval.high)),
                n: all,
                positives: Some(passed),
            })
        })
        .collect()
}
