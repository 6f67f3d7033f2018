//! ROUGE-L (Lin 2004) as pycocoevalcap computes it: beta 1.2, best precision and best recall over the
//! references, corpus value the mean. An empty text counts as one empty word, as there.

use super::{Sample, Score, VERSION, check, defined, mean};
use crate::error::TextError;

const BETA: f64 = 1.2;

/// ROUGE-L. Errors: no samples, or one without a reference.
pub fn rouge_l(samples: &[Sample], tokenizer: &str) -> Result<Score, TextError> {
    check(samples)?;
    let per_sample: Vec<f64> = samples.iter().map(one).collect();
    let signature = format!("rouge_l|tok:{tokenizer}|beta:1.2|agg:mean|impl:coco|{VERSION}");
    Ok(Score {
        value: Some(mean(&per_sample)),
        per_sample: defined(per_sample),
        signature,
        reason: None,
    })
}

fn one(sample: &Sample) -> f64 {
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
}
