//! `hilum measure`: landmarks, lines and the twelve indices of CheXStruct, on masks or on an image by the project's segmenter.

use super::measure_masks::{Classes, Found, find};
use crate::exit::{Code, Usage};
use crate::places;
use anyhow::{Context, Result, anyhow, bail};
use hilum_core::{Spacing, View};
use hilum_dicom::{LoadedImage, load};
use hilum_image::{Gray, Recipe};
use hilum_measure::overlay::{Parts, draw, number};
use hilum_measure::{Index, MaskSet, Outcome, Structure, measure};
use hilum_methods::serve::Segmenter;
use hilum_nn::weights::atomic_write;
use hilum_pipeline::{Store, gate};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Measure masks or images.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: DICOM, PNG, JPEG or TIFF. Without --masks, lungs and heart are outlined by the project's segmenter
    #[arg(required_unless_present = "masks")]
    images: Vec<PathBuf>,
    /// Folder of masks (PNG, 0 is the background): STEM/NAME.png or STEM-NAME.png for an image STEM.*; NAME.png for one image or none
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// The masks are one file an image, STEM.png, with these values: jsrt, or 1=right_lung,2=left_lung,3=heart
    #[arg(long, value_name = "CLASSES", requires = "masks")]
    classes: Option<Classes>,
    /// Projection; without it the file's tags are asked
    #[arg(long, value_enum)]
    view: Option<ViewName>,
    /// Only these indices
    #[arg(long = "index", value_name = "NAME", value_parser = parse_index)]
    indices: Vec<Index>,
    /// Folder for measurements.jsonl and an overlay of every index that was taken
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// JSON Lines instead of a table
    #[arg(long)]
    json: bool,
    /// How stored values become grey levels: voi, linear, mimic-jpg, chexpert
    #[arg(long, default_value = "voi")]
    recipe: Recipe,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ViewName {
    Pa,
    Ap,
}

/// The index of a name on the command line.
pub(crate) fn parse_index(name: &str) -> Result<Index, String> {
    Index::of_name(name).ok_or_else(|| {
        let known: Vec<&str> = Index::ALL.iter().map(|i| i.name()).collect();
        format!("known are {}", known.join(", "))
    })
}

