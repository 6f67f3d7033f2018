//! `hilum read`: images in, readings out.

use crate::exit::{Code, Usage};
#[cfg(feature = "objects")]
use crate::verbs::objects;
use crate::{places, progress};
use anyhow::{Result, bail};
use hilum_core::{FailedPath, Reading};
use hilum_explain::Method;
use hilum_image::{Limits, Recipe};
use hilum_pipeline::{
    Answer, BatchOptions, Calibration, Extras, Reader, Search, Store, batch, collect,
};
use hilum_reading::terminal;
use indicatif::ProgressBar;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Read chest X-rays.
///
/// PATHs are files or folders (walked in sorted order). DICOM files are grouped into studies by their Study
/// Instance UID; any other image is a study of its own. Exit codes: 0 all read, 1 some failed, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files (DICOM, PNG, JPEG, TIFF) or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print JSON Lines, one study or failed file a line, and nothing else on stdout
    #[arg(long)]
    json: bool,
    /// Write reading.json, report.html, overlay.png and masks of every study under this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also write these beside reading.json: sr, seg, gsps, sc, pdf, fhir
    #[cfg(feature = "objects")]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "out")]
    write: Vec<hilum_objects::Kind>,
    /// How --write writes
    #[cfg(feature = "objects")]
    #[command(flatten)]
    object: objects::Style,
    /// Threads (all cores when not given)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// How stored values become grey levels: voi, linear, mimic-jpg, chexpert
    #[arg(long, default_value = "voi")]
    recipe: Recipe,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Explain the findings worth it by an attribution beside the class activation map, each map judged by deletion and
    /// insertion (deep-lift when METHOD is not given)
    #[arg(long, value_name = "METHOD", num_args = 0..=1, default_missing_value = "deep-lift", require_equals = true)]
    explain: Option<String>,
    /// Calibration of your own, made by `hilum calibrate`
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Show the nearest known cases of an index made by `hilum index build`
    #[arg(long, value_name = "INDEX")]
    similar: Option<PathBuf>,
    /// How many known cases
    #[arg(long, value_name = "N", default_value_t = 5, requires = "similar", value_parser = clap::value_parser!(u16).range(1..=50))]
    cases: u16,
    /// Search the index by a graph made when it is opened, for sets of a million and many images: nearly the nearest, in less time
    #[arg(long, requires = "similar")]
    approximate: bool,
    /// Read shifted and scaled copies too, and tell how far the answers spread
    #[arg(long)]
    augment: bool,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    if let Some(out) = args.out.as_ref().filter(|p| p.exists() && !p.is_dir()) {
        bail!(Usage(format!("--out {}: not a folder", out.display())));
    }
    let store = places::store(args.models.as_deref())?;
    if store.models().is_empty() {
        eprintln!("hilum: no models are here: nothing will be assessed (see `hilum weights list`)");
    }
    #[cfg(feature = "objects")]
    let objects = args.object.options(&args.write, &store);
    let extras = extras(args, &store)?;
    let jobs = args.jobs.map(usize::from);
    let options = BatchOptions {
        jobs,
        out: args.out.clone(),
    };
    let pool = batch::threads(jobs)?;
    let limits = Limits::default();
    let found = pool.install(|| collect(&args.paths, &limits));
    if found.passed_over > 0 {
        eprintln!(
            "hilum: {} other files in the folders were passed over",
            found.passed_over
        );
    }
    if found.items.is_empty() {
        bail!("no image files under the paths given");
    }
    let reader = Reader::new(store, args.recipe, limits, args.out.is_some()).with(extras);
    let mut output = Output::new(args, found.items.len());
    #[cfg(feature = "objects")]
    output.write(args.out.as_deref(), objects);
    batch::run(&reader, &found.items, &options, &pool, |answer| {
        output.take(answer)
    });
    output.finish()
}

/// What was asked for beyond findings and measurements; checked before any image is read.
fn extras(args: &Args, store: &Store) -> Result<Extras> {
    let method = |name: &String| {
        name.parse::<Method>()
            .map_err(|e| Usage(format!("--explain: {e}")))
    };
    let calibration = args.calibration.as_ref();
    let index = args.similar.as_ref();
    Ok(Extras {
        explain: args.explain.as_ref().map(method).transpose()?,
        calibration: calibration
            .map(|p| Calibration::open(p, store))
            .transpose()?,
        similar: index
            .map(|p| Search::open(p, store, usize::from(args.cases), args.approximate))
            .transpose()?,
        augment: args.augment,
    })
}

