//! `hilum audit shortcut`: what a model still tells when the lungs are hidden.

use crate::exit::{Code, Usage};
use crate::places;
use crate::progress;
use crate::verbs::audit::{Answer, Common, finish};
use crate::verbs::labelled::{self, Image, Input, InputOptions};
use anyhow::{Result, anyhow, bail};
use hilum_audit::metadata::metadata_scores;
use hilum_audit::plot::{self, ForestRow};
use hilum_audit::shortcut::{
    self, AttributionMass, Cell, Masked, ShortcutAudit, ShortcutInput, ShortcutOptions, Verdict,
};
use hilum_audit::table::{Case, numbers};
use hilum_audit::{Condition, Labelled, Masking, ScoreKind, ScoreTable};
use hilum_dicom::load_frame;
use hilum_explain::{Effort, Method, attribute};
use hilum_image::{Gray, Limits, Mask, Plane, resize};
use hilum_kernels::Tensor;
use hilum_methods::serve::{Classifier, Segmenter};
use hilum_pipeline::store::Role;
use hilum_pipeline::{Model, Store, batch, gate};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Columns that a model without pixels may use when none are named.
const METADATA: &[&str] = &[
    "view",
    "sex",
    "age",
    "site",
    "set",
    "device",
    "manufacturer",
];
/// Folds of the model of metadata.
const FOLDS: usize = 5;

/// What a model still tells when the lungs are hidden.
///
/// Images are scored as they are, without the lungs, without the box around them, with only the lungs, and with only that
/// box. An area well above one half without the box means that the model reads something outside of the lungs. Masks come from
/// the column `lungs` (or `mask`) of the table, else from the segmenter. A table of scores with a column `condition` (full,
/// no_region, no_region_box, only_region, only_region_box) and, if the region was widened, `spread` is judged alike.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Model to audit: the name of one here, or a weight file
    #[arg(long, value_name = "NAME|FILE", default_value = "nih_findings")]
    model: String,
    /// Steps by which the region is widened (negative: narrowed), each scored too
    #[arg(long, value_name = "STEPS", value_delimiter = ',', allow_hyphen_values = true, default_values_t = [0])]
    spread: Vec<i32>,
    /// Grey level of hidden pixels
    #[arg(long, value_name = "LEVEL", default_value_t = 0.0)]
    fill: f32,
    /// Attribution whose mass is measured on full images
    #[arg(long, value_name = "METHOD", default_value = "gradient-shap")]
    attribution: Method,
    /// Images whose attribution is measured, present ones first; 0 for none
    #[arg(long, value_name = "N", default_value_t = 24)]
    attributed: usize,
    /// Columns of a model without pixels (default: those there are of view, sex, age, site, set, device, manufacturer)
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    metadata: Vec<String>,
    /// A verdict needs so many present and absent cases
    #[arg(long, value_name = "N", default_value_t = 10)]
    least: usize,
}

/// Runs the audit.
pub fn run(args: &Args) -> Result<Code> {
    let common = &args.common;
    let options = InputOptions {
        kind: common.scores,
        finding: common.finding.first().map(String::as_str),
        split: common.split.as_deref(),
    };
    match labelled::open(&common.input, &options)? {
        Input::Scores(table) => of_scores(args, &table),
        Input::Images(images) => of_images(args, &images),
    }
}

/// Maskings to score: every condition at every spread, the full image once.
fn maskings(args: &Args) -> Vec<Masking> {
    let mut spreads = args.spread.clone();
    spreads.push(0);
    spreads.sort_unstable();
    spreads.dedup();
    let mut out = vec![Masking::from(Condition::Full)];
    for condition in Condition::ALL.into_iter().skip(1) {
        out.extend(spreads.iter().map(|&spread| Masking { condition, spread }));
    }
    out
}

/// What one image gave under every masking; null where its region was not there.
struct Scored {
    logits: Vec<Option<Vec<f64>>>,
    similarity: Vec<Option<f64>>,
}

