//! Scoring a file of hypotheses against a file of references: the work behind `hilum score`.
//!
//! Lines are `{"id","text"}`; a reference line may have `"texts": [...]` for several references.
//! Ids are matched, order is that of the references.

use crate::error::TextError;
use crate::label::{LabelOptions, LabelSpace, Labeler, UncertainPolicy};
use crate::lexicon::CHEXPERT;
use crate::nlg::{self, Sample, Score, VERSION};
use crate::report::ReportText;
use crate::stream::{self, Line, LineError, Problem, Row};
use crate::tokenize::Tokenizer;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

/// A metric, or a family that is computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// `bleu_1` to `bleu_4`.
    Bleu,
    /// `rouge_l`.
    RougeL,
    /// `cider_d`.
    CiderD,
    /// `meteor`.
    Meteor,
    /// `chexpert_f1_micro`, `_macro`, and both over the five common findings.
    ChexpertF1,
}

/// Names on the command line.
pub const METRICS: [(&str, Metric); 5] = [
    ("bleu", Metric::Bleu),
    ("rouge_l", Metric::RougeL),
    ("cider_d", Metric::CiderD),
    ("meteor", Metric::Meteor),
    ("chexpert_f1", Metric::ChexpertF1),
];

/// The five findings of the short CheXpert F1 (Irvin et al. 2019, competition tasks).
const FIVE: [&str; 5] = [
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "pleural_effusion",
];

impl Metric {
    /// The metric of a name: a family (`bleu`), one of its members (`bleu_4`) or itself.
    pub fn from_name(name: &str) -> Result<Metric, TextError> {
        let fits = |key: &str| {
            name == key || (name.starts_with(key) && name[key.len()..].starts_with('_'))
        };
        METRICS
            .iter()
            .find(|(key, _)| fits(key))
            .map(|(_, m)| *m)
            .ok_or_else(|| TextError::UnknownName {
                what: "metric",
                name: name.to_owned(),
                known: METRICS.map(|(key, _)| key).join(", "),
            })
    }
}

/// What to compute.
#[derive(Debug, Clone)]
pub struct ScoreOptions {
    /// Metrics.
    pub metrics: Vec<Metric>,
    /// How texts are cut for the n-gram scores.
    pub tokenizer: Tokenizer,
    /// How uncertain labels count in the CheXpert F1.
    pub uncertain: UncertainPolicy,
    /// Score the ids that both sides have although others are missing or broken.
    pub allow_partial: bool,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        let metrics = METRICS.map(|(_, m)| m).to_vec();
        ScoreOptions {
            metrics,
            tokenizer: Tokenizer::Ptb,
            uncertain: UncertainPolicy::Ones,
            allow_partial: false,
        }
    }
}

/// A problem on one of the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideError {
    /// `ref` or `hyp`.
    pub side: &'static str,
    /// The line and the reason.
    #[serde(flatten)]
    pub error: LineError,
}

/// Scores of a pair of files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreReport {
    /// Scores by name.
    pub metrics: BTreeMap<String, Score>,
    /// Ids that were scored, in the order of the per-sample values.
    pub ids: Vec<String>,
    /// Lines that were not scored; empty unless `allow_partial`.
    pub problems: Vec<SideError>,
}

/// One side: its rows by id, in order.
#[derive(Default)]
struct Side {
    order: Vec<(String, u64)>,
    texts: HashMap<String, Vec<String>>,
    problems: Vec<LineError>,
}

