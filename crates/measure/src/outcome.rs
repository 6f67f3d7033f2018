//! What came of one index.

use crate::decision::Decision;
use crate::error::Refusal;
use crate::index::Index;
use crate::structure::Structure;
use hilum_core::{Line, Point, Spacing, SpacingKind};
use serde::Serialize;

/// A point with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedPoint {
    /// E.g. `carina`.
    pub name: String,
    /// Where, in pixels of the image.
    #[serde(flatten)]
    pub at: Point,
}

/// A line with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MarkedLine {
    /// E.g. `heart_width`.
    pub name: String,
    /// Where, in pixels of the image.
    #[serde(flatten)]
    pub line: Line,
}

/// A number beside the value, with its unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantity {
    /// E.g. `heart_width`.
    pub name: String,
    /// The number.
    pub value: f64,
    /// `px`, `mm`, `mm_detector`, `ratio`, `degrees`, `count` or `share`.
    pub unit: &'static str,
}

/// One index of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Which.
    pub index: Index,
    /// The value; null with a reason when it could not be taken.
    pub value: Option<f64>,
    /// Unit of the value.
    pub unit: &'static str,
    /// The label by the threshold; null with a reason.
    pub label: Option<&'static str>,
    /// The labels that count as right: both inside the tolerance band.
    pub accepted: Vec<&'static str>,
    /// True inside the tolerance band.
    pub in_band: bool,
    /// Numbers that the value was made of.
    pub quantities: Vec<Quantity>,
    /// Named points.
    pub points: Vec<NamedPoint>,
    /// Named lines.
    pub lines: Vec<MarkedLine>,
    /// Structures that were used.
    pub structures: Vec<Structure>,
    /// Why value or label is null.
    pub reason: Option<String>,
    /// What to know about it.
    pub notes: Vec<String>,
}

impl Outcome {
    /// An index that was not taken.
    pub fn refused(index: Index, why: &Refusal) -> Self {
        Outcome {
            reason: Some(why.to_string()),
            ..Outcome::empty(index)
        }
    }

    fn empty(index: Index) -> Self {
        Outcome {
            index,
            value: None,
            unit: index.unit(),
            label: None,
            accepted: Vec::new(),
            in_band: false,
            quantities: Vec::new(),
            points: Vec::new(),
            lines: Vec::new(),
            structures: Vec::new(),
            reason: None,
            notes: Vec::new(),
        }
    }

    /// A number beside the value.
    pub fn quantity(&self, name: &str) -> Option<f64> {
        self.quantities
            .iter()
            .find(|q| q.name == name)
            .map(|q| q.value)
    }

    /// Whether the label is the positive one.
    pub fn positive(&self) -> Option<bool> {
        self.label.map(|l| l == self.index.labels()[1])
    }

    /// Adds millimetres beside the widths in pixels, named for where they hold.
    pub fn add_millimetres(&mut self, spacing: &Spacing) {
        let unit = match spacing.kind {
            SpacingKind::Imager => "mm_detector",
            SpacingKind::Pixel | SpacingKind::Calibrated => "mm",
        };
        let widths: Vec<Quantity> = self
            .quantities
            .iter()
            .filter(|q| q.unit == "px")
            .cloned()
            .collect();
        for q in widths {
            self.quantities.push(Quantity {
                name: q.name,
                value: q.value * spacing.column_mm,
                unit,
            });
        }
        if !self.quantities.iter().any(|q| q.unit == unit) {
            return;
        }
        self.notes.push(
            match spacing.kind {
                SpacingKind::Imager => "millimetres at the detector; the body is magnified",
                SpacingKind::Pixel => {
                    "millimetres by a pixel spacing whose calibration the file does not state"
                }
                SpacingKind::Calibrated => {
                    "millimetres by a spacing that the file calls calibrated"
                }
            }
            .to_owned(),
        );
    }
}

/// An outcome under way.
pub(crate) struct Draft(Outcome);

impl Draft {
    pub(crate) fn new(index: Index, value: f64) -> Self {
        Draft(Outcome {
            value: Some(value),
            ..Outcome::empty(index)
        })
    }

    pub(crate) fn used(mut self, structures: &[Structure]) -> Self {
        self.0.structures.extend_from_slice(structures);
        self
    }

    pub(crate) fn point(mut self, name: &str, at: Point) -> Self {
        self.0.points.push(NamedPoint {
            name: name.to_owned(),
            at,
        });
        self
    }

    pub(crate) fn line(mut self, name: &str, line: Line) -> Self {
        self.0.lines.push(MarkedLine {
            name: name.to_owned(),
            line,
        });
        self
    }

    /// A line whose length, in pixels along the row, is a quantity of the same name.
    pub(crate) fn width(self, name: &str, line: Line) -> Self {
        let length = line.length();
        self.line(name, line).quantity(name, length, "px")
    }

    pub(crate) fn quantity(mut self, name: &str, value: f64, unit: &'static str) -> Self {
        self.0.quantities.push(Quantity {
            name: name.to_owned(),
            value,
            unit,
        });
        self
    }

    pub(crate) fn note(mut self, text: &str) -> Self {
        self.0.notes.push(text.to_owned());
        self
    }

    pub(crate) fn decided(mut self, decision: Decision) -> Outcome {
        let labels = self.0.index.labels();
        self.0.label = decision.positive.map(|p| labels[usize::from(p)]);
        self.0.in_band = decision.in_band();
        self.0.accepted = (0..2)
            .filter(|&k| decision.accepts[k])
            .map(|k| labels[k])
            .collect();
        self.0.reason = decision.why.map(str::to_owned);
        self.0
    }
}
