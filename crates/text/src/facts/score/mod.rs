//! Scores of a report against a reference through their facts.
//!
//! Every function takes one graph a report on either side and gives [`FactScore`]s: a value or
//! `None` with a reason, one value a sample, and a signature. [`score`] drives them by name.

pub mod assign;
pub mod consistency;
pub mod errors;
pub mod lunguage;
pub mod radfact;
pub mod radgraph_f1;

use super::Graph;
use super::extract::{ExtractOptions, Extractor};
use crate::error::TextError;
use crate::report::ReportText;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version in every signature; changes when a value could.
pub const VERSION: &str = concat!("hilum-facts-", env!("CARGO_PKG_VERSION"));

/// A value over a set with its samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactScore {
    /// Value over the set; `None` when it is not defined, see `reason`.
    pub value: Option<f64>,
    /// One value a sample, in order; `None` where it is not defined.
    pub per_sample: Vec<Option<f64>>,
    /// How it was computed.
    pub signature: String,
    /// Why the value is undefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FactScore {
    /// The mean over the samples where it is defined.
    pub(super) fn mean(per_sample: Vec<Option<f64>>, signature: String, undefined: &str) -> Self {
        let defined: Vec<f64> = per_sample.iter().copied().flatten().collect();
        let value =
            (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64);
        FactScore {
            value,
            signature: format!(
                "{signature}|defined:{}of{}|{VERSION}",
                defined.len(),
                per_sample.len()
            ),
            reason: value.is_none().then(|| undefined.to_owned()),
            per_sample,
        }
    }
}

/// A family of scores that is computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactMetric {
    /// `radgraph_e`, `radgraph_er`, `radgraph_er_bar`
    Radgraph,
    /// `radfact_logical_precision`, `_recall`, `_f1` (grounding and spatial need boxes: [`radfact`])
    Radfact,
    /// `green`, `lc_green` and the error counts by kind
    Green,
    /// `lunguage_precision`, `_recall`, `_f1`
    Lunguage,
    /// `consistency`, `r_consistency`
    Consistency,
}

/// Names of the families, as on a command line.
pub const FACT_METRICS: [(&str, FactMetric); 5] = [
    ("radgraph", FactMetric::Radgraph),
    ("radfact", FactMetric::Radfact),
    ("green", FactMetric::Green),
    ("lunguage", FactMetric::Lunguage),
    ("consistency", FactMetric::Consistency),
];

impl FactMetric {
    /// The family of a name: itself (`radgraph`) or one of its members (`radgraph_er`).
    pub fn from_name(name: &str) -> Result<FactMetric, TextError> {
        let member = |key: &str| {
            name.strip_prefix(key)
                .is_some_and(|r| r.is_empty() || r.starts_with('_'))
        };
        let other = |family: &FactMetric| match family {
            FactMetric::Green => matches!(name, "lc_green" | "fact_errors"),
            FactMetric::Consistency => name == "r_consistency",
            _ => false,
        };
        FACT_METRICS
            .iter()
            .find(|(key, family)| member(key) || other(family))
            .map(|(_, family)| *family)
            .ok_or_else(|| TextError::UnknownName {
                what: "fact metric",
                name: name.to_owned(),
                known: FACT_METRICS.map(|(key, _)| key).join(", "),
            })
    }
}

/// Graphs of texts; a text without any word gives an empty graph.
///
/// Errors: a text that has text, but none in findings or impression.
pub fn graphs(texts: &[&str]) -> Result<Vec<Graph>, TextError> {
    let options = ExtractOptions::default();
    texts
        .par_iter()
        .map(|text| {
            let report = ReportText::from_text(text);
            match Extractor::shared().graph(&report, &options) {
                Err(TextError::EmptyReport) => Ok(Graph::default()),
                other => other,
            }
        })
        .collect()
}

