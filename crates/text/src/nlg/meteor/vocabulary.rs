//! Words as numbers: each distinct word is normalised, stemmed and looked up once, not once a text.

use super::wordnet::WordNet;
use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Words kept before the table starts anew, so that memory stays flat on any input.
const MAX_WORDS: usize = 1 << 17;

/// What is known of a word.
#[derive(Debug, Clone, Copy)]
struct Entry {
    stem: u32,
    function: bool,
    /// Where its synonym sets are, in [`Vocabulary::meanings`].
    meanings: (u32, u32),
}

/// Distinct words met so far, with stems, synonym sets and whether they are function words.
///
/// Numbers of words, stems and synonym sets are dense, so that tables over them are plain arrays.
pub struct Vocabulary {
    stemmer: Stemmer,
    words: FxHashMap<Box<str>, u32>,
    stems: FxHashMap<Box<str>, u32>,
    sets: FxHashMap<u32, u32>,
    entries: Vec<Entry>,
    meanings: Vec<u32>,
    scratch: String,
}

/// A text as numbers of its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Words.
    pub words: Vec<u32>,
}

impl Vocabulary {
    /// An empty table.
    pub fn new() -> Self {
        Vocabulary {
            stemmer: Stemmer::create(Algorithm::English),
            words: FxHashMap::default(),
            stems: FxHashMap::default(),
            sets: FxHashMap::default(),
            entries: Vec::new(),
            meanings: Vec::new(),
            scratch: String::new(),
        }
    }

    /// Forgets everything once the table has grown large. Numbers given before are void after it.
    pub fn shrink(&mut self) {
        if self.words.len() > MAX_WORDS {
            *self = Vocabulary::new();
        }
    }

    /// Cuts a tokenised text at blanks, and marks off the words as METEOR's normalisation does.
    pub fn read(&mut self, text: &str, wordnet: Option<&WordNet>, out: &mut Text) {
        out.words.clear();
        let mut spaced = std::mem::take(&mut self.scratch);
        for_each_word(text, &mut spaced, |word| {
            out.words.push(self.number(word, wordnet));
        });
        self.scratch = spaced;
    }

    /// Stem of a word.
    pub fn stem(&self, word: u32) -> u32 {
        self.entries[word as usize].stem
    }

    /// Whether the word counts as a function word.
    pub fn is_function(&self, word: u32) -> bool {
        self.entries[word as usize].function
    }

    /// Synonym sets of a word; none without WordNet.
    pub fn meanings(&self, word: u32) -> &[u32] {
        let (from, to) = self.entries[word as usize].meanings;
        &self.meanings[Range {
            start: from as usize,
            end: to as usize,
        }]
    }

    /// How many stems there are.
    pub fn stem_count(&self) -> usize {
        self.stems.len()
    }

    /// How many synonym sets have been met.
    pub fn set_count(&self) -> usize {
        self.sets.len()
    }

    fn number(&mut self, word: &str, wordnet: Option<&WordNet>) -> u32 {
        if let Some(known) = self.words.get(word) {
            return *known;
        }
        let stem = dense(&mut self.stems, &self.stemmer.stem(word));
        let from = self.meanings.len() as u32;
        for set in wordnet.map_or_else(Vec::new, |w| w.meanings(word)) {
            let next = self.sets.len() as u32;
            self.meanings.push(*self.sets.entry(set).or_insert(next));
        }
        self.entries.push(Entry {
            stem,
            function: super::is_function_word(word),
            meanings: (from, self.meanings.len() as u32),
        });
        dense(&mut self.words, word)
    }
}

/// The number of a text, the next free one if it is new.
fn dense(known: &mut FxHashMap<Box<str>, u32>, text: &str) -> u32 {
    if let Some(number) = known.get(text) {
        return *number;
    }
    let number = known.len() as u32;
    known.insert(text.into(), number);
    number
}

/// The words of a text after METEOR's normalisation.
pub fn for_each_word(text: &str, spaced: &mut String, mut take: impl FnMut(&str)) {
    if text.bytes().all(is_plain) {
        text.split_ascii_whitespace().for_each(take);
        return;
    }
    spaced.clear();
    for token in text.split_whitespace() {
        if token.bytes().all(is_plain) {
            spaced.push_str(token);
        } else {
            space_out(&token.to_lowercase(), spaced);
        }
        spaced.push(' ');
    }
    let mut words = spaced.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let stem = word
            .strip_suffix('.')
            .filter(|stem| ends_sentence(stem, words.peek().copied()));
        match stem {
            Some(stem) => {
                take(stem);
                take(".");
            }
            None => take(word),
        }
    }
}

/// Bytes that the normalisation leaves as they are, wherever they stand.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b' '
}

/// What `-norm` does to an English token in lower case: a hyphen between letters or digits is a blank, marks
/// are words of their own, `it's` is `it 's`, `2,000` stays whole. Checked against the jar.
fn space_out(token: &str, spaced: &mut String) {
    let chars: Vec<char> = token.chars().collect();
    // Non-overlapping, as a regular expression works: `a-b-c` gives `a b-c`.
    let mut after_blank = usize::MAX;
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1).copied();
        let between = |test: fn(char) -> bool| before.is_some_and(test) && after.is_some_and(test);
        match c {
            '-' if between(char::is_alphanumeric) && after_blank != i.wrapping_sub(1) => {
                spaced.push(' ');
                after_blank = i + 1;
            }
            '\'' if between(char::is_alphabetic) => spaced.push_str(" '"),
            ',' if between(|c| c.is_ascii_digit()) => spaced.push(c),
            '-' | '.' | '`' => spaced.push(c),
            c if c.is_alphanumeric() || c.is_whitespace() => spaced.push(c),
            c => spaced.extend([' ', c, ' ']),
        }
    }
}

/// Whether the stop after `stem` is a word of its own: not in `a.m.`, not before a small letter.
fn ends_sentence(stem: &str, next: Option<&str>) -> bool {
    let dotted = stem.contains('.') && stem.contains(char::is_alphabetic);
    let goes_on = next.is_some_and(|n| n.starts_with(char::is_lowercase));
    !stem.is_empty() && !stem.ends_with('.') && !dotted && !goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_off_as_by_the_jar() {
        let words = |text| {
            let mut out = Vec::new();
            for_each_word(text, &mut String::new(), |w| out.push(w.to_owned()));
            out.join(" ")
        };
        assert_eq!(
            words("Right-sided a-b-c -lrb- svc/ra 2,000 1.5"),
            "right sided a b-c -lrb- svc / ra 2,000 1.5"
        );
        assert_eq!(
            words("it's n't 10:30 a.m. no."),
            "it 's n 't 10 : 30 a.m. no ."
        );
        assert_eq!(
            words("no.  No. 5 clear\u{a0}lungs"),
            "no. no . 5 clear lungs"
        );
    }

    #[test]
    fn equal_words_and_stems_have_equal_numbers() {
        let (mut vocabulary, mut text) = (Vocabulary::new(), Text::default());
        vocabulary.read("effusions the effusion The", None, &mut text);
        let [a, b, c, d] = text.words[..] else {
            panic!("{text:?}")
        };
        assert_eq!((b, vocabulary.stem(a)), (d, vocabulary.stem(c)));
        assert!(a != c && vocabulary.is_function(b) && !vocabulary.is_function(a));
    }
}
