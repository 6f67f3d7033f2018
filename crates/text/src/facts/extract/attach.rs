//! Words of a head's window as entities that belong to it.

use super::builder::Builder;
use super::heads::{Head, is_device};
use super::hits::{FactHits, PlaceHit};
use super::{Extractor, overlap};
use crate::facts::{Assertion, AttributeKind, Label, Relation, Sense, anatomy};
use crate::label::attributes;
use crate::label::hits::{Hit, SentenceHits};
use std::ops::Range;

/// Words at most between a side and the place it belongs to ("left and right bases").
const SIDE_REACH: usize = 3;

/// What is needed to attach the words of a window to a head.
pub(super) struct Hand<'a, 'b> {
    pub(super) extractor: &'a Extractor,
    pub(super) s: &'a SentenceHits,
    pub(super) facts: &'a FactHits,
    pub(super) text: &'a str,
    pub(super) lower: &'a str,
    pub(super) builder: &'b mut Builder,
    pub(super) entity: usize,
}

impl Hand<'_, '_> {
    pub(super) fn attach(&mut self, head: &Head, window: Range<usize>) {
        if matches!(head.sense, Sense::Normal) {
            self.places(head, head.start.min(window.start)..head.end, true);
            return;
        }
        self.places(head, window.clone(), false);
        self.nearest(head, &window, |s| matches!(s, Sense::Severity(_)));
        self.nearest(head, &window, |s| matches!(s, Sense::Change(_)));
        self.attributes(head, &window);
        if let Some((words, size)) = attributes::size_in(self.s, self.lower, window) {
            self.modify(words, Sense::Size(size.mm));
        }
    }

    /// Places of the window with their sides; sides that belong to no place hang on the head.
    fn places(&mut self, head: &Head, window: Range<usize>, only_own: bool) {
        let taken = |i: &usize| {
            let p = &self.facts.places[*i];
            let here = head.places.contains(i) || (!only_own && window.contains(&p.start));
            here && !self.told_by_name(head, p)
        };
        let places: Vec<usize> = (0..self.facts.places.len()).filter(taken).collect();
        let mut entities = Vec::with_capacity(places.len());
        for &i in &places {
            let hit = self.facts.places[i];
            let entity = self.anatomy(hit.words(), Sense::Place(hit.place));
            self.builder
                .relate(self.entity, Relation::LocatedAt, entity);
            if let Some(side) = hit.side {
                let side = self.anatomy(hit.words(), Sense::Side(side));
                self.builder.relate(side, Relation::Modify, entity);
            }
            entities.push(entity);
        }
        for m in &self.s.modifiers {
            let Some(sense @ Sense::Side(_)) = &self.extractor.lexicon.modifiers[m.what as usize]
            else {
                continue;
            };
            let words = m.start..m.end;
            if !window.contains(&m.start) || self.part_of_name(&words) {
                continue;
            }
            let nearest = places.iter().position(|&i| {
                let p = &self.facts.places[i];
                p.end > m.start && p.start <= m.end + SIDE_REACH
            });
            // Where only the head's own places count, so do only their sides.
            if only_own && nearest.is_none() && !self.after_place(&places, m.start) {
                continue;
            }
            let side = self.anatomy(words, sense.clone());
            match nearest {
                Some(n) => self.builder.relate(side, Relation::Modify, entities[n]),
                None => self.builder.relate(self.entity, Relation::LocatedAt, side),
            }
        }
    }

    fn after_place(&self, places: &[usize], at: usize) -> bool {
        places.iter().any(|&i| {
            let p = &self.facts.places[i];
            p.end <= at && at - p.end <= SIDE_REACH
        })
    }

    /// The rib of a rib fracture is in its name, and the lung of a lung nodule.
    fn told_by_name(&self, head: &Head, place: &PlaceHit) -> bool {
        let Sense::Finding { codes, .. } = &head.sense else {
            return false;
        };
        head.places.is_empty()
            && overlap(&head.span, &place.words())
            && (place.place.code == "lung"
                || codes.iter().any(|c| anatomy::is_home(c, place.place.code)))
    }

    /// The "right" of "right atrium" is no side.
    fn part_of_name(&self, words: &Range<usize>) -> bool {
        let inside =
            |p: &PlaceHit| p.start <= words.start && p.end > words.end && !p.place.paired();
        let single = |p: &PlaceHit| p.place.own_side().is_none();
        self.facts.places.iter().any(|p| inside(p) && single(p))
    }

    /// Attaches the modifier of a kind that stands closest: inside, else before, else behind.
    fn nearest(&mut self, head: &Head, window: &Range<usize>, kind: fn(&Sense) -> bool) {
        let distance = |at: usize| {
            if (head.start..head.end).contains(&at) {
                0
            } else if at < head.start {
                1 + head.start - at
            } else {
                200 + at - head.end
            }
        };
        let senses = &self.extractor.lexicon.modifiers;
        let labelled = self.s.modifiers.iter().filter_map(|m| {
            let sense = senses[m.what as usize].clone()?;
            Some((m.start..m.end, sense))
        });
        let own = &self.facts.changes;
        let own = own.iter().map(|c| (c.start..c.end, Sense::Change(c.what)));
        let best = labelled
            .chain(own)
            .filter(|(words, sense)| window.contains(&words.start) && kind(sense))
            .filter(|(words, sense)| {
                !(matches!(sense, Sense::Severity(_))
                    && is_device(head)
                    && self.is_placement(words))
            })
            .min_by_key(|(words, _)| distance(words.start));
        if let Some((words, sense)) = best {
            self.modify(words, sense);
        }
    }

    /// A tube that was "advanced" is not severe.
    fn is_placement(&self, words: &Range<usize>) -> bool {
        let placement = |a: &Hit<AttributeKind>| {
            a.what == AttributeKind::Placement && overlap(&(a.start..a.end), words)
        };
        self.facts.attributes.iter().any(placement)
    }

    fn attributes(&mut self, head: &Head, window: &Range<usize>) {
        for hit in &self.facts.attributes {
            let words = hit.start..hit.end;
            if window.contains(&hit.start) && !overlap(&words, &head.span) {
                self.modify(words, Sense::Attribute(hit.what));
            }
        }
    }

    fn modify(&mut self, words: Range<usize>, sense: Sense) {
        let label = Label::Observation(Assertion::Present);
        let entity = self.builder.entity(self.s, self.text, words, label, sense);
        self.builder.relate(entity, Relation::Modify, self.entity);
    }

    fn anatomy(&mut self, words: Range<usize>, sense: Sense) -> usize {
        let label = Label::Anatomy(Assertion::Present);
        self.builder.entity(self.s, self.text, words, label, sense)
    }
}
