//! METEOR 1.5 (Denkowski and Lavie 2014), English ranking parameters: alpha 0.85, beta 0.20,
//! gamma 0.60, delta 0.75; weights 1.0 for exact, 0.6 for stem and 0.8 for synonym matches.
//!
//! The jar that pycocoevalcap runs also matches WordNet synonyms and paraphrases from a table of
//! 60 MB. Synonyms are matched where the user has WordNet 3.0 ([`WordNet::load`]); the paraphrase table
//! is not part of this crate, and the signature says which stages ran. Without it values are mostly
//! below the jar's and are *not* comparable with them. Against the jar run with the same stages they
//! agree (see `docs/text.md`).

mod align;
mod candidates;
mod vocabulary;
mod wordnet;

pub use wordnet::WordNet;

use super::{Sample, Score, VERSION, check};
use crate::error::TextError;
use align::{Aligner, Alignment};
use candidates::Stage;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use vocabulary::{Text, Vocabulary};

const ALPHA: f64 = 0.85;
const BETA: f64 = 0.20;
const GAMMA: f64 = 0.60;
const DELTA: f64 = 0.75;
/// Weights of the stages exact, stem, synonym.
const WEIGHTS: [f64; 3] = [1.0, 0.6, 0.8];

/// Numbers of a side in a row: content words, function words, and of each stage the matched ones.
const SIDE: usize = 2 + 2 * WEIGHTS.len();
/// Numbers of a row: the two sides, the chunks, and 1 where the alignment was too large.
pub const WIDTH: usize = 2 * SIDE + 2;

static FUNCTION_WORDS: LazyLock<rustc_hash::FxHashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../../data/meteor_function_words_en.txt").lines();
    lines
        .filter(|l| !l.starts_with("# "))
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect()
});

fn weigh(content: f64, function: f64) -> f64 {
    DELTA * content + (1.0 - DELTA) * function
}

/// Weighted share of a side's words that is matched.
fn share(side: &[f64]) -> f64 {
    let matched: f64 = WEIGHTS
        .iter()
        .zip(side[2..].chunks(2))
        .map(|(w, counts)| w * weigh(counts[0], counts[1]))
        .sum();
    matched / weigh(side[0], side[1])
}

fn matches(side: &[f64]) -> f64 {
    side[2..SIDE].iter().sum()
}

/// Every word matched, in one chunk.
fn is_whole(sums: &[f64]) -> bool {
    let complete = |side: &[f64]| matches(side) == side[0] + side[1];
    complete(&sums[..SIDE]) && complete(&sums[SIDE..2 * SIDE]) && sums[2 * SIDE] <= 1.0
}

/// Why a score is null.
pub const TOO_LARGE: &str =
    "the texts repeat their words so often that the alignment cannot be searched";

/// The score of the sums of rows.
///
/// # Errors
/// A row among them is of a pair that could not be aligned.
pub fn from_sums(sums: &[f64]) -> Result<f64, &'static str> {
    if sums[2 * SIDE + 1] > 0.0 {
        return Err(TOO_LARGE);
    }
    let (test, reference) = (&sums[..SIDE], &sums[SIDE..2 * SIDE]);
    let mean = 1.0 / ((1.0 - ALPHA) / share(test) + ALPHA / share(reference));
    let fragmentation = if is_whole(sums) {
        0.0
    } else {
        sums[2 * SIDE] / ((matches(test) + matches(reference)) / 2.0)
    };
    let score = mean * (1.0 - GAMMA * fragmentation.powf(BETA));
    // No word or no match: 0 / 0 on the way.
    Ok(if score.is_finite() {
        score.max(0.0)
    } else {
        0.0
    })
}

/// Signature; `cut` says how the text was cut.
pub fn signature(wordnet: Option<&WordNet>, cut: &str) -> String {
    let stages = match wordnet {
        Some(wordnet) => format!(
            "stages:exact+stem+synonym|wordnet:{}|no:paraphrase",
            wordnet.name()
        ),
        None => "stages:exact+stem|no:synonym,paraphrase".to_owned(),
    };
    format!(
        "meteor|v1.5|lang:en|{stages}|norm:lower|a:{ALPHA},b:{BETA},g:{GAMMA},d:{DELTA}|{cut}|{VERSION}"
    )
}

/// METEOR with the exact and stem stages, and with WordNet the synonym stage.
///
/// Errors: no samples, or one without a reference.
pub fn meteor_with(
    samples: &[Sample],
    wordnet: Option<&Arc<WordNet>>,
    tokenizer: &str,
) -> Result<Score, TextError> {
    check(samples)?;
    let meteor = Meteor::new(wordnet.cloned());
    let rows: Vec<[f64; WIDTH]> = samples.par_iter().map(|s| meteor.row(s)).collect();
    let mut total = [0.0; WIDTH];
    for row in &rows {
        total.iter_mut().zip(row).for_each(|(t, v)| *t += v);
    }
    let value = from_sums(&total);
    Ok(Score {
        value: value.ok(),
        per_sample: rows.iter().map(|r| from_sums(r).ok()).collect(),
        signature: signature(wordnet.map(Arc::as_ref), &format!("tok:{tokenizer}")),
        reason: value.err().map(str::to_owned),
        per_sample_reason: value.err().map(str::to_owned),
        samples: None,
    })
}

/// [`meteor_with`] without WordNet.
pub fn meteor(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    meteor_with(samples, None, tokenizer)
}

