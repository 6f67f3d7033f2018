//! Scores over facts (`crate::facts::score`) in the list of text metrics.
//!
//! Their corpus value is the mean over the texts for which they are defined. The first reference counts.

use super::grounded::GroundedPhrase;
use super::metric::{Pair, ScoreOptions, TextMetric};
use super::table::{Rows, Table};
use crate::error::TextError;
use crate::facts::extract::{ExtractOptions, Extractor};
use crate::facts::score::radfact::{self, Phrase};
use crate::facts::score::{self, FactMetric, FactScore};
use crate::facts::{Graph, GraphReader};
use crate::report::ReportText;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const UNDEFINED: &str = "no text has what the score counts";
const UNREADABLE: &str = "a text has nothing in findings or impression";

/// One family of fact scores.
struct Facts {
    metric: FactMetric,
    extract: ExtractOptions,
    reader: Option<Arc<dyn GraphReader>>,
    section: String,
    /// Whether a text's value depends on the other texts, so that all graphs must be kept.
    whole_set: bool,
    kept: (Vec<Graph>, Vec<Graph>),
    /// Texts that could not be read as a report.
    unreadable: Vec<bool>,
    scores: BTreeMap<String, FactScore>,
}

impl Facts {
    fn boxed(metric: FactMetric, options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
        let extract = extract_options(options);
        let section = extract
            .sections
            .iter()
            .map(|s| s.name())
            .collect::<Vec<_>>()
            .join("+");
        Ok(Box::new(Facts {
            metric,
            extract,
            reader: options.graphs.clone(),
            section,
            whole_set: metric == FactMetric::Consistency,
            kept: Default::default(),
            unreadable: Vec::new(),
            scores: BTreeMap::new(),
        }))
    }

    /// Graph of a text; an empty text has no fact, one without the sections that are read has no graph.
    fn graph(&self, text: &str) -> Option<Graph> {
        read_graph(self.reader.as_deref(), &self.extract, text)
    }

    fn take(&mut self, references: &[Graph], hypotheses: &[Graph]) -> Result<(), TextError> {
        self.keep(score::score(&[self.metric], references, hypotheses)?);
        Ok(())
    }

    /// Phrases of references and hypotheses: those of the files where both sides have them, else every fact.
    fn phrases(
        &self,
        pairs: &[Pair],
        references: &[Graph],
        hypotheses: &[Graph],
    ) -> (Vec<Vec<Phrase>>, Vec<Vec<Phrase>>) {
        let given = |phrases: &[GroundedPhrase]| -> Vec<Phrase> {
            let one = |p: &GroundedPhrase| Phrase {
                facts: self.graph(&p.text).map(|g| g.facts()).unwrap_or_default(),
                boxes: p.boxes.clone(),
            };
            phrases.iter().map(one).collect()
        };
        let both =
            |(i, pair): (usize, &Pair)| match (&pair.reference_phrases, &pair.hypothesis_phrases) {
                (Some(reference), Some(hypothesis)) => (given(reference), given(hypothesis)),
                _ => (
                    Phrase::of_graph(&references[i]),
                    Phrase::of_graph(&hypotheses[i]),
                ),
            };
        pairs.par_iter().enumerate().map(both).unzip()
    }

    /// Adds the values of a batch.
    fn keep(&mut self, scores: BTreeMap<String, FactScore>) {
        for (name, score) in scores {
            match self.scores.get_mut(&name) {
                Some(known) => known.per_sample.extend(score.per_sample),
                None => drop(self.scores.insert(name, score)),
            }
        }
    }
}

/// Sections that the scores over facts read.
pub(super) fn extract_options(options: &ScoreOptions) -> ExtractOptions {
    let mut extract = ExtractOptions::default();
    if !options.sections.is_empty() {
        extract.sections.clone_from(&options.sections);
    }
    extract
}

