//! CIDEr (Vedantam et al. 2015): TF-IDF cosine of 1- to 4-grams, times ten.
//!
//! [`Kind::D`] is CIDEr-D (section 4: clipped counts, Gaussian length penalty of sigma 6), which is what
//! pycocoevalcap prints as CIDEr. [`Kind::Plain`] has neither; words are not stemmed, as in the authors'
//! own code. Document frequencies come from the references of the set itself, so a value holds for its
//! set only; in a set of one every weight is zero. The length is counted in bigrams, as there.

use super::ngram::{Gram, ORDERS, counts};
use super::{Sample, Score, VERSION, check, defined, mean};
use crate::error::TextError;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

const SIGMA: f64 = 6.0;

/// Why the value of one sample is null.
pub const SINGLE: &str = "document frequencies of a single sample make every weight zero";

/// Which CIDEr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Clipped, with length penalty.
    D,
    /// As first defined.
    Plain,
}

impl Kind {
    /// Name of the score.
    pub fn name(self) -> &'static str {
        match self {
            Kind::D => "cider_d",
            Kind::Plain => "cider",
        }
    }
}

/// Signature over a set of `n` samples; `cut` says how the text was cut.
pub fn signature(kind: Kind, n: usize, cut: &str) -> String {
    let rest = match kind {
        Kind::D => "sigma:6|impl:coco",
        Kind::Plain => "stem:no",
    };
    format!("{}|n:4|df:refs:{n}|x10|{rest}|{cut}|{VERSION}", kind.name())
}

/// Counted grams of one text, by order.
type Counted = [Vec<(Gram, u32)>; ORDERS];

/// TF-IDF weights of one text.
struct Vector {
    weights: [Vec<(Gram, f64)>; ORDERS],
    norms: [f64; ORDERS],
    length: f64,
}

/// The counted texts of a set; the texts themselves need not be kept.
#[derive(Debug, Default)]
pub struct Set {
    words: FxHashMap<Box<str>, u32>,
    counted: Vec<(Counted, Vec<Counted>)>,
}

