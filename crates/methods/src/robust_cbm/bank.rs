//! The concept bank: sentences that a film is compared with. A list of our own stands in for what the paper asks a language
//! model for.

use crate::blocks::embeddings::cosine;
use crate::blocks::films::FINDINGS;
use crate::error::{MethodError, Result};
use serde::{Deserialize, Serialize};

/// The list as it ships.
const OWN: &str = include_str!("concepts.tsv");

/// One concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concept {
    /// Class that it speaks for: 0 none, 1 any finding.
    pub class: usize,
    /// Finding whose label is its truth: a place in [`FINDINGS`].
    pub finding: Option<usize>,
    /// The sentence.
    pub sentence: String,
}

/// The bank that ships.
///
/// # Errors
/// As [`read`].
pub fn own() -> Result<Vec<Concept>> {
    read(OWN)
}

/// Reads a bank: lines of class (`none`, `finding`), finding or `-`, and sentence, with tabs between. Lines that begin
/// with `#` are comments.
///
/// # Errors
/// A line of another form, a class or finding that does not exist, a sentence that is there already, no concept at all.
pub fn read(text: &str) -> Result<Vec<Concept>> {
    let mut bank: Vec<Concept> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |what: &str| MethodError::Config(format!("concept bank, line {}: {what}", n + 1));
        let parts: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [class, finding, sentence] = parts[..] else {
            return Err(bad("three columns are needed"));
        };
        let class = match class {
            "none" => 0,
            "finding" => 1,
            _ => return Err(bad("the class is `none` or `finding`")),
        };
        let known = |code: &str| FINDINGS.iter().position(|f| *f == code);
        let finding = match finding {
            "-" => None,
            code => Some(known(code).ok_or_else(|| bad("no such finding"))?),
        };
        if sentence.is_empty() || bank.iter().any(|c| c.sentence == sentence) {
            return Err(bad("the sentence is empty or there already"));
        }
        bank.push(Concept {
            class,
            finding,
            sentence: sentence.to_owned(),
        });
    }
    if bank.is_empty() {
        return Err(MethodError::Config(
            "a concept bank without concepts".into(),
        ));
    }
    Ok(bank)
}

/// Places of the concepts that say something of their own: one whose embedding has a cosine of `same` or more with an
/// earlier one of its class is a duplicate.
pub fn distinct(bank: &[Concept], embeddings: &[Vec<f64>], same: f64) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for k in 0..bank.len() {
        let alike = |j: &usize| {
            bank[*j].class == bank[k].class
                && cosine(&embeddings[*j], &embeddings[k]).is_some_and(|c| c >= same)
        };
        if !kept.iter().any(alike) {
            kept.push(k);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_bank_speaks_of_every_finding_and_of_both_classes() {
        let bank = own().unwrap();
        for code in 0..FINDINGS.len() {
            assert!(bank.iter().any(|c| c.finding == Some(code)), "{code}");
        }
        assert!(bank.iter().any(|c| c.class == 0));
        // Class names are dropped.
        assert!(bank.iter().all(|c| !c.sentence.contains("finding")));
    }

    #[test]
    fn what_is_wrong_in_a_bank_is_named_with_its_line() {
        for (text, told) in [
            ("none\t-", "line 1"),
            ("# x\nother\t-\tA.", "line 2"),
            ("none\tgout\tA.", "no such finding"),
            ("none\t-\tA.\nnone\t-\tA.", "line 2"),
            ("# x", "without concepts"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn duplicates_within_a_class_are_left_out() {
        let bank = read("none\t-\tA.\nnone\t-\tB.\nfinding\tedema\tC.").unwrap();
        let e = [vec![1.0, 0.0], vec![2.0, 0.01], vec![1.0, 0.0]];
        assert_eq!(distinct(&bank, &e, 0.98), [0, 2]);
        assert_eq!(distinct(&bank, &e, 1.1), [0, 1, 2]);
    }
}
