//! `hilum text`: sections and labels of reports, JSON Lines in and out.

use crate::exit::Code;
use anyhow::{Context, Result};
use hilum_text::label::LabelSpace;
use hilum_text::stream::{Summary, label_jsonl, sections_jsonl};
use hilum_text::{LabelOptions, SectionKind};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Sections and labels of reports.
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
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    let summary = match verb {
        Verb::Sections { file, .. } => {
            sections_jsonl(open(file)?, BufWriter::new(io::stdout().lock()))
        }
        Verb::Label {
            file,
            section,
            chexpert,
            details,
            ..
        } => {
            let sections = section
                .iter()
                .map(|s| SectionKind::from_name(s))
                .collect::<Result<_, _>>()?;
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
            label_jsonl(
                open(file)?,
                BufWriter::new(io::stdout().lock()),
                &options,
                *details,
            )
        }
    };
    Ok(tell(&summary?))
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
