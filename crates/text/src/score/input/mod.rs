//! Reading the two sides: JSON Lines, CSV and TSV, the JSON of pycocoevalcap and of RadEval's lists, the
//! CSV of the CheXpert labeler, and plain text with a report a line.

mod json;
mod labels;
mod lines;
mod sections;
mod table;

use super::chexpert::FileLabels;
use super::grounded::GroundedPhrase;
use crate::error::TextError;
use crate::report::SectionKind;
use crate::rows;
use crate::stream::{LineError, Problem};
use rayon::prelude::*;
use sections::finish;
use std::io::{BufRead, Chain, Read};
use std::path::Path;
use table::Columns;

pub use sections::MAX_TEXT;

/// Rows taken at once.
const BATCH: usize = 1024;
/// Columns and fields that name the patient, the first that is there.
const PATIENT_COLUMNS: [&str; 3] = ["patient", "patient_id", "subject_id"];

/// Which side a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideKind {
    /// What is right.
    Reference,
    /// What is scored.
    Hypothesis,
}

impl SideKind {
    /// `ref` or `hyp`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            SideKind::Reference => "ref",
            SideKind::Hypothesis => "hyp",
        }
    }

    /// Columns that hold the text when none is named, the first that is there.
    fn text_columns(self) -> [&'static str; 9] {
        match self {
            SideKind::Reference => [
                "text",
                "reference",
                "references",
                "ref",
                "ground_truth",
                "gt",
                "report",
                "reports",
                "caption",
            ],
            SideKind::Hypothesis => [
                "text",
                "hypothesis",
                "prediction",
                "generated",
                "candidate",
                "hyp",
                "report",
                "reports",
                "caption",
            ],
        }
    }
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object a line: `id` with `text`, `texts`, or fields named like sections; also `labels`.
    Jsonl,
    /// A header and rows; chexpert-labeler's output is one.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One value: pycocoevalcap's results, annotations or dictionaries, or lists of texts.
    Json,
    /// A report a line; the line number is the id.
    Lines,
}

impl Format {
    /// The format by the end of a file name; JSON Lines where it says nothing.
    pub fn of(path: &Path) -> Format {
        match path
            .extension()
            .and_then(|e| e.to_str())
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("csv") => Format::Csv,
            Some("tsv") => Format::Tsv,
            Some("json") => Format::Json,
            Some("txt" | "tok") => Format::Lines,
            _ => Format::Jsonl,
        }
    }
}

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// Column or field of the id, when it has another name.
    pub id_column: Option<String>,
    /// Column or field of the text, when it has another name.
    pub text_column: Option<String>,
    /// Sections to keep; empty: all of the text.
    pub sections: Vec<SectionKind>,
}

/// One row of a side.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Id.
    pub id: String,
    /// Line, or number of the entry in a JSON file, from 1.
    pub line: u64,
    /// Texts; several references are several texts.
    pub texts: Vec<String>,
    /// Labels that the file gives.
    pub labels: Option<FileLabels>,
    /// Phrases with boxes that the file gives; their texts are the text where it gives no other.
    pub phrases: Option<Vec<GroundedPhrase>>,
    /// Patient, where the file names one.
    pub patient: Option<String>,
}

type Batch = Vec<Result<Entry, LineError>>;

/// Reads a side batch by batch.
pub struct Reader {
    kind: SideKind,
    options: InputOptions,
    source: Source,
}

/// A file with what is put behind its end.
type Ended = Chain<Box<dyn BufRead + Send>, &'static [u8]>;

enum Source {
    Lines {
        reader: Box<dyn BufRead + Send>,
        number: u64,
        plain: bool,
    },
    Csv {
        reader: Box<csv::Reader<Ended>>,
        columns: Columns,
        row: u64,
    },
    Read(std::vec::IntoIter<Result<Entry, LineError>>),
}

