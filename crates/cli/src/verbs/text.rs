//! `hilum text`: sections, labels, facts and time lines of reports, JSON Lines in and out.

use crate::exit::Code;
use anyhow::{Context, Result};
use hilum_text::facts::extract::ExtractOptions;
use hilum_text::facts::stream::{FactOptions, Format, facts_jsonl, radgraph_file, timeline_jsonl};
use hilum_text::label::LabelSpace;
use hilum_text::stream::{Summary, label_jsonl, sections_jsonl};
use hilum_text::{LabelOptions, SectionKind};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Sections, labels and facts of reports.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Cut reports into sections
    Sections {
        /// JSON Lines {"id","text"} (or "xml"); `-` is stdin
        file: PathBuf,
        /// Output is always JSON Lines; accepted so that scripts may say so
        #[arg(long)]
        json: bool,
    },
    /// Label findings: 1 present, 0 absent, -1 uncertain, null not mentioned
    Label {
        /// JSON Lines {"id","findings","impression"} or {"id","text"}; `-` is stdin
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
        #[arg(long)]
        details: bool,
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
        /// What is written
        #[arg(long, value_enum, default_value = "events")]
        format: TimelineFormat,
    },
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
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum FactFormat {
    /// One record a fact
    Facts,
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

/// What `graph` and `facts` read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// Reports, JSON Lines
    Reports,
    /// One RadGraph JSON file
    Radgraph,
}

/// Options that the verbs about facts share.
#[derive(Debug, clap::Args)]
pub struct FactArgs {
    /// JSON Lines {"id","findings","impression"} or {"id","text"}; `-` is stdin
    file: PathBuf,
    /// Sections to read
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "findings,impression"
    )]
    section: Vec<String>,
    /// Size of the image that scene boxes are given for; without it scenes have no boxes
    #[arg(long, value_name = "WxH", value_parser = size)]
    image: Option<(f64, f64)>,
    /// Output is always JSON Lines; accepted so that scripts may say so
    #[arg(long)]
    json: bool,
}

impl FactArgs {
    fn options(&self, format: Format) -> Result<FactOptions> {
        Ok(FactOptions {
            extract: ExtractOptions {
                sections: sections(&self.section)?,
            },
            format,
            image: self.image,
        })
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
        Verb::Facts { args, from, format } => {
            let format = match format {
                FactFormat::Facts => Format::Facts,
                FactFormat::Lunguage => Format::Lunguage,
                FactFormat::Sequence => Format::Sequence,
            };
            facts(args, *from, format, out())?
        }
        Verb::Timeline { args, format } => {
            let format = match format {
                TimelineFormat::Events => Format::Facts,
                TimelineFormat::Lunguage => Format::Lunguage,
                TimelineFormat::Scene => Format::Scene,
            };
            timeline_jsonl(open(&args.file)?, out(), &args.options(format)?)?
        }
        Verb::Sections { file, .. } => sections_jsonl(open(file)?, out())?,
        Verb::Label {
            file,
            section,
            chexpert,
            details,
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
            label_jsonl(open(file)?, out(), &options, *details)?
        }
    };
    Ok(tell(&summary))
}

fn facts(args: &FactArgs, from: Source, format: Format, out: impl io::Write) -> Result<Summary> {
    let options = args.options(format)?;
    let file = open(&args.file)?;
    Ok(match from {
        Source::Reports => facts_jsonl(file, out, &options)?,
        Source::Radgraph => radgraph_file(file, out, &options)?,
    })
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
