//! F1 of the CheXpert labels of hypothesis and first reference, for each way to count uncertain labels.
//!
//! Labels come from the labeler, or from the file where it carries them (chexpert-labeler's CSV, the
//! output of `hilum text label`).

use super::additive::{Additive, Output};
use super::metric::{Pair, ScoreOptions, TextMetric, Uncertain};
use super::table::{Finish, Table};
use crate::error::TextError;
use crate::label::{LabelOptions, LabelSpace, LabelValue, Labeler, Labels, UncertainPolicy};
use crate::lexicon::CHEXPERT;
use crate::nlg::VERSION;
use crate::report::ReportText;
use serde_json::{Value, json};
use std::sync::Arc;

/// Labels as a file gives them, in the order of [`CHEXPERT`]; `None` is not mentioned.
pub type FileLabels = [Option<LabelValue>; 14];

/// The five findings of the short CheXpert F1 (Irvin et al. 2019, competition tasks).
const FIVE: [&str; 5] = [
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "pleural_effusion",
];
const NOTHING: &str = "no finding is present on either side";
const N: usize = CHEXPERT.len();

/// What one side says, by finding: present, or `None` where the policy leaves it out.
type Said = [Option<bool>; N];

/// Reads what a side says under each policy.
enum Source {
    Given(FileLabels),
    Read(Option<Labels>),
}

impl Source {
    fn of(text: &str, given: Option<FileLabels>, options: &LabelOptions) -> Source {
        match given {
            Some(labels) => Source::Given(labels),
            // Text without the sections that are read, or no text at all, mentions nothing.
            None => Source::Read(
                Labeler::shared()
                    .label(&ReportText::from_text(text), options)
                    .ok(),
            ),
        }
    }

    fn value(&self, k: usize) -> Option<LabelValue> {
        match self {
            Source::Given(labels) => labels[k],
            Source::Read(labels) => labels.as_ref().and_then(|l| l.value(CHEXPERT[k])),
        }
    }

    /// Whether it has uncertain labels without the words that made them so.
    fn is_unexplained(&self) -> bool {
        matches!(self, Source::Given(labels) if labels.contains(&Some(LabelValue::Uncertain)))
    }

    fn said(&self, policy: Uncertain) -> Said {
        std::array::from_fn(|k| {
            let value = self.value(k);
            let uncertain = value == Some(LabelValue::Uncertain);
            let by_cue = |policy| match self {
                Source::Read(Some(labels)) => Some(labels.present(CHEXPERT[k], policy)),
                // A file says that a label is uncertain, not why.
                _ => Some(value == Some(LabelValue::Present)),
            };
            match policy {
                Uncertain::Ignore if uncertain => None,
                Uncertain::Ones if uncertain => Some(true),
                Uncertain::HedgesOnes => by_cue(UncertainPolicy::HedgesOnes),
                Uncertain::SignsOnes => by_cue(UncertainPolicy::SignsOnes),
                Uncertain::LeaningOnes => by_cue(UncertainPolicy::LeaningOnes),
                _ => Some(value == Some(LabelValue::Present)),
            }
        })
    }
}

fn label_options(options: &ScoreOptions) -> LabelOptions {
    let mut out = LabelOptions {
        space: LabelSpace::Chexpert,
        ..LabelOptions::default()
    };
    if !options.sections.is_empty() {
        out.sections = options.sections.clone();
    }
    out
}

