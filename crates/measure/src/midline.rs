//! The patient's midline: a straight line through the spine.

use crate::error::Refusal;
use crate::masks::MaskSet;
use crate::rows::{fit, span};
use crate::structure::Structure;
use hilum_core::{Line, Point};
use hilum_image::Mask;
use std::ops::RangeInclusive;

/// Share of the rows that must show the spine.
const LEAST_ROWS: f64 = 0.3;
/// Largest mean distance of row centres to the line, of the image's width.
const LARGEST_SCATTER: f64 = 0.03;

/// `x = slope y + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Midline {
    slope: f64,
    offset: f64,
    pub(crate) structure: Structure,
}

impl Midline {
    /// Through the row centres of the spinous processes or, without them, of the spine, between two rows.
    pub(crate) fn of(set: &MaskSet, rows: RangeInclusive<usize>) -> Result<Self, Refusal> {
        let structure = if set.given(Structure::SpinousProcesses).is_some() {
            Structure::SpinousProcesses
        } else {
            Structure::Spine
        };
        Self::through(set.get(structure)?, structure, rows)
    }

    fn through(
        mask: &Mask,
        structure: Structure,
        rows: RangeInclusive<usize>,
    ) -> Result<Self, Refusal> {
        let asked = rows.clone().count() as f64;
        let centres: Vec<(f64, f64)> = rows
            .filter_map(|y| Some((y as f64 + 0.5, span(mask, y)?.middle())))
            .collect();
        if (centres.len() as f64) < LEAST_ROWS * asked {
            return Err(Refusal::Misplaced(
                "the spine is not outlined at the height that is measured",
            ));
        }
        let (slope, offset) = fit(&centres).ok_or(Refusal::Empty(structure))?;
        let off = |p: &(f64, f64)| (p.1 - slope * p.0 - offset).abs();
        let scatter = centres.iter().map(off).sum::<f64>() / centres.len() as f64;
        Refusal::unless_within(
            "the mean distance of the spine's row centres to a straight line, over the image's width,",
            scatter / mask.width as f64,
            0.0,
            LARGEST_SCATTER,
        )?;
        Ok(Midline {
            slope,
            offset,
            structure,
        })
    }

    /// Column at a height.
    pub(crate) fn at(&self, y: f64) -> f64 {
        self.slope * y + self.offset
    }

    /// The piece between two heights.
    pub(crate) fn line(&self, top: f64, bottom: f64) -> Line {
        let point = |y: f64| Point { x: self.at(y), y };
        Line {
            from: point(top),
            to: point(bottom),
        }
    }
}
