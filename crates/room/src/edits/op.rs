//! One edit.

use hilum_core::{Point, PredictionSet, Section};
use serde::{Deserialize, Serialize};

/// Units of a measurement.
pub const UNITS: [&str; 5] = ["ratio", "pixel", "mm_detector", "mm", "percent"];

/// What a reader says about the model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The model is right.
    Accept,
    /// The model is wrong: present becomes absent, absent present; undecided stays so.
    Reject,
    /// The answer is the one that the edit gives.
    Change,
}

/// A box in pixels of the stored image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Place {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A box or a closed polygon, one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shape {
    /// Box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<Place>,
    /// Corners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polygon: Option<Vec<[f64; 2]>>,
}

impl Shape {
    /// The smallest box around it.
    pub fn bounds(&self) -> Option<Place> {
        if let Some(rect) = self.rect {
            return Some(rect);
        }
        let points = self.polygon.as_ref().filter(|p| !p.is_empty())?;
        let axis = |k: usize| {
            let low = points.iter().map(|p| p[k]).fold(f64::INFINITY, f64::min);
            let high = points
                .iter()
                .map(|p| p[k])
                .fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let ((x0, x1), (y0, y1)) = (axis(0), axis(1));
        Some(Place {
            x: x0,
            y: y0,
            width: x1 - x0,
            height: y1 - y0,
        })
    }

    /// Corners of the polygon; empty for a box.
    pub fn outline(&self) -> Vec<Point> {
        let points = self.polygon.iter().flatten();
        points.map(|p| Point { x: p[0], y: p[1] }).collect()
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Accept, reject or change the answer to a finding.
    Finding {
        /// Taxonomy code.
        code: String,
        /// What is said about the model's answer.
        decision: Decision,
        /// The answer, for `change`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        set: Option<PredictionSet>,
    },
    /// Draw a region.
    RegionAdd {
        /// Finding that it shows.
        code: String,
        /// Image.
        image: usize,
        /// Box.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rect: Option<Place>,
        /// Polygon.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        polygon: Option<Vec<[f64; 2]>>,
    },
    /// Take a region away.
    RegionRemove {
        /// Its id.
        region: String,
    },
    /// Move or redraw a region.
    RegionChange {
        /// Its id.
        region: String,
        /// Box.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rect: Option<Place>,
        /// Polygon.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        polygon: Option<Vec<[f64; 2]>>,
    },
    /// Rewrite a sentence.
    Sentence {
        /// Its index.
        index: usize,
        /// Its new words.
        text: String,
    },
    /// Add a sentence.
    SentenceAdd {
        /// Where.
        #[schema(value_type = String)]
        section: Section,
        /// Its words.
        text: String,
    },
    /// Take a sentence away.
    SentenceRemove {
        /// Its index.
        index: usize,
    },
    /// Add a measurement.
    MeasurementAdd {
        /// Image.
        image: usize,
        /// Name.
        name: String,
        /// Line that it was read from.
        line: [[f64; 2]; 2],
        /// Value.
        value: f64,
        /// One of `ratio`, `pixel`, `mm_detector`, `mm`, `percent`.
        unit: String,
    },
    /// Add a note.
    Note {
        /// Its words.
        text: String,
    },
    /// Take an edit back; taking back an `undo` brings the edit back.
    Undo {
        /// Id of the edit.
        edit: i64,
    },
}

/// What two edits must not both touch without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// The answer to a finding.
    Finding(String),
    /// A region.
    Region(String),
    /// A sentence.
    Sentence(usize),
    /// An edit that adds something, by its id.
    Added(i64),
    /// Something new: nobody else can have touched it.
    New,
}

impl Target {
    /// As text for the database; empty for [`Target::New`].
    pub fn text(&self) -> String {
        match self {
            Target::Finding(code) => format!("finding:{code}"),
            Target::Region(id) => format!("region:{id}"),
            Target::Sentence(index) => format!("sentence:{index}"),
            Target::Added(id) => format!("edit:{id}"),
            Target::New => String::new(),
        }
    }
}

impl Op {
    /// What it touches; `undone` gives the target of an edit by its id, for `undo`.
    pub fn target(&self, undone: impl Fn(i64) -> Option<String>) -> String {
        let target = match self {
            Op::Finding { code, .. } => Target::Finding(code.clone()),
            Op::RegionRemove { region } | Op::RegionChange { region, .. } => {
                Target::Region(region.clone())
            }
            Op::Sentence { index, .. } | Op::SentenceRemove { index } => Target::Sentence(*index),
            Op::Undo { edit } => {
                return undone(*edit)
                    .filter(|t| !t.is_empty())
                    .unwrap_or_else(|| Target::Added(*edit).text());
            }
            Op::RegionAdd { .. }
            | Op::SentenceAdd { .. }
            | Op::MeasurementAdd { .. }
            | Op::Note { .. } => Target::New,
        };
        target.text()
    }

    /// Short name, for the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Finding { .. } => "finding",
            Op::RegionAdd { .. } => "region_add",
            Op::RegionRemove { .. } => "region_remove",
            Op::RegionChange { .. } => "region_change",
            Op::Sentence { .. } => "sentence",
            Op::SentenceAdd { .. } => "sentence_add",
            Op::SentenceRemove { .. } => "sentence_remove",
            Op::MeasurementAdd { .. } => "measurement_add",
            Op::Note { .. } => "note",
            Op::Undo { .. } => "undo",
        }
    }
}

/// What the model said where the edit was made: when the study is read again and says something else there, the edit
/// does not fit any more and is kept aside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The model's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<PredictionSet>,
    /// The model's probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The model's log odds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit: Option<f64>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// The model's box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<Place>,
    /// Sentences that the model wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<usize>,
}

/// An edit that was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Edit {
    /// Number of the edit within its study.
    pub id: i64,
    /// Revision of the study that it made; the same number.
    pub revision: i64,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// What.
    pub op: Op,
    /// The edit that took it back.
    pub undone_by: Option<i64>,
    /// What it touches.
    #[serde(skip)]
    pub target: String,
    /// What the model said there.
    #[serde(skip)]
    pub context: Context,
}