/// Scores of `hypotheses` against `references` (one graph each, in the same order).
///
/// Errors: no samples, or sides of different length.
pub fn score(
    metrics: &[FactMetric],
    references: &[Graph],
    hypotheses: &[Graph],
) -> Result<BTreeMap<String, FactScore>, TextError> {
    check(references.len(), hypotheses.len())?;
    let mut scores = BTreeMap::new();
    for metric in metrics {
        scores.extend(match metric {
            FactMetric::Radgraph => radgraph_f1::radgraph_f1(references, hypotheses),
            FactMetric::Radfact => radfact::logical(references, hypotheses),
            FactMetric::Green => errors::green(references, hypotheses),
            FactMetric::Lunguage => lunguage::lunguage_score(references, hypotheses),
            FactMetric::Consistency => consistency::consistency(references, hypotheses),
        });
    }
    Ok(scores)
}

fn check(references: usize, hypotheses: usize) -> Result<(), TextError> {
    if references != hypotheses || references == 0 {
        return Err(TextError::Unscorable {
            reason: format!("{references} references and {hypotheses} hypotheses"),
        });
    }
    Ok(())
}

/// F1 of a precision and a recall; 0 when both are 0.
pub(super) fn f1(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 {
        2.0 * precision * recall / (precision + recall)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [FactMetric; 5] = [
        FactMetric::Radgraph,
        FactMetric::Radfact,
        FactMetric::Green,
        FactMetric::Lunguage,
        FactMetric::Consistency,
    ];

    fn value(name: &str, reference: &str, hypothesis: &str) -> Option<f64> {
        let scores = score(
            &ALL,
            &graphs(&[reference]).unwrap(),
            &graphs(&[hypothesis]).unwrap(),
        )
        .unwrap();
        scores[name].value
    }

    /// Identity is 1, and each edit lowers the scores that should see it.
    #[test]
    fn identity_is_one_and_edits_cost() {
        let text = "Small left pleural effusion, unchanged. Mild cardiomegaly. No pneumothorax.";
        let names = [
            "radgraph_e",
            "radgraph_er",
            "radgraph_er_bar",
            "radfact_logical_f1",
            "green",
            "lunguage_f1",
        ];
        for name in names {
            let value = value(name, text, text).unwrap();
            assert!((value - 1.0).abs() < 1e-9, "{name} {value}");
        }
        for edit in [
            "Small left pleural effusion, unchanged. Mild cardiomegaly. Small pneumothorax.",
            "Small right pleural effusion, unchanged. Mild cardiomegaly. No pneumothorax.",
            "Large left pleural effusion, unchanged. Mild cardiomegaly. No pneumothorax.",
            "Small left pleural effusion, unchanged. No cardiomegaly. No pneumothorax.",
        ] {
            for name in names {
                let value = value(name, text, edit).unwrap();
                assert!(value < 1.0 - 1e-6, "{name} {value} {edit}");
            }
        }
    }

    #[test]
    fn the_order_of_sentences_does_not_matter() {
        let (a, b) = ("Mild edema. Left effusion.", "Left effusion. Mild edema.");
        for name in [
            "radgraph_er_bar",
            "radfact_logical_f1",
            "green",
            "lunguage_f1",
        ] {
            assert!((value(name, a, b).unwrap() - 1.0).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn nothing_on_either_side_is_undefined_with_a_reason() {
        let empty = [Graph::default()];
        let scores = score(&ALL, &empty, &empty).unwrap();
        for (name, score) in scores {
            if name.starts_with("green_") {
                continue;
            }
            assert!(
                score.value.is_none() && score.reason.is_some(),
                "{name} {score:?}"
            );
        }
        assert!(score(&ALL, &[], &[]).is_err());
        assert!(score(&ALL, &empty, &[]).is_err());
    }

    #[test]
    fn members_lead_to_their_family() {
        assert_eq!(
            FactMetric::from_name("radgraph_er").unwrap(),
            FactMetric::Radgraph
        );
        assert_eq!(
            FactMetric::from_name("lc_green").unwrap(),
            FactMetric::Green
        );
        assert!(FactMetric::from_name("radgraphs").is_err());
    }
}
