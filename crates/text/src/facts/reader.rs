//! Who makes graphs of reports: the rules of this crate, or a model that an upper crate brings.

use super::extract::{ExtractOptions, Extractor, cut_tokens};
use super::{Graph, Sense};
use crate::error::TextError;
use crate::label::chosen;
use crate::report::{ReportText, SectionKind};
use crate::sentence;
use std::ops::Range;

/// Makes the graph of a report; may be asked from several threads.
pub trait GraphReader: std::fmt::Debug + Send + Sync {
    /// What made the graphs, for signatures.
    fn name(&self) -> String;

    /// The graph of one report.
    ///
    /// # Errors
    /// [`TextError::EmptyReport`] without any text, [`TextError::NoSuchSection`] when there is text but none in
    /// the sections asked for, [`TextError::Model`] when a model refuses the text.
    fn graph(&self, report: &ReportText, options: &ExtractOptions) -> Result<Graph, TextError>;
}

impl GraphReader for Extractor {
    fn name(&self) -> String {
        RULES.to_owned()
    }

    fn graph(&self, report: &ReportText, options: &ExtractOptions) -> Result<Graph, TextError> {
        Extractor::graph(self, report, options)
    }
}

/// Name of the graphs that the rules make.
pub const RULES: &str = "hilum-rules";

/// A section as RadGraph's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Which section.
    pub section: SectionKind,
    /// Its tokens.
    pub tokens: Vec<String>,
    /// Its sentences by token, in order; every token is in one.
    pub sentences: Vec<Range<usize>>,
}

/// The sections that are read, cut as [`Extractor::graph`] cuts them: the tokens of all passages in
/// a line are the text of its graph, and sentences count on from passage to passage.
///
/// # Errors
/// As [`GraphReader::graph`], for want of text.
pub fn passages(report: &ReportText, options: &ExtractOptions) -> Result<Vec<Passage>, TextError> {
    let sections = chosen(report, &options.sections)?;
    Ok(sections
        .into_iter()
        .map(|(_, s)| passage(s.kind, &s.text))
        .collect())
}

fn passage(section: SectionKind, text: &str) -> Passage {
    let mut bytes = Vec::new();
    cut_tokens(text, &mut bytes);
    let starts = sentence::split(text).into_iter().skip(1).map(|s| s.start);
    let mut sentences = Vec::new();
    let mut from = 0;
    for start in starts {
        let to = bytes.partition_point(|t| t.start < start);
        if to > from {
            sentences.push(from..to);
            from = to;
        }
    }
    if bytes.len() > from {
        sentences.push(from..bytes.len());
    }
    let tokens = bytes.into_iter().map(|t| text[t].to_owned()).collect();
    Passage {
        section,
        tokens,
        sentences,
    }
}

impl Extractor {
    /// Looks up what entities mean that another program or a model found, by their own tokens; those
    /// that already have a sense keep it.
    pub fn read_senses(&self, graph: &mut Graph) {
        let unknown = |&i: &usize| matches!(graph.entities[i].sense, Sense::Unknown);
        let at: Vec<usize> = (0..graph.entities.len()).filter(unknown).collect();
        self.give_senses(graph, &at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_the_text_of_the_graph() {
        let report = ReportText::from_parts(
            "1. Small left effusion (2 cm). No edema.\n\nHeart: normal.",
            "No pneumothorax.",
        );
        let options = ExtractOptions::default();
        let passages = passages(&report, &options).unwrap();
        let graph = Extractor::shared().graph(&report, &options).unwrap();
        let tokens: Vec<String> = passages.iter().flat_map(|p| p.tokens.clone()).collect();
        assert_eq!(tokens.join(" "), graph.text);
        let parts: Vec<String> = passages[0]
            .sentences
            .iter()
            .map(|s| passages[0].tokens[s.clone()].join(" "))
            .collect();
        assert_eq!(parts.len(), 3, "{parts:?}");
        assert_eq!(parts[1], "No edema .");
        let last = graph.entities.last().unwrap();
        assert_eq!(last.sentence, Some(3));
    }

    #[test]
    fn senses_come_from_the_tokens() {
        let report = ReportText::from_parts("Small left effusion in the lingula.", "");
        let mut graph = Extractor::shared()
            .graph(&report, &ExtractOptions::default())
            .unwrap();
        let before = graph.facts();
        graph
            .entities
            .iter_mut()
            .for_each(|e| e.sense = Sense::Unknown);
        Extractor::shared().read_senses(&mut graph);
        let after = graph.facts();
        assert_eq!(after[0].name, before[0].name);
        assert_eq!(after[0].side, before[0].side);
    }
}
