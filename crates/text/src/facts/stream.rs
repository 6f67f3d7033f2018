//! Graphs, facts and time lines over JSON Lines of any length, with the batches, errors and counts
//! of [`crate::stream`]; and RadGraph files, one document at a time.

use super::atlas::Frame;
use super::extract::{ExtractOptions, Extractor};
use super::radgraph::Document;
use super::reader::GraphReader;
use super::timeline::{Tracked, track};
use super::{Fact, Graph, lunguage, scene};
use crate::error::TextError;
use crate::rows::{JsonLines, Line, Rows};
use crate::stream::{self, LineError, Problem, Row, Sinks, Summary};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::{Value, json};
use std::fmt;
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

/// What is written for a report or a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RadGraph JSON, each entity with its sense.
    Radgraph,
    /// The scene graph of Chest ImaGenome.
    Scene,
    /// Facts as flat records.
    Facts,
    /// Rows of Lunguage.
    Lunguage,
    /// The factual sequence, one text.
    Sequence,
}

/// Studies of one patient that are read together at most.
pub const MAX_STUDIES: usize = 4096;

/// What to write.
#[derive(Debug, Clone)]
pub struct FactOptions {
    /// Which sections are read.
    pub extract: ExtractOptions,
    /// What is written.
    pub format: Format,
    /// Width and height of the image that scene boxes are put in; no boxes without.
    pub image: Option<(f64, f64)>,
    /// What makes the graphs; the rules without.
    pub reader: Option<Arc<dyn GraphReader>>,
}

impl FactOptions {
    fn reader(&self) -> &dyn GraphReader {
        self.reader.as_deref().unwrap_or(Extractor::shared())
    }

    fn frame(&self) -> Option<Frame> {
        self.image.map(|(w, h)| Frame::of_image(w, h))
    }
}

/// One output line for every report: `{"id", ...}` in the format asked for.
///
/// Errors: only reading or writing; what is wrong with a line goes into the output and the summary.
pub fn facts_jsonl(
    reader: impl BufRead,
    out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    facts_rows(&mut JsonLines::new(reader), out, options)
}

/// [`facts_jsonl`] of rows from anywhere.
///
/// # Errors
/// As [`facts_jsonl`].
pub fn facts_rows(
    rows: &mut dyn Rows,
    mut out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let frame = options.frame();
    stream::run(rows, Sinks::one(&mut out), |row, line| {
        let (graph, mut notes) = graph_of(row, line, options)?;
        if graph.entities.is_empty() {
            notes.push("without_facts");
        }
        Ok((
            written(
                &row.fields["id"],
                &row.id,
                &graph,
                options.format,
                frame.as_ref(),
            ),
            notes,
        ))
    })
}

/// Columns of [`facts_csv`].
const COLUMNS: [&str; 12] = [
    "id",
    "name",
    "text",
    "assertion",
    "history",
    "side",
    "places",
    "severity",
    "change",
    "mm",
    "section",
    "sentence",
];

/// Facts as CSV, a row a fact; several places or sizes stand in one cell, apart by `;`. Lines with errors go
/// to `errors`, and a report without facts has no row (the summary notes it).
///
/// # Errors
/// Reading or writing fails.
pub fn facts_csv(
    rows: &mut dyn Rows,
    mut out: impl Write,
    mut errors: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    let sinks = Sinks {
        out: &mut out,
        errors: Some(&mut errors),
    };
    stream::run(rows, sinks, |row, line| {
        let (graph, mut notes) = graph_of(row, line, options)?;
        let records: Vec<String> = graph.facts().iter().map(|f| record(&row.id, f)).collect();
        if records.is_empty() {
            notes.push("without_facts");
        }
        Ok((records.join("\n"), notes))
    })
}

/// A fact as a row of cells, in the names that its JSON has.
fn record(id: &str, fact: &Fact) -> String {
    let values = serde_json::to_value(fact).unwrap_or_default();
    let cells = COLUMNS[1..].iter().map(|name| cell(values.get(*name)));
    let cells: Vec<String> = std::iter::once(stream::csv_cell(id)).chain(cells).collect();
    cells.join(",")
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => stream::csv_cell(text),
        Some(Value::Array(list)) => {
            let parts: Vec<String> = list.iter().map(|v| cell(Some(v))).collect();
            parts.join(";")
        }
        Some(other) => other.to_string(),
    }
}

