//! What films are paired with: sentences of reports that say one finding, or none, sorted by the rule labeler, and the
//! vocabulary that is made of them.

use super::config::Config;
use crate::blocks::films::FINDINGS;
use crate::blocks::retrieval::{sentences, words};
use crate::context::Context;
use crate::error::Result;
use hilum_text::label::{LabelOptions, LabelValue, Labeler};
use hilum_text::report::{ReportText, SectionKind};
use std::collections::BTreeMap;

/// Rows of the word table before the words: `[CLS]`, `[SEP]`, unknown.
pub const ENDS: [u32; 2] = [0, 1];
const UNKNOWN: u32 = 2;
const FIRST: u32 = 3;

/// Words with their rows.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    rows: BTreeMap<String, u32>,
    longest: usize,
}

impl Vocabulary {
    /// Words that occur at least `least` times; sentences are cut at `longest` words.
    pub fn new<'a>(
        texts: impl Iterator<Item = &'a str>,
        least: usize,
        longest: usize,
    ) -> Vocabulary {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        texts
            .flat_map(words)
            .for_each(|w| *counts.entry(w).or_default() += 1);
        let known = counts.into_iter().filter(|(_, n)| *n >= least);
        let rows = known.zip(FIRST..).map(|((w, _), row)| (w, row)).collect();
        Vocabulary { rows, longest }
    }

    /// Rows of the word table.
    pub fn size(&self) -> usize {
        self.rows.len() + FIRST as usize
    }

    /// Words of a sentence as rows.
    pub fn rows(&self, text: &str) -> Vec<u32> {
        let row = |w: String| self.rows.get(&w).copied().unwrap_or(UNKNOWN);
        words(text).map(row).take(self.longest).collect()
    }

    /// Share of the words of `texts` that have a row of their own.
    pub fn known<'a>(&self, texts: impl Iterator<Item = &'a str>) -> f64 {
        let all: Vec<String> = texts.flat_map(words).collect();
        let known = all.iter().filter(|w| self.rows.contains_key(*w)).count();
        known as f64 / all.len().max(1) as f64
    }
}

/// Sentences by what they say.
#[derive(Debug, Clone)]
pub struct Pool {
    /// By finding, in the order of [`FINDINGS`]: sentences that say that it is there.
    pub there: Vec<Vec<Vec<u32>>>,
    /// Sentences that find nothing.
    pub nothing: Vec<Vec<u32>>,
    /// Words.
    pub words: Vocabulary,
    /// Sentences of reports that were sorted in.
    pub used: usize,
}

impl Pool {
    /// Sorts the sentences of the training reports. Besides them there is one plain sentence for every finding, and one for
    /// nothing, so that rare findings have words.
    ///
    /// # Errors
    /// Reports that are not there.
    pub fn load(ctx: &Context<'_>, config: &Config) -> Result<Pool> {
        let all = sentences(ctx, "robust_cbm")?;
        let step = all.len().div_ceil(config.sentences).max(1);
        let mut there: Vec<Vec<String>> = FINDINGS
            .iter()
            .map(|f| vec![format!("There is {}.", f.replace('_', " "))])
            .collect();
        let mut nothing = vec!["The lungs are clear.".to_owned()];
        let mut used = 0;
        for sentence in all.into_iter().step_by(step) {
            let place = match said(&sentence) {
                Some(Says::There(k)) => &mut there[k],
                Some(Says::Nothing) => &mut nothing,
                None => continue,
            };
            place.push(sentence);
            used += 1;
        }
        let texts = there.iter().flatten().chain(&nothing).map(String::as_str);
        let longest = config.text.max_position_embeddings - ENDS.len();
        let words = Vocabulary::new(texts, config.least_word, longest);
        let rows = |own: &Vec<String>| own.iter().map(|s| words.rows(s)).collect();
        Ok(Pool {
            there: there.iter().map(rows).collect(),
            nothing: rows(&nothing),
            words,
            used,
        })
    }
}

/// What a sentence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    There(usize),
    Nothing,
}

/// `None` for a sentence that says several findings, is unsure, or speaks of something else.
fn said(sentence: &str) -> Option<Says> {
    let mut report = ReportText::default();
    report.push(SectionKind::Findings, sentence);
    // A sentence without text says nothing.
    let labels = Labeler::shared()
        .label(&report, &LabelOptions::default())
        .ok()?;
    let mentioned = labels.values.iter().filter(|(c, _)| **c != "no_finding");
    let (mut there, mut denied) = (Vec::new(), 0);
    for (code, value) in mentioned {
        match value {
            LabelValue::Present => there.push(*code),
            LabelValue::Absent => denied += 1,
            _ => return None,
        }
    }
    let known: Vec<usize> = there
        .iter()
        .filter_map(|c| FINDINGS.iter().position(|f| f == c))
        .collect();
    match (there.len(), &known[..]) {
        (0, _) if denied > 0 => Some(Says::Nothing),
        (_, [one]) => Some(Says::There(*one)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_sorted_by_what_they_say() {
        let of = |code: &str| FINDINGS.iter().position(|f| *f == code).map(Says::There);
        assert_eq!(said("There is a pleural effusion."), of("pleural_effusion"));
        assert_eq!(
            said("No pleural effusion or pneumothorax."),
            Some(Says::Nothing)
        );
        assert_eq!(said("There is pneumonia with pleural effusion."), None);
        assert_eq!(said("The patient is rotated."), None);
        assert_eq!(said(""), None);
    }

    #[test]
    fn rare_words_are_unknown_and_long_sentences_are_cut() {
        let v = Vocabulary::new(["the lung", "the Heart, the"].into_iter(), 2, 3);
        assert_eq!(v.size(), 4);
        assert_eq!(v.rows("The lung the the the"), [3, UNKNOWN, 3]);
        assert!((v.known(["the lung"].into_iter()) - 0.5).abs() < 1e-12);
    }
}
