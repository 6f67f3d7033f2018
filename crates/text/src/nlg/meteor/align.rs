//! The alignment: which words match, most of them, in the fewest chunks.
//!
//! A beam search over the words of the reference, as in METEOR 1.5: alignments are ordered by how
//! many words they cover, then by chunks, then by how far the matched words lie apart.

use super::wordnet::WordNet;
use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Alignments kept after each word.
const BEAM: usize = 40;
/// Possible matches of a pair at most: two long texts of a few words, over and over, would take hours.
const MAX_MATCHES: usize = 1 << 20;

/// Words of a text, lower case, with their stems and meanings.
pub struct Text {
    /// Words.
    pub words: Vec<String>,
    stems: Vec<String>,
    /// Synonym sets of each word, sorted; empty without WordNet.
    meanings: Vec<Vec<u32>>,
}

impl Text {
    /// Cuts a tokenised text at blanks, and marks off the words as METEOR's normalisation does.
    pub fn new(text: &str, wordnet: Option<&WordNet>) -> Self {
        let words = normalise(text);
        let stemmer = Stemmer::create(Algorithm::English);
        let stems = words.iter().map(|w| stemmer.stem(w).into_owned()).collect();
        let meanings = wordnet.map_or_else(Vec::new, |w| {
            words.iter().map(|word| w.meanings(word)).collect()
        });
        Text {
            words,
            stems,
            meanings,
        }
    }
}

/// What `-norm` does to English: lower case, a hyphen between letters or digits is a blank, marks are
/// words of their own, `it's` is `it 's`, `2,000` stays whole. Checked against the jar.
fn normalise(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    let mut spaced = String::with_capacity(text.len() + 16);
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
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut out = Vec::with_capacity(words.len());
    for (i, word) in words.iter().enumerate() {
        match word
            .strip_suffix('.')
            .filter(|stem| ends_sentence(stem, words.get(i + 1).copied()))
        {
            Some(stem) => out.extend([stem.to_owned(), ".".to_owned()]),
            None => out.push((*word).to_owned()),
        }
    }
    out
}

/// Whether the stop after `stem` is a word of its own: not in `a.m.`, not before a small letter.
fn ends_sentence(stem: &str, next: Option<&str>) -> bool {
    let dotted = stem.contains('.') && stem.contains(char::is_alphabetic);
    let goes_on = next.is_some_and(|n| n.starts_with(char::is_lowercase));
    !stem.is_empty() && !stem.ends_with('.') && !dotted && !goes_on
}

/// A matched pair of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index in the test text.
    pub test: usize,
    /// Index in the reference.
    pub reference: usize,
    /// What they have in common.
    pub stage: Stage,
}

/// What two words have in common, in the order in which METEOR looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// They are the same.
    Exact,
    /// The stem.
    Stem,
    /// A synonym set of WordNet.
    Synonym,
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
    /// Exact matches: the others, worth less than 1, add nothing to METEOR's whole-number count.
    exact: usize,
    matches: usize,
    /// Chunks that have ended; the open one is counted when it ends, as there, which steers the beam.
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

/// Best alignment of two texts; `None` when there are too many possible matches to search.
pub fn align(test: &Text, reference: &Text) -> Option<Alignment> {
    let options = candidates(test, reference)?;
    // A pair of words that nothing else competes for is settled beforehand.
    let mut wanted = vec![0; test.words.len()];
    options
        .iter()
        .flatten()
        .for_each(|(place, _)| wanted[*place] += 1);
    let empty = Path {
        used: vec![0; test.words.len().div_ceil(64)],
        exact: 0,
        matches: 0,
        chunks: 0,
        distance: 0,
        next: None,
        pairs: None,
    };
    let mut paths = vec![empty];
    for (at, matches) in options.iter().enumerate() {
        let fixed = matches.len() == 1 && wanted[matches[0].0] == 1;
        let mut next: Vec<Path> = Vec::with_capacity(paths.len() * 2);
        for path in &mut paths {
            for &(place, stage) in matches
                .iter()
                .filter(|(place, _)| !path.uses(*place))
                .collect::<Vec<_>>()
            {
                let pair = Pair {
                    test: place,
                    reference: at,
                    stage,
                };
                let distance = place.abs_diff(at);
                let mut matched = path.matched(pair);
                // METEOR adds the distance to the path it branches from, so that it counts for the
                // later branches and not for this one. Kept: the beam and ties depend on it.
                path.distance += distance;
                if fixed {
                    matched.distance = path.distance;
                }
                next.push(matched);
            }
            if !fixed {
                next.push(path.skipped());
            }
        }
        // Stable: of equals the one found first stays in front.
        next.sort_by_key(order);
        next.truncate(BEAM);
        paths = next;
    }
    let close = |path: Path| Path {
        chunks: path.chunks + usize::from(path.next.is_some()),
        ..path
    };
    let closed = paths.into_iter().map(close);
    Some(closed.min_by_key(order).map(finish).unwrap_or_default())
}

