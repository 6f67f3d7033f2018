//! Labelled scores with whatever else is known of the cases: the table that every audit reads.
//!
//! CSV or TSV with a header. Columns, by any of their names: the label (`label`, `truth`, `y`), the score (`probability`,
//! `logit`, or `score` with its kind said), the finding (`finding`, `target`; may be missing), the patient (`patient`,
//! `patient_id`), the case (`id`, `path`, `image`), the masking condition (`condition`, for shortcut audits). All other columns
//! are kept and can be audited by.

use crate::error::{AuditError, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Between 0 and 1.
    Probability,
    /// Log odds, any number.
    Logit,
}

/// One scored case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Id, or the row's number from 1 on.
    pub id: String,
    /// Patient; each case is its own patient when the table has none.
    pub patient: String,
    /// Finding; `finding` when the table names none.
    pub finding: String,
    /// Whether it is there; null when it is not labelled.
    pub label: Option<bool>,
    /// Score as given.
    pub score: f64,
    /// All other columns that are not empty.
    pub columns: BTreeMap<String, String>,
}

/// Scored cases.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    /// What the scores mean.
    pub kind: ScoreKind,
    /// Whether the table named patients.
    pub has_patients: bool,
    /// Rows.
    pub cases: Vec<Case>,
}

/// Scored cases of one finding that are labelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The finding.
    pub finding: String,
    /// The cases.
    pub cases: Vec<Case>,
    /// Labels.
    pub labels: Vec<bool>,
    /// Scores as given.
    pub scores: Vec<f64>,
    /// Patient numbers.
    pub patients: Vec<usize>,
}

const LABEL: &[&str] = &["label", "truth", "y"];
const FINDING: &[&str] = &["finding", "target"];
const PATIENT: &[&str] = &["patient", "patient_id"];
const ID: &[&str] = &["id", "path", "image"];

impl ScoreTable {
    /// Reads a table; `kind` must be given when the score's column is called `score`.
    ///
    /// # Errors
    /// A file that cannot be read, a column that is missing, a label or score that is no number, NaN or out of range:
    /// the row is named.
    pub fn read(path: &Path, kind: Option<ScoreKind>) -> Result<Self> {
        let table = |reason: String| AuditError::Table {
            path: path.to_owned(),
            reason,
        };
        let delimiter = match path.extension().is_some_and(|e| e == "tsv") {
            true => b'\t',
            false => b',',
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| table(e.to_string()))?;
        let header: Vec<String> = reader
            .headers()
            .map_err(|e| table(e.to_string()))?
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let places = Places::of(&header, kind).map_err(table)?;
        let mut cases = Vec::new();
        for (n, row) in reader.records().enumerate() {
            let row = row.map_err(|e| table(e.to_string()))?;
            let case = places
                .case(&header, &row, n + 1)
                .map_err(|reason| table(format!("row {}: {reason}", n + 1)))?;
            cases.push(case);
        }
        if cases.is_empty() {
            return Err(table("no rows".into()));
        }
        Ok(ScoreTable {
            kind: places.kind,
            has_patients: places.patient.is_some(),
            cases,
        })
    }

    /// Findings in the order of their first row.
    pub fn findings(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for case in &self.cases {
            if !found.contains(&case.finding) {
                found.push(case.finding.clone());
            }
        }
        found
    }

    /// The labelled cases of a finding, both classes there.
    ///
    /// # Errors
    /// [`AuditError::Unlabelled`], [`AuditError::OneClass`]: no figure follows from such data.
    pub fn labelled(&self, finding: &str) -> Result<Labelled> {
        let all: Vec<&Case> = self.cases.iter().filter(|c| c.finding == finding).collect();
        if all.is_empty() {
            return Err(AuditError::UnknownName {
                what: "finding",
                name: finding.to_owned(),
                known: self.findings().join(", "),
            });
        }
        let cases: Vec<Case> = all
            .iter()
            .filter(|c| c.label.is_some())
            .map(|c| (*c).clone())
            .collect();
        if cases.is_empty() {
            return Err(AuditError::Unlabelled {
                finding: finding.to_owned(),
                rows: all.len(),
            });
        }
        let labels: Vec<bool> = cases.iter().map(|c| c.label == Some(true)).collect();
        let positives = labels.iter().filter(|y| **y).count();
        if positives == 0 || positives == labels.len() {
            return Err(AuditError::OneClass {
                finding: finding.to_owned(),
                rows: labels.len(),
                class: if positives == 0 { "absent" } else { "present" },
            });
        }
        Ok(Labelled {
            finding: finding.to_owned(),
            scores: cases.iter().map(|c| c.score).collect(),
            patients: numbers(cases.iter().map(|c| c.patient.as_str())),
            labels,
            cases,
        })
    }
}

