//! The reports of CTs: a CSV or JSON Lines file with one report a row.

use crate::error::SetError;
use crate::inputs::{CtInput, stem};
use hilum_text::{ReportText, SectionKind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Fields that name the CT, the first that is there; lower case.
const ID: [&str; 6] = ["volumename", "id", "study_id", "ct", "name", "study"];
/// Fields of the findings section.
const FINDINGS: [&str; 2] = ["findings", "findings_en"];
/// Fields of the impression.
const IMPRESSION: [&str; 3] = ["impression", "impressions_en", "impressions"];
/// Fields of a whole report.
const TEXT: [&str; 2] = ["text", "report"];

/// A report with what its row says about the patient.
#[derive(Debug, Clone, PartialEq)]
pub struct CtReport {
    /// The text.
    pub report: ReportText,
    /// Patient, where the row names one.
    pub patient: Option<String>,
    /// Sex as written.
    pub sex: String,
    /// Age as written.
    pub age: String,
}

/// Reports by CT.
#[derive(Debug, Default)]
pub struct Reports(BTreeMap<String, CtReport>);

impl Reports {
    /// Reads a `.csv`, `.tsv` or `.jsonl` file. CT-RATE's columns (`VolumeName`, `Findings_EN`, `Impressions_EN`) are known, as are `id`,
    /// `findings`, `impression`, `text`, `patient_id`, `sex`, `age`.
    ///
    /// # Errors
    /// [`SetError::Bad`] with the line: no name, no text, a name twice, no JSON, a broken record.
    pub fn read(path: &Path) -> Result<Self, SetError> {
        let rows = match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => table(path, b',')?,
            Some("tsv") => table(path, b'\t')?,
            Some("jsonl" | "json") => lines(path)?,
            _ => return Err(SetError::bad(path, "reports are .csv, .tsv or .jsonl")),
        };
        let mut all = BTreeMap::new();
        for (number, row) in rows {
            let wrong = |what: &str| SetError::bad(path, format!("line {number}: {what}"));
            let name = field(&row, &ID).ok_or_else(|| wrong("no name of a CT"))?;
            let report = text_of(&row);
            if report.is_empty() {
                return Err(wrong("neither findings nor impression nor text"));
            }
            let read = CtReport {
                report,
                patient: field(&row, &["patient_id", "patientid", "patient"]),
                sex: field(&row, &["sex", "patientsex"]).unwrap_or_default(),
                age: field(&row, &["age", "patientage"]).unwrap_or_default(),
            };
            if all.insert(stem(&name).to_owned(), read).is_some() {
                return Err(wrong(&format!("the CT {name} was named before")));
            }
        }
        if all.is_empty() {
            return Err(SetError::bad(path, "no reports in it"));
        }
        Ok(Reports(all))
    }

    /// The report of a CT, by its name in the set or by its file name.
    pub fn of(&self, ct: &CtInput) -> Option<&CtReport> {
        self.0.get(&ct.name).or_else(|| self.0.get(&ct.stem))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

type Row = Map<String, Value>;

fn lines(path: &Path) -> Result<Vec<(usize, Row)>, SetError> {
    let text = std::fs::read_to_string(path).map_err(|e| SetError::io(path, e))?;
    let mut rows = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|l| !l.1.trim().is_empty()) {
        let row: Row = serde_json::from_str(line)
            .map_err(|e| SetError::bad(path, format!("line {}: {e}", n + 1)))?;
        rows.push((n + 1, lower(row)));
    }
    Ok(rows)
}

fn lower(row: Row) -> Row {
    row.into_iter()
        .map(|(k, v)| (k.trim_start_matches('\u{feff}').trim().to_lowercase(), v))
        .collect()
}

fn table(path: &Path, delimiter: u8) -> Result<Vec<(usize, Row)>, SetError> {
    let broken = |e: csv::Error| SetError::bad(path, e.to_string());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_path(path)
        .map_err(broken)?;
    let header = reader.headers().map_err(broken)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let pairs = header
            .iter()
            .zip(&record)
            .map(|(k, v)| (k.to_owned(), Value::from(v)));
        rows.push((line, lower(pairs.collect())));
    }
    Ok(rows)
}

fn field(row: &Row, names: &[&str]) -> Option<String> {
    let word = |v: &Value| match v {
        Value::String(s) => Some(s.trim().to_owned()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    names
        .iter()
        .filter_map(|n| row.get(*n).and_then(word))
        .find(|t| !t.is_empty())
}

fn text_of(row: &Row) -> ReportText {
    let mut report = ReportText::default();
    for (kind, names) in [
        (SectionKind::Findings, &FINDINGS[..]),
        (SectionKind::Impression, &IMPRESSION[..]),
    ] {
        if let Some(text) = field(row, names) {
            report.push(kind, &text);
        }
    }
    match field(row, &TEXT) {
        Some(text) if report.is_empty() => ReportText::from_text(&text),
        _ => report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ct(name: &str) -> CtInput {
        CtInput {
            path: name.into(),
            name: name.into(),
            stem: name.into(),
            patient: name.into(),
            bytes: 0,
        }
    }

    #[test]
    fn ct_rate_tables_and_json_lines_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join("r.csv");
        std::fs::write(
            &csv,
            "VolumeName,Findings_EN,Impressions_EN,PatientSex\ntrain_1_a_1.nii.gz,\"Nodule, 4 mm.\",Nodule.,F\n",
        )
        .unwrap();
        let reports = Reports::read(&csv).unwrap();
        let one = reports.of(&ct("train_1_a_1")).unwrap();
        assert_eq!((one.report.sections.len(), one.sex.as_str()), (2, "F"));
        assert!(reports.of(&ct("train_1_a_2")).is_none());
        let json = dir.path().join("r.jsonl");
        std::fs::write(&json, "{\"id\": \"a\", \"text\": \"FINDINGS: Clear.\"}\n").unwrap();
        assert_eq!(Reports::read(&json).unwrap().len(), 1);
    }

    #[test]
    fn broken_rows_are_refused_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        for (text, words) in [
            ("{\"id\": \"a\", \"text\": \"x\"}\n{\"id\"\n", "line 2"),
            ("{\"text\": \"x\"}\n", "line 1: no name"),
            ("{\"id\": \"a\"}\n", "neither findings"),
            (
                "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a.nii.gz\",\"text\":\"y\"}\n",
                "named before",
            ),
            ("", "no reports"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Reports::read(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