impl Path {
    fn uses(&self, place: usize) -> bool {
        self.used[place / 64] >> (place % 64) & 1 == 1
    }

    fn skipped(&self) -> Path {
        Path {
            chunks: self.chunks + usize::from(self.next.is_some()),
            next: None,
            ..self.clone()
        }
    }

    fn matched(&self, pair: Pair) -> Path {
        let mut used = self.used.clone();
        used[pair.test / 64] |= 1 << (pair.test % 64);
        Path {
            used,
            exact: self.exact + usize::from(pair.stage == Stage::Exact),
            matches: self.matches + 1,
            chunks: self.chunks + usize::from(self.next.is_some_and(|next| next != pair.test)),
            distance: self.distance,
            next: Some(pair.test + 1),
            pairs: Some(Rc::new(Link {
                pair,
                before: self.pairs.clone(),
            })),
        }
    }
}

/// Smaller is better.
fn order(path: &Path) -> (usize, usize, usize) {
    (usize::MAX - path.exact, path.chunks, path.distance)
}

fn finish(path: Path) -> Alignment {
    let mut pairs = Vec::with_capacity(path.matches);
    let mut link = path.pairs;
    while let Some(this) = link {
        pairs.push(this.pair);
        link = this.before.clone();
    }
    pairs.reverse();
    Alignment {
        pairs,
        chunks: path.chunks,
    }
}

/// For each reference word the test words it may match, stage after stage; a pair with a stem and a
/// meaning in common is listed twice, as there. `None` above [`MAX_MATCHES`].
fn candidates(test: &Text, reference: &Text) -> Option<Vec<Vec<(usize, Stage)>>> {
    let mut by_stem: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (i, stem) in test.stems.iter().enumerate() {
        by_stem.entry(stem).or_default().push(i);
    }
    let mut by_meaning: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
    for (i, meanings) in test.meanings.iter().enumerate() {
        meanings
            .iter()
            .for_each(|m| by_meaning.entry(*m).or_default().push(i));
    }
    let mut total = 0;
    let mut out = Vec::with_capacity(reference.words.len());
    for (at, (word, stem)) in reference.words.iter().zip(&reference.stems).enumerate() {
        let same_stem = by_stem.get(stem.as_str()).map_or(&[][..], Vec::as_slice);
        let (exact, stemmed): (Vec<usize>, Vec<usize>) =
            same_stem.iter().partition(|&&i| test.words[i] == *word);
        let mut synonyms: Vec<usize> = reference
            .meanings
            .get(at)
            .into_iter()
            .flatten()
            .filter_map(|m| by_meaning.get(m))
            .flatten()
            .filter(|&&i| test.words[i] != *word)
            .copied()
            .collect();
        synonyms.sort_unstable();
        synonyms.dedup();
        total += exact.len() + stemmed.len() + synonyms.len();
        if total > MAX_MATCHES {
            return None;
        }
        let staged = |all: Vec<usize>, stage| all.into_iter().map(move |i| (i, stage));
        let matches = staged(exact, Stage::Exact)
            .chain(staged(stemmed, Stage::Stem))
            .chain(staged(synonyms, Stage::Synonym));
        out.push(matches.collect());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_off_as_by_the_jar() {
        let words = |text| normalise(text).join(" ");
        assert_eq!(
            words("Right-sided a-b-c -lrb- svc/ra 2,000 1.5"),
            "right sided a b-c -lrb- svc / ra 2,000 1.5"
        );
        assert_eq!(
            words("it's n't 10:30 a.m. no."),
            "it 's n 't 10 : 30 a.m. no ."
        );
    }

    #[test]
    fn chunks_are_as_few_as_can_be() {
        let alignment = align(
            &Text::new("no edema no mass", None),
            &Text::new("no mass no edema", None),
        )
        .unwrap();
        assert_eq!((alignment.pairs.len(), alignment.chunks), (4, 2));
    }

    #[test]
    fn a_search_without_end_is_refused() {
        let text = "no ".repeat(2000);
        assert!(align(&Text::new(&text, None), &Text::new(&text, None)).is_none());
    }
}