/// What was answered so far.
struct Output {
    json: bool,
    #[cfg(feature = "objects")]
    out: Option<PathBuf>,
    #[cfg(feature = "objects")]
    objects: hilum_objects::Options,
    bar: ProgressBar,
    readings: Vec<Reading>,
    failed: Vec<FailedPath>,
    some_failed: bool,
    error: Option<io::Error>,
}

impl Output {
    fn new(args: &Args, studies: usize) -> Self {
        Output {
            json: args.json,
            #[cfg(feature = "objects")]
            out: None,
            #[cfg(feature = "objects")]
            objects: hilum_objects::Options::default(),
            bar: progress::bar(studies, "reading", !args.no_progress),
            readings: Vec::new(),
            failed: Vec::new(),
            some_failed: false,
            error: None,
        }
    }

    fn take(&mut self, answer: Answer) -> ControlFlow<()> {
        self.bar.inc(1);
        #[cfg(feature = "objects")]
        let answer = self.with_objects(answer);
        self.some_failed |= !answer.outcome.failed.is_empty();
        if let Some(place) = &answer.written {
            self.bar
                .suspend(|| eprintln!("hilum: wrote {}", place.display()));
        }
        if !self.json {
            self.readings.extend(answer.outcome.reading);
            self.failed.extend(answer.outcome.failed);
            return ControlFlow::Continue(());
        }
        match self.bar.suspend(|| lines(&answer)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Objects are written below this folder too.
    #[cfg(feature = "objects")]
    fn write(&mut self, out: Option<&std::path::Path>, objects: hilum_objects::Options) {
        self.out = out.map(std::path::Path::to_owned);
        self.objects = objects;
    }

    /// Writes the objects of a study whose files stand. A study whose objects cannot be written counts as failed, as
    /// one whose files cannot be.
    #[cfg(feature = "objects")]
    fn with_objects(&self, mut answer: Answer) -> Answer {
        let (Some(out), Some(folder), Some(reading)) =
            (&self.out, &answer.written, &answer.outcome.reading)
        else {
            return answer;
        };
        let error = match hilum_objects::files::write(out, folder, reading, &self.objects) {
            Ok(written) => {
                self.bar.suspend(|| {
                    for note in &written.notes {
                        eprintln!("hilum: {}: {note}", folder.display());
                    }
                });
                return answer;
            }
            Err(error) => error,
        };
        let failed: Vec<FailedPath> = reading
            .images
            .iter()
            .map(|image| FailedPath {
                path: image.path.clone(),
                error: hilum_core::ReadError {
                    kind: error.kind().to_owned(),
                    message: error.to_string(),
                },
            })
            .collect();
        answer.outcome.failed.extend(failed);
        answer.outcome.reading = None;
        answer
    }

    fn finish(self) -> Result<Code> {
        self.bar.finish_and_clear();
        if let Some(error) = self.error {
            return Err(error.into());
        }
        if !self.json {
            let text = table(&self.readings, &self.failed);
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        Ok(if self.some_failed {
            Code::Failed
        } else {
            Code::Success
        })
    }
}

/// The JSON lines of one answer: its reading, then its files that failed.
fn lines(answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(reading) = &answer.outcome.reading {
        serde_json::to_writer(&mut out, reading)?;
        out.write_all(b"\n")?;
    }
    for failed in &answer.outcome.failed {
        serde_json::to_writer(&mut out, failed)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A few studies in full, many as one row each.
fn table(readings: &[Reading], failed: &[FailedPath]) -> String {
    const IN_FULL: usize = 3;
    let options = terminal::Options {
        color: progress::colour(),
        width: progress::columns(),
    };
    let mut text = String::new();
    if readings.len() <= IN_FULL {
        for reading in readings {
            text.push_str(&terminal::study(reading, &options));
            text.push('\n');
        }
    }
    if readings.len() != 1 || !failed.is_empty() {
        text.push_str(&terminal::summary(readings, failed, &options));
    }
    text
}
