//! Finding documents by words: BM25 (Robertson and Zaragoza 2009), with the inverse document frequency of Lucene,
//! ln(1 + (N − n + ½) / (n + ½)), which is never negative.

use crate::context::Context;
use crate::error::{MethodError, Result};
use std::collections::HashMap;

/// Saturation of term counts.
const K1: f64 = 1.2;
/// How much longer documents are marked down.
const B: f64 = 0.75;

/// Documents, indexed by their words.
pub struct Bm25 {
    /// By word: documents that hold it, and how often.
    postings: HashMap<String, Vec<(usize, f64)>>,
    lengths: Vec<f64>,
    mean: f64,
}

/// Words of a text: runs of letters and digits in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
}

/// Sentences of the Indiana reports that belong to the training split.
///
/// # Errors
/// Reports that are not there or cannot be read.
pub fn sentences(ctx: &Context<'_>, what: &str) -> Result<Vec<String>> {
    let path = ctx.data.join("text/iu_reports.jsonl");
    let text = std::fs::read_to_string(&path).map_err(|_| MethodError::NoData {
        what: what.to_owned(),
        path: path.clone(),
    })?;
    let mut all = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let row: serde_json::Value = serde_json::from_str(line)
            .map_err(|e| MethodError::Config(format!("{}: {e}", path.display())))?;
        if row["split"].as_str() != Some("train") {
            continue;
        }
        for section in ["findings", "impression"] {
            if let Some(text) = row[section].as_str() {
                let cut = hilum_text::sentence::split(text);
                all.extend(cut.into_iter().map(|r| text[r].trim().to_owned()));
            }
        }
    }
    Ok(all)
}

impl Bm25 {
    /// Indexes documents.
    pub fn new<S: AsRef<str>>(documents: &[S]) -> Self {
        let mut postings: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut lengths = Vec::with_capacity(documents.len());
        for (i, document) in documents.iter().enumerate() {
            let mut length = 0.0;
            for word in words(document.as_ref()) {
                length += 1.0;
                let own = postings.entry(word).or_default();
                match own.last_mut() {
                    Some((at, count)) if *at == i => *count += 1.0,
                    _ => own.push((i, 1.0)),
                }
            }
            lengths.push(length);
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        Bm25 {
            postings,
            lengths,
            mean,
        }
    }

    /// The `most` best documents with a score above 0, best first; equals in order of the documents.
    pub fn search(&self, query: &str, most: usize) -> Vec<(usize, f64)> {
        let mut scores: HashMap<usize, f64> = HashMap::new();
        let n = self.lengths.len() as f64;
        for word in words(query) {
            let Some(own) = self.postings.get(&word) else {
                continue;
            };
            let df = own.len() as f64;
            let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
            for &(i, count) in own {
                let norm = K1 * (1.0 - B + B * self.lengths[i] / self.mean);
                *scores.entry(i).or_default() += idf * count * (K1 + 1.0) / (count + norm);
            }
        }
        let mut found: Vec<(usize, f64)> = scores.into_iter().collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(most);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formula() {
        let index = Bm25::new(&["a b", "a a c d", "e"]);
        let found = index.search("a", 9);
        let idf = (1.0_f64 + (3.0 - 2.0 + 0.5) / 2.5).ln();
        let mean = 7.0 / 3.0;
        let score = |tf: f64, len: f64| idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len / mean));
        let expected = [(1, score(2.0, 4.0)), (0, score(1.0, 2.0))];
        let mut sorted = expected.to_vec();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (a, b) in found.iter().zip(&sorted) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-12);
        }
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn rare_words_weigh_more_and_unknown_ones_nothing() {
        let index = Bm25::new(&["no effusion seen", "no mass seen", "no hernia"]);
        assert_eq!(index.search("hernia no", 1)[0].0, 2);
        assert!(index.search("zebra", 5).is_empty());
        assert!(Bm25::new::<&str>(&[]).search("a", 3).is_empty());
    }
}
