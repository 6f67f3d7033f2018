//! The graph of a report as it grows, and the tokens it stands on.

use super::heads::is_finding;
use crate::facts::{Assertion, Entity, Graph, Label, Relation, Sense};
use crate::label::hits::SentenceHits;
use crate::report::SectionKind;
use std::ops::Range;

/// The graph as it grows.
#[derive(Default)]
pub(super) struct Builder {
    text: String,
    pub(super) entities: Vec<Entity>,
    /// Tokens of earlier sections.
    base: usize,
    /// Byte ranges of the tokens of this section.
    tokens: Vec<Range<usize>>,
    section: Option<SectionKind>,
    pub(super) sentence: usize,
    pub(super) sentence_start: usize,
    pub(super) last_sign: Option<usize>,
}

impl Builder {
    pub(super) fn begin_section(&mut self, kind: SectionKind, text: &str) {
        self.base += self.tokens.len();
        self.tokens.clear();
        cut_tokens(text, &mut self.tokens);
        for token in &self.tokens {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&text[token.clone()]);
        }
        self.section = Some(kind);
        self.last_sign = None;
    }

    /// The entity of these words of the sentence, new or already there.
    pub(super) fn entity(
        &mut self,
        s: &SentenceHits,
        text: &str,
        words: Range<usize>,
        label: Label,
        sense: Sense,
    ) -> usize {
        let bytes = s.bytes(words.start, words.end);
        let first = self.tokens.partition_point(|t| t.end <= bytes.start);
        let last = self
            .tokens
            .partition_point(|t| t.start < bytes.end)
            .max(first + 1)
            - 1;
        let (start, end) = (self.base + first, self.base + last);
        let same =
            |e: &Entity| e.start == start && e.end == end && e.label == label && e.sense == sense;
        if let Some(at) = self.entities[self.sentence_start..].iter().position(same) {
            return self.sentence_start + at;
        }
        let mut tokens = String::new();
        for token in &self.tokens[first..=last.min(self.tokens.len() - 1)] {
            if !tokens.is_empty() {
                tokens.push(' ');
            }
            tokens.push_str(&text[token.clone()]);
        }
        self.entities.push(Entity {
            key: String::new(),
            tokens,
            start,
            end,
            label,
            sense,
            section: self.section,
            sentence: Some(self.sentence),
            relations: Vec::new(),
        });
        self.entities.len() - 1
    }

    pub(super) fn relate(&mut self, source: usize, relation: Relation, target: usize) {
        let relations = &mut self.entities[source].relations;
        if source != target && !relations.contains(&(relation, target)) {
            relations.push((relation, target));
        }
    }

    /// A sign that is not denied, and another finding that is not denied.
    pub(super) fn can_suggest(&self, source: usize, target: usize) -> bool {
        let open = |at: usize| {
            let e = &self.entities[at];
            e.label.assertion() != Assertion::Absent && is_finding(&e.sense)
        };
        source != target && open(source) && open(target)
    }

    /// Entities in the order of the text, with RadGraph's keys from 1.
    pub(super) fn finish(mut self) -> Graph {
        let mut order: Vec<usize> = (0..self.entities.len()).collect();
        order.sort_by_key(|&i| (self.entities[i].start, self.entities[i].end));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        for entity in &mut self.entities {
            for relation in &mut entity.relations {
                relation.1 = place[relation.1];
            }
            entity.relations.sort_by_key(|r| (r.1, r.0));
        }
        let mut sorted: Vec<(usize, Entity)> = place.into_iter().zip(self.entities).collect();
        sorted.sort_by_key(|(new, _)| *new);
        let entities = sorted
            .into_iter()
            .map(|(new, mut entity)| {
                entity.key = (new + 1).to_string();
                entity
            })
            .collect();
        Graph {
            text: self.text,
            entities,
        }
    }
}

/// RadGraph's tokens: cut at white space, and each of `/ , : . ! ? ( )` by itself
/// (the preprocessing of the radgraph package for its first model).
pub fn cut_tokens(text: &str, tokens: &mut Vec<Range<usize>>) {
    let mut start = None;
    for (at, c) in text.char_indices() {
        let mark = matches!(c, '/' | ',' | ':' | '.' | '!' | '?' | '(' | ')');
        if mark || c.is_whitespace() {
            tokens.extend(start.take().map(|from| from..at));
            if mark {
                tokens.push(at..at + 1);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    tokens.extend(start.map(|from| from..text.len()));
}
