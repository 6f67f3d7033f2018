//! Width of the upper mediastinum over the width from outer lung wall to outer lung wall in the same row: the row where it is widest.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{Run, span};
use crate::structure::Structure;
use hilum_core::{Line, Point};

/// The narrower lung must have this share of the wider one in the measured row.
const LEAST_SYMMETRY: f64 = 0.4;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let chest = seen.chest()?;
    chest.whole_width()?;
    let middle = seen.set.main(Structure::UpperMediastinum)?;
    let rows = (0..middle.height).filter_map(|y| Some((y, span(&middle, y)?)));
    let (y, wide) = rows
        .max_by(|a, b| a.1.width().total_cmp(&b.1.width()).then(b.0.cmp(&a.0)))
        .ok_or(Refusal::Empty(Structure::UpperMediastinum))?;
    let (Some(right), Some(left)) = (span(&chest.right, y), span(&chest.left, y)) else {
        return Err(Refusal::Misplaced(
            "there is no lung beside the widest part of the upper mediastinum",
        ));
    };
    if wide.x0 <= right.x0 || wide.x1 >= left.x1 {
        return Err(Refusal::Misplaced(
            "the upper mediastinum reaches beyond the lungs",
        ));
    }
    let beside = [
        wide.x0 as f64 - right.x0 as f64,
        left.x1 as f64 - wide.x1 as f64,
    ];
    let symmetry = beside[0].min(beside[1]) / beside[0].max(beside[1]);
    Refusal::unless_within(
        "the width of one lung beside the mediastinum over that of the other",
        symmetry,
        LEAST_SYMMETRY,
        1.0,
    )?;
    let lungs = Run {
        x0: right.x0,
        x1: left.x1,
    };
    let line = |r: Run| {
        let point = |x: usize| Point {
            x: x as f64,
            y: y as f64 + 0.5,
        };
        Line {
            from: point(r.x0),
            to: point(r.x1),
        }
    };
    let value = wide.width() / lungs.width();
    let rule = Index::MediastinalWidening;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    Ok(Draft::new(rule, value)
        .used(&[Structure::UpperMediastinum, Structure::Lungs])
        .point("mediastinum_right", line(wide).from)
        .point("mediastinum_left", line(wide).to)
        .point("lung_right", line(lungs).from)
        .point("lung_left", line(lungs).to)
        .width("mediastinum_width", line(wide))
        .width("lung_width", line(lungs))
        .decided(decision))
}
