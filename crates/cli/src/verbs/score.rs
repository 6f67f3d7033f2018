//! `hilum score`: texts against references.

use crate::exit::Code;
use crate::verbs::text::open;
use anyhow::Result;
use hilum_text::label::UncertainPolicy;
use hilum_text::score::{Metric, ScoreOptions, ScoreReport, score_jsonl};
use hilum_text::tokenize::Tokenizer;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Score texts against references.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// References: JSON Lines {"id","text"} or {"id","texts":[...]}
    #[arg(long = "ref", value_name = "FILE")]
    references: PathBuf,
    /// Texts to score: JSON Lines {"id","text"}
    #[arg(long = "hyp", value_name = "FILE")]
    hypotheses: PathBuf,
    /// bleu, rouge_l, meteor, cider_d, chexpert_f1; all when not given
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// How texts are cut for the n-gram scores: ptb, none, ...
    #[arg(long, default_value = "ptb")]
    tokenizer: String,
    /// How uncertain labels count in the CheXpert F1
    #[arg(long, value_enum, default_value = "ones")]
    uncertain: Uncertain,
    /// Score what both files have, and list what could not be scored
    #[arg(long)]
    allow_partial: bool,
    /// Print JSON with one value a text
    #[arg(long)]
    json: bool,
}

/// Names of the policies on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Uncertain {
    /// As absent
    Zeros,
    /// As present
    Ones,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let mut options = ScoreOptions {
        tokenizer: Tokenizer::from_name(&args.tokenizer)?,
        uncertain: match args.uncertain {
            Uncertain::Zeros => UncertainPolicy::Zeros,
            Uncertain::Ones => UncertainPolicy::Ones,
        },
        allow_partial: args.allow_partial,
        ..ScoreOptions::default()
    };
    if !args.metrics.is_empty() {
        options.metrics = args
            .metrics
            .iter()
            .map(|m| Metric::from_name(m))
            .collect::<Result<_, _>>()?;
        options.metrics.sort_unstable();
        options.metrics.dedup();
    }
    let report = score_jsonl(open(&args.references)?, open(&args.hypotheses)?, &options)?;
    let text = if args.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        table(&report)?
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if report.problems.is_empty() {
        Code::Success
    } else {
        Code::Failed
    })
}

fn table(report: &ScoreReport) -> Result<String> {
    let mut out = String::new();
    for (name, score) in &report.metrics {
        let value = score
            .value
            .map_or("undefined".to_owned(), |v| format!("{v:.4}"));
        writeln!(out, "{name:<24} {value:>10}  {}", score.signature)?;
        if let Some(reason) = &score.reason {
            writeln!(out, "{:<24} {reason}", "")?;
        }
    }
    for problem in &report.problems {
        writeln!(
            out,
            "not scored: {} line {}: {}",
            problem.side, problem.error.line, problem.error.message
        )?;
    }
    writeln!(out, "{} texts", report.ids.len())?;
    Ok(out)
}
