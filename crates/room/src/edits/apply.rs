//! A reading with edits applied, as a pure function of both.

use super::op::{Context, Decision, Edit, Op, Place, Shape};
use hilum_core::{Evidence, Finding, PredictionSet, Reading, RegionKind, Section};
use serde::Serialize;
use std::collections::BTreeMap;

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The model.
    Model,
    /// A person.
    Reader,
}

/// A finding as the model and the reader see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Decided {
    /// Taxonomy code.
    pub code: String,
    /// Name to show.
    pub name: String,
    /// The model's conformal answer; null when the model gave none.
    #[schema(value_type = Option<String>)]
    pub model_set: Option<PredictionSet>,
    /// The model's calibrated probability.
    pub model_probability: Option<f64>,
    /// The answer that stands now.
    #[schema(value_type = Option<String>)]
    pub set: Option<PredictionSet>,
    /// What the reader said about the model's answer.
    pub decision: Option<Decision>,
    /// Which reader.
    pub by: Option<String>,
}

/// A region of either.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EditedRegion {
    /// Id; `reader/N` for one that edit N drew.
    pub id: String,
    /// Finding.
    pub code: String,
    /// Image.
    pub image: usize,
    /// Box or polygon that stands now.
    #[serde(flatten)]
    pub shape: Shape,
    /// The model's box, where a reader changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_rect: Option<Place>,
    /// Anatomical place in words, of a model's region that nobody changed.
    pub place: Option<String>,
    /// Strength in the map or detector, likewise.
    pub score: Option<f64>,
    /// How it came about.
    #[schema(value_type = String)]
    pub kind: RegionKind,
    /// Who drew it first.
    pub source: Source,
    /// Who drew or changed or removed it last.
    pub by: Option<String>,
    /// Whether it was taken away.
    pub removed: bool,
}

/// A sentence of either.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EditedSentence {
    /// Index; those of readers follow those of the model.
    pub index: usize,
    /// Where it stands.
    #[schema(value_type = String)]
    pub section: Section,
    /// The words that stand now.
    pub text: String,
    /// The model's words; null for a reader's sentence.
    pub model_text: Option<String>,
    /// What the model's sentence rests on.
    #[schema(value_type = Vec<Object>)]
    pub evidence: Vec<Evidence>,
    /// Who wrote it first.
    pub source: Source,
    /// Who wrote, rewrote or removed it last.
    pub by: Option<String>,
    /// Whether it was taken away.
    pub removed: bool,
}

/// A reader's measurement.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EditedMeasurement {
    /// The edit that added it.
    pub id: i64,
    /// Image.
    pub image: usize,
    /// Name.
    pub name: String,
    /// Line.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub line: [[f64; 2]; 2],
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// Who.
    pub by: String,
    /// Always a reader: those of the model are in the reading.
    pub source: Source,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Note {
    /// The edit that added it.
    pub id: i64,
    /// Words.
    pub text: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
}

/// The model's reading with the edits applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Edited {
    /// Findings.
    pub findings: Vec<Decided>,
    /// Regions.
    pub regions: Vec<EditedRegion>,
    /// Sentences.
    pub sentences: Vec<EditedSentence>,
    /// Measurements that readers added.
    pub measurements: Vec<EditedMeasurement>,
    /// Notes.
    pub notes: Vec<Note>,
    /// Edits that do not fit the reading of now, since the study was read again: kept, not applied.
    pub stale: Vec<i64>,
}

/// Which edits stand: an edit is out when an `undo` that stands takes it back. Gives for each edit the one that took it back.
pub fn active(edits: &[Edit]) -> BTreeMap<i64, Option<i64>> {
    let mut state: BTreeMap<i64, Option<i64>> = edits.iter().map(|e| (e.id, None)).collect();
    // From the last on: whether an undo stands is known before what it takes back.
    for edit in edits.iter().rev() {
        if let Op::Undo { edit: target } = edit.op
            && target < edit.id
            && state.get(&edit.id) == Some(&None)
            && let Some(entry) = state.get_mut(&target)
            && entry.is_none()
        {
            *entry = Some(edit.id);
        }
    }
    state
}

