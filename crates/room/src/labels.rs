//! Readers' decisions as labels, for training, recalibration and evaluation.

use crate::edits::{self, Decision, Edit, Edited, Op, active};
use crate::error::{Result, RoomError};
use crate::state::Room;
use hilum_core::{PredictionSet, Reading};
use serde::{Deserialize, Serialize};

/// How labels are given.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LabelQuery {
    /// `csv` (default) or `jsonl`.
    pub format: Option<String>,
    /// `scored`: only findings with a model's probability, as `hilum calibrate` and `hilum audit` need them (default of csv); `all`
    /// (default of jsonl).
    pub rows: Option<String>,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LabelRow {
    /// Study Instance UID.
    pub study_uid: String,
    /// SHA-256 of the image that was read; of the first one where there are several.
    pub image: String,
    /// Patient ID, else the study.
    pub patient: String,
    /// Taxonomy code.
    pub finding: String,
    /// 1 present, 0 absent, -1 undecided.
    pub label: i8,
    /// The model's calibrated probability when the reader decided.
    pub probability: Option<f64>,
    /// The model's log odds.
    pub logit: Option<f64>,
    /// The model.
    pub model: Option<String>,
    /// The model's answer.
    #[schema(value_type = Option<String>)]
    pub model_set: Option<PredictionSet>,
    /// What the reader said.
    pub decision: Decision,
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// Whether the revision is signed.
    pub signed: bool,
}

/// The label that a decision gives.
pub fn label(set: Option<PredictionSet>) -> i8 {
    match set {
        Some(PredictionSet::Present) => 1,
        Some(PredictionSet::Absent) => 0,
        Some(PredictionSet::Undecided) | None => -1,
    }
}

/// The labels of one study: the last decision that stands on each finding.
pub(crate) fn of_study(
    study: &str,
    reading: &Reading,
    edits: &[Edit],
    signed: bool,
) -> Vec<LabelRow> {
    let edited = Edited::of(reading, edits);
    let state = active(edits);
    let mut rows: Vec<LabelRow> = Vec::new();
    for edit in edits {
        let Op::Finding { code, decision, .. } = &edit.op else {
            continue;
        };
        if state.get(&edit.id) != Some(&None) {
            continue;
        }
        let decided = edited.findings.iter().find(|f| f.code == *code);
        let row = LabelRow {
            study_uid: study.to_owned(),
            image: image_of(reading, code)
                .map_or(String::new(), |at| reading.images[at].sha256.clone()),
            patient: reading
                .study
                .patient
                .clone()
                .unwrap_or_else(|| study.to_owned()),
            finding: code.clone(),
            label: label(decided.and_then(|d| d.set)),
            probability: edit.context.probability,
            logit: edit.context.logit,
            model: edit.context.model.clone(),
            model_set: edit.context.set,
            decision: *decision,
            by: edit.by.clone(),
            at: edit.at.clone(),
            signed,
        };
        rows.retain(|r| r.finding != *code);
        rows.push(row);
    }
    rows
}

/// The image that the finding was seen in: that of its first region, else the first frontal one.
pub(crate) fn image_of(reading: &Reading, code: &str) -> Option<usize> {
    let finding = reading.findings.iter().find(|f| f.code == code);
    let region = finding.and_then(|f| f.regions.first()).map(|r| r.image);
    let frontal = reading.images.iter().position(|i| i.view.is_frontal());
    Some(region.or(frontal).unwrap_or(0)).filter(|at| *at < reading.images.len())
}

/// The rows that `of_study` makes of every study that was read and has edits, from its UID, reading, edits and whether it is signed.
pub(crate) async fn each_study<T>(
    room: &Room,
    of_study: impl Fn(&str, &Reading, &[Edit], bool) -> Vec<T>,
) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    for (study, edits) in edits::list_all(room.db()).await? {
        let Some(reading) = room.reading(&study).await? else {
            continue;
        };
        let signed = crate::list::one(room, &study).await.is_ok_and(|i| i.signed);
        rows.extend(of_study(&study, &reading, &edits, signed));
    }
    Ok(rows)
}

