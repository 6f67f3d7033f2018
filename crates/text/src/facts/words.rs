//! What single words of a document mean that other people made: names of findings, places, sizes.

use super::anatomy::{self, Place, Side};
use super::extract::{Extractor, PlaceHit};
use super::radgraph::code_of;
use super::{AttributeKind, Change, NORMAL, Sense, Severity};
use crate::label::{attributes, state};
use crate::lexicon::Says;
use hilum_core::taxonomy::{self, NO_FINDING};

/// A name that was looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    /// First code, [`NORMAL`], or the words themselves in lower case.
    pub name: String,
    /// Codes, none for words that no lexicon knows.
    pub codes: Vec<&'static str>,
    /// The words deny the finding by themselves.
    pub rules_out: bool,
}

/// What words say of a place.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Whereabouts {
    pub side: Option<Side>,
    pub places: Vec<&'static str>,
    /// Parts that no lexicon knows.
    pub unread: Vec<String>,
}

impl Whereabouts {
    fn add_side(&mut self, side: Side) {
        self.side = Some(self.side.map_or(side, |s| s.and(side)));
    }

    fn add_place(&mut self, place: &Place) {
        if let Some(side) = place.own_side() {
            self.add_side(side);
        }
        if !self.places.contains(&place.code) {
            self.places.push(place.code);
        }
    }
}

impl Extractor {
    /// A finding's name: a code, a name of the taxonomy, or words of a report, with the place that gives a
    /// state such as "enlarged" its meaning.
    pub(super) fn named(&self, words: &str, place: Option<&str>) -> Named {
        let found = |codes: Vec<&'static str>, rules_out| Named {
            name: codes.first().map_or(NORMAL, |c| c).to_owned(),
            codes,
            rules_out,
        };
        let words = words.trim();
        if words.eq_ignore_ascii_case(NORMAL) {
            return found(Vec::new(), false);
        }
        if let Some(code) = code_of(words) {
            return found(vec![code], false);
        }
        if let Sense::Finding { codes, .. } = self.observation_sense(words) {
            return found(codes, false);
        }
        // "Clear" and the like are a place's, not the whole image's.
        if let Some(taxon) = taxonomy::find(words).filter(|t| t.code != NO_FINDING) {
            return found(vec![taxon.code], false);
        }
        let state = place.and_then(|p| self.state_sense(p, words));
        if let Some(Sense::Finding {
            codes, rules_out, ..
        }) = state.or_else(|| self.own_state(words))
        {
            return found(codes, rules_out);
        }
        if self.observation_sense(words) == Sense::Normal {
            return found(Vec::new(), false);
        }
        Named {
            name: words.to_lowercase(),
            codes: Vec::new(),
            rules_out: false,
        }
    }

    /// "Enlarged cardiac silhouette": structure and state in one name.
    fn own_state(&self, words: &str) -> Option<Sense> {
        let lower = words.to_ascii_lowercase();
        let (s, _) = self.hits(&lower);
        let stated = state::stated(self.labels, &s, &lower);
        let rule = stated.first().map(|s| s.rule)?;
        (rule.says != Says::Unstated).then(|| Sense::Finding {
            codes: rule.codes.clone(),
            rules_out: rule.says == Says::Absent,
            history: false,
        })
    }

    /// The codes of a finding known by its first one and by words of the report, which tell the other ones.
    pub(super) fn codes_of(&self, code: &'static str, words: &str) -> Vec<&'static str> {
        match self.observation_sense(words) {
            Sense::Finding { codes, .. } if codes.first() == Some(&code) => codes,
            _ => vec![code],
        }
    }

    /// Sides and places of words such as `left, lower_lobe` or `loc: right upper lobe; det: apical segment`.
    pub(super) fn whereabouts(&self, words: &str) -> Whereabouts {
        let mut out = Whereabouts::default();
        for part in words.split([',', ';']) {
            let part = without_key(part.trim());
            if part.is_empty() {
                continue;
            }
            let snake = part.to_ascii_lowercase().replace(' ', "_");
            if let Some(side) = Side::from_name(&snake) {
                out.add_side(side);
            } else if let Some(place) = anatomy::place(&snake) {
                out.add_place(place);
            } else if !self.read_place(part, &mut out) {
                out.unread.push(part.to_owned());
            }
        }
        out
    }

    fn read_place(&self, part: &str, out: &mut Whereabouts) -> bool {
        let (s, facts) = self.hits(&part.to_ascii_lowercase());
        for hit in &facts.places {
            out.add_place(hit.place);
            hit.side.into_iter().for_each(|side| out.add_side(side));
        }
        // The "right" of "right atrium" is no side.
        let own = |p: &PlaceHit, at: usize| {
            p.start <= at && p.end > at && !p.place.paired() && p.place.own_side().is_none()
        };
        let mut sided = false;
        for hit in &s.modifiers {
            if facts.places.iter().any(|p| own(p, hit.start)) {
                continue;
            }
            if let Some(Sense::Side(side)) = &self.lexicon.modifiers[hit.what as usize] {
                out.add_side(*side);
                sided = true;
            }
        }
        sided || !facts.places.is_empty()
    }

    /// The severity that words name.
    pub(super) fn severity_in(&self, words: &str) -> Option<Severity> {
        if let Some(severity) = Severity::from_name(&words.trim().to_ascii_lowercase()) {
            return Some(severity);
        }
        let (s, _) = self.hits(&words.to_ascii_lowercase());
        match self.first_modifier(&s, |m| matches!(m, Sense::Severity(_))) {
            Some(Sense::Severity(severity)) => Some(severity),
            _ => None,
        }
    }

    /// The change that words name.
    pub(super) fn change_in(&self, words: &str) -> Option<Change> {
        if let Some(change) = Change::from_name(&words.trim().to_ascii_lowercase()) {
            return Some(change);
        }
        let (s, facts) = self.hits(&words.to_ascii_lowercase());
        match self.first_modifier(&s, |m| matches!(m, Sense::Change(_))) {
            Some(Sense::Change(change)) => Some(change),
            _ => facts.changes.first().map(|c| c.what),
        }
    }

    /// The kind of a describing word that the lexicon has.
    pub(super) fn attribute_in(&self, words: &str) -> Option<AttributeKind> {
        let (_, facts) = self.hits(&words.to_ascii_lowercase());
        facts.attributes.first().map(|a| a.what)
    }

    /// The size that words give, in millimetres.
    pub(super) fn millimetres_in(&self, words: &str) -> Option<Vec<f64>> {
        let lower = words.to_ascii_lowercase();
        let (s, _) = self.hits(&lower);
        attributes::size_in(&s, &lower, 0..s.words.len()).map(|(_, size)| size.mm)
    }
}

