//! What was found beside what is annotated, for the rules (v1) and the model (v2).

use super::annotated::{self, Part, Sentence};
use super::data::{self, Report};
use super::model::SpanModel;
use super::spans::{Said, Span, Window, said_in};
use super::train::{FILE, MODEL, Outcome, SILVER};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::stored;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::info::MethodInfo;
use hilum_data::Split;
use hilum_nn::weights::sha256_hex;
use hilum_text::ReportText;
use hilum_text::facts::extract::ExtractOptions;
use hilum_text::facts::score::radgraph_f1::radgraph_f1;
use hilum_text::facts::{Extractor, Graph, GraphReader};
use std::collections::{BTreeMap, BTreeSet};

/// Found and right, found, annotated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Both.
    pub right: f64,
    /// Found.
    pub found: f64,
    /// Annotated.
    pub wanted: f64,
}

impl Tally {
    /// Micro F1; none without anything to find or found.
    pub fn f1(&self) -> Option<f64> {
        let all = self.found + self.wanted;
        (all > 0.0).then(|| 2.0 * self.right / all)
    }

    fn add(&mut self, other: &Tally, times: f64) {
        self.right += times * other.right;
        self.found += times * other.found;
        self.wanted += times * other.wanted;
    }
}

/// Tallies of a sentence, or of many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Spans with their label.
    pub entity: Tally,
    /// Both spans and the relation, as DyGIE++ counts them.
    pub relation: Tally,
    /// The same, but spans need only overlap.
    pub near_entity: Tally,
    /// The same for relations.
    pub near_relation: Tally,
    /// By label.
    pub by_label: BTreeMap<String, Tally>,
}

impl Counts {
    /// Adds another sentence.
    pub fn add(&mut self, other: &Counts) {
        self.add_times(other, 1.0);
    }

    fn add_times(&mut self, other: &Counts, times: f64) {
        self.entity.add(&other.entity, times);
        self.relation.add(&other.relation, times);
        self.near_entity.add(&other.near_entity, times);
        self.near_relation.add(&other.near_relation, times);
        for (label, tally) in &other.by_label {
            let own = self.by_label.entry(label.clone()).or_default();
            own.add(tally, times);
        }
    }
}

/// What is right of a sentence.
pub fn count(wanted: &Said, found: &Said) -> Counts {
    let mut counts = Counts {
        entity: exact(&wanted.entities, &found.entities),
        relation: exact(&wanted.relations, &found.relations),
        near_entity: near(&wanted.entities, &found.entities, |a, b| {
            a.1 == b.1 && meet(a.0, b.0)
        }),
        near_relation: near(&wanted.relations, &found.relations, |a, b| {
            a.2 == b.2 && meet(a.0, b.0) && meet(a.1, b.1)
        }),
        by_label: BTreeMap::new(),
    };
    let mut note = |label: &str, in_wanted: bool, in_found: bool| {
        let tally = counts.by_label.entry(label.to_owned()).or_default();
        tally.right += f64::from(u8::from(in_wanted && in_found));
        tally.found += f64::from(u8::from(in_found));
        tally.wanted += f64::from(u8::from(in_wanted));
    };
    for e in wanted.entities.union(&found.entities) {
        note(
            &e.1,
            wanted.entities.contains(e),
            found.entities.contains(e),
        );
    }
    for r in wanted.relations.union(&found.relations) {
        note(
            &r.2,
            wanted.relations.contains(r),
            found.relations.contains(r),
        );
    }
    counts
}

fn exact<T: Ord>(wanted: &BTreeSet<T>, found: &BTreeSet<T>) -> Tally {
    Tally {
        right: wanted.intersection(found).count() as f64,
        found: found.len() as f64,
        wanted: wanted.len() as f64,
    }
}