/// Graph of a text; an empty text has no fact, one without the sections that are read has no graph.
pub(super) fn read_graph(
    reader: Option<&dyn GraphReader>,
    extract: &ExtractOptions,
    text: &str,
) -> Option<Graph> {
    let reader = reader.unwrap_or(Extractor::shared());
    match reader.graph(&ReportText::from_text(text), extract) {
        Ok(graph) => Some(graph),
        Err(TextError::EmptyReport) => Some(Graph::default()),
        Err(_) => None,
    }
}

/// Graphs of reference and hypothesis, empty where one cannot be read, and whether both could.
fn sides(facts: &Facts, pair: &Pair) -> (Graph, Graph, bool) {
    let reference = facts.graph(pair.references.first().map_or("", String::as_str));
    let hypothesis = facts.graph(&pair.hypothesis);
    let readable = reference.is_some() && hypothesis.is_some();
    (
        reference.unwrap_or_default(),
        hypothesis.unwrap_or_default(),
        readable,
    )
}

impl TextMetric for Facts {
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let found: Vec<(Graph, Graph, bool)> =
            pairs.par_iter().map(|pair| sides(self, pair)).collect();
        self.unreadable.extend(found.iter().map(|f| !f.2));
        let (references, hypotheses): (Vec<Graph>, Vec<Graph>) =
            found.into_iter().map(|f| (f.0, f.1)).unzip();
        if self.whole_set {
            self.kept.0.extend(references);
            self.kept.1.extend(hypotheses);
            return Ok(());
        }
        if self.metric == FactMetric::Radfact {
            let (references, hypotheses) = self.phrases(pairs, &references, &hypotheses);
            self.keep(radfact::radfact(&references, &hypotheses));
            return Ok(());
        }
        self.take(&references, &hypotheses)
    }

    fn finish(mut self: Box<Self>, order: &[usize]) -> Vec<(String, Table)> {
        if self.whole_set {
            let (references, hypotheses) = std::mem::take(&mut self.kept);
            // Sides of the same length, checked where they were kept.
            if self.take(&references, &hypotheses).is_err() {
                return Vec::new();
            }
        }
        let unreadable = std::mem::take(&mut self.unreadable);
        let reason = if unreadable.contains(&true) {
            UNREADABLE
        } else {
            UNDEFINED
        };
        let section = &self.section;
        let model = self.reader.as_ref().map(|r| format!("graph:{}", r.name()));
        let table = |(name, score): (String, FactScore)| {
            let value = |(v, broken): (&Option<f64>, &bool)| match v {
                Some(v) if !*broken => [*v, 1.0],
                _ => [0.0, 0.0],
            };
            let values: Vec<f64> = score
                .per_sample
                .iter()
                .zip(&unreadable)
                .flat_map(value)
                .collect();
            let defined = values.iter().skip(1).step_by(2).sum::<f64>();
            // The number of defined texts is that of a batch; it is counted anew.
            let made_anew = |p: &&str| {
                p.starts_with("defined:") || (model.is_some() && p.starts_with("graph:"))
            };
            let kept = score.signature.split('|').filter(|p| !made_anew(p));
            let kept: Vec<&str> = kept.chain(model.as_deref()).collect();
            let signature = format!(
                "{}|ref:first|section:{section}|defined:{defined}of{}",
                kept.join("|"),
                unreadable.len()
            );
            let rows = Arc::new(Rows { values, width: 2 }.reordered(order));
            (name, Table::of_means(rows, signature, reason))
        };
        self.scores.into_iter().map(table).collect()
    }

    fn explain(&self, pair: &Pair) -> Value {
        let (reference, hypothesis, readable) = sides(self, pair);
        if !readable {
            return json!({ "reason": UNREADABLE });
        }
        json!({ "reference_facts": reference.facts(), "hypothesis_facts": hypothesis.facts() })
    }
}

/// `radgraph_e`, `radgraph_er`, `radgraph_er_bar`.
pub(super) fn radgraph(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Facts::boxed(FactMetric::Radgraph, options)
}

/// RadFact's numbers; those with boxes are null for texts alone.
pub(super) fn radfact(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Facts::boxed(FactMetric::Radfact, options)
}