/// METEOR of pair after pair: keeps what it learned of words, and its buffers, from one to the next.
///
/// Shared by threads: each takes a desk from the pool for a pair and puts it back.
pub struct Meteor {
    wordnet: Option<Arc<WordNet>>,
    desks: Mutex<Vec<Desk>>,
}

/// What one thread works with.
struct Desk {
    vocabulary: Vocabulary,
    aligner: Aligner,
    test: Text,
    reference: Text,
    alignment: Alignment,
}

impl Desk {
    fn new() -> Self {
        Desk {
            vocabulary: Vocabulary::new(),
            aligner: Aligner::default(),
            test: Text::default(),
            reference: Text::default(),
            alignment: Alignment::default(),
        }
    }

    /// Reads both texts and aligns them; false when there is too much to search.
    fn align(&mut self, reference: &str, wordnet: Option<&WordNet>) -> bool {
        self.vocabulary
            .read(reference, wordnet, &mut self.reference);
        self.aligner.align(
            &self.vocabulary,
            &self.test,
            &self.reference,
            &mut self.alignment,
        )
    }

    fn row(&mut self, sample: &Sample, wordnet: Option<&WordNet>) -> [f64; WIDTH] {
        self.vocabulary.shrink();
        self.vocabulary
            .read(&sample.hypothesis, wordnet, &mut self.test);
        let mut best: Option<(f64, [f64; WIDTH])> = None;
        for reference in &sample.references {
            if !self.align(reference, wordnet) {
                let mut row = [0.0; WIDTH];
                row[2 * SIDE + 1] = 1.0;
                return row;
            }
            let row = count(self);
            let score = from_sums(&row).unwrap_or(0.0);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, row));
            }
        }
        let mut row = best.map_or([0.0; WIDTH], |(_, row)| row);
        // A pair that is matched whole adds its words but no chunk, as in the jar.
        if is_whole(&row) {
            row[2 * SIDE] = 0.0;
        }
        row
    }
}

impl Meteor {
    /// With the exact and stem stages, and with WordNet the synonym stage.
    pub fn new(wordnet: Option<Arc<WordNet>>) -> Self {
        Meteor {
            wordnet,
            desks: Mutex::default(),
        }
    }

    /// What one sample adds: its counts against the reference with the highest score, the first of equals.
    pub fn row(&self, sample: &Sample) -> [f64; WIDTH] {
        let pool = || self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut desk = pool().pop().unwrap_or_else(Desk::new);
        let row = desk.row(sample, self.wordnet.as_deref());
        pool().push(desk);
        row
    }
}

/// Matched words with their stage, and the chunks, for the first reference.
pub fn explain(sample: &Sample, wordnet: Option<&WordNet>) -> Value {
    let reference = sample.references.first().map_or("", String::as_str);
    let mut desk = Desk::new();
    desk.vocabulary
        .read(&sample.hypothesis, wordnet, &mut desk.test);
    if !desk.align(reference, wordnet) {
        return json!({ "reason": TOO_LARGE });
    }
    let (test, reference) = (words(&sample.hypothesis), words(reference));
    let of_stage = |stage: Stage| -> Vec<String> {
        let matched = |p: &align::Pair| {
            let (t, r) = (&test[p.test], &reference[p.reference]);
            if t == r {
                t.clone()
            } else {
                format!("{t}={r}")
            }
        };
        let pairs = desk.alignment.pairs.iter();
        pairs.filter(|p| p.stage == stage).map(matched).collect()
    };
    json!({
        "exact": of_stage(Stage::Exact),
        "stem": of_stage(Stage::Stem),
        "synonym": of_stage(Stage::Synonym),
        "chunks": desk.alignment.chunks,
        "words": [test.len(), reference.len()],
    })
}

/// The words of a text as METEOR cuts it.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    vocabulary::for_each_word(text, &mut String::new(), |word| out.push(word.to_owned()));
    out
}

fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(word)
}

fn count(desk: &Desk) -> [f64; WIDTH] {
    let (test, reference) = (&desk.test.words, &desk.reference.words);
    let mut out = [0.0; WIDTH];
    let function = |word: u32| usize::from(desk.vocabulary.is_function(word));
    for (start, words) in [(0, test), (SIDE, reference)] {
        words.iter().for_each(|&w| out[start + function(w)] += 1.0);
    }
    for pair in &desk.alignment.pairs {
        let stage = 2 + 2 * pair.stage as usize;
        out[stage + function(test[pair.test])] += 1.0;
        out[SIDE + stage + function(reference[pair.reference])] += 1.0;
    }
    out[2 * SIDE] = desk.alignment.chunks as f64;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(hypothesis: &str, reference: &str) -> f64 {
        let sample = Sample {
            hypothesis: hypothesis.to_owned(),
            references: vec![reference.to_owned()],
        };
        meteor(&[sample], "none").unwrap().value.unwrap()
    }

    #[test]
    fn identity_is_one_and_nothing_is_nought() {
        assert!((score("the heart is normal", "the heart is normal") - 1.0).abs() < 1e-12);
        assert_eq!(score("", "the heart is normal"), 0.0);
        assert_eq!(score("abc", "def"), 0.0);
    }

    #[test]
    fn stems_count_less_than_words_and_order_matters() {
        let (word, stem) = (
            score("effusions seen", "effusions seen"),
            score("effusion seen", "effusions seen"),
        );
        assert!(stem < word && stem > 0.0);
        assert!(score("heart the normal is", "the heart is normal") < 1.0);
    }
}
