//! ROUGE (Lin 2004) in two conventions.
//!
//! [`rouge_l`] is pycocoevalcap's: beta 1.2, best precision and best recall over the references, corpus
//! value the mean; an empty text counts as one empty word, as there. [`f1`] is rouge-score's: plain F1
//! over words of a-z and 0-9, ROUGE-1, -2 and -L, with or without Porter's stemmer.

use super::porter::stem;
use super::{Sample, Score, VERSION, check, defined, mean};
use crate::error::TextError;
use rustc_hash::FxHashMap;

const BETA: f64 = 1.2;

/// ROUGE-L. Errors: no samples, or one without a reference.
pub fn rouge_l(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    check(samples)?;
    let per_sample: Vec<f64> = samples.iter().map(one).collect();
    Ok(Score {
        value: Some(mean(&per_sample)),
        per_sample: defined(per_sample),
        signature: signature(&format!("tok:{tokenizer}")),
        reason: None,
        per_sample_reason: None,
        samples: None,
    })
}

/// Signature of ROUGE-L; `cut` says how the text was cut.
pub fn signature(cut: &str) -> String {
    format!("rouge_l|beta:1.2|agg:mean|impl:coco|{cut}|{VERSION}")
}

/// ROUGE-L of one sample.
pub fn one(sample: &Sample) -> f64 {
    let test: Vec<&str> = sample.hypothesis.split(' ').collect();
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in &sample.references {
        let reference: Vec<&str> = reference.split(' ').collect();
        let common = longest_common(&test, &reference) as f64;
        precision = precision.max(common / test.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
}

/// Length of the longest common subsequence with each reference.
pub fn common_words(sample: &Sample) -> Vec<usize> {
    let test: Vec<&str> = sample.hypothesis.split(' ').collect();
    let with = |r: &String| longest_common(&test, &r.split(' ').collect::<Vec<_>>());
    sample.references.iter().map(with).collect()
}

/// rouge-score's tokens: lower case, runs of a-z and 0-9; with `stemmed`, words of more than three
/// letters are stemmed.
pub fn plain_tokens(text: &str, stemmed: bool) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let cut = |w: &str| {
        if stemmed && w.len() > 3 {
            stem(w)
        } else {
            w.to_owned()
        }
    };
    words.filter(|w| !w.is_empty()).map(cut).collect()
}

/// Precision, recall and F1 of ROUGE-1, ROUGE-2 and ROUGE-L.
pub fn f1(hypothesis: &str, reference: &str, stemmed: bool) -> [[f64; 3]; 3] {
    let (test, truth) = (
        plain_tokens(hypothesis, stemmed),
        plain_tokens(reference, stemmed),
    );
    let ngrams = |n: usize| {
        let (a, b) = (count(&test, n), count(&truth, n));
        let common: u32 = a
            .iter()
            .map(|(g, c)| (*c).min(b.get(g).copied().unwrap_or(0)))
            .sum();
        shares(
            common as usize,
            a.values().sum::<u32>() as usize,
            b.values().sum::<u32>() as usize,
        )
    };
    let (a, b): (Vec<&str>, Vec<&str>) = (
        test.iter().map(String::as_str).collect(),
        truth.iter().map(String::as_str).collect(),
    );
    [
        ngrams(1),
        ngrams(2),
        shares(longest_common(&a, &b), a.len(), b.len()),
    ]
}

/// F1 of ROUGE-1, -2 and -L, each with its best reference.
pub fn best_f1(hypothesis: &str, references: &[String], stemmed: bool) -> [f64; 3] {
    let mut best = [0.0_f64; 3];
    for reference in references {
        let found = f1(hypothesis, reference, stemmed);
        best.iter_mut()
            .zip(found)
            .for_each(|(b, f)| *b = b.max(f[2]));
    }
    best
}

fn count(words: &[String], n: usize) -> FxHashMap<&[String], u32> {
    let mut counts = FxHashMap::default();
    words
        .windows(n)
        .for_each(|gram| *counts.entry(gram).or_insert(0) += 1);
    counts
}

fn shares(common: usize, test: usize, truth: usize) -> [f64; 3] {
    let share = |n: usize| if n > 0 { common as f64 / n as f64 } else { 0.0 };
    let (p, r) = (share(test), share(truth));
    [
        p,
        r,
        if p + r > 0.0 {
            2.0 * p * r / (p + r)
        } else {
            0.0
        },
    ]
}

/// Length of the longest common subsequence, one row of memory.
fn longest_common(a: &[&str], b: &[&str]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y {
                diagonal + 1
            } else {
                above.max(row[j])
            };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsequences_need_not_be_contiguous() {
        assert_eq!(longest_common(&["a", "b", "c"], &["a", "x", "c"]), 2);
        assert_eq!(longest_common(&[], &["a"]), 0);
    }

    #[test]
    fn plain_f1_by_hand() {
        let [one, two, l] = f1("The heart is big", "heart is very big.", false);
        assert_eq!(one, [0.75, 0.75, 0.75]);
        assert!((two[2] - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(l[0], 0.75);
        assert_eq!(best_f1("", &["x".to_owned()], false), [0.0; 3]);
    }
}