/// Error counts by kind and the score made from them.
pub(super) fn green(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Facts::boxed(FactMetric::Green, options)
}

/// LunguageScore of single reports.
pub(super) fn lunguage(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Facts::boxed(FactMetric::Lunguage, options)
}

/// Consistency of what is said of equivalent references.
pub(super) fn consistency(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Facts::boxed(FactMetric::Consistency, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Format, InputOptions, METRICS, Reader, SideKind, score, score_readers};

    const NAMES: [&str; 5] = ["radgraph", "radfact", "green", "lunguage", "consistency"];

    #[test]
    fn the_list_names_every_score_of_a_family() {
        let options = ScoreOptions {
            metrics: NAMES.map(str::to_owned).to_vec(),
            ..ScoreOptions::default()
        };
        let text = "Small left pleural effusion. No pneumothorax.".to_owned();
        let pairs = vec![(text.clone(), vec![text.clone()]); 3];
        let scores = score(&pairs, &options).unwrap();
        let listed: std::collections::BTreeSet<&str> = METRICS
            .iter()
            .filter(|m| NAMES.contains(&m.name))
            .flat_map(|m| m.members)
            .copied()
            .collect();
        let found: std::collections::BTreeSet<&str> = scores.keys().map(String::as_str).collect();
        assert_eq!(found, listed);
        assert_eq!(scores["radgraph_er"].value, Some(1.0));
        assert!(scores["radgraph_er"].signature.contains("defined:3of3"));
        assert!(
            scores["radfact_spatial_f1"].value.is_none()
                && scores["radfact_spatial_f1"].reason.is_some()
        );
    }

    /// One phrase entailed with its box covered, one entailed with its box elsewhere.
    #[test]
    fn phrases_with_boxes_give_the_spatial_numbers() {
        let options = ScoreOptions {
            metrics: vec!["radfact".to_owned()],
            ..ScoreOptions::default()
        };
        let side = |second: &str| {
            format!(
                "{{\"id\":1,\"phrases\":[{{\"text\":\"Left effusion.\",\"boxes\":[[0.5,0.5,0.4,0.4]]}},{{\"text\":\"Nodule.\",\"boxes\":[{second}]}}]}}\n"
            )
        };
        let mut out = Vec::new();
        for text in [side("[0.1,0.1,0.2,0.2]"), side("[0.7,0.1,0.2,0.2]")] {
            let kind = [SideKind::Reference, SideKind::Hypothesis][out.len()];
            let source: Box<dyn std::io::BufRead + Send> = Box::new(std::io::Cursor::new(text));
            let input = InputOptions::default();
            out.push(
                Reader::open(source, Format::of("a.jsonl".as_ref()), "a", kind, input).unwrap(),
            );
        }
        let (hyp, reference) = (out.pop().unwrap(), out.pop().unwrap());
        let report = score_readers(reference, hyp, &options).unwrap();
        let value = |name: &str| report.metrics[name].value;
        assert_eq!(value("radfact_logical_precision"), Some(1.0));
        assert_eq!(value("radfact_grounding_precision"), Some(0.5));
        assert_eq!(value("radfact_spatial_f1"), Some(0.5));
    }

    #[test]
    fn a_text_without_findings_is_null_with_a_reason() {
        let options = ScoreOptions {
            metrics: vec!["radgraph_er".to_owned()],
            ..ScoreOptions::default()
        };
        let good = (
            "Small effusion.".to_owned(),
            vec!["Small effusion.".to_owned()],
        );
        let bad = (
            "INDICATION: Cough.".to_owned(),
            vec!["Small effusion.".to_owned()],
        );
        let scores = score(&[good, bad], &options).unwrap();
        let s = &scores["radgraph_er"];
        assert_eq!(
            (s.value, s.per_sample.as_slice()),
            (Some(1.0), &[Some(1.0), None][..])
        );
        assert_eq!(s.per_sample_reason.as_deref(), Some(UNREADABLE));
    }
}