/// Scores `hypotheses` against `references`.
///
/// Errors: reading fails; nothing to score; or, unless `allow_partial`, any line that cannot be
/// scored (the first is named with its line, the others are counted).
pub fn score_jsonl(
    references: impl BufRead,
    hypotheses: impl BufRead,
    options: &ScoreOptions,
) -> Result<ScoreReport, TextError> {
    let references = read_side(references)?;
    let mut hypotheses = read_side(hypotheses)?;
    let mut problems: Vec<SideError> = Vec::new();
    let mut ids = Vec::new();
    let mut pairs = Vec::new();
    for (id, line) in &references.order {
        match hypotheses.texts.remove(id) {
            Some(mut texts) if texts.len() == 1 => {
                pairs.push((texts.remove(0), references.texts[id].clone()));
                ids.push(id.clone());
            }
            Some(_) => problems.push(side(
                "hyp",
                unmatched(id, *line, "a hypothesis must be one text"),
            )),
            None => problems.push(side(
                "ref",
                unmatched(id, *line, "no hypothesis with this id"),
            )),
        }
    }
    for (id, line) in hypotheses
        .order
        .iter()
        .filter(|(id, _)| hypotheses.texts.contains_key(id))
    {
        problems.push(side(
            "hyp",
            unmatched(id, *line, "no reference with this id"),
        ));
    }
    problems.extend(references.problems.into_iter().map(|e| side("ref", e)));
    problems.extend(hypotheses.problems.into_iter().map(|e| side("hyp", e)));
    if let Some(first) = problems.first().filter(|_| !options.allow_partial) {
        let (line, message) = (first.error.line, &first.error.message);
        let reason = format!(
            "{} of the lines cannot be scored; first: {} line {line}: {message}",
            problems.len(),
            first.side
        );
        return Err(TextError::Unscorable { reason });
    }
    let metrics = score(&pairs, options)?;
    Ok(ScoreReport {
        metrics,
        ids,
        problems,
    })
}

fn side(side: &'static str, error: LineError) -> SideError {
    SideError { side, error }
}

fn unmatched(id: &str, line: u64, message: &str) -> LineError {
    LineError {
        line,
        id: Some(id.to_owned()),
        kind: Problem::Unmatched,
        message: message.to_owned(),
    }
}

fn read_side(mut reader: impl BufRead) -> Result<Side, TextError> {
    let mut side = Side::default();
    let mut number = 0;
    loop {
        let batch = stream::read_batch(&mut reader, &mut number)?;
        if batch.is_empty() {
            return Ok(side);
        }
        for line in &batch {
            match stream::parse(line).and_then(|row| row.map(|r| texts(&r, line)).transpose()) {
                Ok(None) => {}
                Ok(Some((id, _))) if side.texts.contains_key(&id) => {
                    side.problems.push(LineError {
                        line: line.number,
                        id: Some(id),
                        kind: Problem::DuplicateId,
                        message: "the id was seen before".to_owned(),
                    })
                }
                Ok(Some((id, texts))) => {
                    side.order.push((id.clone(), line.number));
                    side.texts.insert(id, texts);
                }
                Err(error) => side.problems.push(error),
            }
        }
    }
}

/// Texts of a row: `text`, or every entry of `texts`.
fn texts(row: &Row, line: &Line) -> Result<(String, Vec<String>), LineError> {
    if let Some(text) = stream::field(row, "text", line.number)? {
        return Ok((row.id.clone(), vec![text.to_owned()]));
    }
    let many: Option<Vec<String>> = row
        .fields
        .get("texts")
        .and_then(Value::as_array)
        .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    let many = many
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| LineError {
            line: line.number,
            id: Some(row.id.clone()),
            kind: Problem::MissingText,
            message: "neither `text` nor a list of `texts`".to_owned(),
        })?;
    Ok((row.id.clone(), many))
}

/// Scores pairs of a hypothesis and its references, as given (not tokenised).
///
/// Errors: no pairs, or a pair without references.
pub fn score(
    pairs: &[(String, Vec<String>)],
    options: &ScoreOptions,
) -> Result<BTreeMap<String, Score>, TextError> {
    let tokenizer = options.tokenizer;
    let samples: Vec<Sample> = pairs
        .par_iter()
        .map(|(hypothesis, references)| Sample {
            hypothesis: tokenizer.tokenize(hypothesis),
            references: references.iter().map(|r| tokenizer.tokenize(r)).collect(),
        })
        .collect();
    let name = tokenizer.name();
    let mut scores = BTreeMap::new();
    for metric in &options.metrics {
        match metric {
            Metric::Bleu => {
                for (k, score) in nlg::bleu::bleu(&samples, name)?.into_iter().enumerate() {
                    scores.insert(format!("bleu_{}", k + 1), score);
                }
            }
            Metric::RougeL => {
                drop(scores.insert("rouge_l".to_owned(), nlg::rouge::rouge_l(&samples, name)?))
            }
            Metric::CiderD => {
                drop(scores.insert("cider_d".to_owned(), nlg::cider::cider_d(&samples, name)?))
            }
            Metric::Meteor => {
                drop(scores.insert("meteor".to_owned(), nlg::meteor::meteor(&samples, name)?))
            }
            Metric::ChexpertF1 => scores.extend(chexpert_f1(pairs, options.uncertain)?),
        }
    }
    Ok(scores)
}

