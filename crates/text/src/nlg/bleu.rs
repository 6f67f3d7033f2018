//! BLEU-1 to BLEU-4 (Papineni et al. 2002) as pycocoevalcap computes it: closest reference length,
//! no smoothing but 1e-15 on matches and 1e-9 on totals, corpus value from summed counts.

use super::ngram::{ORDERS, Words, count_of, counts};
use super::{Sample, Score, VERSION, check, defined};
use crate::error::TextError;

const SMALL: f64 = 1e-9;
const TINY: f64 = 1e-15;

#[derive(Default, Clone)]
struct Statistics {
    correct: [f64; ORDERS],
    guess: [f64; ORDERS],
    test_len: f64,
    ref_len: f64,
}

impl Statistics {
    fn add(&mut self, other: &Statistics) {
        for k in 0..ORDERS {
            self.correct[k] += other.correct[k];
            self.guess[k] += other.guess[k];
        }
        self.test_len += other.test_len;
        self.ref_len += other.ref_len;
    }

    fn bleu(&self) -> [f64; ORDERS] {
        let mut product = 1.0;
        let ratio = (self.test_len + TINY) / (self.ref_len + SMALL);
        let brevity = if ratio < 1.0 {
            (1.0 - 1.0 / ratio).exp()
        } else {
            1.0
        };
        std::array::from_fn(|k| {
            product *= (self.correct[k] + TINY) / (self.guess[k] + SMALL);
            f64::powf(product, 1.0 / (k as f64 + 1.0)) * brevity
        })
    }
}

/// The four scores, BLEU-1 first. Errors: no samples, or one without a reference.
pub fn bleu(samples: &[Sample], tokenizer: &str) -> Result<[Score; ORDERS], TextError> {
    check(samples)?;
    let mut total = Statistics::default();
    let mut per_sample: [Vec<f64>; ORDERS] = Default::default();
    for sample in samples {
        let statistics = statistics(sample);
        for (list, value) in per_sample.iter_mut().zip(statistics.bleu()) {
            list.push(value);
        }
        total.add(&statistics);
    }
    let corpus = total.bleu();
    let mut order = 0;
    Ok(per_sample.map(|per_sample| {
        order += 1;
        Score {
            value: Some(corpus[order - 1]),
            per_sample: defined(per_sample),
            signature: format!(
                "bleu_{order}|tok:{tokenizer}|smooth:none|ref:closest|impl:coco|{VERSION}"
            ),
            reason: None,
        }
    }))
}

fn statistics(sample: &Sample) -> Statistics {
    let mut words = Words::default();
    let test = words.ids(&sample.hypothesis);
    let references: Vec<Vec<u32>> = sample.references.iter().map(|r| words.ids(r)).collect();
    let closest = references
        .iter()
        .map(Vec::len)
        .min_by_key(|&len| (len.abs_diff(test.len()), len))
        .unwrap_or(0);
    let mut out = Statistics {
        test_len: test.len() as f64,
        ref_len: closest as f64,
        ..Statistics::default()
    };
    for k in 0..ORDERS {
        let of_references: Vec<_> = references.iter().map(|r| counts(r, k + 1)).collect();
        out.guess[k] = test.len().saturating_sub(k) as f64;
        for (gram, count) in counts(&test, k + 1) {
            let most = of_references
                .iter()
                .map(|r| count_of(r, &gram))
                .max()
                .unwrap_or(0);
            out.correct[k] += f64::from(count.min(most));
        }
    }
    out
}
