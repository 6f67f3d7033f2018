//! BLEU-1 to BLEU-4 (Papineni et al. 2002) as pycocoevalcap computes it: closest reference length,
//! no smoothing but 1e-15 on matches and 1e-9 on totals, corpus value from summed counts.

use super::ngram::{ORDERS, Words, count_of, counts};
use super::{Sample, Score, VERSION, check, defined};
use crate::error::TextError;

const SMALL: f64 = 1e-9;
const TINY: f64 = 1e-15;

/// Numbers of a row: matched 1- to 4-grams, all of them, length of the text, length of the reference.
pub const WIDTH: usize = 2 * ORDERS + 2;

/// BLEU-1 to BLEU-4 of the sums of rows.
pub fn from_sums(sums: &[f64]) -> [f64; ORDERS] {
    let (correct, guess) = (&sums[..ORDERS], &sums[ORDERS..2 * ORDERS]);
    let ratio = (sums[2 * ORDERS] + TINY) / (sums[2 * ORDERS + 1] + SMALL);
    let brevity = if ratio < 1.0 {
        (1.0 - 1.0 / ratio).exp()
    } else {
        1.0
    };
    let mut product = 1.0;
    std::array::from_fn(|k| {
        product *= (correct[k] + TINY) / (guess[k] + SMALL);
        f64::powf(product, 1.0 / (k as f64 + 1.0)) * brevity
    })
}

/// Signature of BLEU-`order`; `cut` says how the text was cut.
pub fn signature(order: usize, cut: &str) -> String {
    format!("bleu_{order}|smooth:none|ref:closest|impl:coco|{cut}|{VERSION}")
}

/// The four scores, BLEU-1 first. Errors: no samples, or one without a reference.
pub fn bleu(samples: &[Sample], tokenizer: &str) -> Result<[Score; ORDERS], TextError> {
    check(samples)?;
    let mut total = [0.0; WIDTH];
    let mut per_sample: [Vec<f64>; ORDERS] = Default::default();
    for sample in samples {
        let row = row(sample);
        for (list, value) in per_sample.iter_mut().zip(from_sums(&row)) {
            list.push(value);
        }
        total.iter_mut().zip(row).for_each(|(t, v)| *t += v);
    }
    let corpus = from_sums(&total);
    let mut order = 0;
    Ok(per_sample.map(|per_sample| {
        order += 1;
        Score {
            value: Some(corpus[order - 1]),
            per_sample: defined(per_sample),
            signature: signature(order, &format!("tok:{tokenizer}")),
            reason: None,
            per_sample_reason: None,
            samples: None,
        }
    }))
}

/// What one sample adds; BLEU of a set is that of the sums.
pub fn row(sample: &Sample) -> [f64; WIDTH] {
    let mut words = Words::default();
    let test = words.ids(&sample.hypothesis);
    let references: Vec<Vec<u32>> = sample.references.iter().map(|r| words.ids(r)).collect();
    let closest = references
        .iter()
        .map(Vec::len)
        .min_by_key(|&len| (len.abs_diff(test.len()), len))
        .unwrap_or(0);
    let mut out = [0.0; WIDTH];
    out[2 * ORDERS] = test.len() as f64;
    out[2 * ORDERS + 1] = closest as f64;
    for k in 0..ORDERS {
        let of_references: Vec<_> = references.iter().map(|r| counts(r, k + 1)).collect();
        out[ORDERS + k] = test.len().saturating_sub(k) as f64;
        for (gram, count) in counts(&test, k + 1) {
            let most = of_references
                .iter()
                .map(|r| count_of(r, &gram))
                .max()
                .unwrap_or(0);
            out[k] += f64::from(count.min(most));
        }
    }
    out
}
