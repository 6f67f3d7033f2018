//! Sections of rows.

use super::row::report;
use super::run::{Sinks, run};
use super::{Summary, text_problem};
use crate::error::TextError;
use crate::report::SectionKind;
use crate::rows::{JsonLines, Rows};
use serde_json::json;
use std::io::{BufRead, Write};

/// Sections of every row: `{"id","sections":[{"kind","heading","text","start"}]}`.
///
/// The summary notes how many reports lack findings, lack an impression or have no heading at all.
/// Errors: as [`label_jsonl`](super::label_jsonl).
pub fn sections_jsonl(reader: impl BufRead, out: impl Write) -> Result<Summary, TextError> {
    sections_rows(&mut JsonLines::new(reader), out)
}

/// [`sections_jsonl`] of rows from anywhere.
///
/// # Errors
/// As [`label_jsonl`](super::label_jsonl).
pub fn sections_rows(rows: &mut dyn Rows, mut out: impl Write) -> Result<Summary, TextError> {
    run(rows, Sinks::one(&mut out), |row, line| {
        let report = report(row, line)?;
        if report.is_empty() {
            return Err(text_problem(row, line, &TextError::EmptyReport));
        }
        let lacks = |kind| report.of(kind).next().is_none();
        let mut notes = Vec::new();
        let checks = [
            ("without_findings", lacks(SectionKind::Findings)),
            ("without_impression", lacks(SectionKind::Impression)),
            (
                "without_any_heading",
                report
                    .sections
                    .iter()
                    .all(|s| s.kind == SectionKind::Unlabelled),
            ),
        ];
        notes.extend(checks.iter().filter(|(_, yes)| *yes).map(|(name, _)| *name));
        let answer = json!({ "id": row.fields["id"], "sections": report.sections });
        Ok((answer.to_string(), notes))
    })
}
