//! `hilum text`: sections, labels, facts and time lines of reports; JSON Lines or CSV in and out.

mod masks;

use crate::exit::Code;
use anyhow::{Context, Result, bail};
use hilum_methods::radgraph::SpanModel;
use hilum_text::TextError;
use hilum_text::facts::GraphReader;
use hilum_text::facts::atlas::{Frame, Frames};
use hilum_text::facts::extract::ExtractOptions;
use hilum_text::facts::stream::{
    FactOptions, Format, Input, Shape, facts_csv, facts_documents, facts_documents_csv, facts_rows,
    timeline_documents, timeline_rows,
};
use hilum_text::label::LabelSpace;
use hilum_text::rows::{CsvRows, JsonLines, Rows};
use hilum_text::stream::{Summary, label_csv, label_rows, sections_rows};
use hilum_text::{LabelOptions, SectionKind};
use masks::LungMasks;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sections, labels and facts of reports.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Cut reports into sections
    Sections {
        /// JSON Lines {"id","text"} (or "xml"), or .csv/.tsv with such columns; `-` is stdin
        file: PathBuf,
        /// Output is always JSON Lines; accepted so that scripts may say so
        #[arg(long)]
        json: bool,
    },
    /// Label findings: 1 present, 0 absent, -1 uncertain, null not mentioned
    Label {
        /// JSON Lines {"id","findings","impression"} or {"id","text"}, or .csv/.tsv with such columns; `-` is stdin
        file: PathBuf,
        /// Sections to read
        #[arg(
            long,
            value_name = "LIST",
            value_delimiter = ',',
            default_value = "findings,impression"
        )]
        section: Vec<String>,
        /// Only CheXpert's 14 findings
        #[arg(long)]
        chexpert: bool,
        /// Also every mention with its span and cue
        #[arg(long, conflicts_with = "format")]
        details: bool,
        /// What is written; errors of lines go to stderr beside CSV
        #[arg(long, value_enum, default_value = "jsonl", conflicts_with = "json")]
        format: LabelFormat,
        /// Output is always JSON Lines; accepted so that scripts may say so
        #[arg(long)]
        json: bool,
    },
    /// Entities and relations of reports, as RadGraph JSON or as a scene graph
    Graph {
        #[command(flatten)]
        args: FactArgs,
        /// What the file holds
        #[arg(long, value_enum, default_value = "reports")]
        from: Source,
        /// What is written
        #[arg(long, value_enum, default_value = "radgraph")]
        format: GraphFormat,
    },
    /// What reports say: findings with polarity, side, place, severity, size and change
    Facts {
        #[command(flatten)]
        args: FactArgs,
        /// What the file holds
        #[arg(long, value_enum, default_value = "reports")]
        from: Source,
        /// What is written
        #[arg(long, value_enum, default_value = "facts")]
        format: FactFormat,
    },
    /// Findings over a patient's studies; lines carry "patient", in time order
    Timeline {
        #[command(flatten)]
        args: FactArgs,
        /// What the file holds
        #[arg(long, value_enum, default_value = "reports")]
        from: Source,
        /// What is written
        #[arg(long, value_enum, default_value = "events")]
        format: TimelineFormat,
    },
}

/// What `label` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LabelFormat {
    /// JSON Lines
    Jsonl,
    /// A column a finding, empty where nothing was said
    Csv,
}

/// What `graph` writes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum GraphFormat {
    /// RadGraph JSON, each entity with its normalised sense
    Radgraph,
    /// Chest ImaGenome's anatomy-centred scene graph
    Scene,
}

/// What `facts` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FactFormat {
    /// One record a fact
    Facts,
    /// The same as CSV, a row a fact; errors of lines go to stderr
    Csv,
    /// Rows of Lunguage
    Lunguage,
    /// Entity words only, one text
    Sequence,
}

/// What `timeline` writes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum TimelineFormat {
    /// Facts with finding, episode and trend
    Events,
    /// Rows of Lunguage with group and episode
    Lunguage,
    /// Scene graphs with comparison relations
    Scene,
}

/// What `graph`, `facts` and `timeline` read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// Reports, JSON Lines or a table
    Reports,
    /// RadGraph JSON: one file of all reports, or .jsonl with one a line
    Radgraph,
    /// Rows of Lunguage: .jsonl or .json {"id","rows"}, or a row an entity in .jsonl, .csv or .tsv
    Lunguage,
    /// Scene graphs of Chest ImaGenome: .jsonl, a .json, or a folder of .json
    Scene,
}

