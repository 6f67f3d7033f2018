//! Scores of one file of texts against another, sample by sample and over the set.
//!
//! Ids are matched, the order is that of the references. The two sides are read side by side and texts are
//! dropped once their pair is scored, so files in the same order take little memory (CIDEr keeps counts,
//! because its weights depend on the whole set). Every row that cannot be scored is an error, or is listed.
//!
//! [`metric::METRICS`] lists what there is; [`table::Table`] keeps the summands, from which intervals and
//! tests between systems are made.

mod additive;
pub mod bertscore;
pub mod checks;
pub mod chexpert;
mod facts;
mod grounded;
pub mod input;
pub mod metric;
pub mod probes;
mod sequential;
pub mod table;

pub use bertscore::{Embeddings, TokenEncoder};
pub use checks::Checks;
pub use grounded::GroundedPhrase;
pub use input::{Entry, Format, InputOptions, Reader, SideKind};
pub use metric::{
    BY_NAME_ONLY, EmbeddingPair, METRICS, MetricInfo, Pair, ScoreOptions, Selection, TextMetric,
    TokenVectors, Uncertain, find,
};
pub use table::Table;

use crate::error::TextError;
use crate::nlg::{Sample, Score};
use crate::stream::{LineError, Problem};
use crate::tokenize::Tokenizer;
use checks::Collector;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;

/// A problem on one of the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideError {
    /// `ref` or `hyp`.
    pub side: &'static str,
    /// The line and the reason.
    #[serde(flatten)]
    pub error: LineError,
}

/// How many rows there were and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows of the references.
    pub references: u64,
    /// Rows of the hypotheses.
    pub hypotheses: u64,
    /// Samples scored.
    pub scored: u64,
    /// Rows that are in `problems`.
    pub problems: u64,
}

/// Scores of a pair of files.
#[derive(Clone, Serialize)]
pub struct ScoreReport {
    /// Scores by name.
    pub metrics: BTreeMap<String, Score>,
    /// Ids that were scored, in the order of the per-sample values.
    pub ids: Vec<String>,
    /// Rows read.
    pub counts: Counts,
    /// Texts that scores should not be trusted on.
    pub checks: Checks,
    /// Rows that were not scored; empty unless `allow_partial`.
    pub problems: Vec<SideError>,
    /// Summands of each score, in the order of `ids`.
    #[serde(skip)]
    pub tables: BTreeMap<String, Table>,
}

/// Scores JSON Lines against JSON Lines.
///
/// # Errors
/// As [`score_readers`].
pub fn score_jsonl(
    references: impl BufRead + Send + 'static,
    hypotheses: impl BufRead + Send + 'static,
    options: &ScoreOptions,
) -> Result<ScoreReport, TextError> {
    let input = InputOptions {
        sections: options.sections.clone(),
        ..InputOptions::default()
    };
    let references = Reader::open(
        Box::new(references),
        Format::Jsonl,
        "ref",
        SideKind::Reference,
        input.clone(),
    )?;
    let hypotheses = Reader::open(
        Box::new(hypotheses),
        Format::Jsonl,
        "hyp",
        SideKind::Hypothesis,
        input,
    )?;
    score_readers(references, hypotheses, options)
}

/// Scores one side against the other.
///
/// # Errors
/// Reading fails; nothing to score; a metric lacks what it needs; or, unless `allow_partial`, any row that
/// cannot be scored (the first is named with its line, the others are counted).
pub fn score_readers(
    mut references: Reader,
    mut hypotheses: Reader,
    options: &ScoreOptions,
) -> Result<ScoreReport, TextError> {
    let mut selection = Selection::new(options)?;
    let mut join = Join::default();
    let mut collector = Collector::default();
    loop {
        let (left, right) = (references.next_batch()?, hypotheses.next_batch()?);
        if left.is_empty() && right.is_empty() {
            break;
        }
        left.into_iter().for_each(|entry| join.reference(entry));
        right.into_iter().for_each(|entry| join.hypothesis(entry));
        let pairs = tokenized(std::mem::take(&mut join.pairs), options.tokenizer);
        for (_, metric) in &mut selection.metrics {
            metric.add(&pairs)?;
        }
        collector.add(&pairs);
    }
    join.close();
    // A row without its counterpart is often the echo of one that could not be read.
    let unread = |p: &&SideError| p.error.kind != Problem::Unmatched;
    let first = join.problems.iter().find(unread).or(join.problems.first());
    if let Some(first) = first.filter(|_| !options.allow_partial) {
        let (line, message) = (first.error.line, &first.error.message);
        let id = first
            .error
            .id
            .as_ref()
            .map_or(String::new(), |id| format!(" (id {id})"));
        return Err(TextError::Unscorable {
            reason: format!(
                "{} of the rows cannot be scored ({}); first: {} line {line}{id}: {message}",
                join.problems.len(),
                by_kind(&join.problems),
                first.side
            ),
        });
    }
    if join.arrived.is_empty() {
        return Err(TextError::Unscorable {
            reason: "no samples".to_owned(),
        });
    }
    let (order, place, ids) = join.order();
    let mut tables = BTreeMap::new();
    for (info, metric) in std::mem::take(&mut selection.metrics) {
        let kept = metric.finish(&order);
        tables.extend(
            kept.into_iter()
                .filter(|(name, _)| selection.keeps(info.name, name)),
        );
    }
    let counts = Counts {
        scored: ids.len() as u64,
        problems: join.problems.len() as u64,
        ..join.counts
    };
    Ok(ScoreReport {
        metrics: tables
            .iter()
            .map(|(name, table)| (name.clone(), table.score()))
            .collect(),
        checks: collector.finish(&place),
        ids,
        counts,
        problems: join.problems,
        tables,
    })
}