/// `loc:` and `det:` before a place are Lunguage's.
fn without_key(part: &str) -> &str {
    for key in ["loc:", "det:"] {
        if part
            .get(..key.len())
            .is_some_and(|k| k.eq_ignore_ascii_case(key))
        {
            return part[key.len()..].trim();
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_codes_and_from_words() {
        let read = |words: &str| Extractor::shared().whereabouts(words);
        let codes = read("left, lower_lobe");
        assert_eq!(
            (codes.side, codes.places),
            (Some(Side::Left), vec!["lower_lobe"])
        );
        let words = read("loc: right upper lobe; det: Apices");
        assert_eq!(words.side, Some(Side::Right));
        assert_eq!(words.places, ["upper_lobe", "apex"]);
        assert_eq!(read("left and right bases").side, Some(Side::Bilateral));
        let atrium = read("right atrium");
        assert_eq!((atrium.side, atrium.places), (None, vec!["right_atrium"]));
        assert_eq!(read("lingula").side, Some(Side::Left));
        assert_eq!(read("moon, left").unread, ["moon"]);
    }

    #[test]
    fn names_are_codes_words_or_states() {
        let name = |words: &str, place| Extractor::shared().named(words, place).name;
        assert_eq!(name("pleural_effusion", None), "pleural_effusion");
        assert_eq!(name("Pleural effusions", None), "pleural_effusion");
        assert_eq!(name("enlarged cardiac silhouette", None), "cardiomegaly");
        assert_eq!(name("enlarged", Some("heart")), "cardiomegaly");
        assert_eq!(name("normal", None), NORMAL);
        assert_eq!(name("Strange Thing", None), "strange thing");
        let extractor = Extractor::shared();
        assert_eq!(
            extractor.millimetres_in("1.2 x 0.9 cm"),
            Some(vec![12.0, 9.0])
        );
        assert_eq!(
            extractor.severity_in("moderate-sized"),
            Some(Severity::Moderate)
        );
    }
}