impl Set {
    /// Takes in one sample.
    pub fn add(&mut self, sample: &Sample) {
        let hypothesis = self.count(&sample.hypothesis);
        let references = sample.references.iter().map(|r| self.count(r)).collect();
        self.counted.push((hypothesis, references));
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.counted.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    fn count(&mut self, text: &str) -> Counted {
        let mut id = |word: &str| {
            let next = self.words.len() as u32;
            if let Some(known) = self.words.get(word) {
                return *known;
            }
            self.words.insert(word.into(), next);
            next
        };
        let ids: Vec<u32> = text.split_whitespace().map(&mut id).collect();
        std::array::from_fn(|k| counts(&ids, k + 1))
    }

    /// The score of each sample, in the order of arrival.
    pub fn score(&self, kind: Kind) -> Vec<f64> {
        let frequency = document_frequency(&self.counted);
        let documents = (self.len() as f64).ln();
        let score = |(test, references): &(Counted, Vec<Counted>)| {
            let test = weigh(test, &frequency, documents);
            let total: f64 = references
                .iter()
                .map(|r| similarity(kind, &test, &weigh(r, &frequency, documents)))
                .sum();
            10.0 * total / references.len() as f64
        };
        self.counted.par_iter().map(score).collect()
    }
}

/// CIDEr-D. Errors: no samples, or one without a reference.
pub fn cider_d(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    cider(Kind::D, samples, tokenizer)
}

/// CIDEr of either kind. Errors: no samples, or one without a reference.
pub fn cider(kind: Kind, samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    check(samples)?;
    let mut set = Set::default();
    samples.iter().for_each(|s| set.add(s));
    let per_sample = set.score(kind);
    let reason = (samples.len() == 1).then(|| SINGLE.to_owned());
    Ok(Score {
        value: Some(mean(&per_sample)).filter(|_| reason.is_none()),
        per_sample: defined(per_sample),
        signature: signature(kind, samples.len(), &format!("tok:{tokenizer}")),
        reason,
        per_sample_reason: None,
        samples: None,
    })
}

/// In how many samples' references each gram occurs.
fn document_frequency(counted: &[(Counted, Vec<Counted>)]) -> FxHashMap<Gram, u32> {
    let mut frequency = FxHashMap::default();
    for (_, references) in counted {
        let mut grams: Vec<Gram> = references
            .iter()
            .flatten()
            .flatten()
            .map(|(g, _)| *g)
            .collect();
        grams.sort_unstable();
        grams.dedup();
        for gram in grams {
            *frequency.entry(gram).or_insert(0) += 1;
        }
    }
    frequency
}

fn weigh(counted: &Counted, frequency: &FxHashMap<Gram, u32>, documents: f64) -> Vector {
    let idf =
        |gram: &Gram| documents - f64::from(frequency.get(gram).copied().unwrap_or(0).max(1)).ln();
    let weights: [Vec<(Gram, f64)>; ORDERS] = std::array::from_fn(|k| {
        counted[k]
            .iter()
            .map(|(g, c)| (*g, f64::from(*c) * idf(g)))
            .collect()
    });
    let norms = std::array::from_fn(|k| weights[k].iter().map(|(_, w)| w * w).sum::<f64>().sqrt());
    Vector {
        weights,
        norms,
        length: counted[1].iter().map(|(_, c)| f64::from(*c)).sum(),
    }
}

/// Mean over the orders of the cosine; for CIDEr-D clipped, with its length penalty.
fn similarity(kind: Kind, test: &Vector, reference: &Vector) -> f64 {
    let delta = test.length - reference.length;
    let penalty = match kind {
        Kind::D => (-(delta * delta) / (2.0 * SIGMA * SIGMA)).exp(),
        Kind::Plain => 1.0,
    };
    let mut total = 0.0;
    for k in 0..ORDERS {
        let mut value = 0.0;
        for (gram, weight) in &test.weights[k] {
            let Ok(at) = reference.weights[k].binary_search_by(|(g, _)| g.cmp(gram)) else {
                continue;
            };
            let other = reference.weights[k][at].1;
            value += match kind {
                Kind::D => weight.min(other) * other,
                Kind::Plain => weight * other,
            };
        }
        if test.norms[k] != 0.0 && reference.norms[k] != 0.0 {
            value /= test.norms[k] * reference.norms[k];
        }
        total += value * penalty;
    }
    total / ORDERS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Vec<Sample> {
        let one = |(h, r): &(&str, &str)| Sample {
            hypothesis: (*h).to_owned(),
            references: vec![(*r).to_owned()],
        };
        pairs.iter().map(one).collect()
    }

    #[test]
    fn the_cosine_by_hand() {
        // Every word of the first reference occurs in it alone: weights are counts times ln 2.
        let samples = set(&[("a b", "a b c"), ("x", "y")]);
        let plain = cider(Kind::Plain, &samples, "none").unwrap();
        let unigrams = 2.0 / (2.0_f64.sqrt() * 3.0_f64.sqrt());
        let bigrams = 1.0 / 2.0_f64.sqrt();
        assert!((plain.per_sample[0].unwrap() - 10.0 * (unigrams + bigrams) / 4.0).abs() < 1e-12);
        assert_eq!(plain.per_sample[1], Some(0.0));
    }

    #[test]
    fn repeating_and_length_lower_only_cider_d() {
        let samples = set(&[("a b a b a b a b a b a b a b a b", "a b"), ("x", "y")]);
        let value = |kind| cider(kind, &samples, "none").unwrap().per_sample[0].unwrap();
        assert!(value(Kind::D) < value(Kind::Plain) / 2.0);
    }

    #[test]
    fn a_single_sample_has_no_value() {
        let score = cider_d(&set(&[("a", "a")]), "none").unwrap();
        assert!(score.value.is_none() && score.reason.is_some());
    }
}
