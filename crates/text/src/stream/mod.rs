//! Labels and sections over JSON Lines of any length: batches in order, all cores, flat memory.
//!
//! Every input line that is not blank gives exactly one output line: its result, or
//! `{"id","line","error":{"kind","message"}}`. The [`Summary`] counts both, by kind.

use crate::error::TextError;
use crate::label::{LabelOptions, Labeler, Labels, Mention};
use crate::report::{ReportText, SectionKind};
use crate::rows::{JsonLines, Line, Rows};
use crate::sections;
use rayon::prelude::*;
use rustc_hash::{FxHashSet, FxHasher};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, Write};

pub use crate::rows::MAX_LINE;

/// Ids remembered for the duplicate check (as 64-bit hashes).
pub const MAX_IDS: usize = 1 << 20;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Longer than [`MAX_LINE`].
    TooLong,
    /// Not a JSON object.
    InvalidJson,
    /// `id` missing or neither text nor number.
    MissingId,
    /// None of the text fields is there, or one is not text.
    MissingText,
    /// The id was seen before.
    DuplicateId,
    /// No text in the report.
    EmptyReport,
    /// Text, but not in the sections asked for.
    NoSuchSection,
    /// XML that cannot be read.
    InvalidXml,
    /// A row of a CSV file that does not fit its header.
    InvalidCsv,
    /// A label that is none of 1, 0, -1 and nothing.
    InvalidLabel,
    /// Has no counterpart on the other side.
    Unmatched,
    /// Hardly a word of it is English, which is all that the rules know.
    NotEnglish,
    /// A graph that does not hold together.
    InvalidDocument,
    /// A status, location or the like that a document of facts cannot have.
    UnknownValue,
    /// A relation to a row or object that is not there.
    DanglingRelation,
    /// No `patient`.
    MissingPatient,
    /// The patient's studies do not follow each other.
    ScatteredPatient,
    /// A model that reads reports refuses the text.
    ModelRefused,
    /// No mask of the image that boxes are asked for.
    MissingMask,
    /// A mask that does not show both lungs.
    UnusableMask,
}

impl Problem {
    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Problem::InvalidUtf8 => "invalid_utf8",
            Problem::TooLong => "too_long",
            Problem::InvalidJson => "invalid_json",
            Problem::MissingId => "missing_id",
            Problem::MissingText => "missing_text",
            Problem::DuplicateId => "duplicate_id",
            Problem::EmptyReport => "empty_report",
            Problem::NoSuchSection => "no_such_section",
            Problem::InvalidXml => "invalid_xml",
            Problem::InvalidCsv => "invalid_csv",
            Problem::InvalidLabel => "invalid_label",
            Problem::Unmatched => "unmatched",
            Problem::NotEnglish => "not_english",
            Problem::InvalidDocument => "invalid_document",
            Problem::UnknownValue => "unknown_value",
            Problem::DanglingRelation => "dangling_relation",
            Problem::MissingPatient => "missing_patient",
            Problem::ScatteredPatient => "scattered_patient",
            Problem::ModelRefused => "model_refused",
            Problem::MissingMask => "missing_mask",
            Problem::UnusableMask => "unusable_mask",
        }
    }
}

/// A line that gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// Line number from 1.
    pub line: u64,
    /// Its id, if it could be read.
    pub id: Option<String>,
    /// What kind of problem.
    pub kind: Problem,
    /// The reason in words.
    pub message: String,
}

impl LineError {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "id": self.id, "line": self.line, "error": { "kind": self.kind.name(), "message": self.message } })
    }
}

/// What happened to the lines. `done + failed + blank == lines`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// Lines with a result.
    pub done: u64,
    /// Lines with an error.
    pub failed: u64,
    /// Blank lines.
    pub blank: u64,
    /// Errors by kind.
    pub problems: BTreeMap<&'static str, u64>,
    /// Things worth counting that are no errors, e.g. reports without an impression.
    pub notes: BTreeMap<&'static str, u64>,
    /// Whether every id was checked for duplicates; false after [`MAX_IDS`] ids.
    pub all_ids_checked: bool,
}

/// A parsed row.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) fields: serde_json::Map<String, Value>,
}

/// The row of a line, `None` for a blank one.
pub(crate) fn parse(line: &Line) -> Result<Option<Row>, LineError> {
    parse_by(line, "id")
}

