//! Measures the labeler on the Indiana University reports against the labels made from their MeSH
//! tags, with and without the negation rules.
//!
//! `cargo run --release -p hilum-text --example iu_labels -- [train|val|dev|test] [--errors N] [FINDING]`
//!
//! `dev` is train and val. Rules are developed on dev; the test split is for the last look only.

use hilum_text::label::UncertainPolicy;
use hilum_text::{LabelOptions, Labeler, Labels, ReportText};
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use std::error::Error;
use std::time::Instant;

/// IU label and the code that answers it.
const FINDINGS: [(&str, &str); 14] = [
    ("Atelectasis", "atelectasis"),
    ("Cardiomegaly", "cardiomegaly"),
    ("Consolidation", "consolidation"),
    ("Edema", "edema"),
    ("Effusion", "pleural_effusion"),
    ("Emphysema", "emphysema"),
    ("Fibrosis", "fibrosis"),
    ("Hernia", "hernia"),
    ("Infiltration", "infiltration"),
    ("Mass", "mass"),
    ("Nodule", "nodule"),
    ("Pleural_Thickening", "pleural_thickening"),
    ("Pneumonia", "pneumonia"),
    ("Pneumothorax", "pneumothorax"),
];
const RESAMPLES: usize = 1000;

#[derive(Deserialize)]
struct Row {
    id: String,
    findings: String,
    impression: String,
    labels14: Option<Vec<String>>,
    split: String,
    mesh_major: Vec<String>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    tp: f64,
    fp: f64,
    fn_: f64,
}

impl Counts {
    fn add(&mut self, said: bool, truth: bool) {
        match (said, truth) {
            (true, true) => self.tp += 1.0,
            (true, false) => self.fp += 1.0,
            (false, true) => self.fn_ += 1.0,
            _ => {}
        }
    }

    fn precision(self) -> f64 {
        self.tp / (self.tp + self.fp)
    }

    fn recall(self) -> f64 {
        self.tp / (self.tp + self.fn_)
    }

    /// NaN when there is neither a positive nor a false alarm.
    fn f1(self) -> f64 {
        2.0 * self.tp / (2.0 * self.tp + self.fp + self.fn_)
    }
}

type Answers = Vec<[(bool, bool); 14]>;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let split = args.first().map_or("dev", String::as_str).to_owned();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/text/iu_reports.jsonl"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!(
            "skipped: the labeler's table needs ../shared/data/text/iu_reports.jsonl, which is not here"
        );
        return Ok(());
    };
    let mut rows: Vec<Row> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    rows.retain(|r| {
        if split == "dev" {
            r.split != "test"
        } else {
            r.split == split
        }
    });
    rows.retain(|r| r.labels14.is_some() && !(r.findings.is_empty() && r.impression.is_empty()));
    println!("{} labelled reports with text in split {split}", rows.len());
    let start = Instant::now();
    let labelled = label_all(&rows, true)?;
    println!(
        "{:.0} reports a second on one thread\n",
        rows.len() as f64 / start.elapsed().as_secs_f64()
    );
    let bare = label_all(&rows, false)?;
    for (name, labels, policy) in [
        ("no negation rules", &bare, UncertainPolicy::Ones),
        (
            "rules, uncertain as absent",
            &labelled,
            UncertainPolicy::Zeros,
        ),
        (
            "rules, every uncertain as present",
            &labelled,
            UncertainPolicy::Ones,
        ),
        (
            "rules, hedged as present",
            &labelled,
            UncertainPolicy::HedgesOnes,
        ),
        (
            "rules, hedged signs as present",
            &labelled,
            UncertainPolicy::SignsOnes,
        ),
        (
            "rules, leaning hedges as present (the policy of the table below)",
            &labelled,
            UncertainPolicy::LeaningOnes,
        ),
    ] {
        let answers = answers(&rows, labels, policy);
        let micro = pooled(&answers);
        println!(
            "{name}: precision {:.3} recall {:.3} micro F1 {} macro F1 {}",
            micro.precision(),
            micro.recall(),
            with_interval(&answers, |a| pooled(a).f1()),
            with_interval(&answers, macro_f1)
        );
    }
    let answers = answers(&rows, &labelled, UncertainPolicy::LeaningOnes);
    table(&answers);
    no_finding(&rows, &labelled);
    if let Some(at) = args.iter().position(|a| a == "--errors") {
        let limit = args.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(20);
        errors(
            &rows,
            &labelled,
            &answers,
            limit,
            args.get(at + 2).map(String::as_str),
        );
    }
    Ok(())
}

fn label_all(rows: &[Row], negation: bool) -> Result<Vec<Labels>, Box<dyn Error>> {
    let options = LabelOptions {
        negation,
        ..LabelOptions::default()
    };
    let one = |r: &Row| {
        Labeler::shared().label(
            &ReportText::from_parts(&r.findings, &r.impression),
            &options,
        )
    };
    Ok(rows.iter().map(one).collect::<Result<_, _>>()?)
}