impl Reader {
    /// Opens a side; `name` is for messages.
    ///
    /// # Errors
    /// Reading fails; a CSV file without the columns it needs; a JSON file of no known form.
    pub fn open(
        mut reader: Box<dyn BufRead + Send>,
        format: Format,
        name: &str,
        kind: SideKind,
        options: InputOptions,
    ) -> Result<Self, TextError> {
        let fail = |reason: String| TextError::Unscorable {
            reason: format!("{name}: {reason}"),
        };
        let source = match format {
            Format::Jsonl => Source::Lines {
                reader,
                number: 0,
                plain: false,
            },
            Format::Lines => Source::Lines {
                reader,
                number: 0,
                plain: true,
            },
            Format::Csv | Format::Tsv => {
                let delimiter = if format == Format::Csv { b',' } else { b'\t' };
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .flexible(true)
                    .from_reader(rows::with_end(reader));
                let header = reader.byte_headers().map_err(|e| fail(e.to_string()))?;
                if rows::is_end(header) {
                    return Err(fail("the table is empty: it has no header".to_owned()));
                }
                let columns = Columns::find(header, kind, &options)
                    .map_err(|e| fail(format!("line 1: {e}")))?;
                Source::Csv {
                    reader: Box::new(reader),
                    columns,
                    row: 0,
                }
            }
            Format::Json => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                let text =
                    std::str::from_utf8(&bytes).map_err(|e| fail(format!("invalid UTF-8: {e}")))?;
                let value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
                    .map_err(|e| fail(e.to_string()))?;
                let entries = json::entries(value, kind).map_err(fail)?;
                let checked: Batch = entries
                    .into_iter()
                    .map(|e| e.and_then(|e| finish(e, &options)))
                    .collect();
                Source::Read(checked.into_iter())
            }
        };
        Ok(Reader {
            kind,
            options,
            source,
        })
    }

    /// Which side this is.
    pub fn kind(&self) -> SideKind {
        self.kind
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// Reading fails.
    pub fn next_batch(&mut self) -> Result<Batch, TextError> {
        let options = &self.options;
        match &mut self.source {
            Source::Read(entries) => Ok(entries.take(BATCH).collect()),
            Source::Csv {
                reader,
                columns,
                row,
            } => {
                let mut out = Vec::new();
                let mut record = csv::ByteRecord::new();
                while out.len() < BATCH {
                    let line = reader.position().line();
                    match reader.read_byte_record(&mut record) {
                        Ok(false) => break,
                        Ok(true) if rows::is_end(&record) => break,
                        Ok(true) => {
                            *row += 1;
                            let line = record.position().map_or(line, csv::Position::line);
                            let entry = match rows::unclosed(&record) {
                                None => columns.entry(&record, line, *row),
                                Some(message) => {
                                    Err(problem(line, None, Problem::InvalidCsv, message))
                                }
                            };
                            out.push(entry.and_then(|e| finish(e, options)));
                        }
                        Err(error) => match error.into_kind() {
                            csv::ErrorKind::Io(error) => return Err(error.into()),
                            other => out.push(Err(problem(
                                line,
                                None,
                                Problem::InvalidCsv,
                                format!("{other:?}"),
                            ))),
                        },
                    }
                }
                Ok(out)
            }
            Source::Lines {
                reader,
                number,
                plain,
            } => loop {
                let lines = rows::read_batch(reader, number)?;
                if lines.is_empty() {
                    return Ok(Vec::new());
                }
                let parse = |line| {
                    let entry = if *plain {
                        lines::plain(line).map(Some)
                    } else {
                        lines::object(line, options)
                    };
                    let entry = entry.transpose()?;
                    Some(entry.and_then(|e| finish(e, options)))
                };
                let batch: Batch = lines.par_iter().filter_map(parse).collect();
                if !batch.is_empty() {
                    return Ok(batch);
                }
            },
        }
    }
}

fn problem(line: u64, id: Option<String>, kind: Problem, message: String) -> LineError {
    LineError {
        line,
        id,
        kind,
        message,
    }
}

#[cfg(test)]
mod tests;
