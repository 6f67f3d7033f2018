//! Whether an edit makes sense for a reading.

use super::apply::{Edited, active};
use super::op::{Decision, Edit, Op, Place, Shape, UNITS};
use crate::error::{Result, RoomError};
use hilum_core::{Reading, SpacingKind};

/// Longest text of a sentence or note, in characters.
const TEXT: usize = 4000;
/// Most corners of a polygon.
const CORNERS: usize = 2000;
/// Longest name of a measurement.
const NAME: usize = 100;

/// Checks an edit against the reading and what was edited before.
///
/// # Errors
/// [`RoomError::BadRequest`] with what is wrong; [`RoomError::NotFound`] for something that the study does not have.
pub fn check(op: &Op, reading: &Reading, edits: &[Edit]) -> Result<()> {
    let edited = Edited::of(reading, edits);
    match op {
        Op::Finding {
            code,
            decision,
            set,
        } => {
            known(code)?;
            let model = reading.findings.iter().find(|f| f.code == *code);
            match (decision, set) {
                (Decision::Change, None) => bad("`change` needs `set`"),
                (Decision::Accept | Decision::Reject, Some(_)) => {
                    bad("`set` goes with `change` only")
                }
                (Decision::Accept | Decision::Reject, None)
                    if model.is_none_or(|f| f.set.is_none()) =>
                {
                    bad("the model gave no answer that could be accepted or rejected; use `change`")
                }
                _ => Ok(()),
            }
        }
        Op::RegionAdd {
            code,
            image,
            rect,
            polygon,
        } => {
            known(code)?;
            shape(&of(*rect, polygon), *image, reading)
        }
        Op::RegionRemove { region } => {
            let found = find(&edited, region)?;
            match found.1 {
                true => bad("the region was taken away already"),
                false => Ok(()),
            }
        }
        Op::RegionChange {
            region,
            rect,
            polygon,
        } => {
            let (image, _) = find(&edited, region)?;
            shape(&of(*rect, polygon), image, reading)
        }
        Op::Sentence { index, text } => {
            sentence(&edited, *index)?;
            words(text)
        }
        Op::SentenceRemove { index } => sentence(&edited, *index).map(drop),
        Op::SentenceAdd { text, .. } | Op::Note { text } => words(text),
        Op::MeasurementAdd {
            image,
            name,
            line,
            value,
            unit,
        } => measurement(reading, *image, name, line, *value, unit),
        Op::Undo { edit } => {
            let state = active(edits);
            match state.get(edit) {
                None => Err(RoomError::NotFound("edit with this id")),
                Some(Some(_)) => bad("the edit was taken back already"),
                Some(None) => Ok(()),
            }
        }
    }
}

fn bad<T>(text: &str) -> Result<T> {
    Err(RoomError::BadRequest(text.to_owned()))
}

fn known(code: &str) -> Result<()> {
    match hilum_core::taxonomy::by_code(code) {
        Some(_) => Ok(()),
        None => Err(RoomError::NotFound("finding with this code")),
    }
}

fn of(rect: Option<Place>, polygon: &Option<Vec<[f64; 2]>>) -> Shape {
    Shape {
        rect,
        polygon: polygon.clone(),
    }
}

fn find(edited: &Edited, id: &str) -> Result<(usize, bool)> {
    let found = edited.regions.iter().find(|r| r.id == id);
    found
        .map(|r| (r.image, r.removed))
        .ok_or(RoomError::NotFound("region with this id"))
}

fn sentence(edited: &Edited, index: usize) -> Result<()> {
    match edited.sentences.get(index) {
        None => Err(RoomError::NotFound("sentence with this index")),
        Some(s) if s.removed => bad("the sentence was taken away"),
        Some(_) => Ok(()),
    }
}

fn words(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return bad("the text is empty");
    }
    if text.chars().count() > TEXT {
        return bad("the text is longer than 4000 characters");
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return bad("the text has control characters in it");
    }
    Ok(())
}

fn size(reading: &Reading, image: usize) -> Result<(f64, f64)> {
    let record = reading.images.get(image);
    record
        .map(|r| (f64::from(r.width), f64::from(r.height)))
        .ok_or(RoomError::NotFound("image with this index"))
}

fn inside(x: f64, y: f64, (width, height): (f64, f64)) -> bool {
    (0.0..=width).contains(&x) && (0.0..=height).contains(&y)
}

fn shape(shape: &Shape, image: usize, reading: &Reading) -> Result<()> {
    let size = size(reading, image)?;
    match (&shape.rect, &shape.polygon) {
        (Some(r), None) => {
            let both = inside(r.x, r.y, size) && inside(r.x + r.width, r.y + r.height, size);
            if !both || r.width <= 0.0 || r.height <= 0.0 {
                return bad("the box is empty or not within the image");
            }
            Ok(())
        }
        (None, Some(points)) => {
            if !(3..=CORNERS).contains(&points.len()) {
                return bad("a polygon has 3 to 2000 corners");
            }
            if !points.iter().all(|p| inside(p[0], p[1], size)) {
                return bad("a corner is not within the image");
            }
            Ok(())
        }
        _ => bad("either `rect` or `polygon` is needed"),
    }
}

/// Millimetres are earned: they need the image's spacing and must be what it gives.
fn measurement(
    reading: &Reading,
    image: usize,
    name: &str,
    line: &[[f64; 2]; 2],
    value: f64,
    unit: &str,
) -> Result<()> {
    let size = size(reading, image)?;
    if name.trim().is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return bad("a measurement has a name of 1 to 100 characters");
    }
    if !UNITS.contains(&unit) {
        return bad("the unit is one of ratio, pixel, mm_detector, mm, percent");
    }
    if !value.is_finite() || !line.iter().all(|p| inside(p[0], p[1], size)) {
        return bad("the line is not within the image or the value is no number");
    }
    let (dx, dy) = (line[1][0] - line[0][0], line[1][1] - line[0][1]);
    let spacing = reading.images.get(image).and_then(|i| i.spacing);
    let length = match (unit, spacing) {
        ("pixel", _) => dx.hypot(dy),
        ("mm" | "mm_detector", None) => {
            return bad("the image has no spacing, so there are no millimetres in it");
        }
        ("mm" | "mm_detector", Some(s)) => {
            let right = match s.kind {
                SpacingKind::Imager => "mm_detector",
                SpacingKind::Pixel | SpacingKind::Calibrated => "mm",
            };
            if unit != right {
                return bad("the image's spacing is of the other kind (mm or mm_detector)");
            }
            (dx * s.column_mm).hypot(dy * s.row_mm)
        }
        _ => return Ok(()),
    };
    if (value - length).abs() > 0.5f64.max(0.01 * length) {
        return bad("the value is not the length of the line");
    }
    Ok(())
}
