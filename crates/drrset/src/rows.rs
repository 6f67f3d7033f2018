//! Rows of the manifest and of its boxes, in the columns that [`hilum_data::manifest`] reads.

use serde::{Deserialize, Serialize};

/// One picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The picture, relative to the set.
    pub path: String,
    /// Name of the set.
    pub set: String,
    /// train, val or test, by patient.
    pub split: String,
    /// Patient.
    pub patient_id: String,
    /// AP, PA, L, or empty for another angle.
    pub view: String,
    /// Labels joined with `|`.
    pub labels: String,
    /// Where they come from.
    pub label_source: String,
    /// `name=path` joined with `;`.
    pub mask_path: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// As `width`: nothing was resized.
    pub orig_width: usize,
    /// As `height`.
    pub orig_height: usize,
    /// As the reports say.
    pub sex: String,
    /// As the reports say.
    pub age: String,
    /// What made it.
    pub source: String,
    /// The CT.
    pub original_filename: String,
    /// The licence of the CT.
    pub licence: String,
    /// Of the picture's file.
    pub sha256: String,
    /// `key=value` joined with `;`.
    pub notes: String,
}

/// One box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxRow {
    /// The picture.
    pub path: String,
    /// As the picture's.
    pub split: String,
    /// What is in it.
    pub label: String,
    /// Left edge in pixels.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// Where it comes from.
    pub box_source: String,
}

/// The 18 labels of one CT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRow {
    /// The CT's name.
    pub ct: String,
    /// Its values; see [`crate::classes`].
    pub values: Vec<Option<i8>>,
}

/// A sentence of a report with the anatomy that it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhraseRow {
    /// The picture.
    pub path: String,
    /// The words.
    pub phrase: String,
    /// The places that were recognised.
    pub places: Vec<String>,
    /// Names of the masks whose union is meant, thirds of a lung as `name:upper`.
    pub structures: Vec<String>,
    /// Left, top, width and height of the box around them; null when no mask shows them.
    #[serde(rename = "box")]
    pub bounds: Option<[f64; 4]>,
}