/// `chexpert_f1_micro`, `_macro`, and both over the five common findings; with several policies each
/// name ends in `_u_<policy>`.
pub(super) fn build(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let labels = label_options(options);
    let policies = options.uncertain.clone();
    let section = labels
        .sections
        .iter()
        .map(|s| s.name())
        .collect::<Vec<_>>()
        .join("+");
    let mut outputs = Vec::new();
    for (p, policy) in policies.iter().enumerate() {
        let ending = if policies.len() > 1 {
            format!("_u_{}", policy.name())
        } else {
            String::new()
        };
        for (suffix, codes) in [("", &CHEXPERT[..]), ("_5", &FIVE[..])] {
            let at: Vec<usize> = codes
                .iter()
                .filter_map(|c| CHEXPERT.iter().position(|x| x == c))
                .collect();
            let columns: Arc<Vec<usize>> = Arc::new(at.iter().map(|k| (p * N + k) * 3).collect());
            for kind in ["micro", "macro"] {
                let signature = format!(
                    "chexpert_f1_{kind}{suffix}|labels:{}|labeler:?|uncertain:{}|ref:first|section:{section}|{VERSION}",
                    codes.len(),
                    policy.name()
                );
                let micro = micro(columns.clone());
                let corpus = if kind == "macro" {
                    macro_mean(columns.clone())
                } else {
                    micro.clone()
                };
                let name = format!("chexpert_f1_{kind}{suffix}{ending}");
                outputs.push(Output {
                    name,
                    signature,
                    corpus,
                    sample: micro,
                });
            }
        }
    }
    let (explain_labels, explain_policies) = (labels.clone(), policies.clone());
    let row = move |pair: &Pair| {
        let (hyp, reference) = sources(pair, &labels);
        if policies.iter().any(|p| needs_cues(*p))
            && (hyp.is_unexplained() || reference.is_unexplained())
        {
            return Err(TextError::Unscorable {
                reason: format!(
                    "`{}`: labels of a file do not say why they are uncertain, which this policy asks for",
                    pair.id
                ),
            });
        }
        Ok(policies
            .iter()
            .flat_map(|policy| counts(&hyp.said(*policy), &reference.said(*policy)))
            .collect())
    };
    let explain = move |pair: &Pair| {
        let (hyp, reference) = sources(pair, &explain_labels);
        let map = |source: &Source| -> Value {
            (0..N)
                .filter_map(|k| {
                    source
                        .value(k)
                        .map(|v| (CHEXPERT[k].to_owned(), json!(v.as_i8())))
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let policies: Vec<&str> = explain_policies.iter().map(|p| p.name()).collect();
        json!({ "hypothesis_labels": map(&hyp), "reference_labels": map(&reference), "uncertain": policies })
    };
    let inner = Additive::boxed(3 * N * options.uncertain.len(), outputs, row, explain);
    Ok(Box::new(Chexpert {
        inner,
        pairs: 0,
        given: [0; 2],
    }))
}

/// Says in the signature where the labels came from.
struct Chexpert {
    inner: Box<dyn TextMetric>,
    pairs: usize,
    given: [usize; 2],
}

impl TextMetric for Chexpert {
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        self.pairs += pairs.len();
        self.given[0] += pairs
            .iter()
            .filter(|p| p.reference_labels.is_some())
            .count();
        self.given[1] += pairs
            .iter()
            .filter(|p| p.hypothesis_labels.is_some())
            .count();
        self.inner.add(pairs)
    }

    fn finish(self: Box<Self>, order: &[usize]) -> Vec<(String, Table)> {
        let from = |given: usize| match given {
            0 => "hilum-rules".to_owned(),
            all if all == self.pairs => "file".to_owned(),
            some => format!("file({some}),hilum-rules"),
        };
        let [reference, hypothesis] = self.given.map(from);
        let labeler = if reference == hypothesis {
            reference
        } else {
            format!("ref={reference};hyp={hypothesis}")
        };
        let mut tables = self.inner.finish(order);
        for (_, table) in &mut tables {
            table.signature = table
                .signature
                .replace("labeler:?", &format!("labeler:{labeler}"));
        }
        tables
    }

    fn explain(&self, pair: &Pair) -> Value {
        self.inner.explain(pair)
    }
}

/// Whether a policy asks which words made a label uncertain.
fn needs_cues(policy: Uncertain) -> bool {
    matches!(
        policy,
        Uncertain::HedgesOnes | Uncertain::SignsOnes | Uncertain::LeaningOnes
    )
}

fn sources(pair: &Pair, options: &LabelOptions) -> (Source, Source) {
    let first = pair.references.first().map_or("", String::as_str);
    (
        Source::of(&pair.hypothesis, pair.hypothesis_labels, options),
        Source::of(first, pair.reference_labels, options),
    )
}

/// True positives, false positives, false negatives of each finding.
fn counts(said: &Said, truth: &Said) -> Vec<f64> {
    let one = |k: usize| match (said[k], truth[k]) {
        (Some(true), Some(true)) => [1.0, 0.0, 0.0],
        (Some(true), Some(false)) => [0.0, 1.0, 0.0],
        (Some(false), Some(true)) => [0.0, 0.0, 1.0],
        _ => [0.0; 3],
    };
    (0..N).flat_map(one).collect()
}

fn f1([tp, fp, fn_]: [f64; 3]) -> Option<f64> {
    (tp + fp + fn_ > 0.0).then(|| 2.0 * tp / (2.0 * tp + fp + fn_))
}

fn micro(columns: Arc<Vec<usize>>) -> Finish {
    Arc::new(move |s| {
        let sum = |d: usize| columns.iter().map(|c| s[c + d]).sum::<f64>();
        f1([sum(0), sum(1), sum(2)]).ok_or(NOTHING)
    })
}

/// Mean over the findings that are present on a side at least once.
fn macro_mean(columns: Arc<Vec<usize>>) -> Finish {
    Arc::new(move |s| {
        let each: Vec<f64> = columns
            .iter()
            .filter_map(|c| f1([s[*c], s[c + 1], s[c + 2]]))
            .collect();
        if each.is_empty() {
            Err(NOTHING)
        } else {
            Ok(each.iter().sum::<f64>() / each.len() as f64)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(hyp: &str, reference: &str, policies: &[Uncertain], name: &str) -> Option<f64> {
        let options = ScoreOptions {
            uncertain: policies.to_vec(),
            ..ScoreOptions::default()
        };
        let mut metric = build(&options).unwrap();
        let pair = Pair {
            hypothesis: hyp.to_owned(),
            references: vec![reference.to_owned()],
            ..Pair::default()
        };
        metric.add(&[pair]).unwrap();
        let tables = metric.finish(&[0]);
        tables
            .iter()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
            .value()
            .ok()
    }

    #[test]
    fn uncertain_labels_count_as_the_policy_says() {
        use Uncertain::*;
        let (hyp, reference) = (
            "Possible pneumonia. Cardiomegaly.",
            "Pneumonia. Cardiomegaly.",
        );
        let f = |policy| value(hyp, reference, &[policy], "chexpert_f1_micro");
        assert_eq!(f(Ones), Some(1.0));
        assert!(f(Zeros).unwrap() < 1.0);
        assert_eq!(f(Ignore), Some(1.0));
        let all = value(hyp, reference, &[Ones, Zeros], "chexpert_f1_micro_u_zeros");
        assert_eq!(all, f(Zeros));
    }

    #[test]
    fn nothing_present_is_undefined() {
        assert_eq!(
            value("xyz", "xyz", &[Uncertain::Ones], "chexpert_f1_micro_5"),
            None
        );
    }

    #[test]
    fn labels_of_a_file_win_over_the_text() {
        let mut given: FileLabels = [None; 14];
        given[2] = Some(LabelValue::Present);
        let source = Source::of("no cardiomegaly", Some(given), &LabelOptions::default());
        assert_eq!(source.said(Uncertain::Ones)[2], Some(true));
        assert_eq!(source.said(Uncertain::HedgesOnes)[2], Some(true));
    }
}