/// Each of the found takes the first of the wanted that fits and is free.
fn near<T>(wanted: &BTreeSet<T>, found: &BTreeSet<T>, fits: impl Fn(&T, &T) -> bool) -> Tally {
    let mut free: Vec<&T> = wanted.iter().collect();
    let mut right = 0.0;
    for f in found {
        if let Some(at) = free.iter().position(|w| fits(w, f)) {
            free.remove(at);
            right += 1.0;
        }
    }
    Tally {
        right,
        found: found.len() as f64,
        wanted: wanted.len() as f64,
    }
}

fn meet(a: Span, b: Span) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

/// What the rules say of tokens, read as one report.
pub fn by_rules(tokens: &[String]) -> Result<Said> {
    let report = ReportText::from_parts(&tokens.join(" "), "");
    let graph = Extractor::shared().graph(&report, &ExtractOptions::default())?;
    let whole = said_in(&graph, 0..tokens.len());
    Ok(whole)
}

type Score = fn(&Counts) -> Option<f64>;

const ENTITY: Score = |c| c.entity.f1();
const RELATION: Score = |c| c.relation.f1();
const NEAR_ENTITY: Score = |c| c.near_entity.f1();
const NEAR_RELATION: Score = |c| c.near_relation.f1();

fn total(cases: &[Counts], times: &[u32]) -> Counts {
    let mut sum = Counts::default();
    for (case, n) in cases.iter().zip(times) {
        if *n > 0 {
            sum.add_times(case, f64::from(*n));
        }
    }
    sum
}

fn measured(groups: &[usize], cases: &[Counts], score: Score) -> Option<Measured> {
    measured_by(groups, |times| score(&total(cases, times)))
}

fn gain(groups: &[usize], new: &[Counts], old: &[Counts], score: Score) -> Option<Measured> {
    measured_by(groups, |times| {
        Some(score(&total(new, times))? - score(&total(old, times))?)
    })
}

/// F1 by label, for a note.
fn by_label(cases: &[Counts]) -> String {
    let all = total(cases, &vec![1; cases.len()]);
    let one = |(label, tally): (&String, &Tally)| {
        let f1 = tally.f1().map_or("-".to_owned(), |f| format!("{f:.2}"));
        format!("{label} {f1} of {}", tally.wanted)
    };
    all.by_label.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// All rows, the card's claim first.
///
/// # Errors
/// [`MethodError::NoModel`] when it was not trained; data that are not there.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo) -> Result<ResultFile> {
    let outcome: Outcome = stored::read(ctx, info.name, FILE)?;
    let folder = ctx.run_folder(info.name);
    let (model, silver) = (
        SpanModel::open(&folder.join(MODEL))?,
        SpanModel::open(&folder.join(SILVER))?,
    );
    let annotated = annotated::sentences()?;
    let test: Vec<&Sentence> = annotated.iter().filter(|s| s.part == Part::Test).collect();
    let read = |said: &dyn Fn(&[String]) -> Result<Said>| -> Result<Vec<Counts>> {
        let one = |s: &&Sentence| -> Result<Counts> {
            Ok(count(&s.window.said, &said(&s.window.tokens)?))
        };
        test.iter().map(one).collect()
    };
    let v1 = read(&by_rules)?;
    let v2 = read(&|tokens| model.read(tokens))?;
    let before = read(&|tokens| silver.read(tokens))?;
    let mut rows = versus(&v1, &v2, &before);
    rows.extend(reactions(&model, &test)?);
    let (reports, hash) = data::reports(ctx)?;
    let ours: Vec<&Report> = reports.iter().filter(|r| r.split == Split::Test).collect();
    rows.push(imitation(&model, &ctx.limit(ours, 20))?);
    if hash != outcome.data_hash {
        return Err(MethodError::Config(
            "the reports are not those that were trained on; train again".to_owned(),
        ));
    }
    let mut result = ResultFile::new(info, rows);
    result.seeds = vec![outcome.seed];
    result.data_hash = hash;
    result.split_hash = sha256_hex(annotated_ids(&annotated).as_bytes());
    result.tiny = ctx.tiny;
    Ok(result)
}