fn of_images(args: &Args, images: &[Image]) -> Result<Code> {
    let common = &args.common;
    let store = places::store(common.models.as_deref())?;
    let opened;
    let model = match store.find(&args.model) {
        Some(model) => model,
        None if Path::new(&args.model).is_file() => {
            opened = hilum_pipeline::store::open_file(Path::new(&args.model))?;
            &opened
        }
        None => bail!(Usage(format!(
            "--model {}: neither a model here (see `hilum weights list`) nor a file",
            args.model
        ))),
    };
    if model.role() == Role::Segmenter {
        bail!(Usage(format!(
            "--model {}: a segmenter gives no findings",
            args.model
        )));
    }
    let findings = findings(args, model, images)?;
    let maskings = maskings(args);
    store.build_all();
    model.classifier()?;
    let pool = batch::threads(common.jobs.map(usize::from))?;
    let bar = progress::bar(images.len(), "masking", !common.no_progress);
    let scored: Vec<Result<Scored>> = pool.install(|| {
        images
            .par_iter()
            .map(|image| {
                let found = score(args, &store, model, image, &maskings);
                bar.inc(1);
                found
            })
            .collect()
    });
    bar.finish_and_clear();
    let mut kept = Vec::new();
    for (image, result) in images.iter().zip(scored) {
        match result {
            Ok(scored) => kept.push((image, scored)),
            Err(error) => eprintln!("hilum: left out {}: {error}", image.id),
        }
    }
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for (output, finding) in findings {
        let found =
            pool.install(|| of_finding(args, &store, model, &kept, output, &finding, &maskings));
        match found {
            Ok(answer) => answers.push((Some(model.name.clone()), finding, answer)),
            Err(error) => failures.push((finding, error.to_string())),
        }
    }
    finish(common, "shortcut", answers, failures)
}

/// Outputs of the model that some image is labelled for.
fn findings(args: &Args, model: &Model, images: &[Image]) -> Result<Vec<(usize, String)>> {
    let asked = &args.common.finding;
    let outputs = &model.description.card.outputs;
    let labelled = |code: &str| {
        images
            .iter()
            .any(|i| i.labels.get(code).is_some_and(Option::is_some))
    };
    let found: Vec<(usize, String)> = outputs
        .iter()
        .enumerate()
        .filter(|(_, o)| (asked.is_empty() || asked.contains(&o.code)) && labelled(&o.code))
        .map(|(at, o)| (at, o.code.clone()))
        .collect();
    if found.is_empty() {
        let names: Vec<&str> = outputs.iter().map(|o| o.code.as_str()).collect();
        bail!(
            "no image is labelled for what `{}` answers ({}); label some of these with 1 and 0",
            model.name,
            names.join(", ")
        );
    }
    Ok(found)
}

fn load(args: &Args, path: &Path) -> Result<Gray> {
    Ok(load_frame(path, args.common.recipe, 0, &Limits::default())?.pixels)
}

/// An image as the reader would see it: behind its gate, upright in its grey levels.
fn film(args: &Args, store: &Store, path: &Path) -> Result<Gray> {
    let mut image = load_frame(path, args.common.recipe, 0, &Limits::default())?;
    let verdict = gate::of_image(path, store, &mut image)?;
    if !verdict.passes() {
        bail!("stopped by the gate: {}", verdict.why_not());
    }
    Ok(image.pixels)
}

/// The lungs: the table's mask, else the segmenter's.
fn region(args: &Args, store: &Store, image: &Image, pixels: &Gray) -> Result<Mask> {
    if let Some(path) = &image.lungs {
        let mask = load(args, path)?.map(|&v| if v > 0.0 { 255u8 } else { 0 });
        if !mask.same_size(pixels) {
            bail!(
                "the mask {} is {}x{}, the image {}x{}; give a mask of the image's size",
                path.display(),
                mask.width,
                mask.height,
                pixels.width,
                pixels.height
            );
        }
        return Ok(mask);
    }
    let Some(model) = store.segmenter() else {
        bail!("there is no segmenter here; name masks in a column `lungs`");
    };
    let net = model.segmenter()?;
    let found = net.segment(pixels)?;
    net.index("lungs")
        .and_then(|at| found.masks.into_iter().nth(at))
        .ok_or_else(|| anyhow!("the segmenter `{}` finds no lungs", model.name))
}

