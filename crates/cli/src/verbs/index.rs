//! `hilum index`: known cases to compare readings with.

use crate::exit::{Code, Usage};
use crate::verbs::labelled::{self, Image, Input, InputOptions};
use crate::{places, progress};
use anyhow::{Result, bail};
use hilum_dicom::load_frame;
use hilum_image::{Limits, Recipe};
use hilum_methods::serve::Segmenter;
use hilum_nn::weights::atomic_write;
use hilum_pipeline::index::{Entry, Index, NewCase, features, thumbnail};
use hilum_pipeline::{Model, PipelineError, Store, batch};
use rayon::prelude::*;
use std::io::Write as _;
use std::path::PathBuf;

/// Known cases to compare readings with.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make an index of labelled images, for `hilum read --similar`
    Build(BuildArgs),
    /// Say what an index holds
    Show(ShowArgs),
}

/// Make an index of labelled images.
///
/// INPUT is a folder (labels from labels.csv in it, else the names of its subfolders), a table with the column path, or a
/// manifest. The index holds features, labels and thumbnails: whoever gets it sees the images in small.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// Folder, table or manifest
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// Index to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Model whose features are compared
    #[arg(long, value_name = "NAME", default_value = "nih_findings")]
    model: String,
    /// Keep no pictures
    #[arg(long)]
    no_thumbnails: bool,
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
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Say what an index holds.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Index
    #[arg(value_name = "FILE")]
    index: PathBuf,
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Build(args) => build(args),
        Verb::Show(args) => show(args),
    }
}

fn build(args: &BuildArgs) -> Result<Code> {
    let options = InputOptions {
        split: args.split.as_deref(),
        ..InputOptions::default()
    };
    let Input::Images(images) = labelled::open(&args.input, &options)? else {
        bail!(Usage(format!(
            "{}: a table of scores has no images to index",
            args.input.display()
        )));
    };
    let store = places::store(args.models.as_deref())?;
    let Some(model) = store.find(&args.model) else {
        bail!(Usage(format!(
            "--model {}: no such model (see `hilum weights list`)",
            args.model
        )));
    };
    store.build_all();
    let pool = batch::threads(args.jobs.map(usize::from))?;
    let bar = progress::bar(images.len(), "indexing", !args.no_progress);
    let found: Vec<std::result::Result<NewCase, PipelineError>> = pool.install(|| {
        images
            .par_iter()
            .map(|image| {
                let case = case(&store, model, image, args.recipe, !args.no_thumbnails);
                bar.inc(1);
                case
            })
            .collect()
    });
    bar.finish_and_clear();
    let (mut cases, mut failed) = (Vec::new(), 0);
    for (image, case) in images.iter().zip(found) {
        match case {
            Ok(case) => cases.push(case),
            Err(error) => {
                failed += 1;
                eprintln!("hilum: left out {}: {error}", image.id);
            }
        }
    }
    let index = Index::build(model.reference(), cases)?;
    atomic_write(&args.out, &index.to_bytes()?)?;
    eprintln!(
        "hilum: wrote {} ({} cases, {} features of {}, {failed} images left out)",
        args.out.display(),
        index.len(),
        index.dimensions(),
        args.model
    );
    Ok(if failed == 0 {
        Code::Success
    } else {
        Code::Failed
    })
}

/// Features, labels and picture of one image.
pub(super) fn case(
    store: &Store,
    model: &Model,
    image: &Image,
    recipe: Recipe,
    with_thumbnail: bool,
) -> std::result::Result<NewCase, PipelineError> {
    let path = &image.path;
    let loaded = load_frame(path, recipe, 0, &Limits::default())?;
    let lungs = match (model.description.contract.needs_lungs(), store.segmenter()) {
        (true, Some(segmenter)) => {
            let net = segmenter.segmenter()?;
            let found = net
                .segment(&loaded.pixels)
                .map_err(|source| PipelineError::Network {
                    path: path.clone(),
                    model: segmenter.name.clone(),
                    source,
                })?;
            net.index("lungs")
                .and_then(|at| found.masks.into_iter().nth(at))
        }
        _ => None,
    };
    let features = features(model, path, &loaded.pixels, lungs.as_ref())?;
    let thumbnail = match with_thumbnail {
        true => Some(
            thumbnail(&loaded.pixels).map_err(|source| PipelineError::Image {
                path: path.clone(),
                source,
            })?,
        ),
        false => None,
    };
    Ok(NewCase {
        entry: Entry {
            id: image.id.clone(),
            labels: image.words.clone(),
            sha256: loaded.sha256.clone(),
            patient: image.patient.clone(),
            licence: image.licence.clone(),
        },
        features,
        thumbnail,
    })
}

fn show(args: &ShowArgs) -> Result<Code> {
    let bytes = std::fs::read(&args.index)?;
    let index = Index::from_bytes(&bytes)
        .map_err(|reason| anyhow::anyhow!("{}: {reason}", args.index.display()))?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} cases, {} features of {} (sha256 {})",
        index.len(),
        index.dimensions(),
        index.model().name,
        index.model().sha256
    )?;
    for at in 0..index.len() {
        if let Some(entry) = index.entry(at) {
            let labels = match entry.labels.is_empty() {
                true => "no label".to_owned(),
                false => entry.labels.join(", "),
            };
            writeln!(out, "{}\t{labels}", entry.id)?;
        }
    }
    out.flush()?;
    Ok(Code::Success)
}
