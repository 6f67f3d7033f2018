//! Width of the aortic knob: from the trachea's left wall (its mean over the rows of the arch) to the arch's left border, over the
//! median width of the trachea.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{extent, rightmost};
use crate::structure::Structure;
use hilum_core::{Line, Point};

/// Fewest rows in which arch and trachea lie side by side.
const LEAST_ROWS: usize = 3;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let airway = seen.airway()?;
    let arch = seen.set.main(Structure::AorticArch)?;
    let empty = Refusal::Empty(Structure::AorticArch);
    let (top, bottom) = extent(&arch).ok_or_else(|| empty.clone())?;
    let walls: Vec<f64> = (top.max(airway.top)..=bottom.min(airway.end))
        .filter_map(|y| Some(airway.at(y)?.x1 as f64))
        .collect();
    if walls.len() < LEAST_ROWS {
        return Err(Refusal::Misplaced(
            "the aortic arch does not lie beside the trachea",
        ));
    }
    let wall = walls.iter().sum::<f64>() / walls.len() as f64;
    let border = rightmost(&arch).ok_or(empty)?;
    if border.x <= wall {
        return Err(Refusal::Misplaced(
            "the aortic arch does not reach beyond the trachea's left wall",
        ));
    }
    let knob = Line {
        from: Point {
            x: wall,
            y: border.y,
        },
        to: border,
    };
    let value = knob.length() / airway.width;
    Refusal::unless_within(
        "the width of the aortic knob over the trachea's",
        value,
        0.0,
        12.0,
    )?;
    let rule = Index::AorticKnob;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let draft = Draft::new(rule, value)
        .used(&[Structure::AorticArch, Structure::Trachea])
        .point("trachea_left_wall", knob.from)
        .point("knob_left_border", knob.to)
        .width("aortic_knob_width", knob)
        .quantity("trachea_width", airway.width, "px");
    let draft = match airway.width_line() {
        Some(line) => draft.line("trachea_width", line),
        None => draft,
    };
    Ok(draft.decided(decision))
}
