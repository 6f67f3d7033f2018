//! `hilum drr-set`: sets of radiographs out of folders of CTs, and phrases grounded on their masks.

use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Context, Result};
use hilum_data::Manifest;
use hilum_drrset::drr_rate::{self, Mode, Shot};
use hilum_drrset::ground::evaluate;
use hilum_drrset::inputs::{self, CtInput};
use hilum_drrset::paxray::{self, LabelFolder};
use hilum_drrset::reports::Reports;
use hilum_drrset::structures::Names;
use hilum_drrset::{Failure, Summary};
use std::path::{Path, PathBuf};

/// Build sets from folders of CTs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// DRR-RATE: pictures with the 18 CT-RATE labels of the CTs' reports
    DrrRate(DrrRate),
    /// PAXRay: pictures with a mask of every structure that the CTs' label volumes hold; report phrases on them
    Paxray(Paxray),
    /// How well phrases are grounded on the masks of a set, beside whole image, atlas boxes and generic proposals
    Ground(Ground),
}

/// Where the CTs are and where the set goes.
#[derive(Debug, clap::Args)]
struct Common {
    /// Folder with CTs at any depth: NIfTI files and folders of DICOM slices
    #[arg(value_name = "CT_FOLDER")]
    cts: PathBuf,
    /// Folder to write to; a build that was stopped goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Reports of the CTs: .csv (CT-RATE's columns, or id, findings, impression, text) or .jsonl
    #[arg(long, value_name = "FILE")]
    reports: Option<PathBuf>,
    /// Pixels a side
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Words of the licence column
    #[arg(long, default_value = "as the CT")]
    licence: String,
    /// Threads; the result does not depend on them
    #[arg(long)]
    jobs: Option<usize>,
}

impl Common {
    fn reports(&self) -> Result<Option<Reports>> {
        Ok(self.reports.as_deref().map(Reports::read).transpose()?)
    }

    fn pool(&self) -> Result<rayon::ThreadPool> {
        if self.jobs == Some(0) {
            return Err(Usage("--jobs 0: at least one thread".into()).into());
        }
        Ok(rayon::ThreadPoolBuilder::new()
            .num_threads(self.jobs.unwrap_or(0))
            .build()?)
    }
}

/// Options of `drr-set drr-rate`.
#[derive(Debug, clap::Args)]
pub struct DrrRate {
    #[command(flatten)]
    common: Common,
    /// release: threshold -100 HU, volume 300 mm away, as published; physical: attenuation at a chest stand
    #[arg(long, value_enum, default_value = "release")]
    mode: ModeName,
    /// Views: frontal, lateral, or degrees that the patient is turned
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "frontal,lateral",
        value_parser = parse_shot,
        allow_negative_numbers = true
    )]
    views: Vec<Shot>,
    /// Physical mode: photon energy in keV, bone and soft tissue apart
    #[arg(long, value_name = "KEV")]
    energy: Option<f64>,
    /// Physical mode: scatter, noise, blur and film curve
    #[arg(long)]
    radiograph: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeName {
    Release,
    Physical,
}

fn parse_shot(text: &str) -> Result<Shot, String> {
    Shot::parse(text)
        .ok_or_else(|| format!("{text:?} is no view: frontal, lateral or -180 to 180 degrees"))
}

/// Options of `drr-set paxray`.
#[derive(Debug, clap::Args)]
pub struct Paxray {
    #[command(flatten)]
    common: Common,
    /// Folder with the label volumes: files of the CTs' names, or with _labels, -labels or _seg after them
    #[arg(long, value_name = "DIR")]
    labels: PathBuf,
    /// Names of the labels: CSV with the columns structure and id
    #[arg(long, value_name = "CSV")]
    names: PathBuf,
    /// No lateral pictures
    #[arg(long)]
    frontal_only: bool,
    /// Rays from a point source at a chest stand in place of parallel rays over the whole CT
    #[arg(long)]
    perspective: bool,
    /// Parts of a label smaller than this share of its largest part are dropped: 0 keeps all, 1 the largest alone
    #[arg(long, default_value_t = 0.1)]
    keep_share: f64,
}

/// Options of `drr-set ground`.
#[derive(Debug, clap::Args)]
pub struct Ground {
    /// A set with masks: a phantom set, a PAXRay set, or any folder with manifests/NAME.csv
    set: PathBuf,
    /// Phrases with their boxes: JSON Lines of path, phrase, box [x, y, w, h] and kind; those of a phantom set are known
    #[arg(long, value_name = "JSONL")]
    phrases: Option<PathBuf>,
    /// Also write every phrase with all boxes as JSON Lines
    #[arg(long, value_name = "JSONL")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::DrrRate(args) => drr_rate(args),
        Verb::Paxray(args) => paxray(args),
        Verb::Ground(args) => ground(args),
    }
}