fn answers(rows: &[Row], labels: &[Labels], policy: UncertainPolicy) -> Answers {
    let one = |(row, labels): (&Row, &Labels)| {
        let truth = row.labels14.as_deref().unwrap_or(&[]);
        FINDINGS.map(|(iu, code)| (labels.present(code, policy), truth.iter().any(|t| t == iu)))
    };
    rows.iter().zip(labels).map(one).collect()
}

fn counts(answers: &[[(bool, bool); 14]], finding: usize) -> Counts {
    let mut counts = Counts::default();
    for row in answers {
        counts.add(row[finding].0, row[finding].1);
    }
    counts
}

/// Findings that the labels have at all; Hernia is never set in them.
fn labelled_findings(answers: &[[(bool, bool); 14]]) -> Vec<usize> {
    (0..14)
        .filter(|&f| answers.iter().any(|r| r[f].1))
        .collect()
}

fn pooled(answers: &[[(bool, bool); 14]]) -> Counts {
    let mut all = Counts::default();
    for f in (0..14).filter(|&f| FINDINGS[f].0 != "Hernia") {
        let c = counts(answers, f);
        all = Counts {
            tp: all.tp + c.tp,
            fp: all.fp + c.fp,
            fn_: all.fn_ + c.fn_,
        };
    }
    all
}

fn macro_f1(answers: &[[(bool, bool); 14]]) -> f64 {
    let scores: Vec<f64> = labelled_findings(answers)
        .into_iter()
        .map(|f| counts(answers, f).f1())
        .collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// Value and percentile bootstrap interval over reports (1,000 resamples, fixed seed).
fn with_interval(answers: &Answers, score: impl Fn(&[[(bool, bool); 14]]) -> f64) -> String {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: Answers = (0..answers.len())
                .map(|_| answers[rng.random_range(0..answers.len())])
                .collect();
            score(&sample)
        })
        .filter(|v| v.is_finite())
        .collect();
    draws.sort_by(f64::total_cmp);
    if draws.is_empty() {
        return "undefined".to_owned();
    }
    let at = |q: f64| draws[((draws.len() - 1) as f64 * q).round() as usize];
    format!("{:.3} [{:.3}, {:.3}]", score(answers), at(0.025), at(0.975))
}

fn table(answers: &Answers) {
    println!(
        "\n| finding | positive | tp | fp | fn | precision | recall | F1 [95 %] |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for f in labelled_findings(answers) {
        let c = counts(answers, f);
        println!(
            "| {} | {} | {} | {} | {} | {:.3} | {:.3} | {} |",
            FINDINGS[f].0,
            c.tp + c.fn_,
            c.tp,
            c.fp,
            c.fn_,
            c.precision(),
            c.recall(),
            with_interval(answers, |a| counts(a, f).f1())
        );
    }
}

fn no_finding(rows: &[Row], labels: &[Labels]) {
    let mut c = Counts::default();
    for (row, labels) in rows.iter().zip(labels) {
        let truth = row
            .labels14
            .as_ref()
            .is_some_and(|l| l.iter().any(|x| x == "normal"));
        c.add(labels.value("no_finding").is_some(), truth);
    }
    println!(
        "\nno_finding against the tag `normal`: precision {:.3} recall {:.3} F1 {:.3}",
        c.precision(),
        c.recall(),
        c.f1()
    );
}

fn errors(rows: &[Row], labels: &[Labels], answers: &Answers, limit: usize, only: Option<&str>) {
    for (f, (iu, code)) in FINDINGS
        .iter()
        .enumerate()
        .filter(|(f, (iu, _))| *f != 7 && only.is_none_or(|o| o == *iu))
    {
        let wrong = (0..rows.len()).filter(|&i| answers[i][f].0 != answers[i][f].1);
        for i in wrong.take(limit) {
            let kind = if answers[i][f].0 {
                "FALSE ALARM"
            } else {
                "MISSED"
            };
            println!("\n{kind} {iu} {} {:?}", rows[i].id, rows[i].mesh_major);
            if answers[i][f].0 {
                for m in labels[i].mentions_of(code).filter(|m| m.value.as_i8() != 0) {
                    let text = &if m.section_index == 0 && !rows[i].findings.is_empty() {
                        &rows[i].findings
                    } else {
                        &rows[i].impression
                    };
                    let chars: Vec<char> = text.trim().chars().collect();
                    let from = m.span.start.saturating_sub(80);
                    println!(
                        "   [{:?} cue {:?}] ...{}",
                        m.value,
                        m.cue.as_ref().map(|c| &c.text),
                        chars[from..(m.span.end + 80).min(chars.len())]
                            .iter()
                            .collect::<String>()
                    );
                }
            } else {
                println!("   F: {}\n   I: {}", rows[i].findings, rows[i].impression);
            }
        }
    }
}