/// Matches rows of the two sides by id as they come.
#[derive(Default)]
struct Join {
    pairs: Vec<Pair>,
    /// Id and place among the references of each pair, in the order of arrival.
    arrived: Vec<(String, usize)>,
    waiting_references: HashMap<String, (usize, Entry)>,
    waiting_hypotheses: HashMap<String, Entry>,
    seen: [HashSet<String>; 2],
    problems: Vec<SideError>,
    counts: Counts,
}

impl Join {
    fn reference(&mut self, entry: Result<Entry, LineError>) {
        let place = self.counts.references as usize;
        self.counts.references += 1;
        let Some(entry) = self.fresh(SideKind::Reference, entry) else {
            return;
        };
        match self.waiting_hypotheses.remove(&entry.id) {
            Some(hypothesis) => self.pair(place, entry, hypothesis),
            None => drop(
                self.waiting_references
                    .insert(entry.id.clone(), (place, entry)),
            ),
        }
    }

    fn hypothesis(&mut self, entry: Result<Entry, LineError>) {
        self.counts.hypotheses += 1;
        let Some(entry) = self.fresh(SideKind::Hypothesis, entry) else {
            return;
        };
        match self.waiting_references.remove(&entry.id) {
            Some((place, reference)) => self.pair(place, reference, entry),
            None => drop(self.waiting_hypotheses.insert(entry.id.clone(), entry)),
        }
    }

    /// The row, unless it is broken or its id was seen before.
    fn fresh(&mut self, kind: SideKind, entry: Result<Entry, LineError>) -> Option<Entry> {
        let fail = |error| SideError {
            side: kind.name(),
            error,
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.problems.push(fail(error));
                return None;
            }
        };
        let unscorable = if !self.seen[kind as usize].insert(entry.id.clone()) {
            Some((Problem::DuplicateId, "the id was seen before"))
        } else if kind == SideKind::Hypothesis && entry.texts.len() != 1 {
            Some((Problem::Unmatched, "a hypothesis must be one text"))
        } else {
            None
        };
        let Some((problem, message)) = unscorable else {
            return Some(entry);
        };
        self.problems.push(fail(error_of(&entry, problem, message)));
        None
    }

    fn pair(&mut self, place: usize, reference: Entry, mut hypothesis: Entry) {
        self.arrived.push((reference.id.clone(), place));
        self.pairs.push(Pair {
            id: reference.id,
            hypothesis: hypothesis.texts.pop().unwrap_or_default(),
            references: reference.texts,
            tokens: Sample::default(),
            hypothesis_labels: hypothesis.labels,
            reference_labels: reference.labels,
            hypothesis_patient: hypothesis.patient,
            reference_patient: reference.patient,
            hypothesis_phrases: hypothesis.phrases,
            reference_phrases: reference.phrases,
        });
    }

    /// What found no counterpart is a problem; problems in the order of sides and lines.
    fn close(&mut self) {
        for (_, entry) in self.waiting_references.values() {
            let error = error_of(entry, Problem::Unmatched, "no hypothesis with this id");
            self.problems.push(SideError { side: "ref", error });
        }
        for entry in self.waiting_hypotheses.values() {
            let error = error_of(entry, Problem::Unmatched, "no reference with this id");
            self.problems.push(SideError { side: "hyp", error });
        }
        self.problems
            .sort_by_key(|p| (p.side == "hyp", p.error.line));
    }

    /// Which arrival comes i-th, where each arrival goes, and the ids in order.
    fn order(&mut self) -> (Vec<usize>, Vec<usize>, Vec<String>) {
        let mut order: Vec<usize> = (0..self.arrived.len()).collect();
        order.sort_by_key(|&i| self.arrived[i].1);
        let mut place = vec![0; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(to, &from)| place[from] = to);
        let ids = order
            .iter()
            .map(|&i| std::mem::take(&mut self.arrived[i].0))
            .collect();
        (order, place, ids)
    }
}

