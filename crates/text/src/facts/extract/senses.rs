//! Senses of entities that another program found.

use super::{Extractor, FactHits};
use crate::facts::{Graph, Label, Relation, Sense};
use crate::label::hits::SentenceHits;
use crate::label::{attributes, state};
use crate::lexicon::{Role, Says};

impl Extractor {
    /// Looks up the senses of entities that another program found, by their own tokens; what a
    /// state such as "enlarged" means is told by the anatomy that it is located at.
    pub(in crate::facts) fn give_senses(&self, graph: &mut Graph, at: &[usize]) {
        let located = |graph: &Graph, i: usize| -> Option<String> {
            let to = graph.entities[i]
                .relations
                .iter()
                .find(|r| r.0 == Relation::LocatedAt)?;
            Some(graph.entities[to.1].tokens.clone())
        };
        for &i in at {
            let tokens = graph.entities[i].tokens.clone();
            let sense = match graph.entities[i].label {
                Label::Anatomy(_) => self.anatomy_sense(&tokens),
                Label::Observation(_) => located(graph, i)
                    .and_then(|place| self.state_sense(&place, &tokens))
                    .unwrap_or_else(|| self.observation_sense(&tokens)),
            };
            graph.entities[i].sense = sense;
        }
    }

    pub(in crate::facts) fn hits(&self, lower: &str) -> (SentenceHits, FactHits) {
        let (mut s, mut facts) = (SentenceHits::default(), FactHits::default());
        s.read(self.labels, lower, 0..lower.len());
        facts.read(&self.lexicon, &s, lower);
        (s, facts)
    }

    fn anatomy_sense(&self, tokens: &str) -> Sense {
        let (s, facts) = self.hits(&tokens.to_ascii_lowercase());
        if let Some(place) = facts.places.last() {
            return Sense::Place(place.place);
        }
        self.first_modifier(&s, |m| matches!(m, Sense::Side(_)))
            .unwrap_or(Sense::Unknown)
    }

    pub(in crate::facts) fn observation_sense(&self, tokens: &str) -> Sense {
        let lower = tokens.to_ascii_lowercase();
        let (s, facts) = self.hits(&lower);
        let term = s.hits.iter().find_map(|h| match h.what {
            Role::Term(id) => Some(self.labels.terms[id as usize].codes.clone()),
            _ => None,
        });
        if let Some(codes) = term.filter(|c| !c.is_empty()) {
            return Sense::Finding {
                codes,
                rules_out: false,
                history: false,
            };
        }
        if let Some((_, size)) = attributes::size_in(&s, &lower, 0..s.words.len()) {
            return Sense::Size(size.mm);
        }
        if let Some(sense) = self.first_modifier(&s, |_| true) {
            return sense;
        }
        if !facts.normal.is_empty() {
            return Sense::Normal;
        }
        facts
            .attributes
            .first()
            .map_or(Sense::Unknown, |a| Sense::Attribute(a.what))
    }

    pub(in crate::facts) fn first_modifier(
        &self,
        s: &SentenceHits,
        kind: fn(&Sense) -> bool,
    ) -> Option<Sense> {
        s.modifiers
            .iter()
            .filter_map(|m| self.lexicon.modifiers[m.what as usize].clone())
            .find(kind)
    }

    pub(in crate::facts) fn state_sense(&self, place: &str, tokens: &str) -> Option<Sense> {
        let lower = format!("{place} is {tokens}").to_ascii_lowercase();
        let (s, _) = self.hits(&lower);
        let stated = state::stated(self.labels, &s, &lower);
        let rule = stated.first().map(|s| s.rule)?;
        (rule.says != Says::Unstated).then(|| Sense::Finding {
            codes: rule.codes.clone(),
            rules_out: rule.says == Says::Absent,
            history: false,
        })
    }
}