/// [`parse`], with the id in another field.
pub(crate) fn parse_by(line: &Line, id_field: &str) -> Result<Option<Row>, LineError> {
    let Some(fields) = object(line)? else {
        return Ok(None);
    };
    let fail = |message: String| LineError {
        line: line.number,
        id: None,
        kind: Problem::MissingId,
        message,
    };
    let id = match fields.get(id_field) {
        Some(Value::String(id)) if !id.trim().is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(Value::String(_)) => return Err(fail(format!("`{id_field}` is empty"))),
        _ => {
            let message = format!("`{id_field}` is missing or neither text nor number");
            return Err(fail(message));
        }
    };
    Ok(Some(Row { id, fields }))
}

/// The object of a line, `None` for a blank one.
pub(crate) fn object(line: &Line) -> Result<Option<serde_json::Map<String, Value>>, LineError> {
    let fail = |kind, message: String| LineError {
        line: line.number,
        id: None,
        kind,
        message,
    };
    let bytes = line
        .bytes
        .as_ref()
        .map_err(|(kind, message)| fail(*kind, message.clone()))?;
    let text = std::str::from_utf8(bytes).map_err(|e| fail(Problem::InvalidUtf8, e.to_string()))?;
    // A byte order mark is no part of the first line.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value: Value =
        serde_json::from_str(text).map_err(|e| fail(Problem::InvalidJson, e.to_string()))?;
    match value {
        Value::Object(fields) => Ok(Some(fields)),
        _ => Err(fail(Problem::InvalidJson, "not an object".to_owned())),
    }
}

/// Text of a field: `None` when missing or null, an error when it is something else.
pub(crate) fn field<'a>(row: &'a Row, name: &str, line: u64) -> Result<Option<&'a str>, LineError> {
    match row.fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(LineError {
            line,
            id: Some(row.id.clone()),
            kind: Problem::MissingText,
            message: format!("`{name}` is not text"),
        }),
    }
}

/// Report of a row: `xml` (Open-I), `text` (cut by its headings), or fields named like sections.
pub(crate) fn report(row: &Row, line: u64) -> Result<ReportText, LineError> {
    let fail = |kind, message: String| LineError {
        line,
        id: Some(row.id.clone()),
        kind,
        message,
    };
    if let Some(xml) = field(row, "xml", line)? {
        return sections::openi::parse(xml)
            .map(|r| r.report)
            .map_err(|e| fail(Problem::InvalidXml, e.to_string()));
    }
    if let Some(text) = field(row, "text", line)? {
        return Ok(ReportText::from_text(text));
    }
    let mut report = ReportText::default();
    let mut known = false;
    for kind in SectionKind::ALL {
        known |= row.fields.contains_key(kind.name());
        if let Some(text) = field(row, kind.name(), line)? {
            report.push(kind, text);
        }
    }
    if !known {
        let message =
            "no `text`, `xml`, `findings`, `impression` or other section field".to_owned();
        return Err(fail(Problem::MissingText, message));
    }
    Ok(report)
}

/// Words of English reports that reports in German, Dutch, French, Spanish, Portuguese or Italian hardly
/// have ("no", "normal" and most names of findings they have).
const ENGLISH: [&str; 73] = [
    "the",
    "of",
    "and",
    "are",
    "there",
    "with",
    "without",
    "to",
    "at",
    "for",
    "from",
    "this",
    "that",
    "has",
    "have",
    "were",
    "be",
    "been",
    "not",
    "or",
    "by",
    "which",
    "within",
    "seen",
    "noted",
    "evidence",
    "than",
    "but",
    "chest",
    "heart",
    "lung",
    "lungs",
    "size",
    "clear",
    "left",
    "right",
    "small",
    "large",
    "mild",
    "stable",
    "unchanged",
    "findings",
    "limits",
    "acute",
    "upper",
    "lower",
    "lobe",
    "opacity",
    "effusion",
    "effusions",
    "edema",
    "disease",
    "change",
    "visible",
    "consistent",
    "soft",
    "tissue",
    "over",
    "both",
    "neither",
    "nor",
    "likely",
    "worse",
    "slightly",
    "opacities",
    "lobes",
    "enlarged",
    "moderately",
    "measuring",
    "reflecting",
    "displaced",
    "favored",
    "haziness",
];
/// Fewer words than this say nothing about their language.
const FEW_WORDS: usize = 8;
/// Words looked at.
const MANY_WORDS: usize = 60;
/// Known words after which no more are looked at: those that [`MANY_WORDS`] would have to hold.
const ENOUGH: usize = 6;
/// Share of known words below which a text is not taken for English; the lowest of the 2,819 train
/// and val reports of the Indiana University set with eight words or more has 0.118.
const KNOWN: f64 = 0.1;

