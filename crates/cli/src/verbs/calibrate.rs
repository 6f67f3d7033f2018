//! `hilum calibrate`: probabilities that mean what they say on one's own patients.

use crate::exit::{Code, Usage};
use crate::places;
use crate::verbs::labelled::{self, BEFORE, Input, InputOptions};
use anyhow::{Context, Result, bail};
use hilum_audit::{Labelled, ScoreKind, ScoreTable, plot};
use hilum_core::ModelRef;
use hilum_image::{Limits, Recipe};
use hilum_methods::blocks::measure::patient_ids;
use hilum_metrics::calibration::ReliabilityBin;
use hilum_nn::weights::{atomic_write, sha256_hex};
use hilum_pipeline::own::{CalibratedOutput, CalibrationSource, FORMAT, FORMAT_VERSION};
use hilum_pipeline::{CalibrationFile, Reader};
use hilum_trust::refit::{Labelled as Cases, Tried};
use hilum_trust::{CalibratorKind, OperatingRule, Quality, Refit, RefitOptions, refit};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Calibrate the reader on your own labelled images, or any scores.
///
/// INPUT is a folder with labels.csv (columns path, one column a finding with 1, 0 or empty, and patient), such a table
/// itself, a manifest, a folder with one subfolder a class (with --finding), or a table of scores (columns label and
/// probability or logit; finding and patient when known). Calibrators are fitted and judged by folds of patients; `hilum read
/// --calibration FILE` then uses the one that did best. A finding that cannot be calibrated is an error and gets no figure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder, table or manifest
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// Calibration file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Folder for reliability plots (SVG)
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Only these findings (default: all that are labelled)
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    finding: Vec<String>,
    /// auto, platt, temperature, isotonic, venn_abers
    #[arg(long, default_value = "auto", value_parser = method)]
    method: Methods,
    /// Folds of patients
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    /// Operating point: youden, sensitivity=0.9, specificity=0.9
    #[arg(long, default_value = "youden", value_parser = rule)]
    rule: OperatingRule,
    /// Permitted error rate of the conformal sets
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    alpha: f64,
    /// Seed of folds and intervals
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What a column `score` means: probability or logit
    #[arg(long, value_name = "KIND", value_parser = kind)]
    scores: Option<ScoreKind>,
    /// The model that gave the scores of a table, so that a reading can use the calibration
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Split of a manifest
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// How stored values become grey levels: voi, linear, mimic-jpg, chexpert
    #[arg(long, default_value = "voi")]
    recipe: Recipe,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Threads (all cores when not given)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print the calibration file's content
    #[arg(long)]
    json: bool,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Calibrators to try.
#[derive(Debug, Clone)]
struct Methods(Vec<CalibratorKind>);

fn method(text: &str) -> std::result::Result<Methods, String> {
    Ok(Methods(match text {
        "auto" => RefitOptions::default().kinds,
        "platt" => vec![CalibratorKind::Platt],
        "temperature" => vec![CalibratorKind::Temperature],
        "isotonic" => vec![CalibratorKind::Isotonic],
        "venn_abers" | "venn-abers" => vec![CalibratorKind::VennAbers],
        _ => return Err("one of auto, platt, temperature, isotonic, venn_abers".into()),
    }))
}

fn rule(text: &str) -> std::result::Result<OperatingRule, String> {
    match text.split_once('=') {
        None if text == "youden" => Ok(OperatingRule::Youden),
        Some(("sensitivity", v)) => Ok(OperatingRule::Sensitivity(share(v)?)),
        Some(("specificity", v)) => Ok(OperatingRule::Specificity(share(v)?)),
        _ => Err("youden, sensitivity=0.9 or specificity=0.9".into()),
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|v| *v > 0.0 && *v < 1.0)
        .ok_or_else(|| format!("`{text}` is no number between 0 and 1"))
}