/// F1 of the labels of hypothesis and first reference: micro and macro, over 14 and over 5.
fn chexpert_f1(
    pairs: &[(String, Vec<String>)],
    policy: UncertainPolicy,
) -> Result<BTreeMap<String, Score>, TextError> {
    let options = LabelOptions {
        space: LabelSpace::Chexpert,
        ..LabelOptions::default()
    };
    let present = |text: &str| -> Vec<bool> {
        let labels = Labeler::shared().label(&ReportText::from_text(text), &options);
        CHEXPERT
            .iter()
            .map(|code| labels.as_ref().is_ok_and(|l| l.present(code, policy)))
            .collect()
    };
    if pairs.is_empty() {
        return Err(TextError::Unscorable {
            reason: "no samples".to_owned(),
        });
    }
    let rows: Vec<(Vec<bool>, Vec<bool>)> = pairs
        .par_iter()
        .map(|(hyp, refs)| {
            (
                present(hyp),
                refs.first().map_or_else(Vec::new, |r| present(r)),
            )
        })
        .collect();
    let mut scores = BTreeMap::new();
    for (suffix, codes) in [("", &CHEXPERT[..]), ("_5", &FIVE[..])] {
        let at: Vec<usize> = codes
            .iter()
            .filter_map(|c| CHEXPERT.iter().position(|x| x == c))
            .collect();
        let per_sample: Vec<Option<f64>> = rows
            .iter()
            .map(|row| f1(at.iter().map(|&i| (row.0[i], row.1[i]))))
            .collect();
        let micro = f1(rows
            .iter()
            .flat_map(|row| at.iter().map(|&i| (row.0[i], row.1[i]))));
        let each: Vec<f64> = at
            .iter()
            .filter_map(|&i| f1(rows.iter().map(|row| (row.0[i], row.1[i]))))
            .collect();
        let whole = (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64);
        for (kind, value) in [("micro", micro), ("macro", whole)] {
            let defined = if kind == "macro" {
                format!("|defined:{}of{}", each.len(), at.len())
            } else {
                String::new()
            };
            let signature = format!(
                "chexpert_f1_{kind}{suffix}|labels:{}|labeler:hilum-rules|uncertain:{policy:?}|section:findings+impression{defined}|{VERSION}",
                at.len()
            );
            let reason = value
                .is_none()
                .then(|| "no finding is present on either side".to_owned());
            scores.insert(
                format!("chexpert_f1_{kind}{suffix}"),
                Score {
                    value,
                    per_sample: per_sample.clone(),
                    signature,
                    reason,
                },
            );
        }
    }
    Ok(scores)
}

/// F1 of (said, truth) pairs; `None` when nothing is positive on either side.
fn f1(pairs: impl Iterator<Item = (bool, bool)>) -> Option<f64> {
    let (mut hit, mut wrong) = (0.0, 0.0);
    for (said, truth) in pairs {
        match (said, truth) {
            (true, true) => hit += 1.0,
            (false, false) => {}
            _ => wrong += 1.0,
        }
    }
    (hit + wrong > 0.0).then(|| 2.0 * hit / (2.0 * hit + wrong))
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
                .all(|s| s.signature.contains(VERSION) && s.per_sample.len() == 2)
        );
        assert!(report.metrics["bleu_4"].signature.contains("tok:ptb"));
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
                ("hyp", 3, Problem::Unmatched),
                ("hyp", 2, Problem::DuplicateId)
            ]
        );
        assert!(
            report.metrics["cider_d"].value.is_none() && report.metrics["cider_d"].reason.is_some()
        );
    }

    #[test]
    fn member_names_lead_to_their_family() {
        assert_eq!(Metric::from_name("bleu_4").unwrap(), Metric::Bleu);
        assert_eq!(
            Metric::from_name("chexpert_f1_micro").unwrap(),
            Metric::ChexpertF1
        );
        assert!(Metric::from_name("bleurt").is_err());
    }
}