impl Edited {
    /// Applies edits, in the order of their ids.
    pub fn of(reading: &Reading, edits: &[Edit]) -> Self {
        let mut edited = Edited::untouched(reading);
        let state = active(edits);
        for edit in edits {
            let stands = state.get(&edit.id) == Some(&None);
            if !edited.fits(edit, reading) {
                edited.stale.push(edit.id);
                continue;
            }
            edited.take(edit, stands);
        }
        edited
    }

    /// What the model said.
    fn untouched(reading: &Reading) -> Self {
        Edited {
            findings: reading.findings.iter().map(decided).collect(),
            regions: reading.findings.iter().flat_map(regions).collect(),
            sentences: sentences(reading),
            ..Edited::default()
        }
    }

    /// Whether the model said the same where the edit was made as it does now.
    fn fits(&self, edit: &Edit, reading: &Reading) -> bool {
        let was = &edit.context;
        match &edit.op {
            Op::Sentence { index, .. } | Op::SentenceRemove { index } => {
                let model = reading.report.sentences.get(*index);
                let same_length = was
                    .sentences
                    .is_none_or(|n| n == reading.report.sentences.len());
                let same = model.map(|s| s.text.as_str()) == was.sentence.as_deref();
                same && (model.is_some() || same_length) && self.sentences.len() > *index
            }
            Op::RegionRemove { region } | Op::RegionChange { region, .. } => {
                self.regions.iter().any(|r| {
                    let first = r.model_rect.or(r.shape.rect);
                    r.id == *region && (was.rect.is_none() || first == was.rect)
                })
            }
            Op::RegionAdd { image, .. } | Op::MeasurementAdd { image, .. } => {
                *image < reading.images.len()
            }
            _ => true,
        }
    }

    fn take(&mut self, edit: &Edit, stands: bool) {
        match &edit.op {
            Op::Finding {
                code,
                decision,
                set,
            } if stands => self.decide(code, (*decision, *set), edit),
            Op::RegionAdd {
                code,
                image,
                rect,
                polygon,
            } => self.regions.push(EditedRegion {
                id: format!("reader/{}", edit.id),
                code: code.clone(),
                image: *image,
                shape: Shape {
                    rect: *rect,
                    polygon: polygon.clone(),
                },
                model_rect: None,
                place: None,
                score: None,
                kind: RegionKind::Drawn,
                source: Source::Reader,
                by: Some(edit.by.clone()),
                removed: !stands,
            }),
            Op::RegionRemove { region } if stands => {
                if let Some(found) = self.region(region) {
                    found.removed = true;
                    found.by = Some(edit.by.clone());
                }
            }
            Op::RegionChange {
                region,
                rect,
                polygon,
            } if stands => {
                if let Some(found) = self.region(region) {
                    if found.source == Source::Model && found.model_rect.is_none() {
                        found.model_rect = found.shape.rect;
                    }
                    found.shape = Shape {
                        rect: *rect,
                        polygon: polygon.clone(),
                    };
                    (found.place, found.score) = (None, None);
                    found.kind = RegionKind::Drawn;
                    found.by = Some(edit.by.clone());
                }
            }
            Op::Sentence { index, text } if stands => {
                if let Some(found) = self.sentences.get_mut(*index) {
                    found.text.clone_from(text);
                    found.by = Some(edit.by.clone());
                }
            }
            // One that was taken back keeps its place, so that indices of later ones stay what they are.
            Op::SentenceAdd { section, text } => self.sentences.push(EditedSentence {
                index: self.sentences.len(),
                section: *section,
                text: text.clone(),
                model_text: None,
                evidence: Vec::new(),
                source: Source::Reader,
                by: Some(edit.by.clone()),
                removed: !stands,
            }),
            Op::SentenceRemove { index } if stands => {
                if let Some(found) = self.sentences.get_mut(*index) {
                    found.removed = true;
                    found.by = Some(edit.by.clone());
                }
            }
            Op::MeasurementAdd {
                image,
                name,
                line,
                value,
                unit,
            } if stands => self.measurements.push(EditedMeasurement {
                id: edit.id,
                image: *image,
                name: name.clone(),
                line: *line,
                value: *value,
                unit: unit.clone(),
                by: edit.by.clone(),
                source: Source::Reader,
            }),
            Op::Note { text } if stands => self.notes.push(Note {
                id: edit.id,
                text: text.clone(),
                by: edit.by.clone(),
                at: edit.at.clone(),
            }),
            _ => {}
        }
    }

