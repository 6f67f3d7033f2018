//! Concepts from documents: sentences about a class are retrieved from reports by BM25, the findings they name
//! become questions by a template. It stands in for the paper's language model.

use super::concepts::Concept;
use crate::blocks::retrieval::Bm25;
use hilum_text::label::{LabelOptions, LabelValue, Labeler};
use hilum_text::report::{ReportText, SectionKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A proposed concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Finding.
    pub code: String,
    /// Question by template.
    pub question: String,
    /// Sentences that say it is there, and that it is not.
    pub sentences: (usize, usize),
}

/// What is searched for.
const QUERIES: [&str; 2] = [
    "abnormal finding opacity disease seen in the lungs heart pleura",
    "no acute abnormality normal lungs are clear heart size normal",
];

/// Findings named in the best `most` sentences of each query, the most frequent first.
pub fn propose(sentences: &[String], most: usize) -> Vec<Proposal> {
    let index = Bm25::new(sentences);
    let mut counts: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    let found = QUERIES.map(|query| index.search(query, most));
    // A sentence that answers several queries speaks once.
    let chosen: BTreeSet<usize> = found.iter().flatten().map(|(at, _)| *at).collect();
    for at in chosen {
        let mut report = ReportText::default();
        report.push(SectionKind::Findings, &sentences[at]);
        // A sentence without text names nothing.
        let Ok(labels) = Labeler::shared().label(&report, &LabelOptions::default()) else {
            continue;
        };
        for (code, value) in &labels.values {
            let own = counts.entry(*code).or_default();
            match value {
                LabelValue::Absent => own.1 += 1,
                _ => own.0 += 1,
            }
        }
    }
    let mut all: Vec<Proposal> = counts
        .into_iter()
        .filter(|(code, _)| *code != "no_finding")
        .map(|(code, sentences)| Proposal {
            code: code.to_owned(),
            question: format!("Is there {}?", code.replace('_', " ")),
            sentences,
        })
        .collect();
    all.sort_by_key(|p| std::cmp::Reverse(p.sentences.0 + p.sentences.1));
    all
}

/// How many of the grounded concepts were proposed.
pub fn recalled(proposals: &[Proposal], bank: &[Concept]) -> usize {
    let there = |c: &&Concept| proposals.iter().any(|p| p.code == c.code);
    bank.iter().filter(there).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_retrieved_sentences_become_questions() {
        let sentences: Vec<String> = [
            "The lungs are clear without pleural effusion.",
            "There is cardiomegaly.",
            "Opacity in the right lung, possible pneumonia.",
            "The patient was scanned twice.",
        ]
        .map(str::to_owned)
        .to_vec();
        let all = propose(&sentences, 10);
        let of = |code: &str| all.iter().find(|p| p.code == code);
        assert_eq!(of("pleural_effusion").unwrap().sentences, (0, 1));
        assert_eq!(
            of("pleural_effusion").unwrap().question,
            "Is there pleural effusion?"
        );
        assert!(of("pneumonia").is_some());
        let bank = [Concept {
            code: "pneumonia".to_owned(),
            questions: Vec::new(),
            signs: [0.0; 2],
        }];
        assert_eq!((recalled(&all, &bank), recalled(&[], &bank)), (1, 0));
    }
}