/// A line of the output.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    image: Option<PathBuf>,
    width: usize,
    height: usize,
    view: View,
    view_source: String,
    /// Files of the masks by structure; empty when a model drew them.
    masks: BTreeMap<String, PathBuf>,
    /// Model that drew the masks.
    model: Option<String>,
    indices: Vec<Outcome>,
    /// Overlays by index.
    overlays: BTreeMap<&'static str, PathBuf>,
    notes: Vec<String>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    }
    let store = match args.masks {
        Some(_) => None,
        None => Some(places::store(args.models.as_deref())?),
    };
    let jobs: Vec<Option<&PathBuf>> = match args.images.as_slice() {
        [] => vec![None],
        images => images.iter().map(Some).collect(),
    };
    check_names(&args.images)?;
    let mut lines = String::new();
    let mut code = Code::Success;
    for image in jobs {
        match one(args, store.as_ref(), image) {
            Ok(row) => {
                let line = serde_json::to_string(&row)? + "\n";
                let text = if args.json { line.clone() } else { table(&row) };
                std::io::stdout().lock().write_all(text.as_bytes())?;
                lines.push_str(&line);
            }
            Err(error) if args.images.len() > 1 => {
                eprintln!("hilum: {error:#}");
                code = Code::Failed;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(out) = &args.out {
        atomic_write(&out.join("measurements.jsonl"), lines.as_bytes())?;
    }
    Ok(code)
}

fn stem(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|s| s.to_str());
    Ok(stem
        .ok_or_else(|| anyhow!("{}: not a file name", path.display()))?
        .to_owned())
}

/// Overlays and masks go by the file's name, which must tell images apart.
fn check_names(images: &[PathBuf]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for path in images {
        if let Some(other) = seen.insert(stem(path)?, path) {
            let text = format!(
                "{} and {} have the same name; measure them one by one",
                other.display(),
                path.display()
            );
            return Err(Usage(text).into());
        }
    }
    Ok(())
}

/// An image, or none, with the masks on it.
struct Work {
    id: String,
    pixels: Gray,
    set: MaskSet,
    view: View,
    view_source: String,
    spacing: Option<Spacing>,
    masks: BTreeMap<String, PathBuf>,
    model: Option<String>,
    notes: Vec<String>,
}

fn one(args: &Args, store: Option<&Store>, image: Option<&PathBuf>) -> Result<Row> {
    let mut work = match (image, &args.masks, store) {
        (Some(path), Some(masks), _) => with_masks(args, path, masks)?,
        (None, Some(masks), _) => masks_alone(args, masks)?,
        (Some(path), None, Some(store)) => segmented(args, path, store)?,
        _ => bail!("neither an image nor masks"),
    };
    if let Some(view) = args.view {
        work.view = match view {
            ViewName::Pa => View::Pa,
            ViewName::Ap => View::Ap,
        };
        work.view_source = "given".to_owned();
    }
    let mut indices = measure(&work.set, work.view);
    if !args.indices.is_empty() {
        indices.retain(|o| args.indices.contains(&o.index));
    }
    for outcome in &mut indices {
        if let Some(spacing) = &work.spacing {
            outcome.add_millimetres(spacing);
        }
    }
    let mut overlays = BTreeMap::new();
    if let Some(out) = &args.out {
        for outcome in indices.iter().filter(|o| o.value.is_some()) {
            let name = outcome.index.name();
            let path = out.join(format!("{}-{name}.png", work.id));
            let png = draw(&work.pixels, &work.set, outcome, Parts::ALL)?;
            atomic_write(&path, &png)?;
            overlays.insert(name, path);
        }
    }
    let (width, height) = work.set.size();
    Ok(Row {
        id: work.id,
        image: image.cloned(),
        width,
        height,
        view: work.view,
        view_source: work.view_source,
        masks: work.masks,
        model: work.model,
        indices,
        overlays,
        notes: work.notes,
    })
}

fn view_of(image: &LoadedImage) -> (View, String) {
    let verdict = gate::of_file(image);
    (verdict.view, verdict.view_source.to_owned())
}

fn ignored(found: &Found) -> Vec<String> {
    match found.ignored {
        0 => Vec::new(),
        n => vec![format!(
            "{n} files with names of no structure that is measured"
        )],
    }
}

fn with_masks(args: &Args, path: &Path, masks: &Path) -> Result<Work> {
    let image = load(path, args.recipe)?;
    let id = stem(path)?;
    let alone = args.images.len() == 1;
    let size = Some((image.width, image.height));
    let found = find(masks, &id, alone, args.classes.as_ref(), size)?;
    let (view, view_source) = view_of(&image);
    Ok(Work {
        id,
        view,
        view_source,
        spacing: image.meta.as_ref().and_then(|m| m.spacing),
        notes: ignored(&found),
        pixels: image.pixels,
        set: found.set,
        masks: found.files,
        model: None,
    })
}

fn masks_alone(args: &Args, masks: &Path) -> Result<Work> {
    if args.classes.is_some() {
        let text = "--classes needs the images that the mask files are called after";
        return Err(Usage(text.to_owned()).into());
    }
    let whole = std::path::absolute(masks).with_context(|| masks.display().to_string())?;
    let id = stem(&whole)?;
    let found = find(masks, &id, true, None, None)?;
    let (w, h) = found.set.size();
    Ok(Work {
        id,
        pixels: Gray::filled(w, h, 0.0),
        view: View::Unknown,
        view_source: "unknown".to_owned(),
        spacing: None,
        notes: ignored(&found),
        set: found.set,
        masks: found.files,
        model: None,
    })
}

/// Lungs and heart by the segmenter of the reader, behind the reader's gate.
fn segmented(args: &Args, path: &Path, store: &Store) -> Result<Work> {
    let mut image = load(path, args.recipe)?;
    let verdict = gate::of_image(path, store, &mut image)?;
    if !verdict.passes() {
        bail!(
            "{}: stopped by the gate: {}",
            path.display(),
            verdict.why_not()
        );
    }
    let model = store
        .segmenter()
        .ok_or_else(|| anyhow!("there is no segmenter"))?;
    let segmenter = model.segmenter()?;
    let found = segmenter
        .segment(&image.pixels)
        .with_context(|| path.display().to_string())?;
    let mut set = MaskSet::new(image.width, image.height)?;
    for (output, mask) in segmenter.card().outputs.iter().zip(found.masks) {
        if let Some(structure) = Structure::of_name(&output.code) {
            set.insert(structure, mask)?;
        }
    }
    let cautions = verdict.reasons.iter().map(|r| r.message.clone());
    Ok(Work {
        id: stem(path)?,
        view: verdict.view,
        view_source: verdict.view_source.to_owned(),
        spacing: image.meta.as_ref().and_then(|m| m.spacing),
        notes: cautions.collect(),
        pixels: image.pixels,
        set,
        masks: BTreeMap::new(),
        model: Some(model.name.clone()),
    })
}

fn table(row: &Row) -> String {
    let mut out = format!(
        "{} ({} x {}, view {} by {})\n",
        row.id,
        row.width,
        row.height,
        serde_json::to_string(&row.view)
            .unwrap_or_default()
            .replace('"', ""),
        row.view_source
    );
    for o in &row.indices {
        let value = o.value.map_or("-".to_owned(), |v| {
            format!("{} {}", number(v), o.unit).trim_end().to_owned()
        });
        let mut label = o.label.unwrap_or("-").to_owned();
        if o.in_band {
            label.push_str(" (in the band: either counts)");
        }
        let reason = o.reason.as_deref().unwrap_or_default();
        let line = format!("  {:<21} {value:<28} {label}  {reason}", o.index.name());
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for note in &row.notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    out
}
