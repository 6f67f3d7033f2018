//! Graphs, facts and time lines over JSON Lines of any length, with the batches, errors and counts
//! of [`crate::stream`]; and of documents of facts that other programs made ([`documents`]).

pub mod documents;
mod timeline;

use super::atlas::{Frame, Frames};
use super::extract::{ExtractOptions, Extractor};
use super::radgraph::Document;
use super::reader::GraphReader;
use super::{Fact, Graph, lunguage, scene};
use crate::error::TextError;
use crate::rows::{JsonLines, Rows};
use crate::stream::{self, LineError, Row, Sinks, Summary};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::sync::Arc;

pub use documents::{
    Input, Shape, Source, facts_documents, facts_documents_csv, timeline_documents,
};
pub use timeline::{MAX_STUDIES, timeline_jsonl, timeline_rows};

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

/// What to write.
#[derive(Debug, Clone)]
pub struct FactOptions {
    /// Which sections are read.
    pub extract: ExtractOptions,
    /// What is written.
    pub format: Format,
    /// Where the boxes of scenes are put; no boxes without.
    pub frames: Option<Arc<dyn Frames>>,
    /// What makes the graphs; the rules without.
    pub reader: Option<Arc<dyn GraphReader>>,
}

impl FactOptions {
    fn reader(&self) -> &dyn GraphReader {
        self.reader.as_deref().unwrap_or(Extractor::shared())
    }

    /// The frame of an image, where scenes are written and have one.
    fn frame(&self, id: &str) -> Result<Option<Frame>, TextError> {
        match &self.frames {
            Some(frames) if self.format == Format::Scene => frames.frame(id).map(Some),
            _ => Ok(None),
        }
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
    stream::run(rows, Sinks::one(&mut out), |row, line| {
        let (graph, mut notes) = graph_of(row, line, options)?;
        let frame = options
            .frame(&row.id)
            .map_err(|e| stream::text_problem(row, line, &e))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(format: Format) -> FactOptions {
        FactOptions {
            extract: ExtractOptions::default(),
            format,
            frames: Some(Arc::new(Frame::of_image(100.0, 100.0))),
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
}