fn score(
    args: &Args,
    store: &Store,
    model: &Model,
    image: &Image,
    maskings: &[Masking],
) -> Result<Scored> {
    let pixels = film(args, store, &image.path)?;
    let lungs = region(args, store, image, &pixels)?;
    let classifier = model.classifier()?;
    let mut out = Scored {
        logits: Vec::new(),
        similarity: Vec::new(),
    };
    let mut full: Option<Vec<f64>> = None;
    for masking in maskings {
        let Ok(shown) = masking.apply(&pixels, &lungs, args.fill) else {
            out.logits.push(None);
            out.similarity.push(None);
            continue;
        };
        let scores = classifier.score(&shown, Some(&lungs))?;
        let features = full.get_or_insert_with(|| scores.embedding.clone());
        out.similarity.push(cosine(features, &scores.embedding));
        out.logits.push(Some(scores.logits));
    }
    Ok(out)
}

fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(u, v)| u * v).sum::<f64>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    (length > 0.0).then(|| dot(a, b) / length)
}

fn of_finding(
    args: &Args,
    store: &Store,
    model: &Model,
    kept: &[(&Image, Scored)],
    output: usize,
    finding: &str,
    maskings: &[Masking],
) -> Result<Answer> {
    let of_label = |image: &Image| image.labels.get(finding).copied().flatten();
    let rows: Vec<&(&Image, Scored)> = kept
        .iter()
        .filter(|(image, _)| of_label(image).is_some())
        .collect();
    let table = ScoreTable {
        kind: ScoreKind::Logit,
        has_patients: rows.iter().any(|(i, _)| i.patient.is_some()),
        cases: rows
            .iter()
            .map(|(image, scored)| Case {
                id: image.id.clone(),
                patient: image
                    .patient
                    .clone()
                    .unwrap_or_else(|| format!("image {}", image.id)),
                finding: finding.to_owned(),
                label: of_label(image),
                score: scored.logits[0].as_ref().map_or(0.0, |l| l[output]),
                columns: image.columns.clone(),
            })
            .collect(),
    };
    let cases = table.labelled(finding)?;
    let masked: Vec<Masked> = maskings
        .iter()
        .enumerate()
        .map(|(at, masking)| Masked {
            masking: *masking,
            scores: rows
                .iter()
                .map(|(_, s)| s.logits[at].as_ref().map(|l| l[output]))
                .collect(),
            similarity: rows.iter().map(|(_, s)| s.similarity[at]).collect(),
        })
        .collect();
    let images: Vec<&Image> = rows.iter().map(|(image, _)| *image).collect();
    let mass = mass(args, store, model, &images, &cases.labels, output)?;
    judge(args, &cases, &masked, mass)
}

/// Mean share of attribution outside of the lungs, on full images.
fn mass(
    args: &Args,
    store: &Store,
    model: &Model,
    images: &[&Image],
    labels: &[bool],
    output: usize,
) -> Result<Option<AttributionMass>> {
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(|i| !labels[*i]);
    order.truncate(args.attributed);
    let found: Vec<Option<(f64, f64)>> = order
        .par_iter()
        .map(|&i| mass_of(args, store, model, images[i], output))
        .collect::<Result<_>>()?;
    let known: Vec<(f64, f64)> = found.into_iter().flatten().collect();
    let n = known.len();
    Ok((n > 0).then(|| AttributionMass {
        n,
        outside: known.iter().map(|m| m.0).sum::<f64>() / n as f64,
        outside_area: known.iter().map(|m| m.1).sum::<f64>() / n as f64,
    }))
}

