//! All that readers did as JSON Lines: answers, boxes, polygons, lengths, sentences, notes. What was taken back is not in it, nor what does
//! not fit the reading of now.

use crate::edits::{
    Decision, Edit, Edited, EditedRegion, EditedSentence, Op, Place, Source, active,
};
use crate::error::{Result, RoomError};
use crate::labels::{self, LabelRow};
use crate::state::Room;
use hilum_core::{EvidenceKind, PredictionSet, Reading, Section};
use serde::Serialize;

/// One thing that a reader said. Places are in pixels of the stored image, x to the right, y down.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Annotation {
    /// Study Instance UID.
    pub study_uid: String,
    /// Patient ID, else the study.
    pub patient: String,
    /// SHA-256 of the image; null for what is about the study.
    pub image: Option<String>,
    /// Width of the image in pixels.
    pub image_width: Option<u32>,
    /// Height of the image in pixels.
    pub image_height: Option<u32>,
    /// Who said it last.
    pub by: String,
    /// When.
    pub at: String,
    /// Whether everything about the study is signed.
    pub signed: bool,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// How a place or a sentence came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is the reader's.
    Added,
    /// It was the model's, or another reader's, and is another one now.
    Changed,
    /// It was the model's, and the reader took it away.
    Removed,
}

/// The kinds.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// An answer.
    Finding {
        /// Taxonomy code.
        finding: String,
        /// 1 present, 0 absent, -1 undecided.
        label: i8,
        /// What the reader said about the model's answer.
        decision: Decision,
        /// The model's calibrated probability when the reader decided.
        probability: Option<f64>,
        /// The model's log odds.
        logit: Option<f64>,
        /// The model.
        model: Option<String>,
        /// The model's answer.
        #[schema(value_type = Option<String>)]
        model_set: Option<PredictionSet>,
    },
    /// A box.
    Box {
        /// Finding that it shows.
        finding: String,
        /// Its id.
        region: String,
        /// How it came about.
        action: Action,
        /// Where; of one that was removed, where it was.
        rect: Place,
        /// Where the model had it.
        model_rect: Option<Place>,
    },
    /// A closed polygon.
    Polygon {
        /// Finding that it shows.
        finding: String,
        /// Its id.
        region: String,
        /// How it came about.
        action: Action,
        /// Corners.
        points: Vec<[f64; 2]>,
        /// Where the model had it.
        model_rect: Option<Place>,
    },
    /// A measurement.
    Measurement {
        /// Name.
        name: String,
        /// Line that it was read from.
        line: [[f64; 2]; 2],
        /// Value.
        value: f64,
        /// One of `ratio`, `pixel`, `mm_detector`, `mm`, `percent`.
        unit: String,
    },
    /// A sentence of the report.
    Sentence {
        /// Where it stands.
        #[schema(value_type = String)]
        section: Section,
        /// Its index.
        index: usize,
        /// How it came about.
        action: Action,
        /// Its words; of one that was removed, its last ones.
        text: String,
        /// The model's words.
        model_text: Option<String>,
        /// Findings that the model's sentence speaks of.
        findings: Vec<String>,
    },
    /// A note.
    Note {
        /// Its words.
        text: String,
    },
}

/// A study and what readers did to it.
struct Annotated<'a> {
    study: &'a str,
    reading: &'a Reading,
    /// Edits that stand.
    edits: Vec<&'a Edit>,
    signed: bool,
}

