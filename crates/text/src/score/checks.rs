//! Texts that scores should not be trusted on: empty, of nothing but removed words, repeating, shuffled, not English; and models that
//! write the same text whatever the image.

use super::metric::Pair;
use crate::stream::{only_removed_words, unlike_english};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::iter::once;

/// Share of equal texts from which a set counts as constant.
const CONSTANT: f64 = 0.5;
/// Samples from which that is looked at.
const CONSTANT_FROM: usize = 10;

/// What is odd about the text of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Id of the sample.
    pub id: String,
    /// Names of what was found.
    pub kinds: Vec<&'static str>,
}

/// What was found in a set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Checks {
    /// How often each oddity was found.
    pub counts: BTreeMap<&'static str, u64>,
    /// The samples, in the order of the references.
    pub flagged: Vec<Flag>,
    /// Share of the most frequent hypothesis, when it is half of the set or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<f64>,
}

/// Gathers [`Checks`] batch by batch.
#[derive(Default)]
pub(super) struct Collector {
    flags: Vec<(usize, Flag)>,
    texts: FxHashMap<u64, u32>,
    n: usize,
}

impl Collector {
    pub(super) fn add(&mut self, pairs: &[Pair]) {
        let looked: Vec<(Vec<&'static str>, u64)> = pairs
            .par_iter()
            .map(|pair| (oddities(pair), hash(&pair.tokens.hypothesis)))
            .collect();
        for (pair, (kinds, text)) in pairs.iter().zip(looked) {
            if !kinds.is_empty() {
                let id = pair.id.clone();
                self.flags.push((self.n, Flag { id, kinds }));
            }
            *self.texts.entry(text).or_insert(0) += 1;
            self.n += 1;
        }
    }

    /// `place[i]` is where the i-th pair taken in stands in the report.
    pub(super) fn finish(mut self, place: &[usize]) -> Checks {
        self.flags.sort_by_key(|(i, _)| place[*i]);
        let mut counts = BTreeMap::new();
        for kind in self.flags.iter().flat_map(|(_, f)| &f.kinds) {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        let most = self.texts.values().max().copied().unwrap_or(0);
        let share = f64::from(most) / self.n.max(1) as f64;
        Checks {
            counts,
            flagged: self.flags.into_iter().map(|(_, f)| f).collect(),
            constant: (self.n >= CONSTANT_FROM && share >= CONSTANT).then_some(share),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What is odd about a pair.
pub fn oddities(pair: &Pair) -> Vec<&'static str> {
    let hypothesis = pair.tokens.hypothesis.as_str();
    let words: Vec<&str> = hypothesis.split_whitespace().collect();
    let references: Vec<Vec<&str>> = pair
        .tokens
        .references
        .iter()
        .map(|r| r.split_whitespace().collect())
        .collect();
    let longest = references.iter().map(Vec::len).max().unwrap_or(0);
    let labels_only = pair.hypothesis_labels.is_some() || pair.reference_labels.is_some();
    let checks = [
        ("empty", words.is_empty() && !labels_only),
        ("empty_reference", longest == 0 && !labels_only),
        ("few_words", (1..3).contains(&words.len()) && longest >= 10),
        ("repetitive", repeats(&words)),
        ("shuffled", references.iter().any(|r| shuffled(&words, r))),
        ("only_removed_words", only_removed_words(once(hypothesis))),
        (
            "reference_only_removed_words",
            pair.tokens
                .references
                .iter()
                .any(|r| only_removed_words(once(r.as_str()))),
        ),
        ("unlike_english", unlike_english(once(hypothesis)).is_some()),
        (
            "reference_unlike_english",
            pair.tokens
                .references
                .iter()
                .any(|r| unlike_english(once(r.as_str())).is_some()),
        ),
    ];
    checks
        .iter()
        .filter(|(_, yes)| *yes)
        .map(|(name, _)| *name)
        .collect()
}

/// A run of up to eight words comes four times in a row and makes at least a third of the text, or few of
/// many word pairs are different.
fn repeats(words: &[&str]) -> bool {
    for period in 1..=8 {
        let mut run = 0;
        for i in period..words.len() {
            run = if words[i] == words[i - period] {
                run + 1
            } else {
                0
            };
            if run >= 3 * period && 3 * (run + period) >= words.len() {
                return true;
            }
        }
    }
    words.len() >= 40 && word_pairs(words).len() * 10 < words.len() * 3
}

/// Different pairs of neighbours.
fn word_pairs<'a>(words: &[&'a str]) -> FxHashSet<(&'a str, &'a str)> {
    words.windows(2).map(|w| (w[0], w[1])).collect()
}

/// The reference's words in another order: most words are shared, hardly any word pair.
fn shuffled(words: &[&str], reference: &[&str]) -> bool {
    if words.len() < 8 || reference.len() < 8 {
        return false;
    }
    let known: FxHashSet<&str> = reference.iter().copied().collect();
    let shared = words.iter().filter(|w| known.contains(*w)).count();
    if shared * 10 < words.len() * 8 {
        return false;
    }
    let pairs = word_pairs(reference);
    let kept = words.windows(2);
    let kept = kept.filter(|w| pairs.contains(&(w[0], w[1]))).count();
    kept * 100 < (words.len() - 1) * 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlg::Sample;

    fn pair(hypothesis: &str, reference: &str) -> Pair {
        let tokens = Sample {
            hypothesis: hypothesis.to_owned(),
            references: vec![reference.to_owned()],
        };
        Pair {
            id: "a".to_owned(),
            tokens,
            ..Pair::default()
        }
    }

    const REPORT: &str =
        "the heart is normal in size and the lungs are clear without effusion or pneumothorax";

    #[test]
    fn each_oddity_is_found_and_a_report_has_none() {
        assert!(oddities(&pair(REPORT, REPORT)).is_empty());
        assert_eq!(oddities(&pair("", REPORT)), ["empty"]);
        assert_eq!(oddities(&pair("normal", REPORT)), ["few_words"]);
        let removed = "xxxx xxxx . xxxx xxxx";
        assert_eq!(oddities(&pair(removed, REPORT)), ["only_removed_words"]);
        assert_eq!(
            oddities(&pair(REPORT, removed)),
            ["reference_only_removed_words"]
        );
        assert_eq!(oddities(&pair(REPORT, "")), ["empty_reference"]);
        assert_eq!(
            oddities(&pair(&"no effusion ".repeat(6), REPORT)),
            ["repetitive"]
        );
        let mut words: Vec<&str> = REPORT.split(' ').collect();
        words.sort_unstable();
        assert_eq!(oddities(&pair(&words.join(" "), REPORT)), ["shuffled"]);
        assert_eq!(
            oddities(&pair("сердце нормальных размеров легкие чистые", REPORT)),
            ["unlike_english"]
        );
        let spanish = "El corazon es de tamano normal y no hay derrame pleural ni neumotorax.";
        assert_eq!(oddities(&pair(spanish, REPORT)), ["unlike_english"]);
    }

    #[test]
    fn one_text_for_every_image() {
        let mut collector = Collector::default();
        let pairs: Vec<Pair> = (0..10)
            .map(|i| pair(if i < 6 { REPORT } else { "other text here" }, REPORT))
            .collect();
        collector.add(&pairs);
        let order: Vec<usize> = (0..10).collect();
        assert_eq!(collector.finish(&order).constant, Some(0.6));
    }
}
