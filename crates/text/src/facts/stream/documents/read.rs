//! Files of documents, one object after the other.

use super::lunguage::{self, Gathered};
use super::{Answer, Document, Input, Shape, Source, Work, problem, radgraph};
use crate::error::TextError;
use crate::facts::{Graph, scene};
use crate::rows::{CsvRows, JsonLines, MAX_LINE, Rows};
use crate::stream::{self, LineError, Problem};
use serde_json::{Map, Value};
use std::io::Read;

/// Bytes of a file that is one JSON value, at most.
const MAX_FILE: u64 = 16 * MAX_LINE as u64;

/// Reads one input; gives the number of its blank lines.
pub(super) fn input(source: Source, input: Input, work: Work) -> Result<u64, TextError> {
    match (source, input.shape) {
        (Source::Radgraph, Shape::Json) => radgraph::file(input.reader, work).map(|()| 0),
        (_, Shape::Json) => whole_file(source, input.reader, work).map(|()| 0),
        (_, Shape::JsonLines) => lines(source, &mut JsonLines::new(input.reader), work),
        (Source::Lunguage, Shape::Table(delimiter)) => {
            let columns: [&[&str]; 2] = [&["ent", "entity"], &["study_id", "study", "id"]];
            let mut rows = CsvRows::with_columns(input.reader, delimiter, &columns)?;
            lines(source, &mut rows, work)
        }
        (_, Shape::Table(_)) => Err(TextError::Document {
            format: "CSV",
            reason: "only rows of Lunguage are read from tables".to_owned(),
        }),
    }
}

/// One object a line; rows of Lunguage that stand alone are put together by their study.
fn lines(source: Source, rows: &mut dyn Rows, work: Work) -> Result<u64, TextError> {
    let mut blank = 0;
    let mut report = Gathered::default();
    loop {
        let batch = rows.next_batch()?;
        if batch.is_empty() {
            break;
        }
        for line in &batch {
            match stream::object(line) {
                Ok(None) => blank += 1,
                Ok(Some(object)) => take(source, object, line.number, &mut report, work)?,
                Err(error) => {
                    report.spoil();
                    work(Err(error))?;
                }
            }
        }
    }
    report.close(work)?;
    Ok(blank)
}

/// A file that is one JSON value: a document, a list of them, or a patient's.
fn whole_file(source: Source, reader: impl Read, work: Work) -> Result<(), TextError> {
    let fail = |kind, message: String| LineError {
        line: 1,
        id: None,
        kind,
        message,
    };
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("longer than {MAX_FILE} bytes");
        return work(Err(fail(Problem::TooLong, message)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(e) => return work(Err(fail(Problem::InvalidJson, e.to_string()))),
    };
    let parts = match value {
        Value::Array(parts) => parts,
        other => vec![other],
    };
    let mut report = Gathered::default();
    for (n, part) in parts.into_iter().enumerate() {
        match part {
            Value::Object(object) => take(source, object, n as u64 + 1, &mut report, work)?,
            _ => work(Err(fail(Problem::InvalidJson, "not an object".to_owned())))?,
        }
    }
    report.close(work)
}

/// Takes one object, which holds a document, several, or one row of one.
fn take(
    source: Source,
    mut object: Map<String, Value>,
    line: u64,
    report: &mut Gathered,
    work: Work,
) -> Result<(), TextError> {
    match source {
        Source::Radgraph => work(radgraph::object(object, line)),
        Source::Scene => match object.remove("scenes") {
            Some(Value::Array(scenes)) => scenes
                .into_iter()
                .try_for_each(|scene| work(scene_document(scene, line))),
            Some(_) => work(Err(LineError {
                line,
                id: None,
                kind: Problem::InvalidDocument,
                message: "`scenes` is no list".to_owned(),
            })),
            None => work(scene_document(Value::Object(object), line)),
        },
        Source::Lunguage => lunguage::object(object, line, report, work),
    }
}

fn scene_document(graph: Value, line: u64) -> Answer {
    let id = ["image_id", "id"]
        .iter()
        .find_map(|k| match graph.get(*k)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
    let (head, told) = scene::read(graph).map_err(|e| problem(line, id, &e))?;
    Ok(Document {
        line,
        id: Value::String(head.image),
        patient: head.patient,
        order: head.order,
        graph: Graph::from_facts(&told.facts),
        notes: told.notes,
    })
}