impl Annotated<'_> {
    /// The last edit that stands and is meant.
    fn last(&self, is_meant: impl Fn(&Edit) -> bool) -> Option<&Edit> {
        self.edits.iter().rev().copied().find(|e| is_meant(e))
    }

    fn row(&self, image: Option<usize>, by: &str, at: &str, what: What) -> Annotation {
        let image = image.and_then(|n| self.reading.images.get(n));
        let patient = self.reading.study.patient.as_deref();
        Annotation {
            study_uid: self.study.to_owned(),
            patient: patient.unwrap_or(self.study).to_owned(),
            image: image.map(|i| i.sha256.clone()),
            image_width: image.map(|i| i.width),
            image_height: image.map(|i| i.height),
            by: by.to_owned(),
            at: at.to_owned(),
            signed: self.signed,
            what,
        }
    }

    fn finding(&self, label: LabelRow) -> Annotation {
        let image = labels::image_of(self.reading, &label.finding);
        let what = What::Finding {
            finding: label.finding,
            label: label.label,
            decision: label.decision,
            probability: label.probability,
            logit: label.logit,
            model: label.model,
            model_set: label.model_set,
        };
        self.row(image, &label.by, &label.at, what)
    }

    fn region(&self, region: &EditedRegion) -> Option<Annotation> {
        let is_model = region.source == Source::Model;
        let edit = self.last(|e| match &e.op {
            Op::RegionAdd { .. } => region.id == format!("reader/{}", e.id),
            Op::RegionChange { region: id, .. } | Op::RegionRemove { region: id } => {
                *id == region.id
            }
            _ => false,
        })?;
        let action = match (region.removed, is_model) {
            // What a reader drew and a reader took away is nothing.
            (true, false) => return None,
            (true, true) => Action::Removed,
            (false, true) => Action::Changed,
            (false, false) => Action::Added,
        };
        let (finding, id) = (region.code.clone(), region.id.clone());
        let model_rect = region.model_rect.or(region.shape.rect.filter(|_| is_model));
        let what = match (&region.shape.polygon, region.shape.rect) {
            (Some(points), _) => What::Polygon {
                finding,
                region: id,
                action,
                points: points.clone(),
                model_rect,
            },
            (None, Some(rect)) => What::Box {
                finding,
                region: id,
                action,
                rect,
                model_rect,
            },
            (None, None) => return None,
        };
        Some(self.row(Some(region.image), &edit.by, &edit.at, what))
    }

    fn sentence(&self, sentence: &EditedSentence, added: Option<&Edit>) -> Option<Annotation> {
        let is_model = sentence.source == Source::Model;
        let touched = self.last(|e| match &e.op {
            Op::Sentence { index, .. } | Op::SentenceRemove { index } => *index == sentence.index,
            _ => false,
        });
        let edit = touched.or(added)?;
        sentence.by.as_ref()?;
        let action = match (sentence.removed, is_model) {
            (true, false) => return None,
            (true, true) => Action::Removed,
            (false, true) => Action::Changed,
            (false, false) => Action::Added,
        };
        let about = sentence.evidence.iter();
        let about = about.filter(|e| e.kind == EvidenceKind::Finding);
        let what = What::Sentence {
            section: sentence.section,
            index: sentence.index,
            action,
            text: sentence.text.clone(),
            model_text: sentence.model_text.clone(),
            findings: about.map(|e| e.target.clone()).collect(),
        };
        Some(self.row(None, &edit.by, &edit.at, what))
    }
}

/// What stands of one study.
fn of_study(study: &str, reading: &Reading, edits: &[Edit], signed: bool) -> Vec<Annotation> {
    let edited = Edited::of(reading, edits);
    let state = active(edits);
    let stands = |e: &&Edit| state.get(&e.id) == Some(&None) && !edited.stale.contains(&e.id);
    let of = Annotated {
        study,
        reading,
        edits: edits.iter().filter(stands).collect(),
        signed,
    };
    let labels = labels::of_study(study, reading, edits, signed);
    let mut rows: Vec<Annotation> = labels.into_iter().map(|l| of.finding(l)).collect();
    rows.extend(edited.regions.iter().filter_map(|r| of.region(r)));
    for m in &edited.measurements {
        let at = edits.iter().find(|e| e.id == m.id);
        let what = What::Measurement {
            name: m.name.clone(),
            line: m.line,
            value: m.value,
            unit: m.unit.clone(),
        };
        let at = at.map_or("", |e| e.at.as_str());
        rows.push(of.row(Some(m.image), &m.by, at, what));
    }
    // Each sentence that was added has a place, also when it was taken back.
    let mut added = edits
        .iter()
        .filter(|e| matches!(e.op, Op::SentenceAdd { .. }));
    for sentence in &edited.sentences {
        let added = (sentence.source == Source::Reader)
            .then(|| added.next())
            .flatten();
        rows.extend(of.sentence(sentence, added));
    }
    for note in &edited.notes {
        let what = What::Note {
            text: note.text.clone(),
        };
        rows.push(of.row(None, &note.by, &note.at, what));
    }
    rows
}

/// All of all studies.
pub(crate) async fn all(room: &Room) -> Result<Vec<Annotation>> {
    labels::each_study(room, of_study).await
}

