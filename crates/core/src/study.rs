//! What is known of a study and of how its images were taken.

use serde::{Deserialize, Serialize};

/// Identity of a study as far as the files tell it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StudyInfo {
    /// Study Instance UID, or an id made from the file's content when there is none.
    pub id: String,
    /// Patient id, if the file carries one.
    pub patient: Option<String>,
    /// Study date as `YYYY-MM-DD`, if the file carries a valid one.
    pub date: Option<String>,
}

/// The projection of a radiograph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Postero-anterior.
    Pa,
    /// Antero-posterior.
    Ap,
    /// Frontal, direction unknown.
    Frontal,
    /// Left or right lateral.
    Lateral,
    /// Oblique or another named projection.
    Other,
    /// The file does not tell and no model was asked.
    #[default]
    Unknown,
}

impl View {
    /// True for PA, AP and frontal of unknown direction.
    pub fn is_frontal(self) -> bool {
        matches!(self, View::Pa | View::Ap | View::Frontal)
    }
}

/// Side of a paired body part, as in DICOM Image Laterality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Laterality {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Both sides.
    Both,
    /// The part is not paired.
    Unpaired,
}

/// Patient sex as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Recorded as other.
    Other,
}

/// Child or adult.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeGroup {
    /// Under 18 years.
    Paediatric,
    /// 18 years and older.
    Adult,
}

/// Which distance a pixel spacing was measured at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpacingKind {
    /// DICOM Pixel Spacing without a stated calibration.
    Pixel,
    /// DICOM Imager Pixel Spacing: at the detector, so lengths in the body are magnified.
    Imager,
    /// Pixel Spacing with Pixel Spacing Calibration Type: corrected to the body.
    Calibrated,
}

/// Millimetres per pixel and where they hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spacing {
    /// Millimetres between rows (vertical).
    pub row_mm: f64,
    /// Millimetres between columns (horizontal).
    pub column_mm: f64,
    /// What the numbers refer to.
    pub kind: SpacingKind,
}
