//! Documents of facts that other programs made, or this one before: RadGraph files, rows of Lunguage, scene
//! graphs. Each becomes a graph, and from there whatever [`Format`](super::Format) writes.

mod lunguage;
mod radgraph;
mod read;

use super::timeline::{Study, Timelines};
use super::{COLUMNS, FactOptions, record, written};
use crate::error::TextError;
use crate::facts::Graph;
use crate::stream::{self, LineError, Problem, SeenIds, Summary};
use serde_json::Value;
use std::io::{BufRead, Write};

/// What documents hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// RadGraph JSON.
    Radgraph,
    /// Rows of Lunguage.
    Lunguage,
    /// Scene graphs of Chest ImaGenome.
    Scene,
}

/// How a file holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON value: a RadGraph file, a scene graph, or a list.
    Json,
    /// One object a line.
    JsonLines,
    /// A table with a header, cells apart by this byte.
    Table(u8),
}

/// A file to read.
pub struct Input {
    /// Its bytes.
    pub reader: Box<dyn BufRead>,
    /// How it holds documents.
    pub shape: Shape,
    /// Its name, for messages where there are several.
    pub name: Option<String>,
}

/// One report, as other programs say what is in it.
struct Document {
    line: u64,
    id: Value,
    patient: Option<String>,
    order: Option<u64>,
    graph: Graph,
    notes: Vec<&'static str>,
}

type Answer = Result<Document, LineError>;
type Work<'a> = &'a mut dyn FnMut(Answer) -> Result<(), TextError>;

/// One output line for every document, `{"id", ...}` in the format asked for.
///
/// A document that does not hold together gives an error line and is counted; what a document says and a
/// fact has no room for is counted in the notes.
///
/// # Errors
/// A RadGraph file that is not JSON of that shape, a table without the columns, reading or writing.
pub fn facts_documents(
    source: Source,
    inputs: impl Iterator<Item = Result<Input, TextError>>,
    mut out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let summary = each(source, inputs, &mut |document, summary| {
        let framed = document.and_then(|d| {
            let name = text_of(&d.id);
            match options.frame(&name) {
                Ok(frame) => Ok((d, name, frame)),
                Err(error) => Err(problem(d.line, Some(name), &error)),
            }
        });
        match framed {
            Ok((document, name, frame)) => {
                count(summary, &document);
                let line = written(
                    &document.id,
                    &name,
                    &document.graph,
                    options.format,
                    frame.as_ref(),
                );
                Ok(writeln!(out, "{line}")?)
            }
            Err(error) => fail(&mut out, summary, &error),
        }
    })?;
    out.flush()?;
    Ok(summary)
}

/// As [`super::facts_csv`], of documents.
///
/// # Errors
/// As [`facts_documents`].
pub fn facts_documents_csv(
    source: Source,
    inputs: impl Iterator<Item = Result<Input, TextError>>,
    mut out: impl Write,
    mut errors: impl Write,
) -> Result<Summary, TextError> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    let summary = each(source, inputs, &mut |document, summary| match document {
        Ok(document) => {
            count(summary, &document);
            let name = text_of(&document.id);
            for fact in document.graph.facts() {
                writeln!(out, "{}", record(&name, &fact))?;
            }
            Ok(())
        }
        Err(error) => fail(&mut errors, summary, &error),
    })?;
    out.flush()?;
    Ok(summary)
}

/// As [`super::timeline_rows`], of documents that name their patient; those of a patient follow each other in
/// time order.
///
/// # Errors
/// As [`facts_documents`].
pub fn timeline_documents(
    source: Source,
    inputs: impl Iterator<Item = Result<Input, TextError>>,
    out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let mut lines = Timelines::new(out, options);
    let mut notes = Summary::default();
    let counted = each(
        source,
        inputs,
        &mut |document, _| match study(document, options) {
            Ok((study, document)) => {
                for note in document {
                    *notes.notes.entry(note).or_default() += 1;
                }
                lines.add(study)
            }
            Err(error) => lines.fail(&error),
        },
    )?;
    for _ in 0..counted.blank {
        lines.blank();
    }
    lines.summary.all_ids_checked = counted.all_ids_checked;
    let mut summary = lines.finish()?;
    for (note, n) in notes.notes {
        *summary.notes.entry(note).or_default() += n;
    }
    Ok(summary)
}

fn study(document: Answer, options: &FactOptions) -> Result<(Study, Vec<&'static str>), LineError> {
    let document = document?;
    let id = text_of(&document.id);
    let frame = options
        .frame(&id)
        .map_err(|e| problem(document.line, Some(id.clone()), &e))?;
    let Some(patient) = document.patient else {
        return Err(LineError {
            line: document.line,
            id: Some(id),
            kind: Problem::MissingPatient,
            message: "the document names no patient".to_owned(),
        });
    };
    let study = Study {
        line: document.line,
        id,
        patient,
        order: document.order,
        graph: document.graph,
        frame,
    };
    Ok((study, document.notes))
}

fn count(summary: &mut Summary, document: &Document) {
    summary.done += 1;
    for note in &document.notes {
        *summary.notes.entry(note).or_default() += 1;
    }
    if document.graph.entities.is_empty() {
        *summary.notes.entry("without_facts").or_default() += 1;
    }
}

fn fail(out: &mut dyn Write, summary: &mut Summary, error: &LineError) -> Result<(), TextError> {
    summary.failed += 1;
    *summary.problems.entry(error.kind.name()).or_default() += 1;
    Ok(writeln!(out, "{}", error.to_json())?)
}

fn text_of(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn problem(line: u64, id: Option<String>, error: &TextError) -> LineError {
    LineError {
        line,
        id,
        kind: stream::kind_of(error),
        message: error.to_string(),
    }
}

/// Calls `work` for every document of every input; ids that come again are errors.
fn each(
    source: Source,
    inputs: impl Iterator<Item = Result<Input, TextError>>,
    work: &mut dyn FnMut(Answer, &mut Summary) -> Result<(), TextError>,
) -> Result<Summary, TextError> {
    let mut summary = Summary::default();
    let mut seen = SeenIds::default();
    let mut blank = 0;
    for (n, input) in inputs.enumerate() {
        let input = input?;
        let name = input.name.clone();
        let mut checked = |read: Answer| {
            let read = read.and_then(|d| {
                let id = text_of(&d.id);
                if seen.first(&id) {
                    return Ok(d);
                }
                Err(LineError {
                    line: d.line,
                    id: Some(id),
                    kind: Problem::DuplicateId,
                    message: "the id was seen before; rows of a report must follow each other"
                        .to_owned(),
                })
            });
            // Of several files the number says which one, and the message its name.
            let read = match (&name, read) {
                (Some(name), Err(mut error)) => {
                    error.line = n as u64 + 1;
                    error.message = format!("{name}: {}", error.message);
                    Err(error)
                }
                (_, read) => read,
            };
            summary.lines += 1;
            work(read, &mut summary)
        };
        blank += read::input(source, input, &mut checked)?;
    }
    summary.lines += blank;
    summary.blank = blank;
    summary.all_ids_checked = !seen.full;
    Ok(summary)
}

#[cfg(test)]
mod tests;
