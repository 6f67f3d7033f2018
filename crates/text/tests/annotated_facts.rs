//! Sentences written and annotated by hand for this project (`fixtures/annotated_facts.jsonl`):
//! the facts that the rules must find, with precision and recall by family and by part.
//!
//! A line is `{"family","text","facts":[{"entity","assertion","side","places","severity","change",
//! "mm"}],"suggests":[[sign, meaning]]}`. Each fact gives atoms: entity with assertion, and entity
//! with each detail; each suggestion is one more. A place that the finding's name tells is not
//! annotated. The sentences were annotated before the rules were first run on them.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use hilum_text::ReportText;
use hilum_text::facts::{Extractor, Fact, Graph};
use serde_json::Value;
use std::collections::BTreeMap;

const FIXTURE: &str = include_str!("fixtures/annotated_facts.jsonl");
/// Precision and recall over all atoms that the rules must not fall below.
const FLOOR: f64 = 0.95;

#[derive(Default)]
struct Counts {
    hit: usize,
    extra: usize,
    missed: usize,
}

impl Counts {
    fn precision(&self) -> f64 {
        self.hit as f64 / (self.hit + self.extra) as f64
    }

    fn recall(&self) -> f64 {
        self.hit as f64 / (self.hit + self.missed) as f64
    }
}

/// (part, atom), sorted.
type Atoms = Vec<(&'static str, String)>;

fn wanted(row: &Value) -> Atoms {
    let mut out = Vec::new();
    for fact in row["facts"].as_array().unwrap() {
        let entity = fact["entity"].as_str().unwrap();
        let mut add = |part, value: &str| out.push((part, format!("{entity}:{value}")));
        add("assertion", fact["assertion"].as_str().unwrap());
        for part in ["side", "severity", "change"] {
            if let Some(value) = fact[part].as_str() {
                add(part, value);
            }
        }
        for place in fact["places"].as_array().into_iter().flatten() {
            add("places", place.as_str().unwrap());
        }
        if let Some(mm) = fact["mm"].as_array() {
            let mm: Vec<f64> = mm.iter().map(|v| v.as_f64().unwrap()).collect();
            add("mm", &format!("{mm:?}"));
        }
    }
    for pair in row["suggests"].as_array().into_iter().flatten() {
        out.push((
            "suggests",
            format!(
                "{}>{}",
                pair[0].as_str().unwrap(),
                pair[1].as_str().unwrap()
            ),
        ));
    }
    out.sort();
    out
}

fn said(graph: &Graph) -> Atoms {
    let facts = graph.facts();
    let mut out = Vec::new();
    for fact in &facts {
        let mut add = |part, value: &str| out.push((part, format!("{}:{value}", fact.name)));
        let name = serde_json::to_value(fact.assertion).unwrap();
        add("assertion", name.as_str().unwrap());
        fact.side.iter().for_each(|s| add("side", s.name()));
        fact.severity.iter().for_each(|s| add("severity", s.name()));
        fact.change.iter().for_each(|c| add("change", c.name()));
        fact.places.iter().for_each(|p| add("places", p));
        if !fact.mm.is_empty() {
            add("mm", &format!("{:?}", fact.mm));
        }
        let name = |entity: usize| {
            facts
                .iter()
                .find(|f: &&Fact| f.entity == entity)
                .map(|f| f.name.clone())
        };
        for target in fact.suggests.iter().filter_map(|&e| name(e)) {
            out.push(("suggests", format!("{}>{target}", fact.name)));
        }
    }
    out.sort();
    out
}

/// Elements of `a` without one each for the elements of `b`.
fn minus(a: &Atoms, b: &Atoms) -> Atoms {
    let mut rest = b.clone();
    let mut out = Vec::new();
    for atom in a {
        match rest.iter().position(|x| x == atom) {
            Some(at) => {
                rest.remove(at);
            }
            None => out.push(atom.clone()),
        }
    }
    out
}

#[test]
fn precision_and_recall_of_the_facts_on_written_sentences() {
    let mut by_family: BTreeMap<String, Counts> = BTreeMap::new();
    let mut by_part: BTreeMap<&str, Counts> = BTreeMap::new();
    let (mut all, mut sentences, mut perfect) = (Counts::default(), 0, 0);
    for line in FIXTURE.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let report = ReportText::from_parts(text, "");
        let graph = Extractor::shared()
            .graph(&report, &Default::default())
            .unwrap();
        let (got, expected) = (said(&graph), wanted(&row));
        let (extra, missed) = (minus(&got, &expected), minus(&expected, &got));
        sentences += 1;
        perfect += usize::from(extra.is_empty() && missed.is_empty());
        if !extra.is_empty() || !missed.is_empty() {
            println!("{text}\n    extra {extra:?}\n    missed {missed:?}");
        }
        let family = by_family
            .entry(row["family"].as_str().unwrap().to_owned())
            .or_default();
        for counts in [family, &mut all] {
            counts.hit += expected.len() - missed.len();
            counts.extra += extra.len();
            counts.missed += missed.len();
        }
        for (part, _) in &minus(&expected, &missed) {
            by_part.entry(part).or_default().hit += 1;
        }
        for (part, _) in &extra {
            by_part.entry(part).or_default().extra += 1;
        }
        for (part, _) in &missed {
            by_part.entry(part).or_default().missed += 1;
        }
    }
    println!("\n{sentences} sentences, {perfect} without any difference");
    println!(
        "{:<12} {:>5} {:>9} {:>6}",
        "", "atoms", "precision", "recall"
    );
    let line = |name: &str, c: &Counts| {
        println!(
            "{name:<12} {:>5} {:>9.3} {:>6.3}",
            c.hit + c.missed,
            c.precision(),
            c.recall()
        );
    };
    by_family.iter().for_each(|(name, c)| line(name, c));
    println!();
    by_part.iter().for_each(|(name, c)| line(name, c));
    println!();
    line("all", &all);
    assert!(sentences >= 200, "only {sentences} sentences");
    assert!(all.precision() >= FLOOR && all.recall() >= FLOOR);
}