fn annotated_ids(all: &[Sentence]) -> String {
    let one = |s: &Sentence| format!("{:?} {}\n", s.part, s.window.tokens.join(" "));
    all.iter().map(one).collect()
}

fn versus(v1: &[Counts], v2: &[Counts], before: &[Counts]) -> Vec<ClaimRow> {
    let groups: Vec<usize> = (0..v1.len()).collect();
    let difference = |what: &str, score: Score| {
        let seen = gain(&groups, v2, v1, score);
        claim_row(
            format!("held-out annotated sentences: {what} micro-F1, model minus rules"),
            seen,
            seen.map(|m| m.interval.0 >= 0.0),
            "holds when the interval is not below zero".to_owned(),
        )
    };
    let level = |claim: &str, cases: &[Counts], score: Score, note: String| {
        claim_row(
            claim.to_owned(),
            measured(&groups, cases, score),
            None,
            note,
        )
    };
    let spans = || "spans need only overlap".to_owned();
    vec![
        difference("relation", RELATION),
        difference("entity", ENTITY),
        ClaimRow {
            paper: Some(0.82),
            ..level(
                "model (v2): relation micro-F1",
                v2,
                RELATION,
                "the paper's is on MIMIC-CXR's annotated reports, which are not used here"
                    .to_owned(),
            )
        },
        level("model (v2): entity micro-F1", v2, ENTITY, by_label(v2)),
        level("rules (v1): relation micro-F1", v1, RELATION, String::new()),
        level("rules (v1): entity micro-F1", v1, ENTITY, by_label(v1)),
        level(
            "model before the annotated sentences: relation micro-F1",
            before,
            RELATION,
            String::new(),
        ),
        level(
            "model before the annotated sentences: entity micro-F1",
            before,
            ENTITY,
            String::new(),
        ),
        level(
            "model (v2): relation micro-F1, loosely",
            v2,
            NEAR_RELATION,
            spans(),
        ),
        level(
            "model (v2): entity micro-F1, loosely",
            v2,
            NEAR_ENTITY,
            spans(),
        ),
        level(
            "rules (v1): relation micro-F1, loosely",
            v1,
            NEAR_RELATION,
            spans(),
        ),
        level(
            "rules (v1): entity micro-F1, loosely",
            v1,
            NEAR_ENTITY,
            spans(),
        ),
    ]
}

/// Whether RadGraph F1 over the model's graphs falls below 1 when a side is swapped or a negation dropped.
fn reactions(model: &SpanModel, test: &[&Sentence]) -> Result<Vec<ClaimRow>> {
    let graph = |text: &str| -> Result<Graph> {
        let report = ReportText::from_parts(text, "");
        Ok(model.graph(&report, &ExtractOptions::default())?)
    };
    let fallen = |edit: &dyn Fn(&Window) -> Option<String>, level: &str| -> Result<Vec<f64>> {
        let mut out = Vec::new();
        for s in test {
            if let Some(edited) = edit(&s.window) {
                let one = [graph(&s.window.tokens.join(" "))?];
                let other = [graph(&edited)?];
                let scores = radgraph_f1(&one, &other);
                let value = scores.get(level).and_then(|s| s.value);
                out.push(f64::from(u8::from(value.is_some_and(|v| v < 1.0))));
            }
        }
        Ok(out)
    };
    let row = |claim: &str, seen: Vec<f64>| {
        let groups: Vec<usize> = (0..seen.len()).collect();
        let mean = measured_by(&groups, |times| {
            let n: u32 = times.iter().sum();
            let sum: f64 = seen.iter().zip(times).map(|(v, t)| v * f64::from(*t)).sum();
            (n > 0).then(|| sum / f64::from(n))
        });
        claim_row(
            claim.to_owned(),
            mean,
            mean.map(|m| m.value >= 0.9),
            "holds from 0.9".to_owned(),
        )
    };
    Ok(vec![
        row(
            "share of sentences with a side whose RadGraph F1 (complete) falls when it is swapped",
            fallen(&swapped, "radgraph_er_bar")?,
        ),
        row(
            "share of sentences beginning with No whose RadGraph F1 (partial) falls without it",
            fallen(&affirmed, "radgraph_er")?,
        ),
    ])
}

