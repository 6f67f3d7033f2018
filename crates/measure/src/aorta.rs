//! The part of the descending aorta that is measured: along the upper heart, both walls at six heights.

use crate::error::Refusal;
use crate::masks::MaskSet;
use crate::rows::{extent, fit, span};
use crate::structure::Structure;
use hilum_core::{Line, Point};
use hilum_image::Mask;

/// Number of heights at which the descending aorta is measured.
pub const HEIGHTS: usize = 6;
/// Share of the part that is left out at both ends.
const TRIM: f64 = 0.05;
/// Least height of the part over the image's height.
const LEAST_HEIGHT: f64 = 0.1;
/// Largest standard deviation of the six widths over the image's width.
const LARGEST_SPREAD: f64 = 0.02;

/// Both walls of the descending aorta from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Walls {
    /// The wall towards the spine, the patient's right.
    pub(crate) right: [Point; HEIGHTS],
    /// The wall towards the left lung.
    pub(crate) left: [Point; HEIGHTS],
}

impl Walls {
    /// From the top of the descending aorta to where it leaves the heart's shadow.
    pub(crate) fn of(set: &MaskSet) -> Result<Self, Refusal> {
        let aorta = set.main(Structure::DescendingAorta)?;
        let heart = set.get(Structure::Heart)?;
        let (top, _) = extent(&aorta).ok_or(Refusal::Empty(Structure::DescendingAorta))?;
        let shared = aorta.and(heart).ok().as_ref().and_then(extent);
        let (_, bottom) = shared.ok_or(Refusal::Misplaced(
            "the descending aorta does not pass behind the heart",
        ))?;
        let height = (bottom - top.min(bottom)) as f64;
        Refusal::unless_within(
            "the height of the measured aorta over the image's height",
            height / aorta.height as f64,
            LEAST_HEIGHT,
            1.0,
        )?;
        let (from, to) = (top as f64 + TRIM * height, bottom as f64 - TRIM * height);
        let half_window = (to - from) / 20.0;
        let rows: [f64; HEIGHTS] =
            std::array::from_fn(|k| from + (to - from) * k as f64 / (HEIGHTS - 1) as f64);
        let wall = |left: bool| -> Result<[Point; HEIGHTS], Refusal> {
            let mut points = [Point { x: 0.0, y: 0.0 }; HEIGHTS];
            for (point, y) in points.iter_mut().zip(rows) {
                let x = edge(&aorta, y, half_window, left).ok_or(Refusal::Misplaced(
                    "the descending aorta has gaps where it is measured",
                ))?;
                *point = Point { x, y };
            }
            Ok(points)
        };
        let walls = Walls {
            right: wall(false)?,
            left: wall(true)?,
        };
        Refusal::unless_within(
            "the spread of the aorta's six widths over the image's width",
            walls.spread() / aorta.width as f64,
            0.0,
            LARGEST_SPREAD,
        )?;
        Ok(walls)
    }

    fn widths(&self) -> [f64; HEIGHTS] {
        std::array::from_fn(|k| self.left[k].x - self.right[k].x)
    }

    fn spread(&self) -> f64 {
        let w = self.widths();
        let mean = w.iter().sum::<f64>() / HEIGHTS as f64;
        (w.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / HEIGHTS as f64).sqrt()
    }

    /// The widest of the six.
    pub(crate) fn widest(&self) -> Line {
        let widths = self.widths();
        let k = (0..HEIGHTS)
            .max_by(|a, b| widths[*a].total_cmp(&widths[*b]))
            .unwrap_or(0);
        Line {
            from: self.right[k],
            to: self.left[k],
        }
    }
}

/// Column of one wall at a height: a straight line through the wall of the rows around, since a wall is known to a pixel only.
fn edge(mask: &Mask, y: f64, half_window: f64, left: bool) -> Option<f64> {
    let first = (y - half_window).floor().max(0.0) as usize;
    let last = (y + half_window).ceil() as usize;
    let points: Vec<(f64, f64)> = (first..=last)
        .filter_map(|row| {
            let s = span(mask, row)?;
            let x = if left { s.x1 } else { s.x0 };
            Some((row as f64 + 0.5, x as f64))
        })
        .collect();
    let (slope, offset) = fit(&points)?;
    Some(slope * y + offset)
}
