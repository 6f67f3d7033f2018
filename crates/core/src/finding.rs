//! A finding as a model saw it, with every kind of confidence kept apart.

use crate::explanation::{Explanation, Uncertainty};
use crate::geometry::{Point, Rect};
use serde::{Deserialize, Serialize};

/// Whether a finding was looked for by a model that was shown to detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// A model with measured performance gave the numbers beside it.
    Assessed,
    /// No shipped model was shown to detect it, or the image does not fit the model. Never "absent".
    NotAssessed,
}

/// The threshold in use and what it was measured to do on the validation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Threshold on the calibrated probability; positive means `probability >= threshold`.
    pub threshold: f64,
    /// How it was chosen, e.g. `youden on val`.
    pub rule: String,
    /// Sensitivity at the threshold on the validation split.
    pub sensitivity: Option<f64>,
    /// Specificity at the threshold on the validation split.
    pub specificity: Option<f64>,
    /// Whether this image is at or above the threshold.
    pub positive: bool,
}

/// The conformal answer for a binary finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionSet {
    /// Only "present" conforms.
    Present,
    /// Only "absent" conforms.
    Absent,
    /// Both or neither conform.
    Undecided,
}

/// How a region came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionKind {
    /// Box around the strong part of a class activation map.
    ActivationBox,
    /// Box given by a detector.
    DetectorBox,
    /// Outline of a segmented structure.
    Outline,
    /// Drawn by a person.
    Drawn,
}

/// A place in one image of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Stable id inside the reading, e.g. `pneumonia/0`; evidence points at it.
    pub id: String,
    /// Index into `images`.
    pub image: usize,
    /// How it came about.
    pub kind: RegionKind,
    /// Box in pixels of the stored image.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Strength between 0 and 1 in the map or detector that made it.
    pub score: f64,
    /// Outline when there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outline: Vec<Point>,
    /// Anatomical place in words, e.g. `right lower zone`, when masks allow it.
    pub place: Option<String>,
}

/// One finding of the taxonomy in one reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Taxonomy name in snake case.
    pub code: String,
    /// Name to show.
    pub name: String,
    /// Assessed or not.
    pub status: FindingStatus,
    /// Why it was not assessed; null when it was.
    pub reason: Option<String>,
    /// Raw network output before any calibration.
    pub logit: Option<f64>,
    /// Calibrated probability.
    pub probability: Option<f64>,
    /// Threshold and its measured performance.
    pub operating_point: Option<OperatingPoint>,
    /// Conformal answer.
    pub set: Option<PredictionSet>,
    /// Name of the model that answered.
    pub model: Option<String>,
    /// Where.
    pub regions: Vec<Region>,
    /// How sure, beyond probability and set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// Attribution maps, when they were asked for and the finding is worth explaining.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanations: Vec<Explanation>,
}

impl Finding {
    /// A finding that nobody looked for, with the reason.
    pub fn not_assessed(code: &str, name: &str, reason: impl Into<String>) -> Self {
        Finding {
            code: code.to_owned(),
            name: name.to_owned(),
            status: FindingStatus::NotAssessed,
            reason: Some(reason.into()),
            logit: None,
            probability: None,
            operating_point: None,
            set: None,
            model: None,
            regions: Vec::new(),
            uncertainty: None,
            explanations: Vec::new(),
        }
    }
}