fn swapped(window: &Window) -> Option<String> {
    let other = |t: &String| match t.to_lowercase().as_str() {
        "left" => Some("right".to_owned()),
        "right" => Some("left".to_owned()),
        _ => None,
    };
    let changed = window.tokens.iter().any(|t| other(t).is_some());
    let tokens = window
        .tokens
        .iter()
        .map(|t| other(t).unwrap_or_else(|| t.clone()));
    changed.then(|| tokens.collect::<Vec<_>>().join(" "))
}

fn affirmed(window: &Window) -> Option<String> {
    let (first, rest) = window.tokens.split_first()?;
    (first == "No").then(|| rest.join(" "))
}

/// How much the model says what the rules say, on reports that neither was made on.
fn imitation(model: &SpanModel, reports: &[&Report]) -> Result<ClaimRow> {
    let mut cases = Vec::new();
    for report in reports {
        let mut counts = Counts::default();
        for window in data::ruled(&report.text)? {
            counts.add(&count(&window.said, &model.read(&window.tokens)?));
        }
        cases.push(counts);
    }
    let groups: Vec<usize> = (0..cases.len()).collect();
    let entity = measured(&groups, &cases, ENTITY);
    Ok(claim_row(
        "Indiana University reports, test split: relation micro-F1 of the model against the rules"
            .to_owned(),
        measured(&groups, &cases, RELATION),
        None,
        entity.map_or(String::new(), |m| {
            format!("entities {:.3}; agreement, not truth", m.value)
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(entities: &[(Span, &str)], relations: &[(Span, Span, &str)]) -> Said {
        Said {
            entities: entities
                .iter()
                .map(|(s, l)| (*s, (*l).to_owned()))
                .collect(),
            relations: relations
                .iter()
                .map(|(a, b, r)| (*a, *b, (*r).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn exact_and_overlapping_spans_are_counted_apart() {
        let wanted = said(
            &[((0, 0), "OBS-DP"), ((1, 2), "OBS-DP"), ((4, 4), "ANAT-DP")],
            &[((1, 2), (4, 4), "located_at")],
        );
        let found = said(
            &[((1, 1), "OBS-DP"), ((4, 4), "ANAT-DP")],
            &[((1, 1), (4, 4), "located_at")],
        );
        let counts = count(&wanted, &found);
        assert_eq!(counts.entity.f1(), Some(2.0 / 5.0));
        assert_eq!(counts.near_entity.f1(), Some(4.0 / 5.0));
        assert_eq!(
            (counts.relation.f1(), counts.near_relation.f1()),
            (Some(0.0), Some(1.0))
        );
        assert_eq!(counts.by_label["ANAT-DP"].f1(), Some(1.0));
        assert_eq!(count(&Said::default(), &Said::default()).entity.f1(), None);
    }

    #[test]
    fn edits_swap_every_side_and_drop_the_no() {
        let window = |text: &str| Window {
            tokens: text.split(' ').map(str::to_owned).collect(),
            said: Said::default(),
        };
        let edited = swapped(&window("Left base and right apex .")).unwrap();
        assert_eq!(edited, "right base and left apex .");
        assert_eq!(swapped(&window("Clear lungs .")), None);
        assert_eq!(affirmed(&window("No edema .")).unwrap(), "edema .");
        assert_eq!(affirmed(&window("Edema .")), None);
    }

    #[test]
    fn the_rules_read_tokens_as_they_are() {
        let tokens: Vec<String> = ["No", "effusion", "."].map(str::to_owned).to_vec();
        let said = by_rules(&tokens).unwrap();
        assert_eq!(said.entities.first(), Some(&((1, 1), "OBS-DA".to_owned())));
    }
}