/// Known words and words looked at, of texts that hold hardly an English word.
pub(crate) fn hardly_english<'a>(texts: impl Iterator<Item = &'a str>) -> Option<(usize, usize)> {
    let (mut known, mut all) = (0usize, 0usize);
    let mut lower = String::new();
    for word in texts.flat_map(|t| t.split(|c: char| !c.is_alphabetic() && c != '\'')) {
        // Removed names say nothing.
        if word.is_empty() || is_removed(word) {
            continue;
        }
        all += 1;
        lower.clear();
        lower.push_str(word);
        lower.make_ascii_lowercase();
        known += usize::from(ENGLISH.contains(&lower.as_str()));
        if known >= ENOUGH {
            return None;
        }
        if all == MANY_WORDS {
            break;
        }
    }
    (all >= FEW_WORDS && (known as f64) < KNOWN * all as f64).then_some((known, all))
}

/// An error when the sections hold hardly an English word: rules for English would read silence
/// from them.
fn english(report: &ReportText, row: &Row, line: u64) -> Result<(), LineError> {
    let texts = report.sections.iter().map(|s| s.text.as_str());
    let Some((known, all)) = hardly_english(texts) else {
        return Ok(());
    };
    Err(LineError {
        line,
        id: Some(row.id.clone()),
        kind: Problem::NotEnglish,
        message: format!(
            "{known} of the first {all} words are known English ones; only English is read"
        ),
    })
}

/// `XXXX`, also where a tokenizer has made it small.
fn is_removed(word: &str) -> bool {
    word.bytes().all(|b| b.eq_ignore_ascii_case(&b'X')) && word != "x"
}

/// A report whose names or words were removed (`XXXX`, `___`).
fn has_removed_words(report: &ReportText) -> bool {
    let marks = |t: &str| t.contains("XXXX") || t.contains("___");
    report.sections.iter().any(|s| marks(&s.text))
}

/// An error when every word was removed: rules would read "nothing found" from what is not there.
fn anything_left(report: &ReportText, row: &Row, line: u64) -> Result<(), LineError> {
    let said = |word: &str| !word.is_empty() && (word.len() == 1 || !is_removed(word));
    let mut words = report
        .sections
        .iter()
        .flat_map(|s| s.text.split(|c: char| !c.is_alphanumeric()));
    if !has_removed_words(report) || words.any(said) {
        return Ok(());
    }
    Err(LineError {
        line,
        id: Some(row.id.clone()),
        kind: Problem::EmptyReport,
        message: "nothing but removed words (XXXX, ___)".to_owned(),
    })
}

/// The report of a row that is to be read by rules for English, and notes about it.
pub(crate) fn readable(row: &Row, line: u64) -> Result<(ReportText, Vec<&'static str>), LineError> {
    let report = report(row, line)?;
    anything_left(&report, row, line)?;
    english(&report, row, line)?;
    let notes = if has_removed_words(&report) {
        vec!["with_removed_words"]
    } else {
        Vec::new()
    };
    Ok((report, notes))
}

/// Labels of every row: `{"id","labels":{code: 1|0|-1|null}}`, with `details` also `mentions`.
///
/// Errors: only reading or writing; what is wrong with a line goes into the output and the summary.
pub fn label_jsonl(
    reader: impl BufRead,
    out: impl Write,
    options: &LabelOptions,
    details: bool,
) -> Result<Summary, TextError> {
    label_rows(&mut JsonLines::new(reader), out, options, details)
}

/// [`label_jsonl`] of rows from anywhere.
///
/// # Errors
/// As [`label_jsonl`].
pub fn label_rows(
    rows: &mut dyn Rows,
    mut out: impl Write,
    options: &LabelOptions,
    details: bool,
) -> Result<Summary, TextError> {
    run(rows, Sinks::one(&mut out), |row, line| {
        let (labels, notes) = labels_of(row, line, options)?;
        let answer = LabelLine {
            id: &row.fields["id"],
            labels: ByCode(&labels),
            mentions: details.then_some(labels.mentions.as_slice()),
        };
        Ok((to_line(&answer), notes))
    })
}