/// `missing_text 1, unmatched 2`.
fn by_kind(problems: &[SideError]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for problem in problems {
        *counts.entry(problem.error.kind.name()).or_default() += 1;
    }
    let one = |(kind, n): (&str, usize)| format!("{kind} {n}");
    counts.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

fn error_of(entry: &Entry, kind: Problem, message: &str) -> LineError {
    LineError {
        line: entry.line,
        id: Some(entry.id.clone()),
        kind,
        message: message.to_owned(),
    }
}

fn tokenized(mut pairs: Vec<Pair>, tokenizer: Tokenizer) -> Vec<Pair> {
    pairs.par_iter_mut().for_each(|pair| {
        pair.tokens = Sample {
            hypothesis: tokenizer.tokenize(&pair.hypothesis),
            references: pair
                .references
                .iter()
                .map(|r| tokenizer.tokenize(r))
                .collect(),
        };
    });
    pairs
}

/// Scores pairs of a hypothesis and its references, as given (not tokenised).
///
/// # Errors
/// No pairs, a pair without references, or a metric without what it needs.
pub fn score(
    pairs: &[(String, Vec<String>)],
    options: &ScoreOptions,
) -> Result<BTreeMap<String, Score>, TextError> {
    if pairs.is_empty() {
        return Err(TextError::Unscorable {
            reason: "no samples".to_owned(),
        });
    }
    if let Some(at) = pairs
        .iter()
        .position(|(_, references)| references.is_empty())
    {
        return Err(TextError::Unscorable {
            reason: format!("sample {at} has no reference"),
        });
    }
    let pair = |(at, (hypothesis, references)): (usize, &(String, Vec<String>))| Pair {
        id: at.to_string(),
        hypothesis: hypothesis.clone(),
        references: references.clone(),
        ..Pair::default()
    };
    let pairs = tokenized(
        pairs.iter().enumerate().map(pair).collect(),
        options.tokenizer,
    );
    let order: Vec<usize> = (0..pairs.len()).collect();
    let mut selection = Selection::new(options)?;
    let mut scores = BTreeMap::new();
    for (info, mut metric) in std::mem::take(&mut selection.metrics) {
        metric.add(&pairs)?;
        let tables = metric.finish(&order).into_iter();
        scores.extend(
            tables
                .filter(|(name, _)| selection.keeps(info.name, name))
                .map(|(n, t)| (n, t.score())),
        );
    }
    Ok(scores)
}

/// What each metric sees of one pair, by family.
///
/// # Errors
/// As [`score_readers`]; the id is not on both sides.
pub fn explain(
    mut references: Reader,
    mut hypotheses: Reader,
    id: Option<&str>,
    options: &ScoreOptions,
) -> Result<Value, TextError> {
    let mut join = Join::default();
    loop {
        let (left, right) = (references.next_batch()?, hypotheses.next_batch()?);
        if left.is_empty() && right.is_empty() {
            break;
        }
        left.into_iter().for_each(|entry| join.reference(entry));
        right.into_iter().for_each(|entry| join.hypothesis(entry));
    }
    let mut found: Vec<Pair> = std::mem::take(&mut join.pairs)
        .into_iter()
        .filter(|p| id.is_none_or(|id| p.id == id))
        .collect();
    let pair = match (found.len(), id) {
        (1, _) => tokenized(vec![found.remove(0)], options.tokenizer),
        (0, Some(id)) => {
            return Err(TextError::Unscorable {
                reason: format!("no pair with the id `{id}`"),
            });
        }
        (n, _) => {
            return Err(TextError::Unscorable {
                reason: format!("{n} pairs; say which id to explain"),
            });
        }
    };
    let selection = Selection::new(options)?;
    let families: serde_json::Map<String, Value> = selection
        .metrics
        .iter()
        .map(|(info, m)| (info.name.to_owned(), m.explain(&pair[0])))
        .collect();
    Ok(json!({
        "id": pair[0].id,
        "hypothesis": pair[0].hypothesis,
        "references": pair[0].references,
        "checks": checks::oddities(&pair[0]),
        "metrics": families,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFS: &str = "{\"id\":\"a\",\"text\":\"Small left effusion.\"}\n{\"id\":\"b\",\"texts\":[\"Lungs are clear.\",\"Clear lungs.\"]}\n";

    #[test]
    fn ids_are_matched_in_any_order_and_values_are_signed() {
        let hyps = "{\"id\":\"b\",\"text\":\"Lungs are clear.\"}\n{\"id\":\"a\",\"text\":\"Small left effusion.\"}\n";
        let report =
            score_jsonl(REFS.as_bytes(), hyps.as_bytes(), &ScoreOptions::default()).unwrap();
        assert_eq!(report.ids, ["a", "b"]);
        assert!((report.metrics["bleu_1"].value.unwrap() - 1.0).abs() < 1e-6);
        assert_eq!(report.metrics["chexpert_f1_micro"].value, Some(1.0));
        assert!(
            report
                .metrics
                .values()
                .all(|s| s.signature.contains(env!("CARGO_PKG_VERSION")) && s.per_sample.len() == 2)
        );
        assert!(
            report.metrics["bleu_4"]
                .signature
                .contains("tok:ptb|section:whole")
        );
        assert!(
            report.metrics["chexpert_f1_micro"]
                .signature
                .contains("labeler:hilum-rules|uncertain:ones")
        );
    }

    #[test]
    fn the_order_of_the_hypotheses_changes_nothing() {
        let text = |i: usize| format!("the heart number {} is {} and clear", i % 7, i % 3);
        let side = |ids: Vec<usize>, shift: usize| -> String {
            ids.iter()
                .map(|i| format!("{{\"id\":{i},\"text\":\"{}\"}}\n", text(i + shift)))
                .collect()
        };
        let refs = side((0..3000).collect(), 0);
        let run = |hyps: String| {
            score_jsonl(
                std::io::Cursor::new(refs.clone()),
                std::io::Cursor::new(hyps),
                &ScoreOptions::default(),
            )
            .unwrap()
        };
        let (a, b) = (
            run(side((0..3000).collect(), 1)),
            run(side((0..3000).rev().collect(), 1)),
        );
        assert_eq!(a.metrics, b.metrics);
        assert_eq!(a.ids, b.ids);
        assert_eq!(a.counts.scored, 3000);
    }

    #[test]
    fn what_does_not_match_is_an_error_or_is_listed() {
        let hyps = "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\"y\"}\n{\"id\":\"z\",\"text\":\"y\"}\n";
        let strict = score_jsonl(REFS.as_bytes(), hyps.as_bytes(), &ScoreOptions::default());
        assert!(matches!(strict, Err(TextError::Unscorable { .. })));
        let options = ScoreOptions {
            allow_partial: true,
            ..ScoreOptions::default()
        };
        let report = score_jsonl(REFS.as_bytes(), hyps.as_bytes(), &options).unwrap();
        assert_eq!(report.ids, ["a"]);
        let kinds: Vec<_> = report
            .problems
            .iter()
            .map(|p| (p.side, p.error.line, p.error.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("ref", 2, Problem::Unmatched),
                ("hyp", 2, Problem::DuplicateId),
                ("hyp", 3, Problem::Unmatched)
            ]
        );
        assert_eq!(
            (
                report.counts.references,
                report.counts.hypotheses,
                report.counts.problems
            ),
            (2, 3, 3)
        );
        assert!(
            report.metrics["cider_d"].value.is_none() && report.metrics["cider_d"].reason.is_some()
        );
    }

    #[test]
    fn an_empty_hypothesis_scores_nothing_and_is_flagged() {
        let hyps = "{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"b\",\"text\":\"Lungs are clear.\"}\n";
        let report =
            score_jsonl(REFS.as_bytes(), hyps.as_bytes(), &ScoreOptions::default()).unwrap();
        assert_eq!(report.metrics["rouge_l"].per_sample[0], Some(0.0));
        assert_eq!(report.checks.counts["empty"], 1);
        assert_eq!(report.checks.flagged[0].id, "a");
    }

    #[test]
    fn explanations_name_what_was_seen() {
        let open = |text: &'static str, kind| {
            Reader::open(
                Box::new(text.as_bytes()),
                Format::Jsonl,
                "x",
                kind,
                InputOptions::default(),
            )
            .unwrap()
        };
        let hyps = "{\"id\":\"a\",\"text\":\"Small left effusions.\"}\n";
        let told = explain(
            open(REFS, SideKind::Reference),
            open(hyps, SideKind::Hypothesis),
            None,
            &ScoreOptions::default(),
        )
        .unwrap();
        assert_eq!(told["metrics"]["meteor"]["stem"][0], "effusions=effusion");
        assert_eq!(
            told["metrics"]["chexpert_f1"]["hypothesis_labels"]["pleural_effusion"],
            1
        );
        let none = explain(
            open(REFS, SideKind::Reference),
            open(hyps, SideKind::Hypothesis),
            Some("q"),
            &ScoreOptions::default(),
        );
        assert!(none.is_err());
    }
}
