//! What a run said of each case: the table in its run folder that `hilum audit` and `hilum calibrate` read.

use crate::blocks::classify::ClassifyData;
use crate::blocks::multiclass::Said;
use crate::blocks::stored;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Sample;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Name of the table in a run folder.
pub const FILE: &str = "scores.csv";

/// What was said of one case about one finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Finding, with whatever tells it from the run's others.
    pub finding: String,
    /// Patient.
    pub patient: String,
    /// Whether it is there.
    pub label: bool,
    /// Probability that it is there, of a network that did not learn from the case.
    pub probability: f64,
    /// Anything else that is known, by column: sex, age, set.
    pub columns: BTreeMap<&'static str, String>,
}

impl Score {
    /// With nothing else known.
    pub fn new(finding: String, patient: String, label: bool, probability: f64) -> Self {
        Score {
            finding,
            patient,
            label,
            probability,
            columns: BTreeMap::new(),
        }
    }

    /// With what is known of the film.
    #[must_use]
    pub fn of_sample(mut self, sample: &Sample) -> Self {
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value {
                self.columns.insert(name, value);
            }
        };
        add("id", Some(sample.id.clone()));
        add("set", Some(sample.set.clone()));
        add("view", Some(format!("{:?}", sample.view).to_uppercase()));
        add("sex", sample.sex.map(|s| format!("{s:?}")));
        add("age", sample.age.map(|a| a.to_string()));
        self
    }

    /// Of a logit.
    pub fn of_logit(finding: String, patient: String, label: bool, logit: f64) -> Self {
        Self::new(finding, patient, label, 1.0 / (1.0 + (-logit).exp()))
    }
}

/// Each class against the others, as the mean over runs; of two classes the second alone. `of` says whose answers these are.
pub fn of_classes(
    of: &str,
    classes: &[&str],
    y: &[usize],
    patients: &[String],
    runs: &[&Said],
) -> Vec<Score> {
    if runs.is_empty() {
        return Vec::new();
    }
    let asked = if classes.len() == 2 { 1 } else { 0 };
    let mut scores = Vec::new();
    for (k, class) in classes.iter().enumerate().skip(asked) {
        for (i, truth) in y.iter().enumerate() {
            let sum: f64 = runs.iter().map(|r| f64::from(r[i][k])).sum();
            scores.push(Score::new(
                format!("{of}: {class}"),
                patients[i].clone(),
                *truth == k,
                sum / runs.len() as f64,
            ));
        }
    }
    scores
}

/// The labelled cases of networks with an output a finding, by logits.
pub fn of_outputs(
    codes: &[&str],
    samples: &[Sample],
    data: &ClassifyData,
    logits: &[Vec<f64>],
) -> Vec<Score> {
    let mut scores = Vec::new();
    for (k, code) in codes.iter().enumerate() {
        for (i, label) in data.labelled(k) {
            let patient = data.patients[i].clone();
            let score = Score::of_logit((*code).to_owned(), patient, label, logits[i][k]);
            scores.push(score.of_sample(&samples[i]));
        }
    }
    scores
}

/// Names of patients that are known by number alone.
pub fn numbered(groups: &[usize]) -> Vec<String> {
    groups.iter().map(|g| format!("patient {g}")).collect()
}

/// Writes the table to the run folder of `method`; nothing for a method that keeps no scores.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(ctx: &Context<'_>, method: &str, scores: &[Score]) -> Result<Option<PathBuf>> {
    if scores.is_empty() {
        return Ok(None);
    }
    let path = ctx.run_folder(method).join(FILE);
    let wrong = |e: &dyn std::fmt::Display| MethodError::Config(format!("{}: {e}", path.display()));
    let extra: BTreeSet<&str> = scores
        .iter()
        .flat_map(|s| s.columns.keys().copied())
        .collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["finding", "patient", "label", "probability"];
    header.extend(&extra);
    table.write_record(&header).map_err(|e| wrong(&e))?;
    for s in scores {
        let mut row = vec![
            s.finding.clone(),
            s.patient.clone(),
            u8::from(s.label).to_string(),
            format!("{:.6}", s.probability),
        ];
        row.extend(
            extra
                .iter()
                .map(|k| s.columns.get(k).cloned().unwrap_or_default()),
        );
        table.write_record(&row).map_err(|e| wrong(&e))?;
    }
    let bytes = table.into_inner().map_err(|e| wrong(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| wrong(&e))?;
    stored::write_text(&path, &text)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_asked_one_against_the_others_over_the_runs_mean() {
        let runs: [Said; 2] = [
            vec![vec![0.5, 0.3, 0.2], vec![0.2, 0.2, 0.6]],
            vec![vec![0.7, 0.1, 0.2], vec![0.0, 0.2, 0.8]],
        ];
        let patients = numbered(&[0, 4]);
        let said: Vec<&Said> = runs.iter().collect();
        let all = of_classes("kind", &["a", "b", "c"], &[0, 2], &patients, &said);
        assert_eq!(all.len(), 6);
        assert_eq!((all[0].finding.as_str(), all[0].label), ("kind: a", true));
        assert!((all[0].probability - 0.6).abs() < 1e-6);
        assert_eq!((all[5].patient.as_str(), all[5].label), ("patient 4", true));
        let two = of_classes("kind", &["no", "yes"], &[0, 1], &patients, &said);
        assert!(two.len() == 2 && two.iter().all(|s| s.finding == "kind: yes"));
        assert!(of_classes("kind", &["a"], &[0], &patients, &[]).is_empty());
    }
}
