//! `hilum objects`: readings as DICOM and FHIR objects, and reports and segmentations of anybody's as readings.

use crate::exit::{Code, Usage};
use crate::{places, progress};
use anyhow::{Context, Result, bail};
use hilum_core::Reading;
use hilum_dicom::Limits;
use hilum_image::draw;
use hilum_objects::back::{self, Opened, Study};
use hilum_objects::fhir::Release;
use hilum_objects::source::Moment;
use hilum_objects::{Kind, Options};
use hilum_pipeline::Store;
use hilum_reading::{Artefacts, ImageMasks, folder_names, terminal, write_reading};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How objects are written.
#[derive(Debug, Clone, clap::Args)]
pub struct Style {
    /// Date and time that the objects carry, YYYY-MM-DDTHH:MM:SS (the study's when not given)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    at: Option<Moment>,
    /// Release of FHIR: r4 or r5
    #[arg(long, value_name = "RELEASE", default_value = "r5")]
    fhir: Release,
}

impl Style {
    /// Options for objects of these kinds.
    pub fn options(&self, kinds: &[Kind], store: &Store) -> Options {
        Options {
            kinds: kinds.to_vec(),
            at: self.at.clone(),
            release: self.fhir,
            segmenter: store.segmenter().map(hilum_pipeline::Model::reference),
            signature: None,
            readers: hilum_objects::Readers::default(),
            limits: Limits::default(),
        }
    }
}

/// What to do with objects.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Write the objects of readings that were written by `hilum read --out`
    Write(WriteArgs),
    /// Read structured reports (TID 1500) and segmentations of anybody's
    Read(ReadArgs),
}

/// Write objects beside reading.json.
///
/// The source images are opened again under the paths in the reading and must not have changed.
#[derive(Debug, clap::Args)]
pub struct WriteArgs {
    /// Folders that hold a reading.json
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Which: sr, seg, gsps, sc, pdf, fhir
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["sr", "seg", "gsps", "sc", "pdf", "fhir"])]
    write: Vec<Kind>,
    #[command(flatten)]
    style: Style,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// Read structured reports and segmentations.
///
/// Reports that Hilum wrote come back as the reading that they were made from; of others' as much as a reading has
/// room for, with notes on stderr about the rest. Others' reports need the images that their regions lie in among the
/// files. Exit codes: 0 all read, 1 some failed, 2 usage.
#[derive(Debug, clap::Args)]
pub struct ReadArgs {
    /// Structured reports, segmentations and the images that they refer to
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON Lines, one reading a line, and nothing else on stdout
    #[arg(long)]
    json: bool,
    /// Write reading.json and masks of every study under this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Write(args) => write(args),
        Verb::Read(args) => read(args),
    }
}

fn write(args: &WriteArgs) -> Result<Code> {
    let store = places::store(args.models.as_deref())?;
    let options = args.style.options(&args.write, &store);
    let mut failed = false;
    for folder in &args.folders {
        if let Err(error) = write_one(folder, &options) {
            failed = true;
            eprintln!("hilum: {}: {error:#}", folder.display());
        }
    }
    Ok(if failed { Code::Failed } else { Code::Success })
}

fn write_one(folder: &Path, options: &Options) -> Result<()> {
    let path = folder.join("reading.json");
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let reading: Reading = serde_json::from_slice(&bytes).context("reading.json is no reading")?;
    // Masks are named relative to the folder above.
    let whole = std::path::absolute(folder)?;
    let out = whole.parent().context("it has no folder above it")?;
    let written = hilum_objects::files::write(out, &whole, &reading, options)?;
    for note in &written.notes {
        eprintln!("hilum: {}: {note}", folder.display());
    }
    for name in &written.files {
        println!("{}", folder.join(name).display());
    }
    Ok(())
}

