//! LunguageScore (Moon et al. 2025): soft precision and recall over matched findings.
//!
//! Each fact is a row. M = semantic x structural x temporal similarity; rows are matched one to one
//! for the greatest sum of M. True positives are the sum of matched M; false positives the sum of
//! 1 - M over the matches and of 1 - best M over unmatched predictions; false negatives likewise.
//!
//! The published score takes cosines of two sentence encoders. Here the phrase of a row is the
//! normalised finding with its places and words, and the cosine is that of character trigram counts:
//! deterministic, and said in the signature. Weights are the published ones.

use super::{FactScore, assign::assign, f1};
use crate::facts::timeline::Tracked;
use crate::facts::{Assertion, AttributeKind, Change, Fact, Graph};
use std::collections::{BTreeMap, HashMap};

/// Weights of the attributes, as in the published configuration.
const STATUS: f64 = 0.5;
const LOCATION: f64 = 0.2;
const GRADED: f64 = 0.15;
const MINOR: f64 = 0.1;
const SHAPE: f64 = 0.05;
const HISTORY: f64 = 0.01;
/// Weight of the study and of the episode in the temporal factor.
const STUDY: f64 = 0.5;

/// A row to compare: a fact, with its study and episode in the sequential form.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is said.
    pub fact: Fact,
    /// Study within the patient and episode of the finding, from 0; `None` for a single report.
    pub time: Option<(usize, usize)>,
}

/// Soft counts of one comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Soft {
    /// Matched.
    pub tp: f64,
    /// Said without ground.
    pub fp: f64,
    /// Left out.
    pub fn_: f64,
}

impl Soft {
    /// tp / (tp + fp); `None` when nothing was said.
    pub fn precision(&self) -> Option<f64> {
        let all = self.tp + self.fp;
        (all > 0.0).then(|| self.tp / all)
    }

    /// tp / (tp + fn); `None` when there was nothing to say.
    pub fn recall(&self) -> Option<f64> {
        let all = self.tp + self.fn_;
        (all > 0.0).then(|| self.tp / all)
    }
}

/// Compares two sets of rows.
pub fn compare(reference: &[Row], hypothesis: &[Row]) -> Soft {
    let grams = |rows: &[Row]| {
        rows.iter()
            .map(|r| trigrams(&phrase(&r.fact)))
            .collect::<Vec<_>>()
    };
    let (truth, said) = (grams(reference), grams(hypothesis));
    let similarity: Vec<Vec<f64>> = hypothesis
        .iter()
        .zip(&said)
        .map(|(h, hg)| {
            reference
                .iter()
                .zip(&truth)
                .map(|(r, rg)| cosine(hg, rg) * structural(&r.fact, &h.fact) * temporal(r, h))
                .collect()
        })
        .collect();
    let cost: Vec<Vec<f64>> = similarity
        .iter()
        .map(|row| row.iter().map(|m| 1.0 - m).collect())
        .collect();
    let mut soft = Soft {
        tp: 0.0,
        fp: 0.0,
        fn_: 0.0,
    };
    let mut found = vec![false; reference.len()];
    for (h, column) in assign(&cost).into_iter().enumerate() {
        match column {
            Some(r) => {
                let m = similarity[h][r];
                found[r] = true;
                soft.tp += m;
                soft.fp += 1.0 - m;
                soft.fn_ += 1.0 - m;
            }
            None => soft.fp += 1.0 - similarity[h].iter().copied().fold(0.0, f64::max),
        }
    }
    for (r, _) in found.iter().enumerate().filter(|(_, f)| !**f) {
        soft.fn_ += 1.0 - similarity.iter().map(|row| row[r]).fold(0.0, f64::max);
    }
    soft
}

/// The finding with everything that is said of it, in words.
fn phrase(fact: &Fact) -> String {
    let mut words = vec![fact.name.replace('_', " ")];
    words.extend(fact.side.map(|s| s.name().to_owned()));
    words.extend(fact.places.iter().map(|p| p.replace('_', " ")));
    words.extend(fact.severity.map(|s| s.name().to_owned()));
    words.extend(fact.attributes.iter().map(|(_, w)| w.clone()));
    words.extend(fact.change.map(|c| c.name().to_owned()));
    words.join(" ")
}

