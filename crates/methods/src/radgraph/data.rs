//! The rules' output on the Indiana University reports, sentence by sentence.

use super::spans::{Window, windows_of};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_nn::weights::sha256_hex;
use hilum_text::ReportText;
use hilum_text::facts::Extractor;
use hilum_text::facts::extract::ExtractOptions;
use hilum_text::facts::reader::passages;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Where the reports are under the data folder.
const REPORTS: &str = "text/iu_reports.jsonl";

#[derive(Deserialize)]
struct Row {
    findings: String,
    impression: String,
    split: Split,
}

/// A report; the set has one a patient.
pub struct Report {
    /// Findings and impression.
    pub text: ReportText,
    /// Its part.
    pub split: Split,
}

/// The reports that have a text, and the hash of their file.
///
/// # Errors
/// [`MethodError::NoData`] without the file, or a line that is no report.
pub fn reports(ctx: &Context<'_>) -> Result<(Vec<Report>, String)> {
    let path = ctx.data.join(REPORTS);
    if !path.is_file() {
        return Err(MethodError::NoData {
            what: "radgraph".to_owned(),
            path,
        });
    }
    let bytes = std::fs::read(&path).map_err(|source| MethodError::Io {
        path: path.clone(),
        source,
    })?;
    let hash = sha256_hex(&bytes);
    let mut reports = Vec::new();
    for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        let row: Row = serde_json::from_str(line)
            .map_err(|e| MethodError::Config(format!("{} line {}: {e}", path.display(), i + 1)))?;
        let text = ReportText::from_parts(&row.findings, &row.impression);
        if !text.is_empty() {
            reports.push(Report {
                text,
                split: row.split,
            });
        }
    }
    Ok((reports, hash))
}

/// Sentences of reports with what the rules say of them, each once, in the order of the alphabet.
///
/// # Errors
/// A report that the rules refuse.
pub fn silver<'a>(
    reports: impl Iterator<Item = &'a Report>,
    longest: usize,
) -> Result<Vec<Window>> {
    let mut all = BTreeSet::new();
    for report in reports {
        all.extend(ruled(&report.text)?);
    }
    let short = |w: &Window| w.tokens.len() <= longest;
    Ok(all.into_iter().filter(short).collect())
}

/// What the rules say of each sentence of a report.
///
/// # Errors
/// A report that the rules refuse.
pub fn ruled(text: &ReportText) -> Result<Vec<Window>> {
    let options = ExtractOptions::default();
    let graph = Extractor::shared().graph(text, &options)?;
    Ok(windows_of(&graph, &passages(text, &options)?))
}