fn read(args: &ReadArgs) -> Result<Code> {
    if let Some(out) = args.out.as_ref().filter(|p| p.exists() && !p.is_dir()) {
        bail!(Usage(format!("--out {}: not a folder", out.display())));
    }
    let limits = Limits::default();
    let mut failed = false;
    let mut opened: Vec<Opened> = Vec::new();
    for path in &args.files {
        match open(path, &limits) {
            Ok(file) => opened.push(file),
            Err(error) => {
                failed = true;
                eprintln!("hilum: {error:#}");
            }
        }
    }
    let mut studies = Vec::new();
    for study in back::assemble(opened) {
        match study {
            Ok(study) => studies.push(study),
            Err((instance, error)) => {
                failed = true;
                eprintln!("hilum: report {instance}: {error}");
            }
        }
    }
    if studies.is_empty() && !failed {
        bail!("no structured report and no segmentation among the files");
    }
    show(args, studies)?;
    Ok(if failed { Code::Failed } else { Code::Success })
}

fn open(path: &Path, limits: &Limits) -> Result<Opened> {
    let name = || path.display().to_string();
    let size = std::fs::metadata(path).with_context(name)?.len();
    if size > limits.max_file_bytes {
        bail!(
            "{}: {size} bytes are over the limit of {}",
            name(),
            limits.max_file_bytes
        );
    }
    let bytes = std::fs::read(path).with_context(name)?;
    let opened = back::open(&bytes, path, limits);
    // Errors of images name the file themselves.
    opened.map_err(|error| {
        let text = error.to_string();
        if text.starts_with(&name()) {
            anyhow::Error::from(error)
        } else {
            anyhow::Error::from(error).context(name())
        }
    })
}

fn show(args: &ReadArgs, studies: Vec<Study>) -> Result<()> {
    let ids: Vec<String> = studies
        .iter()
        .map(|s| {
            s.reading
                .as_ref()
                .map_or(s.study_uid.clone(), |r| r.study.id.clone())
        })
        .collect();
    let folders = folder_names(ids.iter().map(String::as_str));
    let options = terminal::Options {
        color: progress::colour(),
        width: progress::columns(),
    };
    let mut stdout = std::io::stdout().lock();
    for (mut study, folder) in studies.into_iter().zip(folders) {
        for note in &study.notes {
            eprintln!("hilum: {}: {note}", study.study_uid);
        }
        if let Some(out) = &args.out {
            let place = save(out, &folder, &mut study)?;
            eprintln!("hilum: wrote {}", place.display());
        }
        match &study.reading {
            Some(reading) if args.json => {
                serde_json::to_writer(&mut stdout, reading)?;
                stdout.write_all(b"\n")?;
            }
            Some(reading) => writeln!(stdout, "{}", terminal::study(reading, &options))?,
            None => eprintln!(
                "hilum: {}: masks of {} images, no report among the files",
                study.study_uid,
                study.structures.len()
            ),
        }
    }
    stdout.flush()?;
    Ok(())
}

/// `reading.json` with masks; masks alone where there is no reading.
fn save(out: &Path, folder: &str, study: &mut Study) -> Result<PathBuf> {
    let png =
        |mask: &Option<hilum_image::Mask>| mask.as_ref().map(draw::encode_gray_png).transpose();
    let mut masks = Vec::new();
    for structures in &study.structures {
        masks.push(ImageMasks {
            image: structures.image,
            lungs_png: png(&structures.lungs)?,
            heart_png: png(&structures.heart)?,
        });
    }
    if let Some(reading) = &mut study.reading {
        let artefacts = Artefacts {
            masks,
            ..Artefacts::default()
        };
        return Ok(write_reading(out, folder, reading, &artefacts)?);
    }
    let place = out.join(folder);
    std::fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
    for mask in masks {
        for (organ, bytes) in [("lungs", mask.lungs_png), ("heart", mask.heart_png)] {
            if let Some(bytes) = bytes {
                let path = place.join(format!("image-{}-{organ}.png", mask.image));
                std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(place)
}
