//! Report phrases on anatomy: from words to places, from places to the union of their masks.

pub mod evaluate;
mod mention;
mod proposals;
mod resolve;

pub use mention::{Mention, mentions};
pub use proposals::{Proposal, proposals};

use crate::error::SetError;
use crate::structures::Structure;
use hilum_image::{Mask, Plane};
use hilum_text::{ReportText, SectionKind, sentence};
use resolve::Part;

/// The sentences of findings and impression in order, each once.
pub fn sentences(report: &ReportText) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let kinds = [
        SectionKind::Findings,
        SectionKind::Impression,
        SectionKind::Unlabelled,
    ];
    for section in report.sections.iter().filter(|s| kinds.contains(&s.kind)) {
        for range in sentence::split(&section.text) {
            let text = section.text[range].trim();
            if !text.is_empty() && !all.iter().any(|t| t == text) {
                all.push(text.to_owned());
            }
        }
    }
    all
}

/// What a phrase was matched to.
#[derive(Debug, Clone, PartialEq)]
pub struct Grounded {
    /// The places that the phrase speaks of, e.g. `left lower_lobe`.
    pub places: Vec<String>,
    /// The masks that stand for them; thirds of a lung as `name:upper`.
    pub structures: Vec<String>,
    /// Their union; `None` when no mask shows them.
    pub mask: Option<Mask>,
}

/// Matches phrases to the masks of one picture.
#[derive(Debug)]
pub struct Grounder<'m> {
    masks: Vec<(&'m str, Structure, &'m Mask)>,
}

impl<'m> Grounder<'m> {
    /// Over named masks of one size.
    pub fn new(masks: &'m [(String, Mask)]) -> Self {
        Grounder {
            masks: masks
                .iter()
                .map(|(name, mask)| (name.as_str(), Structure::parse(name), mask))
                .collect(),
        }
    }

    /// Matches one phrase.
    ///
    /// # Errors
    /// [`SetError::Text`] for an empty phrase, [`SetError::Image`] for masks that differ in size.
    pub fn ground(&self, phrase: &str) -> Result<Grounded, SetError> {
        let mut found = Grounded {
            places: Vec::new(),
            structures: Vec::new(),
            mask: None,
        };
        for mention in mentions(phrase)? {
            found.places.push(mention.name());
            for (name, part, mask) in self.of(&mention)? {
                let name = part.named(&name);
                if !found.structures.contains(&name) {
                    found.mask = Some(match found.mask.take() {
                        Some(whole) => whole.or(&mask)?,
                        None => mask,
                    });
                    found.structures.push(name);
                }
            }
        }
        Ok(found)
    }

    /// The masks of a mention: those of the first way of showing it for which there is one.
    fn of(&self, mention: &Mention) -> Result<Vec<(String, Part, Mask)>, SetError> {
        for way in resolve::ways(mention.place) {
            let hits: Vec<&(&str, Structure, &Mask)> = self
                .masks
                .iter()
                .filter(|(_, s, _)| way.takes(s, mention))
                .collect();
            if hits.is_empty() {
                continue;
            }
            let mut all = Vec::new();
            for side in sides(&hits) {
                let mut whole: Option<Mask> = None;
                let mut names = Vec::new();
                for (name, _, mask) in hits.iter().filter(|h| h.1.side == side) {
                    names.push(*name);
                    whole = Some(match whole {
                        Some(w) => w.or(mask)?,
                        None => (*mask).clone(),
                    });
                }
                if let Some(part) = whole.and_then(|w| cut(&w, way.part)) {
                    all.push((names.join("+"), way.part, part));
                }
            }
            if !all.is_empty() {
                return Ok(all);
            }
        }
        Ok(Vec::new())
    }
}

/// The sides among some masks, each once: a third is taken of each lung by itself.
fn sides(hits: &[&(&str, Structure, &Mask)]) -> Vec<Option<hilum_text::facts::anatomy::Side>> {
    let mut all = Vec::new();
    for (_, s, _) in hits {
        if !all.contains(&s.side) {
            all.push(s.side);
        }
    }
    all
}

/// A share of a mask by its own height; `None` when nothing is left.
fn cut(mask: &Mask, part: Part) -> Option<Mask> {
    let rows: Vec<usize> = (0..mask.height)
        .filter(|&y| mask.row(y).iter().any(|&v| v != 0))
        .collect();
    let (top, bottom) = (*rows.first()?, *rows.last()? + 1);
    let (low, high) = part.share();
    let edge = |share: f64| top as f64 + share * (bottom - top) as f64;
    let out = Plane::from_fn(mask.width, mask.height, |x, y| {
        let middle = y as f64 + 0.5;
        let inside = middle >= edge(low) && middle < edge(high);
        if inside {
            mask.data[y * mask.width + x]
        } else {
            0
        }
    });
    (out.count() > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_drr::structures::mask_box;

    fn block(x: usize, y: usize, w: usize, h: usize) -> Mask {
        Plane::from_fn(60, 60, |px, py| {
            let inside = (x..x + w).contains(&px) && (y..y + h).contains(&py);
            if inside { 255 } else { 0 }
        })
    }

    fn found(names: &[(&str, Mask)], phrase: &str) -> (Vec<String>, Option<[f64; 4]>) {
        let masks: Vec<(String, Mask)> = names
            .iter()
            .map(|(n, m)| ((*n).to_owned(), m.clone()))
            .collect();
        let g = Grounder::new(&masks).ground(phrase).unwrap();
        let bounds = g.mask.as_ref().and_then(mask_box);
        (g.structures, bounds.map(|b| [b.x, b.y, b.w, b.h]))
    }

    #[test]
    fn phrases_find_lobes_thirds_ribs_and_organs() {
        let all = [
            ("right_lung", block(5, 6, 20, 30)),
            ("left_lung", block(35, 6, 20, 30)),
            ("left_lower_lobe", block(36, 20, 18, 16)),
            ("heart", block(25, 20, 15, 14)),
            ("rib_left_5", block(36, 12, 18, 3)),
            ("rib_left_6", block(36, 16, 18, 3)),
        ];
        let (names, bounds) = found(&all, "Consolidation in the left lower lobe.");
        assert_eq!(
            (names, bounds),
            (
                vec!["left_lower_lobe".to_owned()],
                Some([36.0, 20.0, 18.0, 16.0])
            )
        );
        let (names, bounds) = found(&all, "There is a nodule in the right upper lung zone.");
        assert_eq!(
            (names, bounds),
            (
                vec!["right_lung:upper".to_owned()],
                Some([5.0, 6.0, 20.0, 10.0])
            )
        );
        let (names, _) = found(&all, "Mild cardiomegaly.");
        assert_eq!(names, ["heart"]);
        let (names, _) = found(&all, "Fracture of the left fifth rib.");
        assert_eq!(names, ["rib_left_5"]);
        // No lobe of its own on the right: the nearest third stands for it.
        let (names, _) = found(&all, "Opacity in the right lower lobe.");
        assert_eq!(names, ["right_lung:lower"]);
        let (names, bounds) = found(&all, "Bilateral pleural effusions.");
        assert_eq!(names, ["right_lung:lower", "left_lung:lower"]);
        assert!(bounds.is_some());
        assert_eq!(found(&all, "Comparison is made.").1, None);
    }

    #[test]
    fn sentences_are_given_once() {
        let report = ReportText::from_parts("Clear. Heart normal.", "Clear.");
        assert_eq!(sentences(&report), ["Clear.", "Heart normal."]);
    }
}