type Grams = HashMap<[char; 3], f64>;

fn trigrams(text: &str) -> Grams {
    let padded: Vec<char> = format!("  {text} ").chars().collect();
    let mut grams = HashMap::new();
    for w in padded.windows(3) {
        *grams.entry([w[0], w[1], w[2]]).or_insert(0.0) += 1.0;
    }
    grams
}

fn cosine(a: &Grams, b: &Grams) -> f64 {
    let norm = |g: &Grams| g.values().map(|v| v * v).sum::<f64>();
    let dot: f64 = a.iter().filter_map(|(k, v)| b.get(k).map(|w| v * w)).sum();
    let scale = (norm(a) * norm(b)).sqrt();
    if scale > 0.0 {
        (dot / scale).min(1.0)
    } else {
        0.0
    }
}

/// Weighted mean over the attributes that either row has.
fn structural(truth: &Fact, said: &Fact) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut add = |weight: f64, present: bool, agreement: f64| {
        if present {
            sum += weight * agreement;
            weights += weight;
        }
    };
    let same = |yes: bool| f64::from(u8::from(yes));
    let positive = |f: &Fact| f.assertion != Assertion::Absent;
    add(STATUS, true, same(positive(truth) == positive(said)));
    let open = |f: &Fact| f.assertion == Assertion::Uncertain;
    add(MINOR, true, same(open(truth) == open(said)));
    let place = |f: &Fact| {
        let mut words: Vec<&str> = f.side.map(|s| s.name()).into_iter().collect();
        words.extend(f.places.iter().copied());
        words.join(" ")
    };
    let (a, b) = (place(truth), place(said));
    add(LOCATION, !(a.is_empty() && b.is_empty()), text(&a, &b));
    let graded = |f: &Fact| f.severity.map_or("", |s| s.name());
    add(
        GRADED,
        truth.severity.is_some() || said.severity.is_some(),
        same(graded(truth) == graded(said)),
    );
    for change in [
        Change::New,
        Change::Worse,
        Change::Better,
        Change::Same,
        Change::Gone,
    ] {
        let is = |f: &Fact| f.change == Some(change);
        let weight = if change == Change::Same {
            MINOR
        } else {
            GRADED
        };
        add(weight, is(truth) || is(said), same(is(truth) == is(said)));
    }
    for kind in [
        AttributeKind::Morphology,
        AttributeKind::Distribution,
        AttributeKind::Onset,
        AttributeKind::Placement,
    ] {
        let words = |f: &Fact| {
            let mut words: Vec<&str> = f
                .attributes
                .iter()
                .filter(|(k, _)| *k == kind)
                .map(|(_, w)| w.as_str())
                .collect();
            words.sort_unstable();
            words.join(" ")
        };
        let (a, b) = (words(truth), words(said));
        let heavy = matches!(kind, AttributeKind::Onset | AttributeKind::Placement);
        let weight = if heavy { GRADED } else { SHAPE };
        add(weight, !(a.is_empty() && b.is_empty()), text(&a, &b));
    }
    let sized = !(truth.mm.is_empty() && said.mm.is_empty());
    add(SHAPE, sized, same(truth.mm == said.mm));
    add(
        HISTORY,
        truth.history || said.history,
        same(truth.history == said.history),
    );
    sum / weights
}

fn text(a: &str, b: &str) -> f64 {
    if a == b {
        1.0
    } else if a.is_empty() || b.is_empty() {
        0.0
    } else {
        cosine(&trigrams(a), &trigrams(b))
    }
}

fn temporal(truth: &Row, said: &Row) -> f64 {
    match (truth.time, said.time) {
        (Some((study, episode)), Some((other_study, other_episode))) => {
            STUDY * f64::from(u8::from(study == other_study))
                + (1.0 - STUDY) * f64::from(u8::from(episode == other_episode))
        }
        _ => 1.0,
    }
}