/// Labels as CSV, `id` and a column a code, empty where nothing was said; lines with errors go to `errors`.
///
/// # Errors
/// Reading or writing fails.
pub fn label_csv(
    rows: &mut dyn Rows,
    mut out: impl Write,
    mut errors: impl Write,
    options: &LabelOptions,
) -> Result<Summary, TextError> {
    let codes = Labeler::shared().codes(options.space);
    writeln!(out, "id,{}", codes.join(","))?;
    let sinks = Sinks {
        out: &mut out,
        errors: Some(&mut errors),
    };
    run(rows, sinks, |row, line| {
        let (labels, notes) = labels_of(row, line, options)?;
        let mut text = csv_cell(&row.id);
        for code in codes.iter() {
            text.push(',');
            if let Some(value) = labels.value(code) {
                text.push_str(&value.as_i8().to_string());
            }
        }
        Ok((text, notes))
    })
}

fn labels_of(row: &Row, line: u64, options: &LabelOptions) -> Result<Noted, LineError> {
    let (report, notes) = readable(row, line)?;
    let labels = Labeler::shared()
        .label(&report, options)
        .map_err(|e| text_problem(row, line, &e))?;
    Ok((labels, notes))
}

type Noted = (Labels, Vec<&'static str>);

/// A cell, quoted where it has to be.
pub(crate) fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// An output line of labels, written without building a tree of values first.
#[derive(Serialize)]
struct LabelLine<'a> {
    id: &'a Value,
    labels: ByCode<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<&'a [Mention]>,
}

struct ByCode<'a>(&'a Labels);

impl Serialize for ByCode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let codes = self.0.codes.iter();
        serializer.collect_map(codes.map(|code| (code, self.0.value(code))))
    }
}

/// One line of JSON.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        // Text, numbers and maps with text for keys always serialise.
        Err(e) => unreachable!("{e}"),
    }
}

/// Sections of every row: `{"id","sections":[{"kind","heading","text","start"}]}`.
///
/// The summary notes how many reports lack findings, lack an impression or have no heading at all.
/// Errors: as [`label_jsonl`].
pub fn sections_jsonl(reader: impl BufRead, out: impl Write) -> Result<Summary, TextError> {
    sections_rows(&mut JsonLines::new(reader), out)
}

/// [`sections_jsonl`] of rows from anywhere.
///
/// # Errors
/// As [`label_jsonl`].
pub fn sections_rows(rows: &mut dyn Rows, mut out: impl Write) -> Result<Summary, TextError> {
    run(rows, Sinks::one(&mut out), |row, line| {
        let report = report(row, line)?;
        if report.is_empty() {
            return Err(text_problem(row, line, &TextError::EmptyReport));
        }
        let lacks = |kind| report.of(kind).next().is_none();
        let mut notes = Vec::new();
        let checks = [
            ("without_findings", lacks(SectionKind::Findings)),
            ("without_impression", lacks(SectionKind::Impression)),
            (
                "without_any_heading",
                report
                    .sections
                    .iter()
                    .all(|s| s.kind == SectionKind::Unlabelled),
            ),
        ];
        notes.extend(checks.iter().filter(|(_, yes)| *yes).map(|(name, _)| *name));
        let answer = json!({ "id": row.fields["id"], "sections": report.sections });
        Ok((answer.to_string(), notes))
    })
}

pub(crate) fn text_problem(row: &Row, line: u64, error: &TextError) -> LineError {
    LineError {
        line,
        id: Some(row.id.clone()),
        kind: kind_of(error),
        message: error.to_string(),
    }
}

/// What kind of problem of a line an error is.
pub(crate) fn kind_of(error: &TextError) -> Problem {
    match error {
        TextError::EmptyReport => Problem::EmptyReport,
        TextError::Xml { .. } => Problem::InvalidXml,
        TextError::Model { .. } => Problem::ModelRefused,
        TextError::Document { .. } => Problem::InvalidDocument,
        TextError::UnknownValue { .. } => Problem::UnknownValue,
        TextError::DanglingRelation { .. } => Problem::DanglingRelation,
        TextError::NoMask { .. } => Problem::MissingMask,
        TextError::UnusableMask { .. } => Problem::UnusableMask,
        _ => Problem::NoSuchSection,
    }
}