impl Labelled {
    /// Scores as probabilities.
    pub fn probabilities(&self, kind: ScoreKind) -> Vec<f64> {
        let p = |z: &f64| match kind {
            ScoreKind::Probability => *z,
            ScoreKind::Logit => 1.0 / (1.0 + (-z).exp()),
        };
        self.scores.iter().map(p).collect()
    }

    /// Scores as log odds; probabilities of 0 and 1 are taken as one in a million from them, since nothing is known beyond.
    pub fn logits(&self, kind: ScoreKind) -> Vec<f64> {
        let z = |p: &f64| match kind {
            ScoreKind::Logit => *p,
            ScoreKind::Probability => {
                let p = p.clamp(1e-6, 1.0 - 1e-6);
                (p / (1.0 - p)).ln()
            }
        };
        self.scores.iter().map(z).collect()
    }

    /// Values of a column, null where it is empty.
    ///
    /// # Errors
    /// A column that no case has.
    pub fn column(&self, name: &str) -> Result<Vec<Option<&str>>> {
        let values: Vec<Option<&str>> = self
            .cases
            .iter()
            .map(|c| c.columns.get(name).map(String::as_str))
            .collect();
        if values.iter().any(Option::is_some) {
            return Ok(values);
        }
        let mut known: Vec<&str> = self
            .cases
            .iter()
            .flat_map(|c| c.columns.keys())
            .map(String::as_str)
            .collect();
        known.sort_unstable();
        known.dedup();
        Err(AuditError::UnknownName {
            what: "column",
            name: name.to_owned(),
            known: known.join(", "),
        })
    }
}

/// A number for each name, equal names the same.
pub fn numbers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    names
        .map(|n| {
            let next = known.len();
            *known.entry(n).or_insert(next)
        })
        .collect()
}

/// Which column is what.
struct Places {
    label: usize,
    score: usize,
    kind: ScoreKind,
    finding: Option<usize>,
    patient: Option<usize>,
    id: Option<usize>,
}

impl Places {
    fn of(header: &[String], kind: Option<ScoreKind>) -> std::result::Result<Self, String> {
        let find = |names: &[&str]| {
            let fits = |h: &String| names.iter().any(|n| h.eq_ignore_ascii_case(n));
            header.iter().position(fits)
        };
        let label = find(LABEL).ok_or("no column `label` (0 or 1, empty when not labelled)")?;
        let named = [
            ("probability", ScoreKind::Probability),
            ("logit", ScoreKind::Logit),
        ];
        let found = named
            .into_iter()
            .find_map(|(name, kind)| find(&[name]).map(|at| (at, kind)));
        let (score, kind) = match (found, find(&["score"]), kind) {
            (Some((at, _)), _, Some(kind)) => (at, kind),
            (Some(found), _, None) => found,
            (None, Some(at), Some(kind)) => (at, kind),
            (None, Some(_), None) => {
                return Err("the column `score` does not say what it is; name it `probability` or `logit`, or give --scores".into());
            }
            (None, None, _) => return Err("no column `probability`, `logit` or `score`".into()),
        };
        Ok(Places {
            label,
            score,
            kind,
            finding: find(FINDING),
            patient: find(PATIENT),
            id: find(ID),
        })
    }

    fn case(
        &self,
        header: &[String],
        row: &csv::StringRecord,
        n: usize,
    ) -> std::result::Result<Case, String> {
        let text = |at: usize| row.get(at).unwrap_or("").trim();
        let named = |at: Option<usize>| at.map(text).filter(|t| !t.is_empty());
        let id = named(self.id).map_or_else(|| n.to_string(), str::to_owned);
        let score = number(text(self.score), self.kind)?;
        let own = [
            Some(self.label),
            Some(self.score),
            self.finding,
            self.patient,
        ];
        let columns = header
            .iter()
            .enumerate()
            .filter(|(at, _)| !own.contains(&Some(*at)) && !text(*at).is_empty())
            .map(|(at, name)| (name.clone(), text(at).to_owned()))
            .collect();
        Ok(Case {
            // A row without its patient is a patient of its own, and cannot be mistaken for a named one.
            patient: named(self.patient).map_or_else(|| format!("row {n}"), str::to_owned),
            finding: named(self.finding).unwrap_or("finding").to_owned(),
            label: label(text(self.label))?,
            id,
            score,
            columns,
        })
    }
}

