//! Measurements with honest units.

use crate::geometry::Line;
use serde::{Deserialize, Serialize};

/// Name of the cardiothoracic ratio: largest heart width over largest inner thoracic width.
pub const CARDIOTHORACIC_RATIO: &str = "cardiothoracic_ratio";
/// Name of the share of both lungs covered by opacity; the zones' names start with it
/// (see [`crate::LungZone::opacity_extent`]).
pub const OPACITY_EXTENT: &str = "opacity_extent";

/// Unit of a measurement. Millimetres exist only where a spacing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A ratio of two lengths or areas.
    Ratio,
    /// Pixels of the stored image.
    Pixel,
    /// Millimetres at the detector plane (imager spacing).
    MmDetector,
    /// Millimetres by a pixel spacing of unstated calibration.
    Mm,
    /// Share of an area in percent.
    Percent,
}

/// An interval and the level it is meant to hold at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Nominal coverage, e.g. 0.9.
    pub level: f64,
}

/// A line that shows how a measurement was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedLine {
    /// E.g. `heart_width`.
    pub name: String,
    /// Index into `images`.
    pub image: usize,
    /// The line in pixels of the stored image.
    #[serde(flatten)]
    pub line: Line,
}

/// A number read off the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Snake-case name, e.g. `cardiothoracic_ratio`.
    pub name: String,
    /// The value; null with a reason when it could not be taken.
    pub value: Option<f64>,
    /// Unit of value and interval.
    pub unit: Unit,
    /// Interval from the measured error of the method, when it was measured.
    pub interval: Option<Interval>,
    /// The lines it was read from.
    pub lines: Vec<NamedLine>,
    /// Why the value is null, or a caution about it.
    pub note: Option<String>,
}