/// What a column `score` means.
pub fn kind(text: &str) -> std::result::Result<ScoreKind, String> {
    match text {
        "probability" => Ok(ScoreKind::Probability),
        "logit" => Ok(ScoreKind::Logit),
        _ => Err("probability or logit".into()),
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let store = places::store(args.models.as_deref())?;
    let options = InputOptions {
        kind: args.scores,
        finding: args.finding.first().map(String::as_str),
        split: args.split.as_deref(),
    };
    let (tables, references) = match labelled::open(&args.input, &options)? {
        Input::Scores(table) => {
            let reference = args.model.as_ref().map(|name| {
                store.find(name).map(|m| m.reference()).ok_or_else(|| {
                    Usage(format!(
                        "--model {name}: no such model (see `hilum weights list`)"
                    ))
                })
            });
            (vec![table], vec![reference.transpose()?])
        }
        Input::Images(images) => {
            let references: BTreeMap<String, ModelRef> = store
                .models()
                .iter()
                .map(|m| (m.name.clone(), m.reference()))
                .collect();
            let reader = Reader::new(store, args.recipe, Limits::default(), false);
            let jobs = args.jobs.map(usize::from);
            let read = labelled::read(&reader, &images, jobs, !args.no_progress)?;
            read.report();
            if read.tables.is_empty() {
                bail!(
                    "nothing to calibrate: no image has a label for a finding that a model here was shown to detect"
                );
            }
            let models: Vec<Option<ModelRef>> = read
                .tables
                .keys()
                .map(|name| references.get(name).cloned())
                .collect();
            (read.tables.into_values().collect(), models)
        }
    };
    let (outputs, failures) = fit(args, &tables, &references)?;
    for (finding, reason) in &failures {
        eprintln!("hilum: {finding}: {reason}");
    }
    if outputs.is_empty() {
        bail!("no finding could be calibrated; nothing was written");
    }
    write(args, &outputs)?;
    Ok(match failures.is_empty() {
        true => Code::Success,
        false => Code::Failed,
    })
}

type Failures = Vec<(String, String)>;

fn fit(
    args: &Args,
    tables: &[ScoreTable],
    references: &[Option<ModelRef>],
) -> Result<(Vec<CalibratedOutput>, Failures)> {
    let (mut outputs, mut failures) = (Vec::new(), Vec::new());
    let name = name_of(&args.input);
    for (table, reference) in tables.iter().zip(references) {
        if !table.has_patients {
            eprintln!(
                "hilum: no patients are named, so each image counts as one; several films of one patient would make the figures too good"
            );
        }
        for finding in table.findings() {
            if !args.finding.is_empty() && !args.finding.contains(&finding) {
                continue;
            }
            let found = table
                .labelled(&finding)
                .map_err(anyhow::Error::from)
                .and_then(|cases| one(args, table, &cases, &name));
            match found {
                Ok(refit) => outputs.push(CalibratedOutput {
                    finding,
                    model: reference.clone(),
                    refit,
                }),
                Err(error) => failures.push((finding, error.to_string())),
            }
        }
    }
    for wanted in &args.finding {
        let known = tables.iter().any(|t| t.findings().contains(wanted));
        if !known {
            failures.push((
                wanted.clone(),
                "no case is scored and labelled for it".into(),
            ));
        }
    }
    Ok((outputs, failures))
}

fn one(args: &Args, table: &ScoreTable, cases: &Labelled, name: &str) -> Result<Refit> {
    let logits = cases.logits(table.kind);
    let before = before(table, cases)?;
    let patients = patient_ids(cases.cases.iter().map(|c| c.patient.as_str()));
    let data = Cases {
        labels: &cases.labels,
        logits: &logits,
        patients: &patients,
        before: before.as_deref(),
        name,
    };
    Ok(refit(&data, &options(args))?)
}

/// The probabilities in use: those of the cards for images, a table's own when it has probabilities.
fn before(table: &ScoreTable, cases: &Labelled) -> Result<Option<Vec<f64>>> {
    let column: Option<Vec<f64>> = cases
        .cases
        .iter()
        .map(|c| c.columns.get(BEFORE)?.parse().ok())
        .collect();
    Ok(match column {
        Some(found) => Some(found),
        None => Some(cases.probabilities(table.kind)),
    })
}

fn options(args: &Args) -> RefitOptions {
    RefitOptions {
        kinds: args.method.0.clone(),
        folds: usize::from(args.folds),
        seed: args.seed,
        rule: args.rule,
        alpha: args.alpha,
        ..RefitOptions::default()
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn write(args: &Args, outputs: &[CalibratedOutput]) -> Result<()> {
    let table = match args.input.is_dir() {
        true => args.input.join("labels.csv"),
        false => args.input.clone(),
    };
    let sha256 = match table.is_file() {
        true => sha256_hex(&std::fs::read(&table)?),
        false => String::new(),
    };
    let file = CalibrationFile {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source: CalibrationSource {
            name: name_of(&args.input),
            sha256,
        },
        options: options(args),
        outputs: outputs.to_vec(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    if let Some(folder) = &args.plots {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for output in outputs {
            let path = folder.join(format!("reliability-{}.svg", file_name(output)));
            atomic_write(&path, picture(output).as_bytes())?;
        }
    }
    atomic_write(&args.out, text.as_bytes())?;
    let shown = match args.json {
        true => text,
        false => report(args, outputs),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(shown.as_bytes())?;
    out.flush()?;
    eprintln!("hilum: wrote {}", args.out.display());
    Ok(())
}

/// Model and finding, with nothing that a file system minds.
fn file_name(output: &CalibratedOutput) -> String {
    let model = output.model.as_ref().map_or("scores", |m| &m.name);
    format!("{model}-{}", output.finding)
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() || "-_.".contains(c) {
            true => c,
            false => '_',
        })
        .collect()
}

fn chosen(refit: &Refit) -> Option<&Tried> {
    refit.tried.iter().find(|t| t.kind == refit.chosen)
}

fn picture(output: &CalibratedOutput) -> String {
    let refit = &output.refit;
    let mut curves: Vec<(String, &[ReliabilityBin])> = Vec::new();
    if let Some(before) = &refit.before {
        curves.push((
            format!("before, ECE {:.3}", before.ece.value),
            before.curve.as_slice(),
        ));
    }
    if let Some(after) = chosen(refit) {
        let name = format!("{}, ECE {:.3}", word(after.kind), after.quality.ece.value);
        curves.push((name, after.quality.curve.as_slice()));
    }
    let title = format!("{}: {} cases, left-out patients", output.finding, refit.n);
    plot::reliability(&title, &curves)
}

fn word(kind: CalibratorKind) -> &'static str {
    match kind {
        CalibratorKind::None => "sigmoid",
        CalibratorKind::Platt => "platt",
        CalibratorKind::Temperature => "temperature",
        CalibratorKind::Isotonic => "isotonic",
        CalibratorKind::Histogram => "histogram",
        CalibratorKind::VennAbers => "venn_abers",
    }
}

fn report(args: &Args, outputs: &[CalibratedOutput]) -> String {
    let mut text = String::new();
    for output in outputs {
        let refit = &output.refit;
        let model = output.model.as_ref().map_or("no model named", |m| &m.name);
        text += &format!(
            "{} ({model}): {} cases, {} present, {} patients, {} folds\n",
            output.finding, refit.n, refit.positives, refit.patients, refit.folds
        );
        text += "  on left-out patients    ECE                    Brier                  log loss               mean - prevalence\n";
        if let Some(before) = &refit.before {
            text += &line("before", before);
        }
        for tried in &refit.tried {
            let mark = if tried.kind == refit.chosen { " *" } else { "" };
            text += &line(&format!("{}{mark}", word(tried.kind)), &tried.quality);
        }
        let point = &refit.operating_point;
        let coverage = &refit.coverage;
        text += &format!(
            "  operating point >= {:.3} ({}): sensitivity {:.3} ({:.3} to {:.3}), specificity {:.3} ({:.3} to {:.3})\n",
            point.threshold,
            point.rule,
            point.sensitivity,
            point.sensitivity_interval.low,
            point.sensitivity_interval.high,
            point.specificity,
            point.specificity_interval.low,
            point.specificity_interval.high
        );
        let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
        text += &format!(
            "  conformal sets at {:.0} %: cover {:.3} of the cases ({} of the present, {} of the absent), decide {:.3}\n\n",
            100.0 * coverage.nominal,
            coverage.overall,
            share(coverage.present),
            share(coverage.absent),
            coverage.decided
        );
    }
    text + &format!(
        "* taken. Use it with `hilum read --calibration {}`. Research software, not a medical device.\n",
        args.out.display()
    )
}

fn line(name: &str, q: &Quality) -> String {
    let cell = |m: hilum_trust::Measured| {
        let range = m
            .interval
            .map_or(String::new(), |(a, b)| format!(" ({a:.3} to {b:.3})"));
        format!("{:<23}", format!("{:.3}{range}", m.value))
    };
    format!(
        "  {name:<22}  {}{}{}{}\n",
        cell(q.ece),
        cell(q.brier),
        cell(q.log_loss),
        cell(q.in_the_large).trim_end()
    )
}
