//! CIDEr-D (Vedantam et al. 2015), which is what pycocoevalcap prints as CIDEr: clipped TF-IDF
//! cosine of 1- to 4-grams with a Gaussian length penalty (sigma 6), times ten.
//!
//! Document frequencies come from the references of the set itself, so a value holds for its set
//! only; in a set of one every weight is zero. The length is counted in bigrams, as there.

use super::ngram::{Gram, ORDERS, Words, counts};
use super::{Sample, Score, VERSION, check, defined, mean};
use crate::error::TextError;
use rustc_hash::FxHashMap;

const SIGMA: f64 = 6.0;

/// Counted grams of one text, by order.
type Counted = [Vec<(Gram, u32)>; ORDERS];

/// TF-IDF weights of one text.
struct Vector {
    weights: [Vec<(Gram, f64)>; ORDERS],
    norms: [f64; ORDERS],
    length: f64,
}

/// CIDEr-D. Errors: no samples, or one without a reference.
pub fn cider_d(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    check(samples)?;
    let mut words = Words::default();
    let mut count = |text| -> Counted {
        let ids = words.ids(text);
        std::array::from_fn(|k| counts(&ids, k + 1))
    };
    let counted: Vec<(Counted, Vec<Counted>)> = samples
        .iter()
        .map(|s| {
            (
                count(s.hypothesis.as_str()),
                s.references.iter().map(|r| count(r.as_str())).collect(),
            )
        })
        .collect();
    let frequency = document_frequency(&counted);
    let documents = (samples.len() as f64).ln();
    let score = |(test, references): &(Counted, Vec<Counted>)| {
        let test = weigh(test, &frequency, documents);
        let total: f64 = references
            .iter()
            .map(|r| similarity(&test, &weigh(r, &frequency, documents)))
            .sum();
        10.0 * total / references.len() as f64
    };
    let per_sample: Vec<f64> = counted.iter().map(score).collect();
    let reason = (samples.len() == 1)
        .then(|| "document frequencies of a single sample make every weight zero".to_owned());
    let signature = format!(
        "cider_d|tok:{tokenizer}|n:4|sigma:6|df:refs:{}|x10|impl:coco|{VERSION}",
        samples.len()
    );
    Ok(Score {
        value: Some(mean(&per_sample)).filter(|_| reason.is_none()),
        per_sample: defined(per_sample),
        signature,
        reason,
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

/// Mean over the orders of the clipped cosine with its length penalty.
fn similarity(test: &Vector, reference: &Vector) -> f64 {
    let delta = test.length - reference.length;
    let penalty = (-(delta * delta) / (2.0 * SIGMA * SIGMA)).exp();
    let mut total = 0.0;
    for k in 0..ORDERS {
        let mut value = 0.0;
        for (gram, weight) in &test.weights[k] {
            let Ok(at) = reference.weights[k].binary_search_by(|(g, _)| g.cmp(gram)) else {
                continue;
            };
            let other = reference.weights[k][at].1;
            value += weight.min(other) * other;
        }
        if test.norms[k] != 0.0 && reference.norms[k] != 0.0 {
            value /= test.norms[k] * reference.norms[k];
        }
        total += value * penalty;
    }
    total / ORDERS as f64
}
