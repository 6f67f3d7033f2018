//! A picture of an index: the masks it was read from, lines, points and the value.

use crate::error::MeasureError;
use crate::masks::MaskSet;
use crate::outcome::{Outcome, Quantity};
use crate::structure::{RIBS, Structure};
use hilum_core::{Line, Point};
use hilum_image::draw::{Canvas, PALETTE, canvas, draw_line, draw_text, encode_rgb_png, tint_mask};
use hilum_image::{Gray, Kernel, Mask, resize};

/// Sides that pictures are brought to before drawing, so that text and lines can be read.
const SIDES: std::ops::RangeInclusive<usize> = 640..=1280;
const TINT: f32 = 0.22;
const WHITE: [u8; 3] = [255; 3];

/// What of an outcome is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The masks.
    pub masks: bool,
    /// Lines and points.
    pub marks: bool,
    /// Their names, the value and the label.
    pub text: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Parts = Parts {
        masks: true,
        marks: true,
        text: true,
    };
}

/// The picture alone, on a picture with `side` pixels along its longest side; a PNG.
///
/// # Errors
/// [`MeasureError::Image`] for an image of another size than the masks.
pub fn draw_plain(image: &Gray, set: &MaskSet, side: usize) -> Result<Vec<u8>, MeasureError> {
    Ok(encode_rgb_png(&Board::new(image, set, side)?.canvas)?)
}

/// Draws an outcome over its image (display levels, 0 to 255); a PNG.
///
/// # Errors
/// [`MeasureError::Image`] for an image of another size than the masks.
pub fn draw(
    image: &Gray,
    set: &MaskSet,
    outcome: &Outcome,
    parts: Parts,
) -> Result<Vec<u8>, MeasureError> {
    let (w, h) = set.size();
    let side = w.max(h).clamp(*SIDES.start(), *SIDES.end());
    let mut board = Board::new(image, set, side)?;
    if parts.masks {
        for (k, structure) in shown(set, outcome).into_iter().enumerate() {
            board.mask(set, structure, PALETTE[k % PALETTE.len()])?;
        }
    }
    if parts.marks {
        board.marks(outcome);
    }
    if parts.text {
        board.text(outcome);
    }
    Ok(encode_rgb_png(&board.canvas)?)
}

/// Draws masks alone, in one colour, on a picture with `side` pixels along its longest side; a PNG.
///
/// # Errors
/// [`MeasureError::Image`] for an image of another size than the masks.
pub fn draw_masks(
    image: &Gray,
    set: &MaskSet,
    structures: &[Structure],
    side: usize,
) -> Result<Vec<u8>, MeasureError> {
    let mut board = Board::new(image, set, side)?;
    for structure in structures {
        board.mask(set, *structure, PALETTE[0])?;
    }
    Ok(encode_rgb_png(&board.canvas)?)
}

/// Draws lines and points alone, on a picture with `side` pixels along its longest side; a PNG.
///
/// # Errors
/// [`MeasureError::Image`] for an image of another size than the masks.
pub fn draw_marks(
    image: &Gray,
    set: &MaskSet,
    outcome: &Outcome,
    side: usize,
) -> Result<Vec<u8>, MeasureError> {
    let mut board = Board::new(image, set, side)?;
    board.marks(outcome);
    Ok(encode_rgb_png(&board.canvas)?)
}

/// The masks that an outcome was read from and that are there: pairs in place of both lungs, all ribs in place of one.
fn shown(set: &MaskSet, outcome: &Outcome) -> Vec<Structure> {
    let mut all = Vec::new();
    for &s in &outcome.structures {
        match s {
            Structure::Lungs if set.given(Structure::Lungs).is_none() => {
                all.extend([Structure::RightLung, Structure::LeftLung]);
            }
            Structure::RightPosteriorRib(_) => {
                all.extend(RIBS.map(Structure::RightPosteriorRib));
            }
            other => all.push(other),
        }
    }
    all.retain(|s| set.given(*s).is_some());
    all
}

/// A canvas on which one pixel of the image has `scale` pixels.
struct Board {
    canvas: Canvas,
    scale: f64,
}

impl Board {
    fn new(image: &Gray, set: &MaskSet, wanted: usize) -> Result<Self, MeasureError> {
        let (w, h) = set.size();
        image.check_same_size(&Mask::filled(w, h, 0))?;
        let side = w.max(h);
        let scale = wanted as f64 / side as f64;
        let to = |v: usize| ((v as f64 * scale).round() as usize).max(1);
        let large = if wanted == side {
            image.clone()
        } else {
            resize::resize(image, to(w), to(h), Kernel::PilBilinear)?
        };
        Ok(Board {
            canvas: canvas(&large),
            scale,
        })
    }

    fn mask(
        &mut self,
        set: &MaskSet,
        structure: Structure,
        colour: [u8; 3],
    ) -> Result<(), MeasureError> {
        let Some(mask) = set.given(structure) else {
            return Ok(());
        };
        let large = resize::resize_mask(mask, self.canvas.width, self.canvas.height)?;
        Ok(tint_mask(&mut self.canvas, &large, colour, TINT)?)
    }