impl Source {
    /// What the documents hold; `None` for reports.
    fn documents(self) -> Option<hilum_text::facts::stream::Source> {
        use hilum_text::facts::stream::Source as Documents;
        match self {
            Source::Reports => None,
            Source::Radgraph => Some(Documents::Radgraph),
            Source::Lunguage => Some(Documents::Lunguage),
            Source::Scene => Some(Documents::Scene),
        }
    }
}

/// Options that the verbs about facts share.
#[derive(Debug, clap::Args)]
pub struct FactArgs {
    /// JSON Lines {"id","findings","impression"} or {"id","text"}, or .csv/.tsv with such columns; `-` is stdin; with --from,
    /// what it names
    file: PathBuf,
    /// Sections to read
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "findings,impression"
    )]
    section: Vec<String>,
    /// Folder of a span model (config.json, tokenizer.json, spans.json, model.safetensors) that makes the
    /// graphs in place of the rules
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Size of the image that scene boxes are given for, by an atlas; without it or --masks scenes have no boxes
    #[arg(long, value_name = "WxH", value_parser = size)]
    image: Option<(f64, f64)>,
    /// Folder of lung masks ID.png, 0 and 255, that scene boxes are put in, each image's in its own
    #[arg(long, value_name = "FOLDER", conflicts_with = "image")]
    masks: Option<PathBuf>,
    /// Output is always JSON Lines; accepted so that scripts may say so
    #[arg(long)]
    json: bool,
}

impl FactArgs {
    fn options(&self, format: Format) -> Result<FactOptions> {
        let reader = match &self.model {
            Some(folder) => {
                let model = SpanModel::open(folder)
                    .with_context(|| format!("model {}", folder.display()))?;
                Some(Arc::new(model) as Arc<dyn GraphReader>)
            }
            None => None,
        };
        Ok(FactOptions {
            extract: ExtractOptions {
                sections: sections(&self.section)?,
            },
            format,
            frames: self.frames()?,
            reader,
        })
    }

    fn frames(&self) -> Result<Option<Arc<dyn Frames>>> {
        if let Some(folder) = &self.masks {
            return Ok(Some(Arc::new(LungMasks::open(folder)?)));
        }
        let atlas = self.image.map(|(w, h)| Frame::of_image(w, h));
        Ok(atlas.map(|frame| Arc::new(frame) as Arc<dyn Frames>))
    }
}

fn size(text: &str) -> Result<(f64, f64), String> {
    let side = |t: &str| t.parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
    let (w, h) = text.split_once('x').ok_or("not WIDTHxHEIGHT")?;
    side(w)
        .zip(side(h))
        .ok_or("not two positive numbers".to_owned())
}

fn sections(names: &[String]) -> Result<Vec<SectionKind>> {
    Ok(names
        .iter()
        .map(|s| SectionKind::from_name(s))
        .collect::<Result<_, _>>()?)
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    let out = || BufWriter::new(io::stdout().lock());
    let summary = match verb {
        Verb::Graph { args, from, format } => {
            let format = match format {
                GraphFormat::Radgraph => Format::Radgraph,
                GraphFormat::Scene => Format::Scene,
            };
            facts(args, *from, format, out())?
        }
        Verb::Facts {
            args,
            from,
            format: FactFormat::Csv,
        } => facts_table(args, *from, out())?,
        Verb::Facts { args, from, format } => {
            let format = match format {
                FactFormat::Facts | FactFormat::Csv => Format::Facts,
                FactFormat::Lunguage => Format::Lunguage,
                FactFormat::Sequence => Format::Sequence,
            };
            facts(args, *from, format, out())?
        }
        Verb::Timeline { args, from, format } => {
            let format = match format {
                TimelineFormat::Events => Format::Facts,
                TimelineFormat::Lunguage => Format::Lunguage,
                TimelineFormat::Scene => Format::Scene,
            };
            timeline(args, *from, format, out())?
        }
        Verb::Sections { file, .. } => sections_rows(&mut *rows(file)?, out())?,
        Verb::Label {
            file,
            section,
            chexpert,
            details,
            format,
            ..
        } => {
            let sections = sections(section)?;
            let space = if *chexpert {
                LabelSpace::Chexpert
            } else {
                LabelSpace::All
            };
            let options = LabelOptions {
                sections,
                space,
                ..LabelOptions::default()
            };
            let mut rows = rows(file)?;
            match format {
                LabelFormat::Jsonl => label_rows(&mut *rows, out(), &options, *details)?,
                LabelFormat::Csv => label_csv(&mut *rows, out(), io::stderr(), &options)?,
            }
        }
    };
    Ok(tell(&summary))
}