fn drr_rate(args: &DrrRate) -> Result<Code> {
    if args.mode == ModeName::Release && (args.energy.is_some() || args.radiograph) {
        return Err(Usage("--energy and --radiograph belong to --mode physical".into()).into());
    }
    let settings = drr_rate::Settings {
        mode: match args.mode {
            ModeName::Release => Mode::Release,
            ModeName::Physical => Mode::Physical {
                energy: args.energy,
                radiograph: args.radiograph,
            },
        },
        shots: args.views.clone(),
        size: args.common.size,
        licence: args.common.licence.clone(),
        ..drr_rate::Settings::default()
    };
    let reports = args.common.reports()?;
    let cts = inputs::find(&args.common.cts, LabelFolder::names_labels)?;
    let bar = progress::bar(cts.len(), "CTs", true);
    let out = &args.common.out;
    let summary = args
        .common
        .pool()?
        .install(|| drr_rate::build(out, &settings, &cts, reports.as_ref(), || bar.inc(1)))?;
    bar.finish_and_clear();
    Ok(told(out, &cts, &summary))
}

fn paxray(args: &Paxray) -> Result<Code> {
    let settings = paxray::Settings {
        size: args.common.size,
        lateral: !args.frontal_only,
        parallel: !args.perspective,
        keep_share: args.keep_share,
        licence: args.common.licence.clone(),
        ..paxray::Settings::default()
    };
    let (reports, names) = (args.common.reports()?, Names::read(&args.names)?);
    if !args.labels.is_dir() {
        anyhow::bail!("{}: no such folder", args.labels.display());
    }
    let folder = LabelFolder::new(&args.labels);
    let cts = inputs::find(&args.common.cts, LabelFolder::names_labels)?;
    let bar = progress::bar(cts.len(), "CTs", true);
    let out = &args.common.out;
    let summary = args.common.pool()?.install(|| {
        let with = (&folder, &names);
        paxray::build(out, &settings, &cts, with, reports.as_ref(), || bar.inc(1))
    })?;
    bar.finish_and_clear();
    Ok(told(out, &cts, &summary))
}

/// Says what was done, and what could not be.
fn told(out: &Path, cts: &[CtInput], summary: &Summary) -> Code {
    println!(
        "{}: {} of {} CTs made, {} were there, {} images{}",
        out.join("manifest.csv").display(),
        summary.made,
        cts.len(),
        summary.kept,
        summary.images,
        match summary.without_report {
            0 => String::new(),
            n => format!(", {n} CTs without a report"),
        }
    );
    if summary.failures.is_empty() {
        return Code::Success;
    }
    eprintln!(
        "hilum: {} CTs could not be used ({}):",
        summary.failures.len(),
        out.join("errors.csv").display()
    );
    for Failure { ct, reason, .. } in &summary.failures {
        eprintln!("  {ct}: {reason}");
    }
    Code::Failed
}

fn ground(args: &Ground) -> Result<Code> {
    let manifest = manifest(&args.set)?;
    let references = match &args.phrases {
        Some(path) => evaluate::read_references(path)?,
        None => evaluate::phantom_references(&args.set)
            .context("give the phrases with --phrases, or a phantom set")?,
    };
    let bar = progress::bar(references.len(), "phrases", true);
    let answers = evaluate::answer(&manifest, &references, || bar.inc(1))?;
    bar.finish_and_clear();
    if let Some(path) = &args.out {
        let mut text = String::new();
        for answer in &answers {
            text += &serde_json::to_string(answer)?;
            text.push('\n');
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let scores = evaluate::scores(&answers, args.seed)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&scores)?);
        return Ok(Code::Success);
    }
    println!(
        "{:<20} {:<44} {:>5} {:>8} {:>21} {:>21}",
        "phrases", "way", "n", "answered", "hit rate", "mean IoU"
    );
    for s in &scores {
        let interval = |v: f64, range: Option<(f64, f64)>| match range {
            Some((a, b)) => format!("{v:.3} ({a:.3} to {b:.3})"),
            None => format!("{v:.3} (one patient)"),
        };
        println!(
            "{:<20} {:<44} {:>5} {:>8} {:>21} {:>21}",
            s.kind,
            s.way,
            s.n,
            s.answered,
            interval(s.hit_rate, Some(s.hit_interval)),
            interval(s.mean_iou, s.iou_interval)
        );
    }
    Ok(Code::Success)
}

/// The set's only manifest with pictures.
fn manifest(set: &Path) -> Result<Manifest> {
    let folder = set.join("manifests");
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or("");
        if path.extension().is_some_and(|e| e == "csv") && !name.ends_with("_boxes") {
            found.push(path);
        }
    }
    match &found[..] {
        [one] => Ok(Manifest::read(one)?),
        [] => anyhow::bail!("{}: no manifest in it", folder.display()),
        _ => anyhow::bail!("{}: several manifests in it", folder.display()),
    }
}