    fn region(&mut self, id: &str) -> Option<&mut EditedRegion> {
        self.regions.iter_mut().find(|r| r.id == id)
    }

    fn decide(&mut self, code: &str, said: (Decision, Option<PredictionSet>), edit: &Edit) {
        let at = match self.findings.iter().position(|f| f.code == code) {
            Some(at) => at,
            None => {
                // A finding of the taxonomy that readings do not list.
                let name = hilum_core::taxonomy::by_code(code).map_or(code, |t| t.name);
                self.findings.push(Decided {
                    code: code.to_owned(),
                    name: name.to_owned(),
                    model_set: None,
                    model_probability: None,
                    set: None,
                    decision: None,
                    by: None,
                });
                self.findings.len() - 1
            }
        };
        let finding = &mut self.findings[at];
        // Accepting and rejecting are about the answer that the reader saw. A model that says something else by now is not meant: what
        // the reader said of the patient stays, and stands as a change of the new answer.
        let seen = edit.context.set.or(finding.model_set);
        let (decision, set) = match said {
            (Decision::Accept, _) => (Decision::Accept, seen),
            (Decision::Reject, _) => (Decision::Reject, seen.map(opposite)),
            change => change,
        };
        finding.set = set;
        finding.decision = Some(match seen == finding.model_set {
            true => decision,
            false => Decision::Change,
        });
        finding.by = Some(edit.by.clone());
    }

    /// What the model said where an edit is about to be made.
    pub fn context(&self, op: &Op, reading: &Reading) -> Context {
        let mut context = Context::default();
        match op {
            Op::Finding { code, .. } => {
                if let Some(f) = reading.findings.iter().find(|f| f.code == *code) {
                    context.set = f.set;
                    context.probability = f.probability;
                    context.logit = f.logit;
                    context.model.clone_from(&f.model);
                }
            }
            Op::Sentence { index, .. } | Op::SentenceRemove { index } => {
                let model = reading.report.sentences.get(*index);
                context.sentence = model.map(|s| s.text.clone());
                context.sentences = Some(reading.report.sentences.len());
            }
            Op::RegionRemove { region } | Op::RegionChange { region, .. } => {
                let found = self.regions.iter().find(|r| r.id == *region);
                context.rect = found
                    .filter(|r| r.source == Source::Model)
                    .and_then(|r| r.model_rect.or(r.shape.rect));
            }
            _ => {}
        }
        context
    }
}

fn opposite(set: PredictionSet) -> PredictionSet {
    match set {
        PredictionSet::Present => PredictionSet::Absent,
        PredictionSet::Absent => PredictionSet::Present,
        PredictionSet::Undecided => PredictionSet::Undecided,
    }
}

fn decided(finding: &Finding) -> Decided {
    Decided {
        code: finding.code.clone(),
        name: finding.name.clone(),
        model_set: finding.set,
        model_probability: finding.probability,
        set: finding.set,
        decision: None,
        by: None,
    }
}

fn regions(finding: &Finding) -> impl Iterator<Item = EditedRegion> + '_ {
    finding.regions.iter().map(|r| EditedRegion {
        id: r.id.clone(),
        code: finding.code.clone(),
        image: r.image,
        shape: Shape {
            rect: Some(Place {
                x: r.rect.x,
                y: r.rect.y,
                width: r.rect.w,
                height: r.rect.h,
            }),
            polygon: None,
        },
        model_rect: None,
        place: r.place.clone(),
        score: Some(r.score),
        kind: r.kind,
        source: Source::Model,
        by: None,
        removed: false,
    })
}

fn sentences(reading: &Reading) -> Vec<EditedSentence> {
    let of = reading.report.sentences.iter().enumerate();
    of.map(|(index, s)| EditedSentence {
        index,
        section: s.section,
        text: s.text.clone(),
        model_text: Some(s.text.clone()),
        evidence: s.evidence.clone(),
        source: Source::Model,
        by: None,
        removed: false,
    })
    .collect()
}
