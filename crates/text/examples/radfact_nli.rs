//! Compares the deterministic entailment with the published examples of RadFact (MIT licence).
//!
//! `cargo run --release -p hilum-text --example radfact_nli -- [--errors]`

use hilum_text::facts::entail::Verdict;
use hilum_text::facts::score::radfact::{Phrase, judge};
use serde_json::Value;
use std::error::Error;

const STATES: [&str; 3] = ["entailment", "neutral", "contradiction"];

fn main() -> Result<(), Box<dyn Error>> {
    let errors = std::env::args().any(|a| a == "--errors");
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/text/radfact_examples"
    );
    let mut table = [[0usize; 4]; 3];
    for file in ["nli_examples.json", "test_examples.json"] {
        let Ok(text) = std::fs::read_to_string(format!("{folder}/{file}")) else {
            eprintln!(
                "skipped: needs ../shared/data/text/radfact_examples/{file}, which is not here"
            );
            return Ok(());
        };
        let examples: Vec<Value> = serde_json::from_str(&text)?;
        for example in &examples {
            for (own, other) in [("A", "B"), ("B", "A")] {
                count(example, own, other, errors, &mut table);
            }
        }
    }
    println!(
        "| said \\ ours | entailment | neutral | contradiction | no fact found |\n| --- | --- | --- | --- | --- |"
    );
    for (state, row) in STATES.iter().zip(&table) {
        println!(
            "| {state} | {} | {} | {} | {} |",
            row[0], row[1], row[2], row[3]
        );
    }
    let judged: usize = table.iter().flat_map(|r| &r[..3]).sum();
    let right: usize = (0..3).map(|i| table[i][i]).sum();
    let all: usize = table.iter().flatten().sum();
    println!(
        "\n{all} phrases, {judged} with a fact; of these {right} alike ({:.3})",
        right as f64 / judged as f64
    );
    let sum = |f: &dyn Fn(usize, usize) -> bool| -> f64 {
        (0..3)
            .flat_map(|r| (0..4).map(move |c| (r, c)))
            .filter(|&(r, c)| f(r, c))
            .map(|(r, c)| table[r][c] as f64)
            .sum()
    };
    let hit = sum(&|r, c| r == 0 && c == 0);
    println!(
        "entailment: precision {:.3} recall {:.3}",
        hit / sum(&|_, c| c == 0),
        hit / sum(&|r, _| r == 0)
    );
    Ok(())
}

fn count(example: &Value, own: &str, other: &str, errors: bool, table: &mut [[usize; 4]; 3]) {
    let texts = |side: &str| -> Vec<String> {
        let list = example["input"][format!("phrases_{side}")].as_array();
        list.into_iter()
            .flatten()
            .filter_map(|t| t.as_str().map(str::to_owned))
            .collect()
    };
    let evidence: Vec<Phrase> = texts(other)
        .iter()
        .map(|t| Phrase::new(t, Vec::new()))
        .collect();
    for row in example["output"][format!("phrases_{own}_evidenced")]
        .as_array()
        .into_iter()
        .flatten()
    {
        let (Some(text), Some(said)) = (row["phrase"].as_str(), row["status"].as_str()) else {
            continue;
        };
        let Some(truth) = STATES.iter().position(|s| *s == said) else {
            continue;
        };
        let verdicts = judge(&[Phrase::new(text, Vec::new())], &evidence);
        let ours = match verdicts[0].as_ref().map(|v| &v.verdict) {
            Some(Verdict::Entailed(_)) => 0,
            Some(Verdict::Neutral) => 1,
            Some(Verdict::Contradicted(_)) => 2,
            None => 3,
        };
        table[truth][ours] += 1;
        if errors && ours != truth {
            println!(
                "{said} -> {}: {text}\n    {}",
                STATES.get(ours).unwrap_or(&"no fact"),
                texts(other).join(" | ")
            );
        }
    }
}
