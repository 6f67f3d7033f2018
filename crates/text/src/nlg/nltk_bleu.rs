//! BLEU-4 as NLTK computes it, with its smoothing methods (Chen and Cherry 2014), on words cut at blanks.

use super::Sample;
use super::ngram::{ORDERS, Words, count_of, counts};

/// Orders that method 5 looks at.
const LOOKED_AT: usize = ORDERS + 1;

/// NLTK's smoothing methods by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// None: an order without a match counts as the smallest positive number.
    M0,
    /// 0.1 matches where there is none.
    M1,
    /// One added to matches and totals above unigrams.
    M2,
    /// 1/2, 1/4, ... of a match for each order without one (NIST).
    M3,
    /// As 3, less for short texts.
    M4,
    /// Average with the neighbouring orders.
    M5,
    /// 4, then 5.
    M7,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    matched: [f64; LOOKED_AT],
    all: [f64; LOOKED_AT],
    length: f64,
    reference: f64,
}

/// BLEU of one sample, 0 to 1.
pub fn sentence(sample: &Sample, method: Method) -> f64 {
    score(&count(sample), method)
}

/// BLEU of a set from its summed counts; `None` for methods 5 and 7, which NLTK defines for sentences.
pub fn corpus(samples: &[Sample], method: Method) -> Option<f64> {
    if matches!(method, Method::M5 | Method::M7) {
        return None;
    }
    let mut total = Counts::default();
    for one in samples.iter().map(count) {
        for k in 0..LOOKED_AT {
            total.matched[k] += one.matched[k];
            total.all[k] += one.all[k];
        }
        total.length += one.length;
        total.reference += one.reference;
    }
    Some(score(&total, method))
}

fn count(sample: &Sample) -> Counts {
    let mut words = Words::default();
    let test = words.ids(&sample.hypothesis);
    let references: Vec<Vec<u32>> = sample.references.iter().map(|r| words.ids(r)).collect();
    let closest = references
        .iter()
        .map(Vec::len)
        .min_by_key(|&n| (n.abs_diff(test.len()), n))
        .unwrap_or(0);
    let mut out = Counts {
        length: test.len() as f64,
        reference: closest as f64,
        ..Counts::default()
    };
    for k in 0..ORDERS {
        let truth: Vec<_> = references.iter().map(|r| counts(r, k + 1)).collect();
        // An order that the text is too short for counts as one n-gram.
        out.all[k] = (test.len().saturating_sub(k) as f64).max(1.0);
        for (gram, n) in counts(&test, k + 1) {
            out.matched[k] +=
                f64::from(n.min(truth.iter().map(|r| count_of(r, &gram)).max().unwrap_or(0)));
        }
    }
    let (matched, all) = five(&test, &references);
    (out.matched[ORDERS], out.all[ORDERS]) = (matched, all);
    out
}

/// Matched and all 5-grams; too long for the packed n-grams.
fn five(test: &[u32], references: &[Vec<u32>]) -> (f64, f64) {
    let occurs =
        |text: &[u32], gram: &[u32]| text.windows(LOOKED_AT).filter(|w| *w == gram).count();
    let mut grams: Vec<&[u32]> = test.windows(LOOKED_AT).collect();
    let all = grams.len().max(1) as f64;
    grams.sort_unstable();
    grams.dedup();
    let clipped = |gram: &&[u32]| {
        occurs(test, gram).min(
            references
                .iter()
                .map(|r| occurs(r, gram))
                .max()
                .unwrap_or(0),
        )
    };
    (grams.iter().map(clipped).sum::<usize>() as f64, all)
}

fn score(counts: &Counts, method: Method) -> f64 {
    if counts.matched[0] == 0.0 {
        return 0.0;
    }
    let brevity = if counts.length == 0.0 {
        0.0
    } else if counts.length > counts.reference {
        1.0
    } else {
        (1.0 - counts.reference / counts.length).exp()
    };
    let precisions = smoothed(counts, method);
    let logs: f64 = precisions.iter().map(|p| p.ln() / ORDERS as f64).sum();
    brevity * logs.exp()
}

fn smoothed(c: &Counts, method: Method) -> [f64; ORDERS] {
    let plain = |k: usize| c.matched[k] / c.all[k];
    let mut halving = 1.0;
    let mut where_none = |k: usize, missing: &mut dyn FnMut(f64) -> f64| {
        if c.matched[k] > 0.0 {
            return plain(k);
        }
        let value = missing(halving);
        halving *= 2.0;
        value / c.all[k]
    };
    let mut fill = |missing: &mut dyn FnMut(f64) -> f64| -> [f64; ORDERS] {
        let mut out = [0.0; ORDERS];
        for (k, slot) in out.iter_mut().enumerate() {
            *slot = where_none(k, missing);
        }
        out
    };
    let fourth = |halving: f64| c.length.ln() / (2.0 * halving * 5.0);
    match method {
        Method::M0 => std::array::from_fn(|k| {
            if c.matched[k] > 0.0 {
                plain(k)
            } else {
                f64::MIN_POSITIVE
            }
        }),
        Method::M1 => fill(&mut |_| 0.1),
        Method::M2 => std::array::from_fn(|k| {
            if k == 0 {
                plain(0)
            } else {
                (c.matched[k] + 1.0) / (c.all[k] + 1.0)
            }
        }),
        Method::M3 => fill(&mut |halving| 1.0 / (2.0 * halving)),
        Method::M4 if c.length > 1.0 => fill(&mut |halving| fourth(halving)),
        Method::M4 => std::array::from_fn(plain),
        Method::M5 => averaged(std::array::from_fn(plain), plain(ORDERS)),
        Method::M7 => averaged(smoothed(c, Method::M4), plain(ORDERS)),
    }
}

/// Each order with the one before (smoothed) and the one after.
fn averaged(given: [f64; ORDERS], fifth: f64) -> [f64; ORDERS] {
    let mut before = given[0] + 1.0;
    std::array::from_fn(|k| {
        let after = if k + 1 < ORDERS { given[k + 1] } else { fifth };
        before = (before + given[k] + after) / 3.0;
        before
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_one_and_sets_have_no_method_five() {
        let sample = Sample {
            hypothesis: "a b c d e".to_owned(),
            references: vec!["a b c d e".to_owned()],
        };
        assert!((sentence(&sample, Method::M0) - 1.0).abs() < 1e-12);
        assert!(corpus(&[sample], Method::M5).is_none());
    }
}
