//! METEOR 1.5 (Denkowski and Lavie 2014), English ranking parameters: alpha 0.85, beta 0.20,
//! gamma 0.60, delta 0.75; weights 1.0 for exact and 0.6 for stem matches.
//!
//! The jar that pycocoevalcap runs also matches WordNet synonyms and paraphrases from a table of
//! 60 MB. Neither table is part of this crate, so only the exact and the stem stage run and the
//! signature says so: values are at or below those of the jar and are *not* comparable with them.
//! Against the jar run with `-m "exact stem"` they agree (see `docs/text.md`).

mod align;

use super::{Sample, Score, VERSION, check, defined};
use crate::error::TextError;
use align::{Alignment, Text};
use rayon::prelude::*;
use std::sync::LazyLock;

const ALPHA: f64 = 0.85;
const BETA: f64 = 0.20;
const GAMMA: f64 = 0.60;
const DELTA: f64 = 0.75;
const EXACT_WEIGHT: f64 = 1.0;
const STEM_WEIGHT: f64 = 0.6;

static FUNCTION_WORDS: LazyLock<rustc_hash::FxHashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../../data/meteor_function_words_en.txt").lines();
    lines
        .filter(|l| !l.starts_with("# "))
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect()
});

/// Counts of one side: content and function words, all and matched.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Side {
    content: f64,
    function: f64,
    exact: [f64; 2],
    stem: [f64; 2],
}

impl Side {
    fn add(&mut self, other: &Side) {
        self.content += other.content;
        self.function += other.function;
        for k in 0..2 {
            self.exact[k] += other.exact[k];
            self.stem[k] += other.stem[k];
        }
    }

    fn weighted_share(&self) -> f64 {
        let weigh = |counts: [f64; 2]| DELTA * counts[0] + (1.0 - DELTA) * counts[1];
        let matched = EXACT_WEIGHT * weigh(self.exact) + STEM_WEIGHT * weigh(self.stem);
        matched / weigh([self.content, self.function])
    }

    fn matches(&self) -> f64 {
        self.exact.iter().chain(&self.stem).sum()
    }

    fn is_complete(&self) -> bool {
        self.matches() == self.content + self.function
    }
}

/// What a score is computed from; adds up over a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Statistics {
    test: Side,
    reference: Side,
    chunks: f64,
}

impl Statistics {
    fn score(&self) -> f64 {
        let (precision, recall) = (self.test.weighted_share(), self.reference.weighted_share());
        let mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall);
        let whole = self.is_whole();
        let fragmentation = if whole {
            0.0
        } else {
            self.chunks / ((self.test.matches() + self.reference.matches()) / 2.0)
        };
        let score = mean * (1.0 - GAMMA * fragmentation.powf(BETA));
        // No word or no match: 0 / 0 on the way.
        if score.is_finite() {
            score.max(0.0)
        } else {
            0.0
        }
    }

    /// Every word matched, in one chunk.
    fn is_whole(&self) -> bool {
        self.test.is_complete() && self.reference.is_complete() && self.chunks <= 1.0
    }

    /// A pair that is matched whole adds its words but no chunk, as in the jar.
    fn add(&mut self, other: &Statistics) {
        self.test.add(&other.test);
        self.reference.add(&other.reference);
        if !other.is_whole() {
            self.chunks += other.chunks;
        }
    }
}

/// METEOR with the exact and stem stages. Errors: no samples, or one without a reference.
pub fn meteor(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    check(samples)?;
    let statistics: Vec<Statistics> = samples.par_iter().map(best).collect();
    let mut total = Statistics::default();
    statistics.iter().for_each(|s| total.add(s));
    let per_sample = statistics.iter().map(Statistics::score).collect();
    let signature = format!(
        "meteor|v1.5|lang:en|stages:exact+stem|no:synonym,paraphrase|norm:lower|a:{ALPHA},b:{BETA},g:{GAMMA},d:{DELTA}|tok:{tokenizer}|{VERSION}"
    );
    Ok(Score {
        value: Some(total.score()),
        per_sample: defined(per_sample),
        signature,
        reason: None,
    })
}

/// Statistics against the reference with the highest score, the first of equals.
fn best(sample: &Sample) -> Statistics {
    let test = Text::new(&sample.hypothesis);
    let mut best: Option<(f64, Statistics)> = None;
    for reference in &sample.references {
        let reference = Text::new(reference);
        let statistics = count(&test, &reference, &align::align(&test, &reference));
        let score = statistics.score();
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, statistics));
        }
    }
    best.map(|(_, s)| s).unwrap_or_default()
}

fn count(test: &Text, reference: &Text, alignment: &Alignment) -> Statistics {
    let mut out = Statistics {
        chunks: alignment.chunks as f64,
        ..Statistics::default()
    };
    let function = |word: &str| usize::from(FUNCTION_WORDS.contains(word));
    for (side, text) in [(&mut out.test, test), (&mut out.reference, reference)] {
        let frequent = text.words.iter().filter(|w| function(w) == 1).count() as f64;
        side.function = frequent;
        side.content = text.words.len() as f64 - frequent;
    }
    for pair in &alignment.pairs {
        let (t, r) = (
            function(&test.words[pair.test]),
            function(&reference.words[pair.reference]),
        );
        if pair.exact {
            out.test.exact[t] += 1.0;
            out.reference.exact[r] += 1.0;
        } else {
            out.test.stem[t] += 1.0;
            out.reference.stem[r] += 1.0;
        }
    }
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