type Noted = (Graph, Vec<&'static str>);

fn graph_of(row: &Row, line: u64, options: &FactOptions) -> Result<Noted, LineError> {
    let (report, notes) = stream::readable(row, line)?;
    let graph = options
        .reader()
        .graph(&report, &options.extract)
        .map_err(|e| stream::text_problem(row, line, &e))?;
    Ok((graph, notes))
}

fn written(id: &Value, name: &str, graph: &Graph, format: Format, frame: Option<&Frame>) -> String {
    match format {
        Format::Radgraph => stream::to_line(&WithId {
            id,
            rest: Document::from_graph(graph),
        }),
        Format::Scene => stream::to_line(&WithId {
            id,
            rest: scene::scene(name, graph, frame),
        }),
        Format::Facts => stream::to_line(&FactsLine {
            id,
            facts: graph.facts(),
        }),
        Format::Lunguage => json!({ "id": id, "rows": lunguage::rows(graph) }).to_string(),
        Format::Sequence => json!({ "id": id, "text": super::entity_sequence(graph) }).to_string(),
    }
}

#[derive(Serialize)]
struct WithId<'a, T> {
    id: &'a Value,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct FactsLine<'a> {
    id: &'a Value,
    facts: Vec<Fact>,
}

/// Facts of a RadGraph file `{"id": {"text", "entities"}, ...}`: one line a document, in the format
/// asked for; the file is read one document at a time.
///
/// Errors: not JSON of that shape, or reading or writing fails. A document that does not hold
/// together gives an error line and is counted.
pub fn radgraph_file(
    reader: impl Read,
    mut out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let mut summary = Summary {
        all_ids_checked: false,
        ..Summary::default()
    };
    let frame = options.frame();
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut work = |id: String, document: Value| -> Result<(), TextError> {
        summary.lines += 1;
        let graph = serde_json::from_value::<Document>(document)
            .map_err(|e| e.to_string())
            .and_then(|d| d.to_graph().map_err(|e| e.to_string()));
        let value = match graph {
            Ok(graph) => {
                summary.done += 1;
                written(&json!(id), &id, &graph, options.format, frame.as_ref())
            }
            Err(message) => {
                summary.failed += 1;
                *summary
                    .problems
                    .entry(Problem::InvalidDocument.name())
                    .or_default() += 1;
                json!({ "id": id, "line": summary.lines, "error": { "kind": Problem::InvalidDocument.name(), "message": message } }).to_string()
            }
        };
        Ok(writeln!(out, "{value}")?)
    };
    let seed = EachEntry { work: &mut work };
    seed.deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|e| TextError::Document {
            format: "RadGraph JSON",
            reason: e.to_string(),
        })?;
    out.flush()?;
    Ok(summary)
}

/// Calls `work` for each entry of a JSON object.
struct EachEntry<'a, F> {
    work: &'a mut F,
}

impl<'de, F: FnMut(String, Value) -> Result<(), TextError>> DeserializeSeed<'de>
    for EachEntry<'_, F>
{
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, Value) -> Result<(), TextError>> Visitor<'de> for EachEntry<'_, F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of RadGraph documents by id")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, document)) = map.next_entry()? {
            (self.work)(id, document).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A patient's studies as they are read.
struct Patient {
    id: String,
    names: Vec<String>,
    graphs: Vec<Graph>,
}

/// One output line for every patient. Lines carry `patient` (or `patient_id`) beside `id`, and stand
/// in time order; the studies of a patient must follow each other, so that memory stays flat.
///
/// A report that cannot be read gives its error line and the patient goes on without it. A patient
/// that comes again after others, or has more than [`MAX_STUDIES`] studies, is an error line.
/// Errors: only reading or writing.
pub fn timeline_jsonl(
    reader: impl BufRead,
    out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    timeline_rows(&mut JsonLines::new(reader), out, options)
}