fn number(text: &str, kind: ScoreKind) -> std::result::Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| format!("the score `{text}` is no number; leave the row out or mend it"))?;
    if !value.is_finite() {
        return Err(format!(
            "the score is {value}; a model that gives this is broken, leave the row out or mend it"
        ));
    }
    if kind == ScoreKind::Probability && !(0.0..=1.0).contains(&value) {
        return Err(format!(
            "the score {value} is no probability; if scores are log odds, name the column `logit` or give --scores logit"
        ));
    }
    Ok(value)
}

fn label(text: &str) -> std::result::Result<Option<bool>, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" | "present" | "positive" => Ok(Some(true)),
        "0" | "0.0" | "false" | "no" | "absent" | "negative" => Ok(Some(false)),
        "" | "-1" | "-1.0" | "null" | "nan" | "na" | "none" | "uncertain" => Ok(None),
        _ => Err(format!(
            "the label `{text}` is none of 1, 0 and empty (also true, false, present, absent; -1 and `uncertain` count as not labelled)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, kind: Option<ScoreKind>) -> Result<ScoreTable> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.csv");
        std::fs::write(&path, text).unwrap();
        ScoreTable::read(&path, kind)
    }

    #[test]
    fn rows_keep_what_else_is_known() {
        let t = read(
            "id,patient_id,finding,label,probability,sex\na,p1,mass,1,0.9,F\nb,p1,mass,,0.2,\nc,,mass,0,0.1,M\n",
            None,
        )
        .unwrap();
        assert!(t.has_patients);
        let mass = t.labelled("mass").unwrap();
        assert_eq!(mass.labels, [true, false]);
        assert_eq!(mass.patients, [0, 1]);
        assert_eq!(mass.cases[1].patient, "row 3");
        assert_eq!(mass.column("sex").unwrap(), [Some("F"), Some("M")]);
        assert!(
            mass.column("age")
                .unwrap_err()
                .to_string()
                .contains("id, sex")
        );
        assert!(t.labelled("nodule").is_err());
    }

    #[test]
    fn bad_tables_say_what_to_do() {
        for (text, kind, words) in [
            ("label,score\n1,0.5\n", None, "--scores"),
            ("probability\n0.5\n", None, "no column `label`"),
            ("label,sex\n1,F\n", None, "no column `probability`"),
            (
                "label,probability\n1,NaN\n",
                None,
                "row 1: the score is NaN",
            ),
            ("label,probability\n1,x\n", None, "no number"),
            ("label,probability\n1,1.5\n", None, "--scores logit"),
            ("label,probability\nmaybe,0.5\n", None, "`maybe`"),
            ("label,probability\n", None, "no rows"),
        ] {
            let error = read(text, kind).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let null = read("label,logit\n,1\n-1,2\n", None).unwrap();
        assert!(matches!(
            null.labelled("finding"),
            Err(AuditError::Unlabelled { rows: 2, .. })
        ));
        let one = read("label,score\n1,1\n1,2\n", Some(ScoreKind::Logit)).unwrap();
        assert!(
            one.labelled("finding")
                .unwrap_err()
                .to_string()
                .contains("all 2 labelled")
        );
    }

    #[test]
    fn probabilities_and_log_odds_turn_into_each_other() {
        let t = read("label,logit\n1,2\n0,-1\n", None).unwrap();
        let l = t.labelled("finding").unwrap();
        let p = l.probabilities(t.kind);
        assert!((p[0] - 0.880_797).abs() < 1e-6);
        let back = Labelled {
            scores: p,
            ..l.clone()
        };
        assert!((back.logits(ScoreKind::Probability)[1] + 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.csv");
            let mut text = b"label,probability\n".to_vec();
            text.extend(bytes);
            std::fs::write(&path, text).unwrap();
            let _ = ScoreTable::read(&path, None);
        }
    }
}