/// One JSON object a line.
///
/// # Errors
/// [`RoomError::Internal`] for what cannot be JSON.
pub(crate) fn text(rows: &[Annotation]) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let line = serde_json::to_string(row).map_err(|e| RoomError::Internal(e.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::tests::{kept, reading};
    use serde_json::{Value, json};

    fn rows(ops: Value) -> Vec<Value> {
        let reading = reading();
        let ops: Vec<Op> = serde_json::from_value(ops).unwrap();
        let edits = kept(&reading, &ops);
        assert_eq!(edits.len(), ops.len(), "every edit makes sense");
        let text = text(&of_study("1.2", &reading, &edits, true)).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    #[test]
    fn all_kinds_are_rows() {
        let rect = json!({ "x": 1.0, "y": 2.0, "width": 30.0, "height": 40.0 });
        let corners = json!([[1.0, 1.0], [9.0, 1.0], [5.0, 8.0]]);
        let rows = rows(json!([
            { "type": "finding", "code": "nodule", "decision": "change", "set": "absent" },
            { "type": "region_add", "code": "mass", "image": 0, "rect": rect },
            { "type": "region_add", "code": "mass", "image": 0, "polygon": corners },
            { "type": "region_change", "region": "pneumonia/0", "rect": rect },
            { "type": "region_remove", "region": "nodule/0" },
            { "type": "measurement_add", "image": 0, "name": "w", "line": [[0, 0], [3, 4]], "value": 5.0, "unit": "pixel" },
            { "type": "sentence", "index": 0, "text": "Mine." },
            { "type": "sentence_add", "section": "impression", "text": "New." },
            { "type": "note", "text": "Ask." },
        ]));
        let kinds: Vec<&str> = rows.iter().map(|r| r["kind"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            [
                "finding",
                "box",
                "box",
                "box",
                "polygon",
                "measurement",
                "sentence",
                "sentence",
                "note"
            ]
        );
        let reading = reading();
        for row in &rows {
            assert_eq!(
                (&row["study_uid"], &row["signed"], &row["by"]),
                (&json!("1.2"), &json!(true), &json!("a"))
            );
            let in_image = ["finding", "box", "polygon", "measurement"].map(Value::from);
            let sha256 = reading.images[0].sha256.as_str();
            let expected = in_image.contains(&row["kind"]).then_some(sha256);
            assert_eq!(row["image"], json!(expected), "{row}");
            assert_eq!(row["image_width"].is_number(), expected.is_some());
        }
        let find = |field: &str, value: &str| {
            let mut all = rows.iter();
            all.find(|r| r[field] == value).unwrap().clone()
        };
        let moved = find("region", "pneumonia/0");
        assert_eq!(
            (&moved["action"], &moved["rect"]),
            (&json!("changed"), &rect)
        );
        let model = reading.findings.iter().find(|f| f.code == "pneumonia");
        assert_eq!(moved["model_rect"]["x"], model.unwrap().regions[0].rect.x);
        assert_eq!(find("region", "nodule/0")["action"], "removed");
        assert_eq!(find("region", "reader/2")["action"], "added");
        assert_eq!(find("kind", "polygon")["points"], corners);
        assert_eq!(find("kind", "finding")["label"], 0);
        let rewritten = find("text", "Mine.");
        let words = reading.report.sentences[0].text.as_str();
        assert_eq!(rewritten["model_text"], words);
        assert_eq!(find("text", "New.")["action"], "added");
    }

    #[test]
    fn what_was_taken_back_is_no_row() {
        let rect = json!({ "x": 1.0, "y": 2.0, "width": 30.0, "height": 40.0 });
        let rows = rows(json!([
            { "type": "region_add", "code": "mass", "image": 0, "rect": rect },
            { "type": "undo", "edit": 1 },
            { "type": "region_remove", "region": "nodule/0" },
            { "type": "undo", "edit": 3 },
            { "type": "sentence", "index": 0, "text": "Mine." },
            { "type": "undo", "edit": 5 },
            { "type": "sentence_add", "section": "findings", "text": "One." },
            { "type": "undo", "edit": 7 },
            { "type": "sentence_add", "section": "findings", "text": "Two." },
        ]));
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (&rows[0]["text"], &rows[0]["action"]),
            (&json!("Two."), &json!("added"))
        );
    }
}
