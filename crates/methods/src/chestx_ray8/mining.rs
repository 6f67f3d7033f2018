//! Section 3.1: labels mined from reports, with and without the rules for negation.
//!
//! The paper measured its miner on Open-i's reports against the labels that people gave them; the same is
//! done here on the test split of those reports, against the findings derived from their MeSH tags.

use crate::claims::ClaimRow;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_text::label::UncertainPolicy;
use hilum_text::{LabelOptions, Labeler, ReportText};
use serde::Deserialize;
use std::path::Path;

/// Tag of the reports and the code that answers it. `Hernia` is never set in the tags.
const FINDINGS: [(&str, &str); 13] = [
    ("Atelectasis", "atelectasis"),
    ("Cardiomegaly", "cardiomegaly"),
    ("Consolidation", "consolidation"),
    ("Edema", "edema"),
    ("Effusion", "pleural_effusion"),
    ("Emphysema", "emphysema"),
    ("Fibrosis", "fibrosis"),
    ("Infiltration", "infiltration"),
    ("Mass", "mass"),
    ("Nodule", "nodule"),
    ("Pleural_Thickening", "pleural_thickening"),
    ("Pneumonia", "pneumonia"),
    ("Pneumothorax", "pneumothorax"),
];

#[derive(Deserialize)]
struct Report {
    findings: String,
    impression: String,
    labels14: Option<Vec<String>>,
    split: Split,
}

/// Counts over all findings together.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Counts {
    hits: usize,
    mined: usize,
    tagged: usize,
}

impl Counts {
    fn precision(self) -> Option<f64> {
        (self.mined > 0).then(|| self.hits as f64 / self.mined as f64)
    }

    fn recall(self) -> Option<f64> {
        (self.tagged > 0).then(|| self.hits as f64 / self.tagged as f64)
    }
}

/// The rows; none when the reports are not at hand.
pub fn rows(data: &Path) -> Result<Vec<ClaimRow>> {
    let path = data.join("text").join("iu_reports.jsonl");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).map_err(|source| MethodError::Io {
        path: path.clone(),
        source,
    })?;
    let reports = text
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<Vec<Report>, _>>()
        .map_err(|e| MethodError::Config(format!("{}: {e}", path.display())))?;
    let tested: Vec<&Report> = reports.iter().filter(|r| r.split == Split::Test).collect();
    Ok(claims(count(&tested, true)?, count(&tested, false)?))
}

fn count(reports: &[&Report], negation: bool) -> Result<Counts> {
    let options = LabelOptions {
        negation,
        ..LabelOptions::default()
    };
    // A finding left open is none, as in the paper.
    let policy = UncertainPolicy::Zeros;
    let mut counts = Counts::default();
    for report in reports {
        let Some(tags) = &report.labels14 else {
            continue;
        };
        if report.findings.is_empty() && report.impression.is_empty() {
            continue;
        }
        let text = ReportText::from_parts(&report.findings, &report.impression);
        let labels = Labeler::shared()
            .label(&text, &options)
            .map_err(|e| MethodError::Config(e.to_string()))?;
        for (tag, code) in FINDINGS {
            let (mined, tagged) = (labels.present(code, policy), tags.iter().any(|t| t == tag));
            counts.mined += usize::from(mined);
            counts.tagged += usize::from(tagged);
            counts.hits += usize::from(mined && tagged);
        }
    }
    Ok(counts)
}

fn claims(ruled: Counts, bare: Counts) -> Vec<ClaimRow> {
    let row = |claim: &str, here: Option<f64>, without: Option<f64>, n: usize| ClaimRow {
        claim: claim.to_owned(),
        paper: None,
        here,
        interval: None,
        holds: None,
        n,
        note: without.map_or_else(String::new, |v| format!("{v:.3} without the rules")),
    };
    let (with, without) = (ruled.precision(), bare.precision());
    let precision = ClaimRow {
        holds: with.zip(without).map(|(w, o)| w > o),
        ..row(
            "precision of mined labels, higher with negation rules than without",
            with,
            without,
            ruled.mined,
        )
    };
    let recall = row(
        "recall of mined labels",
        ruled.recall(),
        bare.recall(),
        ruled.tagged,
    );
    vec![precision, recall]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &str, tags: &[&str]) -> Report {
        Report {
            findings: findings.to_owned(),
            impression: String::new(),
            labels14: Some(tags.iter().map(|&t| t.to_owned()).collect()),
            split: Split::Test,
        }
    }

    #[test]
    fn negation_rules_keep_denied_findings_out() {
        let reports = [
            report("There is a small left pleural effusion.", &["Effusion"]),
            report("No pneumothorax. No pleural effusion.", &[]),
        ];
        let all: Vec<&Report> = reports.iter().collect();
        let (ruled, bare) = (count(&all, true).unwrap(), count(&all, false).unwrap());
        assert_eq!(
            ruled,
            Counts {
                hits: 1,
                mined: 1,
                tagged: 1
            }
        );
        assert_eq!(bare.mined, 3);
        let rows = claims(ruled, bare);
        assert_eq!(rows[0].holds, Some(true));
    }

    #[test]
    fn without_reports_there_are_no_rows() {
        let folder = tempfile::tempdir().unwrap();
        assert!(rows(folder.path()).unwrap().is_empty());
    }
}