fn mass_of(
    args: &Args,
    store: &Store,
    model: &Model,
    image: &Image,
    output: usize,
) -> Result<Option<(f64, f64)>> {
    let pixels = film(args, store, &image.path)?;
    let lungs = region(args, store, image, &pixels)?;
    let contract = &model.description.contract;
    let prepared = contract.prepare(&pixels, Some(&lungs))?;
    let input = Tensor {
        shape: vec![1, 1, contract.height, contract.width],
        data: contract.values(&prepared.plane),
    };
    let map = attribute(
        model.explainer()?,
        &input,
        output,
        args.attribution,
        &Effort::default(),
    )?;
    // The part of the image that the network saw, at its size.
    let crop = prepared.crop;
    let seen: Mask = Plane::from_fn(crop.w as usize, crop.h as usize, |x, y| {
        lungs
            .get(x + crop.x as usize, y + crop.y as usize)
            .copied()
            .unwrap_or(0)
    });
    let small = resize::resize_mask(&seen, contract.width, contract.height)?;
    Ok(shortcut::mass_outside(&map, &small))
}

fn judge(
    args: &Args,
    cases: &Labelled,
    masked: &[Masked],
    attribution: Option<AttributionMass>,
) -> Result<Answer> {
    let columns = metadata_columns(args, cases);
    let metadata = match columns.is_empty() {
        true => None,
        // Too few patients for folds: said by leaving the row out, which the verdict does not need.
        false => match metadata_scores(cases, &columns, FOLDS, args.common.seed) {
            Ok(scores) => Some(scores),
            Err(error) => {
                eprintln!(
                    "hilum: {}: no model of the metadata: {error}",
                    cases.finding
                );
                None
            }
        },
    };
    let input = ShortcutInput {
        finding: &cases.finding,
        labels: &cases.labels,
        patients: &cases.patients,
        masked,
        attribution,
        metadata: metadata.as_deref(),
    };
    let options = ShortcutOptions {
        resamples: args.common.resamples as usize,
        seed: args.common.seed,
        least: args.least,
        ..ShortcutOptions::default()
    };
    let found = shortcut::audit(&input, &options)?;
    let mut value = serde_json::to_value(&found)?;
    value["metadata_columns"] = serde_json::to_value(&columns)?;
    Ok(Answer {
        alarm: found.verdict == Verdict::Shortcut,
        text: text(&found, &columns),
        files: vec![("areas.svg".to_owned(), picture(&found))],
        json: value,
    })
}

fn metadata_columns(args: &Args, cases: &Labelled) -> Vec<String> {
    if !args.metadata.is_empty() {
        return args.metadata.clone();
    }
    let several = |name: &str| {
        cases.column(name).is_ok_and(|values| {
            let first = values.first().copied().flatten();
            values.iter().any(|v| *v != first)
        })
    };
    METADATA
        .iter()
        .filter(|name| several(name))
        .map(|name| (*name).to_owned())
        .collect()
}

/// Scores that were made elsewhere, a row a case and condition.
fn of_scores(args: &Args, table: &ScoreTable) -> Result<Code> {
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for finding in table.findings() {
        let asked = &args.common.finding;
        if !asked.is_empty() && !asked.contains(&finding) {
            continue;
        }
        match scores_of(args, table, &finding) {
            Ok(answer) => answers.push((None, finding, answer)),
            Err(error) => failures.push((finding, error.to_string())),
        }
    }
    finish(&args.common, "shortcut", answers, failures)
}

