//! chrF and chrF++ (Popovic 2015, 2017) as sacreBLEU computes them: beta 2, character 1- to 6-grams
//! without white space, for chrF++ also word 1- and 2-grams with punctuation split off; averages over the
//! orders that occur; 0 to 100; best of the references.

use super::VERSION;
use rustc_hash::FxHashMap;
use std::hash::Hash;

const CHARACTERS: usize = 6;
const BETA: f64 = 2.0;
const TINY: f64 = 1e-16;

/// Numbers of a row without word n-grams.
pub const PLAIN: usize = 3 * CHARACTERS;
/// Numbers of a row with word 1- and 2-grams.
pub const WITH_WORDS: usize = 3 * (CHARACTERS + 2);

/// Signature under a name.
pub fn signature(name: &str, words: usize, section: &str) -> String {
    format!(
        "{name}|case:mixed|eff:yes|nc:6|nw:{words}|space:no|beta:2|ref:best|impl:sacrebleu|section:{section}|{VERSION}"
    )
}

/// For each order n-grams of the text, of the reference, and matched ones, against the best reference.
pub fn row(hypothesis: &str, references: &[String], words: usize) -> Vec<f64> {
    let test = Grams::new(hypothesis, words);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for reference in references {
        let found = test.against(&Grams::new(reference, words));
        let score = from_sums(&found, words);
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, found));
        }
    }
    best.map_or_else(|| vec![0.0; 3 * (CHARACTERS + words)], |(_, row)| row)
}

/// The score of the sums of rows.
pub fn from_sums(sums: &[f64], words: usize) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for counts in sums.chunks(3).take(CHARACTERS + words) {
        let (test, truth, matched) = (counts[0], counts[1], counts[2]);
        if test > 0.0 && truth > 0.0 {
            precision += matched / test;
            recall += matched / truth;
            orders += 1.0;
        }
    }
    if orders == 0.0 || precision + recall < TINY {
        return 0.0;
    }
    let (p, r) = (precision / orders, recall / orders);
    100.0 * (1.0 + BETA * BETA) * p * r / (BETA * BETA * p + r)
}

struct Grams<'a> {
    characters: Vec<FxHashMap<Vec<char>, u32>>,
    words: Vec<FxHashMap<Vec<&'a str>, u32>>,
}

impl<'a> Grams<'a> {
    fn new(text: &'a str, words: usize) -> Self {
        let characters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        let cut = if words > 0 {
            split_words(text)
        } else {
            Vec::new()
        };
        Grams {
            characters: (1..=CHARACTERS).map(|n| counts(&characters, n)).collect(),
            words: (1..=words).map(|n| counts(&cut, n)).collect(),
        }
    }

    fn against(&self, truth: &Grams<'_>) -> Vec<f64> {
        let characters = self
            .characters
            .iter()
            .zip(&truth.characters)
            .flat_map(|(a, b)| matched(a, b));
        let words = self
            .words
            .iter()
            .zip(&truth.words)
            .flat_map(|(a, b)| matched(a, b));
        characters.chain(words).collect()
    }
}

fn counts<T: Copy + Eq + Hash>(items: &[T], n: usize) -> FxHashMap<Vec<T>, u32> {
    let mut counts = FxHashMap::default();
    items
        .windows(n)
        .for_each(|gram| *counts.entry(gram.to_vec()).or_insert(0) += 1);
    counts
}

fn matched<T: Eq + Hash>(test: &FxHashMap<T, u32>, truth: &FxHashMap<T, u32>) -> [f64; 3] {
    let sum = |counts: &FxHashMap<T, u32>| f64::from(counts.values().sum::<u32>());
    let common: u32 = test
        .iter()
        .map(|(g, c)| (*c).min(truth.get(g).copied().unwrap_or(0)))
        .sum();
    // Without any n-gram in the reference, those of the text are not counted against it.
    let of_test = if truth.is_empty() { 0.0 } else { sum(test) };
    [of_test, sum(truth), f64::from(common)]
}

/// Words with one mark of punctuation split off at the end or, failing that, at the start.
fn split_words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let mut chars = word.char_indices();
        let first = chars.next().map_or(' ', |(_, c)| c);
        match chars.next_back() {
            Some((at, last)) if last.is_ascii_punctuation() => {
                out.extend([&word[..at], &word[at..]])
            }
            Some(_) if first.is_ascii_punctuation() => out.extend([&word[..1], &word[1..]]),
            _ => out.push(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(hypothesis: &str, reference: &str) -> f64 {
        from_sums(&row(hypothesis, &[reference.to_owned()], 0), 0)
    }

    #[test]
    fn identity_is_a_hundred_and_white_space_does_not_count() {
        assert!((score("no effusion", "no effusion") - 100.0).abs() < 1e-9);
        assert!((score("noeffusion", "no effusion") - 100.0).abs() < 1e-9);
        assert_eq!(score("", "no effusion"), 0.0);
        assert_eq!(score("xyz", "abc"), 0.0);
    }

    #[test]
    fn punctuation_is_split_once() {
        assert_eq!(split_words("(big), . a."), ["(big)", ",", ".", "a", "."]);
        assert_eq!(split_words("(big"), ["(", "big"]);
    }
}
