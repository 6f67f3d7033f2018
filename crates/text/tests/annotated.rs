//! Sentences written and annotated for this project (`fixtures/annotated_sentences.tsv`): the
//! labels, sides, severities and changes that the labeler must give, with precision and recall.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use hilum_text::{LabelOptions, Labeler, Labels, ReportText};
use std::collections::BTreeMap;

const FIXTURE: &str = include_str!("fixtures/annotated_sentences.tsv");

/// Precision and recall that the rules must not fall below.
const FLOOR: f64 = 0.95;

#[derive(Default)]
struct Counts {
    hit: usize,
    extra: usize,
    missed: usize,
}

/// Rows `family <tab> sentence <tab> code=value[:attribute...] ...`; `#` starts a comment.
fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let lines = FIXTURE
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('\t').collect();
            assert_eq!(parts.len(), 3, "not three columns: {line}");
            (parts[0], parts[1], parts[2].split_whitespace().collect())
        })
        .collect()
}

/// What the labeler says in the fixture's words, for the codes that the fixture annotates
/// (summary codes and the broader CheXpert categories beside a particular finding are left out).
fn said(labels: &Labels, wanted: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for mention in &labels.mentions {
        let named = |code: &&str| wanted.iter().any(|w| w.split('=').next() == Some(code));
        let annotated: Vec<&str> = mention.codes.iter().copied().filter(|c| named(c)).collect();
        // A mention that nobody annotated is an extra under its first code.
        let codes = if annotated.is_empty() {
            vec![mention.codes[0]]
        } else {
            annotated
        };
        let a = &mention.attributes;
        for code in codes {
            out.push(format!("{code}={}", mention.value.as_i8()));
            for part in [&a.side, &a.severity, &a.change].into_iter().flatten() {
                out.push(format!("{code}:{part}"));
            }
            let size = |mm: &[f64]| mm.iter().map(f64::to_string).collect::<Vec<_>>().join("x");
            out.extend(a.size.iter().map(|s| format!("{code}:{}mm", size(&s.mm))));
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Annotations as the same atoms.
fn atoms(wanted: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for entry in wanted.iter().filter(|w| **w != "-") {
        let mut parts = entry.split(':');
        let head = parts.next().unwrap();
        out.push(head.to_owned());
        let code = head.split('=').next().unwrap();
        out.extend(parts.map(|p| format!("{code}:{p}")));
    }
    out.sort();
    out.dedup();
    out
}

#[test]
fn precision_and_recall_on_written_sentences() {
    let rows = rows();
    assert!(rows.len() >= 200, "only {} sentences", rows.len());
    let mut families: BTreeMap<&str, Counts> = BTreeMap::new();
    for (family, sentence, wanted) in &rows {
        let labels = Labeler::shared()
            .label(
                &ReportText::from_parts(sentence, ""),
                &LabelOptions::default(),
            )
            .unwrap();
        let (got, expected) = (said(&labels, wanted), atoms(wanted));
        let counts = families.entry(family).or_default();
        counts.hit += expected.iter().filter(|e| got.contains(e)).count();
        let extra: Vec<_> = got.iter().filter(|g| !expected.contains(g)).collect();
        let missed: Vec<_> = expected.iter().filter(|e| !got.contains(e)).collect();
        counts.extra += extra.len();
        counts.missed += missed.len();
        if !extra.is_empty() || !missed.is_empty() {
            println!("{family}: {sentence}\n    extra {extra:?} missed {missed:?}");
        }
    }
    println!(
        "\n{} sentences\n{:<12} {:>9} {:>9}",
        rows.len(),
        "family",
        "precision",
        "recall"
    );
    let mut all = Counts::default();
    for (family, c) in &families {
        println!(
            "{family:<12} {:>9.3} {:>9.3}",
            share(c.hit, c.extra),
            share(c.hit, c.missed)
        );
        all.hit += c.hit;
        all.extra += c.extra;
        all.missed += c.missed;
    }
    let (precision, recall) = (share(all.hit, all.extra), share(all.hit, all.missed));
    println!("{:<12} {precision:>9.3} {recall:>9.3}", "all");
    assert!(
        precision >= FLOOR && recall >= FLOOR,
        "precision {precision:.3} recall {recall:.3}"
    );
}

fn share(hit: usize, other: usize) -> f64 {
    hit as f64 / (hit + other) as f64
}
