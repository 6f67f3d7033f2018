//! Reading the two sides: JSON Lines, CSV and TSV, the JSON of pycocoevalcap and of RadEval's lists, the
//! CSV of the CheXpert labeler, and plain text with a report a line.

use super::chexpert::FileLabels;
use super::grounded::{self, GroundedPhrase};
use crate::error::TextError;
use crate::label::LabelValue;
use crate::lexicon::CHEXPERT;
use crate::report::{ReportText, SectionKind};
use crate::rows::{self, ID_COLUMNS, Line};
use crate::stream::{self, LineError, Problem, Row};
use rayon::prelude::*;
use serde_json::Value;
use std::io::{BufRead, Read};
use std::path::Path;

/// Longest text that is scored, in bytes; longer ones are errors, as no report is that long and some
/// scores take the square of it.
pub const MAX_TEXT: usize = 256 << 10;

/// Rows taken at once.
const BATCH: usize = 1024;

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
}

type Batch = Vec<Result<Entry, LineError>>;

/// Reads a side batch by batch.
pub struct Reader {
    kind: SideKind,
    options: InputOptions,
    source: Source,
}

enum Source {
    Lines {
        reader: Box<dyn BufRead + Send>,
        number: u64,
        plain: bool,
    },
    Csv {
        reader: Box<csv::Reader<Box<dyn BufRead + Send>>>,
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
                    .from_reader(reader);
                let header = reader.byte_headers().map_err(|e| fail(e.to_string()))?;
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
                let entries = json_entries(value, kind).map_err(fail)?;
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
                        Ok(true) => {
                            *row += 1;
                            let line = record.position().map_or(line, csv::Position::line);
                            out.push(
                                columns
                                    .entry(&record, line, *row)
                                    .and_then(|e| finish(e, options)),
                            );
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
                let parse = |line: &Line| -> Option<Result<Entry, LineError>> {
                    let entry = if *plain {
                        Ok(Some(plain_entry(line)))
                    } else {
                        jsonl_entry(line, options)
                    };
                    match entry {
                        Ok(None) => None,
                        Ok(Some(entry)) => Some(entry.and_then(|e| finish(e, options))),
                        Err(error) => Some(Err(error)),
                    }
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

/// Cuts texts to the sections asked for and refuses what is too long.
fn finish(mut entry: Entry, options: &InputOptions) -> Result<Entry, LineError> {
    for text in &mut entry.texts {
        if !options.sections.is_empty() {
            *text = cut_sections(text, &options.sections).ok_or_else(|| {
                let wanted: Vec<&str> = options.sections.iter().map(|s| s.name()).collect();
                let message = format!("no text in the sections {}", wanted.join(", "));
                problem(
                    entry.line,
                    Some(entry.id.clone()),
                    Problem::NoSuchSection,
                    message,
                )
            })?;
        }
        if text.len() > MAX_TEXT {
            let message = format!(
                "a text of {} bytes; at most {MAX_TEXT} are scored",
                text.len()
            );
            return Err(problem(
                entry.line,
                Some(entry.id),
                Problem::TooLong,
                message,
            ));
        }
    }
    Ok(entry)
}

/// Text of the sections; a text without any heading stays whole.
fn cut_sections(text: &str, sections: &[SectionKind]) -> Option<String> {
    let report = ReportText::from_text(text);
    if report
        .sections
        .iter()
        .all(|s| s.kind == SectionKind::Unlabelled)
    {
        return Some(text.to_owned());
    }
    let joined = report.joined(sections);
    (!joined.trim().is_empty()).then_some(joined)
}

fn plain_entry(line: &Line) -> Result<Entry, LineError> {
    let fail = |kind, message: String| problem(line.number, None, kind, message);
    let bytes = line
        .bytes
        .as_ref()
        .map_err(|(kind, message)| fail(*kind, message.clone()))?;
    let text = std::str::from_utf8(bytes).map_err(|e| fail(Problem::InvalidUtf8, e.to_string()))?;
    Ok(Entry {
        id: line.number.to_string(),
        line: line.number,
        texts: vec![text.to_owned()],
        labels: None,
        phrases: None,
    })
}

fn jsonl_entry(
    line: &Line,
    options: &InputOptions,
) -> Result<Option<Result<Entry, LineError>>, LineError> {
    let id = options.id_column.as_deref().unwrap_or("id");
    let Some(row) = stream::parse_by(line, id)? else {
        return Ok(None);
    };
    let labels = labels_of(&row, line.number)?;
    let text_field = options.text_column.as_deref().unwrap_or("text");
    let phrases = grounded::phrases_of(&row, line.number)?;
    let texts = match (&phrases, row.fields.contains_key(text_field)) {
        (Some(phrases), false) => vec![grounded::joined(phrases)],
        _ => texts_of(&row, line.number, options, labels.is_some())?,
    };
    Ok(Some(Ok(Entry {
        id: row.id,
        line: line.number,
        texts,
        labels,
        phrases,
    })))
}

/// Texts of a row: the field asked for, `text`, every entry of `texts`, or the fields named like sections.
fn texts_of(
    row: &Row,
    line: u64,
    options: &InputOptions,
    labelled: bool,
) -> Result<Vec<String>, LineError> {
    let name = options.text_column.as_deref().unwrap_or("text");
    if let Some(text) = stream::field(row, name, line)? {
        return Ok(vec![text.to_owned()]);
    }
    let fail = |message: String| problem(line, Some(row.id.clone()), Problem::MissingText, message);
    if let Some(Value::Array(list)) = row.fields.get("texts") {
        let texts: Option<Vec<String>> =
            list.iter().map(|v| v.as_str().map(str::to_owned)).collect();
        return texts
            .filter(|t| !t.is_empty())
            .ok_or_else(|| fail("`texts` is no list of texts".to_owned()));
    }
    let mut parts = Vec::new();
    for kind in SectionKind::ALL {
        if let Some(text) = stream::field(row, kind.name(), line)?.filter(|t| !t.trim().is_empty())
        {
            parts.push((kind.name(), text));
        }
    }
    match join_parts(&parts, !options.sections.is_empty()) {
        Some(text) => Ok(vec![text]),
        None if labelled => Ok(vec![String::new()]),
        None => Err(fail(format!(
            "neither `{name}`, a list of `texts` nor a field named like a section"
        ))),
    }
}

/// Fields named like sections as one text, with headings where sections are cut out again.
fn join_parts(parts: &[(&str, &str)], headings: bool) -> Option<String> {
    if parts.is_empty() {
        return None;
    }
    let part = |(name, text): &(&str, &str)| {
        if headings {
            format!("{}:\n{text}", name.to_uppercase())
        } else {
            (*text).to_owned()
        }
    };
    Some(parts.iter().map(part).collect::<Vec<_>>().join("\n"))
}

/// CheXpert labels of an object `labels`, by code or by CheXpert's headings.
fn labels_of(row: &Row, line: u64) -> Result<Option<FileLabels>, LineError> {
    let Some(Value::Object(given)) = row.fields.get("labels") else {
        return Ok(None);
    };
    let mut out: FileLabels = [None; 14];
    let mut known = false;
    for (name, value) in given {
        let Some(at) = finding(name) else { continue };
        known = true;
        out[at] = match value {
            Value::Null => None,
            value => Some(value.as_f64().and_then(label).ok_or_else(|| {
                problem(
                    line,
                    Some(row.id.clone()),
                    Problem::InvalidLabel,
                    format!("`{name}` is {value}"),
                )
            })?),
        };
    }
    Ok(known.then_some(out))
}

/// Place of a finding by its code or CheXpert's heading (`Pleural Effusion`).
fn finding(name: &str) -> Option<usize> {
    let code = name.trim().to_lowercase().replace([' ', '-'], "_");
    CHEXPERT.iter().position(|c| *c == code)
}

fn label(value: f64) -> Option<LabelValue> {
    [
        (1.0, LabelValue::Present),
        (0.0, LabelValue::Absent),
        (-1.0, LabelValue::Uncertain),
    ]
    .into_iter()
    .find(|(v, _)| *v == value)
    .map(|(_, l)| l)
}

/// Where a CSV file holds what.
struct Columns {
    width: usize,
    id: Option<usize>,
    text: Option<usize>,
    /// Section columns with their names, where there is no text column.
    sections: Vec<(usize, &'static str)>,
    headings: bool,
    /// Label column of each finding, when all 14 are there.
    labels: Option<[usize; 14]>,
}

impl Columns {
    fn find(
        header: &csv::ByteRecord,
        kind: SideKind,
        options: &InputOptions,
    ) -> Result<Self, String> {
        let names: Vec<String> = header
            .iter()
            .map(|b| {
                String::from_utf8_lossy(b)
                    .trim_start_matches('\u{feff}')
                    .trim()
                    .to_owned()
            })
            .collect();
        let exact = |name: &str| names.iter().position(|n| n == name);
        let any = |wanted: &[&str]| {
            wanted
                .iter()
                .find_map(|w| names.iter().position(|n| n.eq_ignore_ascii_case(w)))
        };
        let named = |name: &Option<String>, what: &str| match name {
            Some(name) => exact(name).map(Some).ok_or_else(|| {
                format!("no {what} column `{name}`; there are {}", names.join(", "))
            }),
            None => Ok(None),
        };
        let id = named(&options.id_column, "id")?.or_else(|| any(&ID_COLUMNS));
        let text = named(&options.text_column, "text")?.or_else(|| any(&kind.text_columns()));
        let sections: Vec<(usize, &'static str)> = SectionKind::ALL
            .iter()
            .filter_map(|s| any(&[s.name()]).map(|at| (at, s.name())))
            .collect();
        let at: Vec<usize> = (0..14)
            .filter_map(|k| names.iter().position(|n| finding(n) == Some(k)))
            .collect();
        let labels = <[usize; 14]>::try_from(at).ok();
        if text.is_none() && sections.is_empty() && labels.is_none() {
            return Err(format!(
                "no column with text ({}, or one named like a section); there are: {}; name it with --text-column",
                kind.text_columns().join(", "),
                names.join(", ")
            ));
        }
        let headings = !options.sections.is_empty();
        Ok(Columns {
            width: names.len(),
            id,
            text,
            sections,
            headings,
            labels,
        })
    }

    fn entry(&self, record: &csv::ByteRecord, line: u64, row: u64) -> Result<Entry, LineError> {
        if record.len() != self.width {
            let message = format!(
                "{} fields where the header has {}",
                record.len(),
                self.width
            );
            return Err(problem(line, None, Problem::InvalidCsv, message));
        }
        let field = |at: usize| {
            std::str::from_utf8(&record[at])
                .map_err(|e| problem(line, None, Problem::InvalidUtf8, e.to_string()))
        };
        let id = match self.id {
            Some(at) => field(at)?.trim().to_owned(),
            None => row.to_string(),
        };
        if id.is_empty() {
            return Err(problem(
                line,
                None,
                Problem::MissingId,
                "the id is empty".to_owned(),
            ));
        }
        let text = match self.text {
            Some(at) => field(at)?.to_owned(),
            None => {
                let mut parts = Vec::new();
                for (at, name) in &self.sections {
                    parts.push((*name, field(*at)?));
                }
                parts.retain(|(_, text)| !text.trim().is_empty());
                join_parts(&parts, self.headings).unwrap_or_default()
            }
        };
        let mut labels = None;
        if let Some(columns) = &self.labels {
            let mut given: FileLabels = [None; 14];
            for (slot, at) in given.iter_mut().zip(columns) {
                let cell = field(*at)?.trim();
                if cell.is_empty() {
                    continue;
                }
                *slot = Some(cell.parse().ok().and_then(label).ok_or_else(|| {
                    problem(
                        line,
                        Some(id.clone()),
                        Problem::InvalidLabel,
                        format!("`{cell}` is no label"),
                    )
                })?);
            }
            labels = Some(given);
        }
        Ok(Entry {
            id,
            line,
            texts: vec![text],
            labels,
            phrases: None,
        })
    }
}

/// Entries of a JSON value: a list or `annotations` of `{image_id, caption}`, a dictionary of id to texts,
/// a list of texts, or lists of texts under `refs` and `hyps`.
fn json_entries(value: Value, kind: SideKind) -> Result<Batch, String> {
    const FORMS: &str = "expected a list of {id or image_id, caption or text}, {\"annotations\": [...]}, \
                         {id: [texts]}, a list of texts, or {\"refs\": [...], \"hyps\": [...]}";
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut object) => {
            let lists = match kind {
                SideKind::Reference => ["annotations", "refs", "references"],
                SideKind::Hypothesis => ["annotations", "hyps", "hypotheses"],
            };
            let held = lists
                .into_iter()
                .find(|key| object.get(*key).is_some_and(Value::is_array));
            match held.and_then(|key| object.remove(key)) {
                Some(Value::Array(list)) => list,
                _ => return dictionary(object, FORMS),
            }
        }
        _ => return Err(FORMS.to_owned()),
    };
    Ok(of_list(list, kind))
}

fn of_list(list: Vec<Value>, kind: SideKind) -> Batch {
    let mut out: Vec<Result<Entry, LineError>> = Vec::with_capacity(list.len());
    let mut places = std::collections::HashMap::new();
    for (at, value) in list.into_iter().enumerate() {
        let line = at as u64 + 1;
        let (id, texts) = match &value {
            Value::Object(o) => {
                // In annotations `id` numbers the caption.
                let keys = [
                    "image_id",
                    "id",
                    "study_id",
                    "report_id",
                    "uid",
                    "sample_id",
                ];
                let id = keys.iter().find_map(|key| o.get(*key)).and_then(id_text);
                let text = ["caption", "text", "report"]
                    .iter()
                    .find_map(|key| o.get(*key));
                (id, text.and_then(texts))
            }
            other => (Some(line.to_string()), texts(other)),
        };
        let Some(id) = id else {
            out.push(Err(problem(
                line,
                None,
                Problem::MissingId,
                "the entry has no id".to_owned(),
            )));
            continue;
        };
        let Some(texts) = texts else {
            out.push(Err(problem(
                line,
                Some(id),
                Problem::MissingText,
                "the entry has no text".to_owned(),
            )));
            continue;
        };
        // Several captions of one image are its references.
        if kind == SideKind::Reference
            && let Some(&before) = places.get(&id)
            && let Some(Ok(entry)) = out.get_mut::<usize>(before)
        {
            let entry: &mut Entry = entry;
            entry.texts.extend(texts);
            continue;
        }
        places.insert(id.clone(), out.len());
        out.push(Ok(Entry {
            id,
            line,
            texts,
            labels: None,
            phrases: None,
        }));
    }
    out
}

fn dictionary(object: serde_json::Map<String, Value>, forms: &str) -> Result<Batch, String> {
    let mut out = Vec::with_capacity(object.len());
    for (at, (id, value)) in object.into_iter().enumerate() {
        let texts = texts(&value).ok_or_else(|| format!("`{id}` holds no texts; {forms}"))?;
        out.push(Ok(Entry {
            id,
            line: at as u64 + 1,
            texts,
            labels: None,
            phrases: None,
        }));
    }
    Ok(out)
}

fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// A text, a list of texts, or a list of `{caption}`.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() => list
            .iter()
            .map(|v| {
                v.as_str()
                    .or_else(|| v.get("caption").and_then(Value::as_str))
                    .map(str::to_owned)
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], format: Format, kind: SideKind) -> Result<Batch, TextError> {
        let source = Box::new(std::io::Cursor::new(text.to_vec()));
        let mut reader = Reader::open(source, format, "file", kind, InputOptions::default())?;
        let mut all = Vec::new();
        loop {
            let batch = reader.next_batch()?;
            if batch.is_empty() {
                return Ok(all);
            }
            all.extend(batch);
        }
    }

    fn plain(batch: &Batch) -> Vec<(String, Vec<String>)> {
        batch
            .iter()
            .map(|e| e.as_ref().unwrap())
            .map(|e| (e.id.clone(), e.texts.clone()))
            .collect()
    }

    #[test]
    fn files_of_pycocoevalcap() {
        let one = |id: &str, texts: &[&str]| {
            (
                id.to_owned(),
                texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>(),
            )
        };
        let annotations = br#"{"images":[{"id":1}],"annotations":[{"image_id":1,"id":0,"caption":"a"},{"image_id":1,"id":1,"caption":"b"}]}"#;
        let found = read(annotations, Format::Json, SideKind::Reference).unwrap();
        // The image is what is scored, not the annotation's own number.
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(plain(&found), [one("1", &["a", "b"])]);
        let results = br#"[{"image_id":1,"caption":"a"}]"#;
        assert_eq!(
            plain(&read(results, Format::Json, SideKind::Hypothesis).unwrap()),
            [one("1", &["a"])]
        );
        let gts = br#"{"x":[{"caption":"a"},{"caption":"b"}],"y":["c"]}"#;
        let found = read(gts, Format::Json, SideKind::Reference).unwrap();
        assert_eq!(plain(&found), [one("x", &["a", "b"]), one("y", &["c"])]);
        let lists = br#"{"refs":["a","b"],"hyps":["c","d"]}"#;
        assert_eq!(
            plain(&read(lists, Format::Json, SideKind::Hypothesis).unwrap())[1],
            one("2", &["d"])
        );
        assert!(read(b"3", Format::Json, SideKind::Reference).is_err());
    }

    #[test]
    fn labels_of_the_chexpert_labeler() {
        let text = "Reports,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Lung Opacity,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices\n\"Big heart,\nno edema\",,,1.0,,,0.0,,-1.0,,,,,,\nx,,,7,,,,,,,,,,,\nx,1\n";
        let found = read(text.as_bytes(), Format::Csv, SideKind::Reference).unwrap();
        let first = found[0].as_ref().unwrap();
        assert_eq!((first.id.as_str(), first.line), ("1", 2));
        let labels = first.labels.unwrap();
        assert_eq!(labels[2], Some(LabelValue::Present));
        assert_eq!(labels[5], Some(LabelValue::Absent));
        assert_eq!(labels[7], Some(LabelValue::Uncertain));
        let wrong: Vec<_> = found[1..]
            .iter()
            .map(|e| e.as_ref().unwrap_err())
            .map(|e| (e.line, e.kind))
            .collect();
        assert_eq!(
            wrong,
            [(4, Problem::InvalidLabel), (5, Problem::InvalidCsv)]
        );
    }

    #[test]
    fn csv_columns_are_found_or_asked_for() {
        let rows = b"study_id,reference,prediction\n7,clear,opacity\n8,\xff,x\n,x,y\n";
        let found = read(rows, Format::Csv, SideKind::Reference).unwrap();
        assert_eq!(found[0].as_ref().unwrap().texts, ["clear"]);
        assert_eq!(found[1].as_ref().unwrap_err().kind, Problem::InvalidUtf8);
        assert_eq!(found[2].as_ref().unwrap_err().kind, Problem::MissingId);
        let found = read(
            b"study_id,reference,prediction\n7,clear,opacity\n",
            Format::Csv,
            SideKind::Hypothesis,
        )
        .unwrap();
        assert_eq!(found[0].as_ref().unwrap().texts, ["opacity"]);
        let missing = read(b"id,words\n1,x\n", Format::Csv, SideKind::Reference).unwrap_err();
        assert!(
            missing.to_string().contains("words") && missing.to_string().contains("line 1"),
            "{missing}"
        );
    }

    #[test]
    fn json_lines_with_sections_labels_and_long_texts() {
        let long = format!("{{\"id\":3,\"text\":\"{}\"}}", "x".repeat(MAX_TEXT + 1));
        let lines = format!(
            "{{\"id\":1,\"findings\":\"Clear.\",\"impression\":\"Normal.\"}}\n\n{{\"id\":2,\"labels\":{{\"edema\":1}}}}\n{long}\n{{\"id\":4}}\n"
        );
        let found = read(lines.as_bytes(), Format::Jsonl, SideKind::Reference).unwrap();
        assert_eq!(found[0].as_ref().unwrap().texts, ["Clear.\nNormal."]);
        assert_eq!(
            found[1].as_ref().unwrap().labels.unwrap()[5],
            Some(LabelValue::Present)
        );
        let kinds: Vec<_> = found[2..]
            .iter()
            .map(|e| e.as_ref().unwrap_err())
            .map(|e| (e.line, e.kind))
            .collect();
        assert_eq!(kinds, [(4, Problem::TooLong), (5, Problem::MissingText)]);
    }

    #[test]
    fn only_the_sections_asked_for() {
        let text = "FINDINGS: Clear lungs.\nIMPRESSION: Normal.";
        assert_eq!(
            cut_sections(text, &[SectionKind::Impression]).as_deref(),
            Some("Normal.")
        );
        assert_eq!(
            cut_sections("No heading", &[SectionKind::Impression]).as_deref(),
            Some("No heading")
        );
        assert_eq!(cut_sections(text, &[SectionKind::Comparison]), None);
    }
}