fn scores_of(args: &Args, table: &ScoreTable, finding: &str) -> Result<Answer> {
    let all = table.labelled(finding)?;
    let mut by_masking: BTreeMap<Masking, BTreeMap<&str, f64>> = BTreeMap::new();
    for case in &all.cases {
        let Some(name) = case.columns.get("condition") else {
            bail!(
                "row of case {}: no `condition`; scores under full and no_region_box are needed",
                case.id
            );
        };
        let spread = case
            .columns
            .get("spread")
            .map_or(Ok(0), |s| s.parse::<i32>());
        let masking = Masking {
            condition: name.parse::<Condition>()?,
            spread: spread.map_err(|_| anyhow!("case {}: `spread` is no whole number", case.id))?,
        };
        by_masking
            .entry(masking)
            .or_default()
            .insert(&case.id, case.score);
    }
    // Cases in the order of their first row, each once.
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let first: Vec<Case> = all
        .cases
        .iter()
        .filter(|c| seen.insert(&c.id))
        .cloned()
        .collect();
    let masked: Vec<Masked> = by_masking
        .iter()
        .map(|(masking, scores)| Masked {
            masking: *masking,
            scores: first
                .iter()
                .map(|c| scores.get(c.id.as_str()).copied())
                .collect(),
            similarity: Vec::new(),
        })
        .collect();
    let cases = Labelled {
        finding: finding.to_owned(),
        labels: first.iter().map(|c| c.label == Some(true)).collect(),
        scores: first.iter().map(|c| c.score).collect(),
        patients: numbers(first.iter().map(|c| c.patient.as_str())),
        cases: first,
    };
    judge(args, &cases, &masked, None)
}

fn label(masking: Masking) -> String {
    let name = masking.condition.label("Lung");
    match masking.spread {
        0 => name,
        n => format!("{name} {n:+}"),
    }
}

fn area(cell: &Cell) -> String {
    let Some(value) = cell.auroc else {
        return "too few cases".to_owned();
    };
    let range = cell
        .interval
        .map_or(String::new(), |(a, b)| format!(" ({a:.3} to {b:.3})"));
    format!("{value:.3}{range}")
}

fn text(found: &ShortcutAudit, columns: &[String]) -> String {
    let mut out = format!("{}: {}\n", found.finding, found.reason);
    let _ = writeln!(
        out,
        "  {:<18} {:>6} {:>8}  {:<26} similarity of features",
        "left to see", "n", "present", "AUROC"
    );
    for cell in &found.cells {
        let similarity = cell
            .similarity
            .map_or("-".to_owned(), |s| format!("{s:.3}"));
        let _ = writeln!(
            out,
            "  {:<18} {:>6} {:>8}  {:<26} {similarity}",
            label(cell.masking),
            cell.n,
            cell.positives,
            area(cell)
        );
    }
    match &found.metadata {
        Some(cell) => {
            let _ = writeln!(
                out,
                "  {:<18} {:>6} {:>8}  {:<26} ({})",
                "metadata alone",
                cell.n,
                cell.positives,
                area(cell),
                columns.join(", ")
            );
        }
        None => out.push_str("  metadata alone: no columns that differ between cases\n"),
    }
    if let Some(mass) = found.attribution {
        let _ = writeln!(
            out,
            "  attribution outside of the lungs {:.3}, pixels outside {:.3} (mean of {} images)",
            mass.outside, mass.outside_area, mass.n
        );
    }
    out
}

fn picture(found: &ShortcutAudit) -> String {
    let alarm = found.verdict == Verdict::Shortcut;
    let hidden = Masking::from(Condition::NoRegionBox);
    let row = |name: String, cell: &Cell, marked: bool| ForestRow {
        label: name,
        note: format!("{} cases, {} present", cell.n, cell.positives),
        value: cell.auroc,
        interval: cell.interval,
        marked,
    };
    let mut rows: Vec<ForestRow> = found
        .cells
        .iter()
        .map(|c| row(label(c.masking), c, alarm && c.masking == hidden))
        .collect();
    if let Some(cell) = &found.metadata {
        rows.push(row("metadata alone".into(), cell, false));
    }
    let title = format!("{}: what is told when parts are hidden", found.finding);
    plot::forest(&title, "AUROC", &rows, Some(0.5))
}
