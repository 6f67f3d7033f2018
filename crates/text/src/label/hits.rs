//! One sentence as words and phrase hits; the input of every rule.

use crate::lexicon::trie::Symbols;
use crate::lexicon::{CueKind, Lexicon, Role};
use crate::tokenize::words::{Word, cut};
use std::ops::Range;

/// A phrase found, by word index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit<T> {
    /// First word.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
    /// What it is.
    pub what: T,
}

/// Words and hits of one sentence; kept and reused from sentence to sentence.
#[derive(Debug, Default)]
pub struct SentenceHits {
    /// Words in order.
    pub words: Vec<Word>,
    /// Terms, structures, states and cues, by place.
    pub hits: Vec<Hit<Role>>,
    /// Modifiers, by place; `what` indexes [`Lexicon::modifiers`].
    pub modifiers: Vec<Hit<u32>>,
    symbols: Vec<Option<Symbols>>,
    found: Vec<u32>,
}

impl SentenceHits {
    /// Finds every phrase in `lower[range]`, which must be lower case (ASCII).
    pub fn read(&mut self, lexicon: &Lexicon, lower: &str, range: Range<usize>) {
        self.words.clear();
        cut(lower, range.start, range.end, &mut self.words);
        self.find_phrases(lexicon, lower);
        self.find_modifiers(lexicon, lower);
    }

    fn find_phrases(&mut self, lexicon: &Lexicon, lower: &str) {
        self.hits.clear();
        self.symbols.clear();
        self.symbols.extend(
            self.words
                .iter()
                .map(|w| lexicon.phrases.symbols(w.of(lower))),
        );
        let mut at = 0;
        while at < self.words.len() {
            let len = lexicon
                .phrases
                .longest_at(&self.symbols, at, &mut self.found);
            let mut step = len.max(1);
            for &payload in &self.found {
                let what = lexicon.roles[payload as usize];
                // `, stable` ends a reach, but its word still says something about a structure.
                if what == Role::Cue(CueKind::Stop) {
                    step = 1;
                }
                self.hits.push(Hit {
                    start: at,
                    end: at + len,
                    what,
                });
            }
            at += step;
        }
    }

    fn find_modifiers(&mut self, lexicon: &Lexicon, lower: &str) {
        self.modifiers.clear();
        self.symbols.clear();
        self.symbols.extend(
            self.words
                .iter()
                .map(|w| lexicon.modifier_phrases.symbols(w.of(lower))),
        );
        let mut at = 0;
        while at < self.words.len() {
            let len = lexicon
                .modifier_phrases
                .longest_at(&self.symbols, at, &mut self.found);
            self.modifiers.extend(self.found.iter().map(|&what| Hit {
                start: at,
                end: at + len,
                what,
            }));
            at += len.max(1);
        }
    }

    /// Byte range of words `start..end`.
    pub fn bytes(&self, start: usize, end: usize) -> Range<usize> {
        self.words[start].start as usize..self.words[end - 1].end as usize
    }

    /// Whether word `at` is `word`.
    pub fn word_is(&self, lower: &str, at: usize, word: &str) -> bool {
        self.words.get(at).is_some_and(|w| w.of(lower) == word)
    }
}