    fn to(&self, p: Point) -> Point {
        Point {
            x: p.x * self.scale,
            y: p.y * self.scale,
        }
    }

    fn marks(&mut self, outcome: &Outcome) {
        for (k, named) in outcome.lines.iter().enumerate() {
            let line = Line {
                from: self.to(named.line.from),
                to: self.to(named.line.to),
            };
            draw_line(&mut self.canvas, line, [0; 3], 5);
            draw_line(&mut self.canvas, line, colour_of_line(k), 3);
        }
        for named in &outcome.points {
            let at = self.to(named.at);
            for (reach, colour) in [(6.0, [0; 3]), (4.0, PALETTE[3])] {
                cross(&mut self.canvas, at, reach, colour);
            }
        }
    }

    fn text(&mut self, outcome: &Outcome) {
        let mut lines = vec![headline(outcome)];
        lines.extend(outcome.quantities.iter().map(quantity_words));
        if outcome.in_band {
            lines.push("in the tolerance band: both labels count".to_owned());
        }
        lines.extend(outcome.notes.iter().cloned());
        lines.extend(outcome.reason.iter().cloned());
        let widest = lines.iter().map(|l| l.chars().count()).max().unwrap_or(1);
        // 8 pixels a letter.
        let scale = if 16 * widest + 16 <= self.canvas.width {
            2
        } else {
            1
        };
        for (k, text) in lines.iter().enumerate() {
            let y = 8 + (k * (8 * scale + 4)) as i64;
            draw_text(&mut self.canvas, 8, y, text, WHITE, scale);
        }
        let last = "research software, not a medical device";
        let y = self.canvas.height as i64 - 12;
        draw_text(&mut self.canvas, 8, y, last, WHITE, 1);
    }
}

fn colour_of_line(k: usize) -> [u8; 3] {
    [PALETTE[5], PALETTE[1], PALETTE[2], PALETTE[6]][k % 4]
}

fn cross(canvas: &mut Canvas, at: Point, reach: f64, colour: [u8; 3]) {
    let width = if reach > 5.0 { 4 } else { 2 };
    for (dx, dy) in [(reach, reach), (reach, -reach)] {
        let line = Line {
            from: Point {
                x: at.x - dx,
                y: at.y - dy,
            },
            to: Point {
                x: at.x + dx,
                y: at.y + dy,
            },
        };
        draw_line(canvas, line, colour, width);
    }
}

fn headline(outcome: &Outcome) -> String {
    let name = outcome.index.name().replace('_', " ");
    let value = match outcome.value {
        None => "not measured".to_owned(),
        Some(v) => format!("{} {}", number(v), outcome.unit)
            .trim_end()
            .to_owned(),
    };
    match outcome.label {
        Some(label) => format!("{name}: {value}, {}", label.replace('_', " ")),
        None => format!("{name}: {value}"),
    }
}

fn quantity_words(q: &Quantity) -> String {
    let unit = match q.unit {
        "ratio" => "",
        "mm_detector" => " mm at the detector",
        "share" => " of the side to the edge",
        other => &format!(" {other}"),
    };
    format!("{} {}{unit}", q.name.replace('_', " "), number(q.value))
}

/// Digits that suit the size.
pub fn number(v: f64) -> String {
    match v.abs() {
        a if v.fract() == 0.0 && a < 1e6 => format!("{v:.0}"),
        a if a >= 100.0 => format!("{v:.0}"),
        a if a >= 10.0 => format!("{v:.1}"),
        a if a >= 0.01 || a == 0.0 => format!("{v:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        _ => format!("{v:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::{Shapes, lungs};
    use crate::{Index, measure_one};
    use hilum_core::View;
    use hilum_image::decode::{Limits, decode};

    #[test]
    fn an_overlay_is_a_picture_of_a_readable_size() {
        let set = lungs(Shapes::new(400, 300), 0.0, -50.0)
            .with(Structure::Heart, |x, y| (x - 200.0).hypot(y - 180.0) < 70.0)
            .done();
        let found = measure_one(Index::Cardiomegaly, &set, View::Pa);
        assert!(found.value.is_some(), "{found:?}");
        let image = Gray::filled(400, 300, 90.0);
        let bytes = draw(&image, &set, &found, Parts::ALL).unwrap();
        let back = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!((back.values.width, back.values.height), (640, 480));
        assert!(back.colour);
        assert!(draw(&Gray::filled(4, 3, 0.0), &set, &found, Parts::ALL).is_err());
    }

    #[test]
    fn numbers_are_short() {
        for (v, s) in [
            (0.5, "0.5"),
            (0.0009, "0.00090"),
            (123.4, "123"),
            (71.26, "71.3"),
            (9.0, "9"),
            (0.0, "0"),
        ] {
            assert_eq!(number(v), s);
        }
    }
}
