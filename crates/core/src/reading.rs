//! The reading: what Hilum says about one study. Its JSON form is published as a schema in `docs/`.

use crate::{
    explanation::Similar,
    finding::Finding,
    measurement::Measurement,
    provenance::Provenance,
    report::Report,
    study::{AgeGroup, Laterality, Spacing, StudyInfo, View},
};
use serde::{Deserialize, Serialize};

/// Mask files of one image, relative to the output folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    /// Both lungs, 0 or 255, size of the stored image.
    pub lungs: Option<String>,
    /// Heart, 0 or 255, size of the stored image.
    pub heart: Option<String>,
}

/// One image of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Path as given.
    pub path: String,
    /// SHA-256 of the file's bytes.
    pub sha256: String,
    /// Stored width in pixels.
    pub width: u32,
    /// Stored height in pixels.
    pub height: u32,
    /// Projection, from the file or else from the gate.
    pub view: View,
    /// `file`, `model` or `unknown`: where the view came from.
    pub view_source: String,
    /// Side, when the file tells.
    pub laterality: Option<Laterality>,
    /// Spacing, when the file tells.
    pub spacing: Option<Spacing>,
    /// Whether the pixels were inverted before analysis because the gate found them inverted.
    pub inverted: bool,
    /// Child or adult, from the file's age or else from the gate; null when neither tells.
    pub age_group: Option<AgeGroup>,
    /// Mask files, when they were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<Masks>,
}

/// One thing the gate noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReason {
    /// Snake-case code, e.g. `not_chest_xray`, `lateral`, `inverted`, `cropped`, `out_of_distribution`.
    pub code: String,
    /// In words.
    pub message: String,
    /// Whether it stops the analysis.
    pub blocking: bool,
    /// Image it is about.
    pub image: usize,
    /// Score behind it, when there is one.
    pub score: Option<f64>,
}

/// May this study be analysed?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// True when at least one image passed.
    pub analysable: bool,
    /// What was noticed.
    pub reasons: Vec<GateReason>,
}

/// What Hilum says about one study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which study.
    pub study: StudyInfo,
    /// Its images.
    pub images: Vec<ImageRecord>,
    /// The gate's answer.
    pub gate: Gate,
    /// All findings of the taxonomy's reporting list, assessed or not.
    pub findings: Vec<Finding>,
    /// Measurements.
    pub measurements: Vec<Measurement>,
    /// Known cases that look like it, when an index was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub similar: Vec<Similar>,
    /// The draft.
    pub report: Report,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadError {
    /// Snake-case kind, e.g. `truncated`, `not_an_image`, `no_pixel_data`, `too_large`, `io`.
    pub kind: String,
    /// In words.
    pub message: String,
}

/// The line that stands for a file that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedPath {
    /// Path as given.
    pub path: String,
    /// Why.
    pub error: ReadError,
}