/// [`timeline_jsonl`] of rows from anywhere.
///
/// # Errors
/// As [`timeline_jsonl`].
pub fn timeline_rows(
    rows: &mut dyn Rows,
    mut out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let mut summary = Summary {
        all_ids_checked: true,
        ..Summary::default()
    };
    let mut open: Option<Patient> = None;
    let mut studies = stream::SeenIds::default();
    let mut patients = stream::SeenIds::default();
    loop {
        let batch = rows.next_batch()?;
        if batch.is_empty() {
            break;
        }
        let read: Vec<_> = batch
            .par_iter()
            .map(|line| (line.number, study(line, options)))
            .collect();
        for (line, result) in read {
            let result = result.and_then(|study| match study {
                Some((row, patient, graph)) => studies
                    .check(Some(row), line)
                    .map(|row| row.map(|row| (row, patient, graph))),
                None => Ok(None),
            });
            summary.lines += 1;
            match result {
                Ok(None) => summary.blank += 1,
                Err(error) => fail(&mut out, &mut summary, &error)?,
                Ok(Some((row, patient, graph))) => {
                    let same = open.as_ref().is_some_and(|p| p.id == patient);
                    if !same {
                        finish(&mut out, &mut summary, open.take(), options)?;
                    }
                    if let Err(error) = add(&mut open, &mut patients, row, patient, graph, line) {
                        fail(&mut out, &mut summary, &error)?;
                    } else {
                        summary.done += 1;
                    }
                }
            }
        }
    }
    finish(&mut out, &mut summary, open, options)?;
    summary.all_ids_checked = !(studies.full || patients.full);
    out.flush()?;
    Ok(summary)
}

type Study = Option<(Row, String, Graph)>;

fn study(line: &Line, options: &FactOptions) -> Result<Study, LineError> {
    let Some(row) = stream::parse(line)? else {
        return Ok(None);
    };
    let patient = ["patient", "patient_id"]
        .iter()
        .find_map(|k| match row.fields.get(*k) {
            Some(Value::String(p)) => Some(p.clone()),
            Some(Value::Number(p)) => Some(p.to_string()),
            _ => None,
        });
    let Some(patient) = patient else {
        return Err(LineError {
            line: line.number,
            id: Some(row.id),
            kind: Problem::MissingPatient,
            message: "`patient` is missing or neither text nor number".to_owned(),
        });
    };
    let (graph, _) = graph_of(&row, line.number, options)?;
    Ok(Some((row, patient, graph)))
}

fn add(
    open: &mut Option<Patient>,
    seen: &mut stream::SeenIds,
    row: Row,
    patient: String,
    graph: Graph,
    line: u64,
) -> Result<(), LineError> {
    let problem = |kind, message: String| LineError {
        line,
        id: Some(row.id.clone()),
        kind,
        message,
    };
    if open.is_none() {
        if !seen.first(&patient) {
            let message =
                format!("patient `{patient}` was closed before: sort the studies by patient");
            return Err(problem(Problem::ScatteredPatient, message));
        }
        *open = Some(Patient {
            id: patient,
            names: Vec::new(),
            graphs: Vec::new(),
        });
    }
    let Some(known) = open else { return Ok(()) };
    if known.names.len() >= MAX_STUDIES {
        let message = format!("more than {MAX_STUDIES} studies of one patient");
        return Err(problem(Problem::TooLong, message));
    }
    known.names.push(row.id.clone());
    known.graphs.push(graph);
    Ok(())
}

fn fail(out: &mut impl Write, summary: &mut Summary, error: &LineError) -> Result<(), TextError> {
    summary.failed += 1;
    *summary.problems.entry(error.kind.name()).or_default() += 1;
    Ok(writeln!(out, "{}", error.to_json())?)
}

