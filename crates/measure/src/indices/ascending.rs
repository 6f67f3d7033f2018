//! Share of the ascending aorta that lies beyond the line from the right lung's inner border, at the height where the trachea ends, to
//! the right heart border: on the side of the right lung.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{extent, leftmost, span};
use crate::structure::Structure;
use hilum_core::{Line, Point};
use hilum_image::Mask;

/// Least height of the ascending aorta over the image's height.
const LEAST_HEIGHT: f64 = 0.03;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let (chest, airway) = (seen.chest()?, seen.airway()?);
    let aorta = seen.set.main(Structure::AscendingAorta)?;
    let heart = seen.set.main(Structure::Heart)?;
    let field = seen.set.main(Structure::RightLungField).ok();
    let (lung, used) = match &field {
        Some(field) => (field, Structure::RightLungField),
        None => (&chest.right, Structure::RightLung),
    };
    let inner = span(lung, airway.end).ok_or(Refusal::Misplaced(
        "there is no right lung at the height where the trachea ends",
    ))?;
    let from = Point {
        x: inner.x1 as f64,
        y: airway.end as f64 + 0.5,
    };
    let to = leftmost(&heart).ok_or(Refusal::Empty(Structure::Heart))?;
    if to.y <= from.y {
        return Err(Refusal::Misplaced(
            "the right heart border lies above the end of the trachea",
        ));
    }
    let (top, bottom) = extent(&aorta).ok_or(Refusal::Empty(Structure::AscendingAorta))?;
    Refusal::unless_within(
        "the height of the ascending aorta over the image's height",
        (bottom + 1 - top) as f64 / aorta.height as f64,
        LEAST_HEIGHT,
        1.0,
    )?;
    if top as f64 > to.y || (bottom as f64) < from.y {
        return Err(Refusal::Misplaced(
            "the ascending aorta does not lie beside the line from lung to heart",
        ));
    }
    let line = Line { from, to };
    let value = beyond(&aorta, line);
    let rule = Index::AscendingAorta;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    Ok(Draft::new(rule, value)
        .used(&[Structure::AscendingAorta, used, Structure::Heart])
        .point("right_lung_inner_border", from)
        .point("right_heart_border", to)
        .line("lung_to_heart", line)
        .decided(decision))
}

/// Share of the pixels whose centre lies to the left of the line on the image.
fn beyond(mask: &Mask, line: Line) -> f64 {
    let slope = (line.to.x - line.from.x) / (line.to.y - line.from.y);
    let (mut out, mut all) = (0usize, 0usize);
    for (at, _) in mask.data.iter().enumerate().filter(|(_, v)| **v != 0) {
        let (x, y) = (
            (at % mask.width) as f64 + 0.5,
            (at / mask.width) as f64 + 0.5,
        );
        all += 1;
        out += usize::from(x < line.from.x + slope * (y - line.from.y));
    }
    out as f64 / all.max(1) as f64
}
