//! Largest of six widths of the descending aorta over the median width of the trachea.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::structure::Structure;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let (walls, airway) = (seen.walls()?, seen.airway()?);
    let widest = walls.widest();
    let value = widest.length() / airway.width;
    Refusal::unless_within(
        "the width of the descending aorta over the trachea's",
        value,
        0.2,
        12.0,
    )?;
    let rule = Index::DescendingAorta;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let draft = Draft::new(rule, value)
        .used(&[
            Structure::DescendingAorta,
            Structure::Trachea,
            Structure::Heart,
        ])
        .point("aorta_right", widest.from)
        .point("aorta_left", widest.to)
        .width("descending_aorta_width", widest)
        .quantity("trachea_width", airway.width, "px");
    let draft = match airway.width_line() {
        Some(line) => draft.line("trachea_width", line),
        None => draft,
    };
    Ok(draft.decided(decision))
}