/// `lunguage_precision`, `_recall` and `_f1` of single reports: means over reports.
pub fn lunguage_score(references: &[Graph], hypotheses: &[Graph]) -> BTreeMap<String, FactScore> {
    let rows = |graph: &Graph| -> Vec<Row> {
        let row = |fact| Row { fact, time: None };
        graph.facts().into_iter().map(row).collect()
    };
    let pairs: Vec<Soft> = references
        .iter()
        .zip(hypotheses)
        .map(|(r, h)| compare(&rows(r), &rows(h)))
        .collect();
    named("lunguage", "single", &pairs)
}

/// `lunguage_sequential_*` of patients: rows of all studies together, with study and episode.
pub fn sequential(
    references: &[Vec<Tracked>],
    hypotheses: &[Vec<Tracked>],
) -> BTreeMap<String, FactScore> {
    let rows = |tracked: &[Tracked]| -> Vec<Row> {
        let row = |t: &Tracked| Row {
            fact: t.fact.clone(),
            time: Some((t.study, t.episode)),
        };
        tracked.iter().map(row).collect()
    };
    let pairs: Vec<Soft> = references
        .iter()
        .zip(hypotheses)
        .map(|(r, h)| compare(&rows(r), &rows(h)))
        .collect();
    named("lunguage_sequential", "sequential", &pairs)
}

fn named(prefix: &str, mode: &str, pairs: &[Soft]) -> BTreeMap<String, FactScore> {
    let columns = [
        (
            "precision",
            pairs.iter().map(Soft::precision).collect::<Vec<_>>(),
        ),
        ("recall", pairs.iter().map(Soft::recall).collect()),
        (
            "f1",
            pairs
                .iter()
                .map(|p| match (p.precision(), p.recall()) {
                    (Some(a), Some(b)) => Some(f1(a, b)),
                    // Nothing said of something, or something of nothing.
                    (Some(_), None) | (None, Some(_)) => Some(0.0),
                    (None, None) => None,
                })
                .collect(),
        ),
    ];
    columns
        .into_iter()
        .map(|(part, values)| {
            let name = format!("{prefix}_{part}");
            let signature =
                format!("{name}|mode:{mode}|semantic:char3gram-cosine|weights:published");
            let score = FactScore::mean(
                values,
                signature,
                "no report has a fact on the side that is counted",
            );
            (name, score)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;

    fn rows(text: &str) -> Vec<Row> {
        let graph = &graphs(&[text]).unwrap()[0];
        let row = |fact| Row { fact, time: None };
        graph.facts().into_iter().map(row).collect()
    }

    fn f1_of(reference: &str, hypothesis: &str) -> f64 {
        let soft = compare(&rows(reference), &rows(hypothesis));
        f1(soft.precision().unwrap(), soft.recall().unwrap())
    }

    #[test]
    fn polarity_costs_more_than_side_and_side_more_than_severity() {
        let text = "Small left pleural effusion.";
        let polarity = f1_of(text, "No small left pleural effusion.");
        let side = f1_of(text, "Small right pleural effusion.");
        let severity = f1_of(text, "Large left pleural effusion.");
        assert!((f1_of(text, text) - 1.0).abs() < 1e-12);
        assert!(
            polarity < side && side < severity && severity < 1.0,
            "{polarity} {side} {severity}"
        );
    }

    #[test]
    fn a_shifted_study_lowers_the_temporal_factor_only() {
        let mut a = rows("Small left pleural effusion.");
        let mut b = a.clone();
        a[0].time = Some((0, 0));
        b[0].time = Some((1, 0));
        let soft = compare(&a, &b);
        assert!((soft.tp - 0.5).abs() < 1e-12, "{soft:?}");
    }

    #[test]
    fn unmatched_rows_cost_their_distance_to_the_nearest() {
        let one = rows("Left effusion.");
        let two = rows("Left effusion. Cardiomegaly.");
        let soft = compare(&one, &two);
        assert!((soft.tp - 1.0).abs() < 1e-12 && soft.fn_ < 1e-12);
        assert!(soft.fp > 0.5 && soft.fp <= 1.0);
    }
}