fn facts(args: &FactArgs, from: Source, format: Format, out: impl io::Write) -> Result<Summary> {
    let options = args.options(format)?;
    Ok(match from.documents() {
        None => facts_rows(&mut *rows(&args.file)?, out, &options)?,
        Some(source) => facts_documents(source, inputs(args, from)?, out, &options)?,
    })
}

fn facts_table(args: &FactArgs, from: Source, out: impl io::Write) -> Result<Summary> {
    let options = args.options(Format::Facts)?;
    Ok(match from.documents() {
        None => facts_csv(&mut *rows(&args.file)?, out, io::stderr(), &options)?,
        Some(source) => facts_documents_csv(source, inputs(args, from)?, out, io::stderr())?,
    })
}

fn timeline(args: &FactArgs, from: Source, format: Format, out: impl io::Write) -> Result<Summary> {
    if from == Source::Radgraph {
        bail!("RadGraph JSON names no patients, so there is no time line in it");
    }
    let options = args.options(format)?;
    Ok(match from.documents() {
        None => timeline_rows(&mut *rows(&args.file)?, out, &options)?,
        Some(source) => timeline_documents(source, inputs(args, from)?, out, &options)?,
    })
}

/// The documents of a file, or of the JSON files of a folder by name.
fn inputs(
    args: &FactArgs,
    from: Source,
) -> Result<impl Iterator<Item = Result<Input, TextError>> + use<>> {
    if args.model.is_some() {
        bail!("--model reads reports; with --from {from:?} others have read them");
    }
    let folder = args.file.is_dir();
    if folder && from != Source::Scene {
        bail!("{}: is a folder", args.file.display());
    }
    let files = if folder {
        json_files(&args.file)?
    } else {
        // What cannot be opened at all is no line's problem.
        drop(open_for_reading(&args.file)?);
        vec![args.file.clone()]
    };
    Ok(files.into_iter().map(move |path| {
        let reader: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::with_capacity(1 << 20, File::open(&path)?))
        };
        Ok(Input {
            reader,
            shape: shape(&path, from),
            name: folder.then(|| path.display().to_string()),
        })
    }))
}

fn open_for_reading(path: &Path) -> Result<Option<File>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Some(file))
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("json"))
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{}: no .json file in it", folder.display());
    }
    files.sort();
    Ok(files)
}

/// How a file holds documents, by the end of its name.
fn shape(path: &Path, from: Source) -> Shape {
    let end = path.extension().and_then(|e| e.to_str());
    match end.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Shape::Json,
        Some("csv") => Shape::Table(b','),
        Some("tsv") => Shape::Table(b'\t'),
        Some("jsonl" | "ndjson") => Shape::JsonLines,
        // RadGraph's own files are one object, whatever they are called.
        _ if from == Source::Radgraph => Shape::Json,
        _ => Shape::JsonLines,
    }
}

/// Rows of a file by the end of its name, or of JSON Lines on stdin for `-`.
fn rows(path: &Path) -> Result<Box<dyn Rows>> {
    let reader = progressing(path)?;
    let end = path.extension().and_then(|e| e.to_str());
    let delimiter = match end.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => b',',
        Some("tsv") => b'\t',
        _ => return Ok(Box::new(JsonLines::new(reader))),
    };
    let rows = CsvRows::open(reader, delimiter).with_context(|| path.display().to_string())?;
    Ok(Box::new(rows))
}

/// A file with a bar of how much of it has been read.
fn progressing(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return open(path);
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let bytes = file.metadata().map_or(0, |m| m.len() as usize);
    // Results on a terminal would break the bar up.
    let shown = !io::stdout().is_terminal();
    let bar = crate::progress::bar(bytes, "reading", shown);
    let reader = bar.wrap_read(file);
    Ok(Box::new(BufReader::with_capacity(1 << 20, reader)))
}

/// Opens a file, or stdin for `-`.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}

fn tell(summary: &Summary) -> Code {
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        counts
            .iter()
            .map(|(name, n)| format!(", {name} {n}"))
            .collect::<String>()
    };
    eprintln!(
        "hilum: {} lines: {} done, {} failed, {} blank{}{}",
        summary.lines,
        summary.done,
        summary.failed,
        summary.blank,
        list(&summary.problems),
        list(&summary.notes)
    );
    if !summary.all_ids_checked {
        eprintln!("hilum: too many ids to look for repeated ones in all of them");
    }
    if summary.failed > 0 {
        Code::Failed
    } else {
        Code::Success
    }
}