/// Output line of an input line with its notes; `None` for a blank one.
type Written = Result<Option<(String, Vec<&'static str>)>, LineError>;
/// The output line of a row, and notes about it.
pub(crate) type Outcome = (String, Vec<&'static str>);

/// Where output goes.
pub(crate) struct Sinks<'a> {
    pub(crate) out: &'a mut dyn Write,
    /// Lines that say what is wrong with a row; among the others where there is none.
    pub(crate) errors: Option<&'a mut dyn Write>,
}

impl<'a> Sinks<'a> {
    /// Results and errors in one.
    pub(crate) fn one(out: &'a mut dyn Write) -> Self {
        Sinks { out, errors: None }
    }
}

/// Drives `work` over the rows; output keeps the order of the input whatever the number of threads.
pub(crate) fn run<F>(rows: &mut dyn Rows, mut sinks: Sinks, work: F) -> Result<Summary, TextError>
where
    F: Fn(&Row, u64) -> Result<Outcome, LineError> + Sync,
{
    let mut summary = Summary {
        all_ids_checked: true,
        ..Summary::default()
    };
    let mut seen = SeenIds::default();
    loop {
        let batch = rows.next_batch()?;
        if batch.is_empty() {
            break;
        }
        let rows: Vec<(u64, Result<Option<Row>, LineError>)> = batch
            .par_iter()
            .map(|line| (line.number, parse(line)))
            .collect();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(line, row)| (line, row.and_then(|r| seen.check(r, line))))
            .collect();
        let results: Vec<Written> = rows
            .into_par_iter()
            .map(|(line, row)| match row? {
                None => Ok(None),
                Some(row) => work(&row, line).map(Some),
            })
            .collect();
        for result in results {
            write_result(&mut sinks, result, &mut summary)?;
        }
    }
    summary.all_ids_checked = !seen.full;
    sinks.out.flush()?;
    Ok(summary)
}

fn write_result(
    sinks: &mut Sinks,
    result: Written,
    summary: &mut Summary,
) -> Result<(), TextError> {
    summary.lines += 1;
    match result {
        Ok(None) => summary.blank += 1,
        Ok(Some((text, notes))) => {
            summary.done += 1;
            for note in notes {
                *summary.notes.entry(note).or_default() += 1;
            }
            // A table may have no row for a report.
            if !text.is_empty() {
                writeln!(sinks.out, "{text}")?;
            }
        }
        Err(error) => {
            summary.failed += 1;
            *summary.problems.entry(error.kind.name()).or_default() += 1;
            match &mut sinks.errors {
                Some(errors) => writeln!(errors, "{}", error.to_json())?,
                None => writeln!(sinks.out, "{}", error.to_json())?,
            }
        }
    }
    Ok(())
}

/// Hashes of the ids seen so far, up to [`MAX_IDS`].
#[derive(Default)]
pub(crate) struct SeenIds {
    hashes: FxHashSet<u64>,
    pub(crate) full: bool,
}

impl SeenIds {
    /// Whether `id` comes for the first time; also true when there is no more room to know.
    pub(crate) fn first(&mut self, id: &str) -> bool {
        let mut hasher = FxHasher::default();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if self.hashes.len() >= MAX_IDS && !self.hashes.contains(&hash) {
            self.full = true;
            return true;
        }
        self.hashes.insert(hash)
    }