/// All labels.
pub(crate) async fn all(room: &Room) -> Result<Vec<LabelRow>> {
    each_study(room, of_study).await
}

/// Text of the labels, its media type, and how many rows were left out.
///
/// # Errors
/// [`RoomError::BadRequest`] for an unknown format.
pub(crate) fn text(
    rows: Vec<LabelRow>,
    query: &LabelQuery,
) -> Result<(String, &'static str, usize)> {
    let format = query.format.as_deref().unwrap_or("csv");
    let scored = match (query.rows.as_deref(), format) {
        (Some("scored"), _) | (None, "csv") => true,
        (Some("all"), _) | (None, _) => false,
        (Some(other), _) => {
            return Err(RoomError::BadRequest(format!(
                "rows {other:?} is neither scored nor all"
            )));
        }
    };
    let before = rows.len();
    let rows: Vec<LabelRow> = rows
        .into_iter()
        .filter(|r| !scored || r.probability.is_some())
        .collect();
    let left_out = before - rows.len();
    let internal = |e: &dyn std::fmt::Display| RoomError::Internal(e.to_string());
    match format {
        "csv" => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            if rows.is_empty() {
                writer.write_record(HEADER).map_err(|e| internal(&e))?;
            }
            for row in &rows {
                writer.serialize(row).map_err(|e| internal(&e))?;
            }
            let bytes = writer.into_inner().map_err(|e| internal(&e))?;
            let text = String::from_utf8(bytes).map_err(|e| internal(&e))?;
            Ok((text, "text/csv; charset=utf-8", left_out))
        }
        "jsonl" => {
            let lines: Result<Vec<String>> = rows
                .iter()
                .map(|r| serde_json::to_string(r).map_err(|e| internal(&e)))
                .collect();
            let mut text = lines?.join("\n");
            if !text.is_empty() {
                text.push('\n');
            }
            Ok((text, "application/x-ndjson", left_out))
        }
        other => Err(RoomError::BadRequest(format!(
            "format {other:?} is neither csv nor jsonl"
        ))),
    }
}

const HEADER: [&str; 13] = [
    "study_uid",
    "image",
    "patient",
    "finding",
    "label",
    "probability",
    "logit",
    "model",
    "model_set",
    "decision",
    "by",
    "at",
    "signed",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(finding: &str, label: i8, probability: Option<f64>) -> LabelRow {
        LabelRow {
            study_uid: "1.2".into(),
            image: "ab".into(),
            patient: "P".into(),
            finding: finding.into(),
            label,
            probability,
            logit: probability.map(|p| (p / (1.0 - p)).ln()),
            model: None,
            model_set: None,
            decision: Decision::Change,
            by: "=cmd".into(),
            at: "2026-01-01T00:00:00.000Z".into(),
            signed: false,
        }
    }

    #[test]
    fn the_audit_reads_the_table() {
        let rows = vec![
            row("pneumonia", 1, Some(0.9)),
            row("pneumonia", 0, Some(0.2)),
            row("pneumonia", -1, Some(0.5)),
            row("mass", 1, None),
        ];
        let (text, _, left_out) = text(rows, &LabelQuery::default()).unwrap();
        assert_eq!(left_out, 1);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        let table = hilum_audit::ScoreTable::read(&path, None).unwrap();
        let labelled = table.labelled("pneumonia").unwrap();
        assert_eq!(labelled.labels, [true, false]);
        assert_eq!(labelled.scores, [0.9, 0.2]);
    }

    #[test]
    fn no_rows_are_a_header_or_nothing() {
        let of = |format: &str| LabelQuery {
            format: Some(format.into()),
            rows: None,
        };
        assert_eq!(text(vec![], &of("csv")).unwrap().0.trim(), HEADER.join(","));
        assert_eq!(text(vec![], &of("jsonl")).unwrap().0, "");
        assert!(text(vec![], &of("xml")).is_err());
    }
}
