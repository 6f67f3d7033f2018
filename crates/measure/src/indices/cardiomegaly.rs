//! Cardiothoracic ratio, by the same geometry as the reader's ([`hilum_image::chest::cardiothoracic`]).

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::structure::Structure;
use hilum_image::chest::{CtrFlag, cardiothoracic};

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let chest = seen.chest()?;
    chest.whole_width()?;
    let heart = seen.set.main(Structure::Heart)?;
    let found = cardiothoracic(&chest.both, &heart)
        .ok()
        .flatten()
        .ok_or(Refusal::Empty(Structure::Heart))?;
    // The lungs were looked at one by one already.
    if found.flags.contains(&CtrFlag::HeartOutsideThorax) {
        return Err(Refusal::Misplaced(
            "the outlined heart reaches beyond the lungs",
        ));
    }
    Refusal::unless_within("the cardiothoracic ratio", found.ratio, 0.25, 0.85)?;
    let rule = Index::Cardiomegaly;
    let decision = rule
        .threshold()
        .decide(found.ratio, rule.tolerance(), seen.view);
    Ok(Draft::new(rule, found.ratio)
        .used(&[Structure::Lungs, Structure::Heart])
        .point("heart_right", found.heart.from)
        .point("heart_left", found.heart.to)
        .point("thorax_right", found.thorax.from)
        .point("thorax_left", found.thorax.to)
        .width("heart_width", found.heart)
        .width("thorax_width", found.thorax)
        .decided(decision))
}