    pub(crate) fn check(&mut self, row: Option<Row>, line: u64) -> Result<Option<Row>, LineError> {
        let Some(row) = row else { return Ok(None) };
        if self.first(&row.id) {
            return Ok(Some(row));
        }
        let message = "the id was seen before".to_owned();
        Err(LineError {
            line,
            id: Some(row.id),
            kind: Problem::DuplicateId,
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(input: &[u8]) -> (Summary, Vec<Value>) {
        let mut out = Vec::new();
        let summary = label_jsonl(input, &mut out, &LabelOptions::default(), false).unwrap();
        let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        (
            summary,
            lines.map(|l| serde_json::from_slice(l).unwrap()).collect(),
        )
    }

    #[test]
    fn other_languages_are_refused_and_removed_words_are_noted() {
        let input = concat!(
            "{\"id\":1,\"text\":\"Kein Nachweis eines Pneumothorax oder Ergusses, Herzschatten normal konfiguriert und schlank.\"}\n",
            "{\"id\":2,\"text\":\"心臓の大きさは正常です。 胸水 なし 肺野 清 明 異常 所見 認め ません でした\"}\n",
            "{\"id\":3,\"text\":\"XXXX XXXX XXXX. Heart is normal. XXXX XXXX XXXX XXXX XXXX XXXX\"}\n",
            "{\"id\":4,\"text\":\"Thorax unauffällig.\"}\n",
            "{\"id\":5,\"text\":\"XXXX XXXX. ___\"}\n",
            "{\"id\":\" \",\"text\":\"Clear.\"}\n",
        );
        let (summary, lines) = label(input.as_bytes());
        assert_eq!((summary.done, summary.failed), (2, 4), "{lines:?}");
        assert_eq!(summary.problems["empty_report"], 1);
        assert_eq!(summary.problems["missing_id"], 1);
        assert_eq!(summary.problems["not_english"], 2);
        assert_eq!(summary.notes["with_removed_words"], 1);
        assert_eq!(lines[0]["line"], 1);
    }

    #[test]
    fn every_line_is_answered_and_counted() {
        let mut input = b"{\"id\":\"a\",\"findings\":\"Small effusion.\",\"impression\":\"\"}\n\n{\"id\":7,\"text\":\"Clear.\"}\n".to_vec();
        input.extend(b"\xff\xfe\n{\"id\":\"a\",\"text\":\"x\"}\n[1]\n{\"text\":\"x\"}\n{\"id\":\"b\"}\n{\"id\":\"c\",\"text\":\" \"}\n");
        input.extend(b"{\"id\":\"d\",\"indication\":\"Cough\"}\n{\"id\":\"e\",\"text\":3}\n{\"id\":\"f\",\"xml\":\"<a/>\"}");
        let (summary, lines) = label(&input);
        assert_eq!(
            (summary.lines, summary.done, summary.blank, summary.failed),
            (12, 2, 1, 9)
        );
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0]["labels"]["pleural_effusion"], 1);
        assert!(lines[0]["labels"]["fracture"].is_null());
        assert_eq!(lines[1]["id"], 7);
        let kinds: Vec<&str> = lines[2..]
            .iter()
            .map(|l| l["error"]["kind"].as_str().unwrap())
            .collect();
        let expected = [
            "invalid_utf8",
            "duplicate_id",
            "invalid_json",
            "missing_id",
            "missing_text",
            "empty_report",
            "no_such_section",
            "missing_text",
            "invalid_xml",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(lines[2]["line"], 4);
        assert_eq!(summary.problems.values().sum::<u64>(), 9);
    }

    #[test]
    fn order_is_kept_over_batches_and_long_reports_pass() {
        let mut input = Vec::new();
        for i in 0..3000 {
            input.extend(format!("{{\"id\":{i},\"text\":\"No effusion.\"}}\n").bytes());
        }
        input.extend(
            format!(
                "{{\"id\":\"long\",\"text\":\"{}\"}}\n",
                "No effusion. ".repeat(90_000)
            )
            .bytes(),
        );
        let (summary, lines) = label(&input);
        assert_eq!(summary.done, 3001);
        assert!(lines[..3000].iter().enumerate().all(|(i, l)| l["id"] == i));
        assert_eq!(lines[3000]["labels"]["pleural_effusion"], 0);
    }

    #[test]
    fn lines_beyond_the_limit_are_skipped_whole() {
        let mut input = vec![b'x'; MAX_LINE + 10];
        input.extend(b"\n{\"id\":1,\"text\":\"Clear.\"}\n");
        let (summary, lines) = label(&input);
        assert_eq!((summary.failed, summary.done), (1, 1));
        assert_eq!(lines[0]["error"]["kind"], "too_long");
    }

    #[test]
    fn missing_sections_are_noted() {
        let mut out = Vec::new();
        let input: &[u8] =
            b"{\"id\":1,\"text\":\"IMPRESSION: Clear.\"}\n{\"id\":2,\"text\":\"Clear.\"}\n";
        let summary = sections_jsonl(input, &mut out).unwrap();
        assert_eq!(summary.notes["without_findings"], 2);
        assert_eq!(summary.notes["without_any_heading"], 1);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("\"kind\":\"impression\"")
        );
    }
}
