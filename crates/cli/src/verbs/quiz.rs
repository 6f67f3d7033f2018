//! `hilum quiz`: staged questions on measured studies, and scores of answers to them.

use super::measure::parse_index;
use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Context, Result};
use hilum_core::View;
use hilum_data::{Manifest, Sample, Split, pixels};
use hilum_dicom::load;
use hilum_image::{Mask, Recipe};
use hilum_measure::{Index, MaskSet, Structure, measure};
use hilum_nn::weights::atomic_write;
use hilum_quiz::{Answer, Maker, Plan, QuizSet, Study, answerers, score};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Staged questions.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make questions from a set of images with masks
    Make(MakeArgs),
    /// Score a file of answers
    Score(ScoreArgs),
    /// Answers of one who knows the key, or who guesses: to check a harness with
    Oracle(OracleArgs),
}

/// Make questions.
#[derive(Debug, clap::Args)]
pub struct MakeArgs {
    /// Manifest of images with masks, e.g. manifests/phantom.csv of a phantom set
    manifest: PathBuf,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of all choices; the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this split: train, val or test
    #[arg(long, value_parser = parse_split)]
    split: Option<Split>,
    /// Only these tasks
    #[arg(long = "task", value_name = "NAME", value_parser = parse_index)]
    tasks: Vec<Index>,
    /// Most cases of a task, at most half of them with one label
    #[arg(long, value_name = "N")]
    per_task: Option<usize>,
    /// Longest side of the pictures in pixels
    #[arg(long, default_value_t = 512)]
    side: usize,
}

/// Score answers.
#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    /// Folder of the questions
    quiz: PathBuf,
    /// Answers: lines {"id": ..., "choice": "A" or ["A", "C"], "value": number or [right, left]}
    #[arg(long, value_name = "JSONL")]
    answers: PathBuf,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Scripted answers.
#[derive(Debug, clap::Args)]
pub struct OracleArgs {
    /// Folder of the questions
    quiz: PathBuf,
    /// File to write
    #[arg(long, value_name = "JSONL")]
    out: PathBuf,
    /// Guess instead
    #[arg(long)]
    random: bool,
    /// Seed of the guesses
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn parse_split(name: &str) -> Result<Split, String> {
    Split::parse(name).ok_or_else(|| "known are train, val, test".to_owned())
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Make(args) => make(args),
        Verb::Score(args) => scored(args),
        Verb::Oracle(args) => oracle(args),
    }
}

fn make(args: &MakeArgs) -> Result<Code> {
    if args.per_task == Some(0) {
        return Err(Usage("--per-task 0: at least one case".into()).into());
    }
    let manifest = Manifest::read(&args.manifest)?;
    let plan = Plan {
        seed: args.seed,
        side: args.side,
        tasks: if args.tasks.is_empty() {
            Index::ALL.to_vec()
        } else {
            args.tasks.clone()
        },
        per_task: args.per_task,
    };
    let wanted: Vec<&Sample> = manifest
        .samples
        .iter()
        .filter(|s| s.view != View::Lateral && !s.masks.is_empty())
        .filter(|s| args.split.is_none() || s.split == args.split)
        .collect();
    let mut maker = Maker::new(&args.out, plan)?;
    let bar = progress::bar(wanted.len(), "studies", true);
    let mut code = Code::Success;
    for sample in wanted {
        match study(sample) {
            Ok(study) => maker.add(&study)?,
            Err(error) => {
                eprintln!("hilum: {error:#}");
                code = Code::Failed;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let summary = maker.finish()?;
    let mut text = format!("{}: {} questions\n", args.out.display(), summary.questions);
    for (task, n) in &summary.cases {
        text.push_str(&format!("  {task:<21} {n} cases\n"));
    }
    for (why, n) in &summary.left_out {
        text.push_str(&format!("  left out {n} x {why}\n"));
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(code)
}

/// An image of a manifest with its masks, measured.
fn study(sample: &Sample) -> Result<Study> {
    let path = sample.path();
    let image = load(path, Recipe::Voi)?.pixels;
    let size = (image.width, image.height);
    let mut set = MaskSet::new(size.0, size.1).with_context(|| path.display().to_string())?;
    for (structure, mask) in masks(sample, size)? {
        set.insert(structure, mask)
            .with_context(|| path.display().to_string())?;
    }
    let id = path
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or(&sample.id);
    Ok(Study {
        id: id.to_owned(),
        view: sample.view,
        outcomes: measure(&set, sample.view),
        image,
        set,
    })
}

/// Masks by structure; files of one structure are put together.
fn masks(sample: &Sample, size: (usize, usize)) -> Result<BTreeMap<Structure, Mask>> {
    let mut all: BTreeMap<Structure, Mask> = BTreeMap::new();
    for part in &sample.masks {
        let Some(structure) = Structure::of_name(&part.name) else {
            continue;
        };
        let plane = pixels::load_mask(part, size)?;
        let mask = Mask::new(plane.width, plane.height, plane.data)?;
        let joined = match all.remove(&structure) {
            Some(other) => other
                .or(&mask)
                .with_context(|| sample.path().display().to_string())?,
            None => mask,
        };
        all.insert(structure, joined);
    }
    Ok(all)
}

fn scored(args: &ScoreArgs) -> Result<Code> {
    let set = QuizSet::read(&args.quiz)?;
    let report = score(&set, &args.answers)?;
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.table()
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Code::Success)
}

fn oracle(args: &OracleArgs) -> Result<Code> {
    let set = QuizSet::read(&args.quiz)?;
    let answers = if args.random {
        answerers::guesser(&set.key, args.seed)
    } else {
        answerers::oracle(&set.key)
    };
    write(&args.out, &answers)?;
    println!("{}: {} answers", args.out.display(), answers.len());
    Ok(Code::Success)
}

fn write(path: &Path, answers: &[Answer]) -> Result<()> {
    let mut text = String::new();
    for answer in answers {
        text.push_str(&serde_json::to_string(answer)?);
        text.push('\n');
    }
    Ok(atomic_write(path, text.as_bytes())?)
}
