//! Phrases of the fact lexicon in a sentence.

use crate::facts::anatomy::{Place, Side};
use crate::facts::lexicon::{FactLexicon, Role as FactRole};
use crate::facts::{AttributeKind, Change};
use crate::label::hits::{Hit, SentenceHits};
use crate::lexicon::trie::Symbols;
use std::ops::Range;

/// A place phrase found.
#[derive(Debug, Clone, Copy)]
pub(in crate::facts) struct PlaceHit {
    pub(in crate::facts) start: usize,
    pub(in crate::facts) end: usize,
    pub(in crate::facts) place: &'static Place,
    pub(in crate::facts) side: Option<Side>,
}

impl PlaceHit {
    pub(super) fn words(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Phrases of the fact lexicon in one sentence; kept and reused.
#[derive(Debug, Default)]
pub(in crate::facts) struct FactHits {
    pub(in crate::facts) places: Vec<PlaceHit>,
    pub(in crate::facts) attributes: Vec<Hit<AttributeKind>>,
    pub(super) links: Vec<Hit<()>>,
    pub(super) normal: Vec<Range<usize>>,
    pub(super) abnormal: Vec<Range<usize>>,
    pub(in crate::facts) changes: Vec<Hit<Change>>,
    pub(super) device_parts: Vec<Range<usize>>,
    symbols: Vec<Option<Symbols>>,
    found: Vec<u32>,
}

impl FactHits {
    pub(super) fn read(&mut self, lexicon: &FactLexicon, s: &SentenceHits, lower: &str) {
        self.places.clear();
        self.attributes.clear();
        self.links.clear();
        self.normal.clear();
        self.abnormal.clear();
        self.changes.clear();
        self.device_parts.clear();
        self.symbols.clear();
        self.symbols
            .extend(s.words.iter().map(|w| lexicon.phrases.symbols(w.of(lower))));
        let mut at = 0;
        while at < s.words.len() {
            let len = lexicon
                .phrases
                .longest_at(&self.symbols, at, &mut self.found);
            for &payload in &self.found {
                let (start, end) = (at, at + len);
                match lexicon.roles[payload as usize] {
                    FactRole::Place(place, side) => self.places.push(PlaceHit {
                        start,
                        end,
                        place,
                        side,
                    }),
                    FactRole::Attribute(what) => self.attributes.push(Hit { start, end, what }),
                    FactRole::Link => self.links.push(Hit {
                        start,
                        end,
                        what: (),
                    }),
                    FactRole::Normal => self.normal.push(start..end),
                    FactRole::Abnormal => self.abnormal.push(start..end),
                    FactRole::Change(what) => self.changes.push(Hit { start, end, what }),
                    FactRole::DevicePart => self.device_parts.push(start..end),
                    FactRole::Ignore => {}
                }
            }
            at += len.max(1);
        }
    }
}