fn finish(
    out: &mut impl Write,
    summary: &mut Summary,
    patient: Option<Patient>,
    options: &FactOptions,
) -> Result<(), TextError> {
    let Some(patient) = patient else {
        return Ok(());
    };
    *summary.notes.entry("patients").or_default() += 1;
    let facts: Vec<Vec<Fact>> = patient.graphs.iter().map(Graph::facts).collect();
    let tracked = track(&facts);
    let value = match options.format {
        Format::Scene => {
            let scenes = scene::patient_scenes(
                &patient.id,
                &patient.names,
                &tracked,
                options.frame().as_ref(),
            );
            json!({ "patient": patient.id, "scenes": scenes })
        }
        Format::Lunguage => {
            let rows = lunguage::timeline_rows(&patient.graphs, &patient.names, &tracked);
            json!({ "patient": patient.id, "rows": rows })
        }
        _ => {
            let events: Vec<&Tracked> = tracked.iter().collect();
            json!({ "patient": patient.id, "studies": patient.names, "events": events })
        }
    };
    Ok(writeln!(out, "{value}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(format: Format) -> FactOptions {
        FactOptions {
            extract: ExtractOptions::default(),
            format,
            image: Some((100.0, 100.0)),
            reader: None,
        }
    }

    fn lines(out: &[u8]) -> Vec<Value> {
        let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
    }

    #[test]
    fn every_format_answers_every_line() {
        let input = b"{\"id\":1,\"text\":\"Left effusion.\"}\n\xff\n{\"id\":2,\"text\":\" \"}\n{\"id\":3,\"text\":\"Seen by Dr. X.\"}\n";
        for (format, key) in [
            (Format::Radgraph, "entities"),
            (Format::Scene, "attributes"),
            (Format::Facts, "facts"),
            (Format::Lunguage, "rows"),
            (Format::Sequence, "text"),
        ] {
            let mut out = Vec::new();
            let summary = facts_jsonl(&input[..], &mut out, &options(format)).unwrap();
            assert_eq!((summary.lines, summary.done, summary.failed), (4, 2, 2));
            assert_eq!(summary.notes["without_facts"], 1);
            let lines = lines(&out);
            assert!(!lines[0][key].is_null(), "{key}");
            assert_eq!(lines[1]["error"]["kind"], "invalid_utf8");
            assert_eq!(lines[2]["error"]["kind"], "empty_report");
        }
    }

    #[test]
    fn what_graph_writes_as_radgraph_file_reads() {
        let mut out = Vec::new();
        let input = b"{\"id\":\"a\",\"text\":\"Small left effusion, unchanged.\"}\n";
        facts_jsonl(&input[..], &mut out, &options(Format::Radgraph)).unwrap();
        let file = json!({ "a": lines(&out)[0], "b": {"text": "x", "entities": {"1": {"tokens": "x", "label": "?", "start_ix": 0, "end_ix": 0, "relations": []}}} });
        let mut facts = Vec::new();
        let text = file.to_string();
        let summary = radgraph_file(text.as_bytes(), &mut facts, &options(Format::Facts)).unwrap();
        assert_eq!((summary.done, summary.failed), (1, 1));
        let facts = lines(&facts);
        assert_eq!(facts[0]["facts"][0]["name"], "pleural_effusion");
        assert_eq!(facts[0]["facts"][0]["change"], "same");
        assert_eq!(facts[1]["error"]["kind"], "invalid_document");
        assert!(radgraph_file(&b"[]"[..], Vec::new(), &options(Format::Facts)).is_err());
    }

    #[test]
    fn patients_are_told_apart_and_scattered_ones_are_refused() {
        let input = [
            r#"{"id":"a1","patient":"a","text":"Left effusion."}"#,
            r#"{"id":"a2","patient":"a","text":"Left effusion, increased."}"#,
            r#"{"id":"b1","patient":7,"text":"Cardiomegaly."}"#,
            r#"{"id":"a3","patient":"a","text":"No effusion."}"#,
            r#"{"id":"c1","text":"Clear."}"#,
            r#"{"id":"b1","patient":8,"text":"Cardiomegaly."}"#,
        ]
        .join("\n");
        let mut out = Vec::new();
        let summary = timeline_jsonl(input.as_bytes(), &mut out, &options(Format::Facts)).unwrap();
        assert_eq!(
            (summary.done, summary.failed, summary.notes["patients"]),
            (3, 3, 2)
        );
        assert_eq!(summary.problems["scattered_patient"], 1);
        assert_eq!(summary.problems["missing_patient"], 1);
        assert_eq!(summary.problems["duplicate_id"], 1);
        let lines = lines(&out);
        assert_eq!(lines[0]["studies"], json!(["a1", "a2"]));
        assert_eq!(lines[0]["events"][1]["trend"]["change"], "worse");
    }
}
