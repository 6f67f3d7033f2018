//! The alignment: which words match, most of them, in the fewest chunks.
//!
//! A beam search over the words of the reference, as in METEOR 1.5: alignments are ordered by how
//! many words they cover, then by chunks, then by how far the matched words lie apart.

use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Alignments kept after each word.
const BEAM: usize = 40;

/// Words of a text, lower case, with their stems.
pub struct Text {
    /// Words.
    pub words: Vec<String>,
    stems: Vec<String>,
}

impl Text {
    /// Cuts a tokenised text at blanks, and marks off the words as METEOR's normalisation does.
    pub fn new(text: &str) -> Self {
        let words = normalise(text);
        let stemmer = Stemmer::create(Algorithm::English);
        let stems = words.iter().map(|w| stemmer.stem(w).into_owned()).collect();
        Text { words, stems }
    }
}

/// Lower case; marks that stand at the edge of a word or between letters become words.
fn normalise(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// A matched pair of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index in the test text.
    pub test: usize,
    /// Index in the reference.
    pub reference: usize,
    /// Same word, or only the same stem.
    pub exact: bool,
}

/// Matched pairs and the number of runs in which both sides go on together.
#[derive(Debug, Clone, Default)]
pub struct Alignment {
    /// In the order of the reference.
    pub pairs: Vec<Pair>,
    /// Chunks.
    pub chunks: usize,
}

/// One way so far; the pairs are a shared list, newest first.
#[derive(Clone)]
struct Path {
    used: Vec<u64>,
    matches: usize,
    chunks: usize,
    distance: usize,
    /// Test index after the last match, if the last reference word was matched.
    next: Option<usize>,
    pairs: Option<Rc<Link>>,
}

struct Link {
    pair: Pair,
    before: Option<Rc<Link>>,
}

/// Best alignment of two texts.
pub fn align(test: &Text, reference: &Text) -> Alignment {
    let options = candidates(test, reference);
    let empty =
        Path { used: vec![0; test.words.len().div_ceil(64)], matches: 0, chunks: 0, distance: 0, next: None, pairs: None };
    let mut paths = vec![empty];
    for (at, matches) in options.iter().enumerate() {
        let mut next: Vec<Path> = Vec::with_capacity(paths.len() * 2);
        for path in &paths {
            for &(place, exact) in matches.iter().filter(|(place, _)| path.used[place / 64] >> (place % 64) & 1 == 0) {
                next.push(path.matched(Pair { test: place, reference: at, exact }));
            }
            next.push(Path { next: None, ..path.clone() });
        }
        // Stable: of equals the one found first stays in front.
        next.sort_by_key(|p| (usize::MAX - p.matches, p.chunks, p.distance));
        next.truncate(BEAM);
        paths = next;
    }
    paths.into_iter().next().map(finish).unwrap_or_default()
}

impl Path {
    fn matched(&self, pair: Pair) -> Path {
        let mut used = self.used.clone();
        used[pair.test / 64] |= 1 << (pair.test % 64);
        Path {
            used,
            matches: self.matches + 1,
            chunks: self.chunks + usize::from(self.next != Some(pair.test)),
            distance: self.distance + pair.test.abs_diff(pair.reference),
            next: Some(pair.test + 1),
            pairs: Some(Rc::new(Link { pair, before: self.pairs.clone() })),
        }
    }
}

fn finish(path: Path) -> Alignment {
    let mut pairs = Vec::with_capacity(path.matches);
    let mut link = path.pairs;
    while let Some(this) = link {
        pairs.push(this.pair);
        link = this.before.clone();
    }
    pairs.reverse();
    Alignment { pairs, chunks: path.chunks }
}

/// For each reference word the test words it may match, exact or by stem.
fn candidates(test: &Text, reference: &Text) -> Vec<Vec<(usize, bool)>> {
    let mut by_stem: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (i, stem) in test.stems.iter().enumerate() {
        by_stem.entry(stem).or_default().push(i);
    }
    let same = |i: usize, word: &String| test.words[i] == *word;
    let one = |(word, stem): (&String, &String)| {
        by_stem.get(stem.as_str()).map_or_else(Vec::new, |all| all.iter().map(|&i| (i, same(i, word))).collect())
    };
    reference.words.iter().zip(&reference.stems).map(one).collect()
}
