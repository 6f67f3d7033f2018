//! Documents of facts that other programs made, or this one before: RadGraph files, rows of Lunguage, scene
//! graphs. Each becomes a graph, and from there whatever [`Format`](super::Format) writes.

use super::timeline::{Study, Timelines};
use super::{COLUMNS, FactOptions, record, written};
use crate::error::TextError;
use crate::facts::compose::Statements;
use crate::facts::lunguage::{self, Fields};
use crate::facts::{Graph, radgraph, scene};
use crate::rows::{CsvRows, JsonLines, MAX_LINE, Rows};
use crate::stream::{self, LineError, Problem, SeenIds, Summary};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{BufRead, Read, Write};

/// Bytes of a file that is one JSON value, at most.
const MAX_FILE: u64 = 16 * MAX_LINE as u64;

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
        blank += read_input(source, input, &mut checked)?;
    }
    summary.lines += blank;
    summary.blank = blank;
    summary.all_ids_checked = !seen.full;
    Ok(summary)
}

/// Reads one input; gives the number of its blank lines.
fn read_input(source: Source, input: Input, work: Work) -> Result<u64, TextError> {
    match (source, input.shape) {
        (Source::Radgraph, Shape::Json) => radgraph_file(input.reader, work).map(|()| 0),
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
        Source::Radgraph => work(radgraph_object(object, line)),
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
        Source::Lunguage => lunguage_object(object, line, report, work),
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

fn radgraph_object(mut object: Map<String, Value>, line: u64) -> Answer {
    let Some(id) = object
        .remove("id")
        .filter(|id| id.is_string() || id.is_number())
    else {
        return Err(LineError {
            line,
            id: None,
            kind: Problem::MissingId,
            message: "`id` is missing or neither text nor number".to_owned(),
        });
    };
    radgraph_document(id, Value::Object(object), line)
}

fn radgraph_document(id: Value, document: Value, line: u64) -> Answer {
    let graph = serde_json::from_value::<radgraph::Document>(document)
        .map_err(|e| TextError::Document {
            format: "RadGraph JSON",
            reason: e.to_string(),
        })
        .and_then(|d| d.to_graph());
    match graph {
        Ok(graph) => Ok(Document {
            line,
            id,
            patient: None,
            order: None,
            graph,
            notes: Vec::new(),
        }),
        Err(error) => Err(problem(line, Some(text_of(&id)), &error)),
    }
}

/// A report whose rows are being put together.
#[derive(Default)]
struct Gathered {
    open: Option<Rowed>,
}

struct Rowed {
    line: u64,
    id: String,
    patient: Option<String>,
    order: Option<u64>,
    rows: Vec<Fields>,
    /// A row among them, or right behind them, could not be read.
    spoiled: bool,
}

impl Gathered {
    fn add(
        &mut self,
        row: Fields,
        (id, patient): (String, Option<String>),
        line: u64,
        work: Work,
    ) -> Result<(), TextError> {
        let same = |r: &Rowed| r.id == id && r.patient == patient;
        if !self.open.as_ref().is_some_and(same) {
            self.close(work)?;
        }
        let order = row.index("sequence").map(|n| n as u64);
        let report = self.open.get_or_insert_with(|| Rowed {
            line,
            id,
            patient,
            order,
            rows: Vec::new(),
            spoiled: false,
        });
        report.rows.push(row);
        Ok(())
    }

    /// A row that cannot be read may belong to the report before it: that must not look whole.
    fn spoil(&mut self) {
        if let Some(report) = &mut self.open {
            report.spoiled = true;
        }
    }

    fn close(&mut self, work: Work) -> Result<(), TextError> {
        match self.open.take() {
            Some(report) => work(report.document()),
            None => Ok(()),
        }
    }
}

impl Rowed {
    fn document(self) -> Answer {
        let Statements { facts, mut notes } = lunguage::read(&self.rows)
            .map_err(|e| problem(self.line, Some(self.id.clone()), &e))?;
        notes.extend(self.spoiled.then_some("next_to_an_unreadable_row"));
        notes.extend(self.rows.iter().map(|_| "rows"));
        Ok(Document {
            line: self.line,
            id: Value::String(self.id),
            patient: self.patient,
            order: self.order,
            graph: Graph::from_facts(&facts),
            notes,
        })
    }
}

/// `{"id","rows"}`, `{"patient","rows"}` with a study in each row, or one row.
fn lunguage_object(
    mut object: Map<String, Value>,
    line: u64,
    report: &mut Gathered,
    work: Work,
) -> Result<(), TextError> {
    let fail = |kind, message: &str| LineError {
        line,
        id: None,
        kind,
        message: message.to_owned(),
    };
    let rows = object.remove("rows");
    let fields = Fields::new(object);
    let id = ["study", "id", "report_id"]
        .iter()
        .find_map(|k| fields.text(k));
    let Some(rows) = rows else {
        if !fields.is_entity() {
            let message = "neither `rows` nor an entity (`ent`, `entity`)";
            return work(Err(fail(Problem::InvalidDocument, message)));
        }
        return match id {
            Some(id) => {
                let patient = fields.text("patient");
                report.add(fields, (id, patient), line, work)
            }
            None => work(Err(fail(
                Problem::MissingId,
                "no `study_id`, `study` or `id`",
            ))),
        };
    };
    report.close(work)?;
    let objects = |rows: Value| -> Option<Vec<Fields>> {
        let Value::Array(rows) = rows else {
            return None;
        };
        let each = rows.into_iter().map(|row| match row {
            Value::Object(row) => Some(Fields::new(row)),
            _ => None,
        });
        each.collect()
    };
    let Some(rows) = objects(rows) else {
        let message = "`rows` is no list of objects";
        return work(Err(fail(Problem::InvalidDocument, message)));
    };
    let patient = fields.text("patient");
    if let Some(id) = id {
        let whole = Rowed {
            line,
            id,
            patient,
            order: None,
            rows,
            spoiled: false,
        };
        return work(whole.document());
    }
    if patient.is_none() {
        return work(Err(fail(Problem::MissingId, "neither `id` nor `patient`")));
    }
    let mut studies = Gathered::default();
    for row in rows {
        match row.text("study") {
            // Rows of a patient's list do not name the patient again.
            Some(study) => studies.add(row, (study, patient.clone()), line, work)?,
            None => work(Err(fail(Problem::MissingId, "a row names no `study`")))?,
        }
    }
    studies.close(work)
}

/// Calls `work` for each entry of `{"id": {"text", "entities"}, ...}`, read one at a time.
fn radgraph_file(reader: impl Read, work: Work) -> Result<(), TextError> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut line = 0;
    let mut failed = None;
    let mut entry = |id: String, document: Value| -> Result<(), ()> {
        line += 1;
        work(radgraph_document(json!(id), document, line)).map_err(|e| failed = Some(e))
    };
    let seed = EachEntry { work: &mut entry };
    let read = seed
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(|e| TextError::Document {
            format: "RadGraph JSON",
            reason: e.to_string(),
        }),
    }
}

/// Calls `work` for each entry of a JSON object.
struct EachEntry<'a, F> {
    work: &'a mut F,
}

impl<'de, F: FnMut(String, Value) -> Result<(), ()>> DeserializeSeed<'de> for EachEntry<'_, F> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, Value) -> Result<(), ()>> Visitor<'de> for EachEntry<'_, F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of RadGraph documents by id")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, document)) = map.next_entry()? {
            (self.work)(id, document).map_err(|()| A::Error::custom("the output failed"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, facts_jsonl, timeline_jsonl};
    use super::*;
    use crate::facts::extract::ExtractOptions;
    use std::io::Cursor;

    const REPORTS: &str = concat!(
        "{\"id\":\"a1\",\"patient\":\"a\",\"text\":\"Small left effusion. A 12 mm nodule in the right upper lobe.\"}\n",
        "{\"id\":\"a2\",\"patient\":\"a\",\"text\":\"The left effusion has increased. Lungs are clear.\"}\n",
        "{\"id\":\"b1\",\"patient\":7,\"text\":\"Patchy opacity at the left base, suspicious for pneumonia.\"}\n",
    );

    fn options(format: Format) -> FactOptions {
        FactOptions {
            extract: ExtractOptions::default(),
            format,
            frames: None,
            reader: None,
        }
    }

    fn input(text: impl Into<Vec<u8>>, shape: Shape) -> std::iter::Once<Result<Input, TextError>> {
        std::iter::once(Ok(Input {
            reader: Box::new(Cursor::new(text.into())),
            shape,
            name: None,
        }))
    }

    fn lines(out: &[u8]) -> Vec<Value> {
        let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
    }

    fn read(source: Source, text: &str, shape: Shape, format: Format) -> (Summary, Vec<Value>) {
        let mut out = Vec::new();
        let summary =
            facts_documents(source, input(text, shape), &mut out, &options(format)).unwrap();
        (summary, lines(&out))
    }

    fn write(format: Format) -> String {
        let mut out = Vec::new();
        facts_jsonl(REPORTS.as_bytes(), &mut out, &options(format)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_in_each_form() {
        let plain = |line: &Value| {
            let facts = line["facts"].as_array().unwrap().iter();
            facts
                .map(|f| {
                    let mut fact = f.clone();
                    for key in ["entity", "suggests"] {
                        fact.as_object_mut().unwrap().remove(key);
                    }
                    fact
                })
                .collect::<Vec<_>>()
        };
        let direct: Vec<Value> = write(Format::Facts)
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        for (source, format) in [
            (Source::Radgraph, Format::Radgraph),
            (Source::Lunguage, Format::Lunguage),
        ] {
            let text = write(format);
            let (summary, facts) = read(source, &text, Shape::JsonLines, Format::Facts);
            assert_eq!((summary.done, summary.failed), (3, 0), "{facts:?}");
            for (a, b) in facts.iter().zip(&direct) {
                assert_eq!(plain(a), plain(b));
            }
        }
        let text = write(Format::Scene);
        let (summary, scenes) = read(Source::Scene, &text, Shape::JsonLines, Format::Scene);
        assert_eq!((summary.done, summary.failed), (3, 0));
        for (scene, line) in scenes.iter().zip(text.lines()) {
            let before: Value = serde_json::from_str(line).unwrap();
            assert_eq!(scene["attributes"], before["attributes"]);
        }
    }

    #[test]
    fn a_radgraph_file_is_read_entry_by_entry() {
        let graphs = write(Format::Radgraph);
        let first: Value = serde_json::from_str(graphs.lines().next().unwrap()).unwrap();
        let file = json!({ "a": first, "b": {"text": "x", "entities": {"1": {"tokens": "x", "label": "?", "start_ix": 0, "end_ix": 0, "relations": []}}} });
        let (summary, facts) = read(
            Source::Radgraph,
            &file.to_string(),
            Shape::Json,
            Format::Facts,
        );
        assert_eq!((summary.done, summary.failed), (1, 1));
        assert_eq!(facts[0]["facts"][0]["name"], "pleural_effusion");
        assert_eq!(facts[1]["error"]["kind"], "invalid_document");
        let mut out = Vec::new();
        let wrong = facts_documents(
            Source::Radgraph,
            input("[]", Shape::Json),
            &mut out,
            &options(Format::Facts),
        );
        assert!(wrong.is_err());
    }

    #[test]
    fn a_table_of_rows_becomes_reports_and_time_lines() {
        let table = "subject_id,study_id,sequence,section,ent_idx,ent,dx_status,dx_certainty,location,worsened,no change\n\
             p,s1,1,find,1,effusion,positive,definitive,left,,\n\
             p,s1,1,find,2,cardiomegaly,positive,tentative,,,\n\
             p,s2,2,find,1,effusion,positive,definitive,left,increased,\n\
             q,s3,1,find,1,effusion,perhaps,definitive,,,\n\
             q,s4\n\
             p,s1,1,find,3,edema,negative,definitive,,,\n";
        let (summary, facts) = read(Source::Lunguage, table, Shape::Table(b','), Format::Facts);
        assert_eq!((summary.lines, summary.done, summary.failed), (5, 2, 3));
        assert_eq!(summary.notes["rows"], 3);
        assert_eq!(facts[0]["facts"].as_array().unwrap().len(), 2);
        assert_eq!(facts[1]["facts"][0]["change"], "worse");
        for (kind, n) in [
            ("unknown_value", 1),
            ("invalid_csv", 1),
            ("duplicate_id", 1),
        ] {
            assert_eq!(summary.problems[kind], n, "{kind}: {facts:?}");
        }
        let mut out = Vec::new();
        let options = options(Format::Facts);
        let inputs = input(table, Shape::Table(b','));
        let summary = timeline_documents(Source::Lunguage, inputs, &mut out, &options).unwrap();
        assert_eq!((summary.done, summary.notes["patients"]), (2, 1));
        let lines = lines(&out);
        let patient = lines.iter().find(|l| l["patient"] == "p").unwrap();
        assert_eq!(patient["studies"], json!(["s1", "s2"]));
        assert_eq!(patient["events"][2]["trend"]["change"], "worse");
        let header = facts_documents(
            Source::Lunguage,
            input("a,b\n1,2\n", Shape::Table(b',')),
            Vec::new(),
            &options,
        );
        assert!(matches!(header, Err(TextError::Columns { .. })));
    }

    #[test]
    fn time_lines_come_back_from_a_patients_rows_and_scenes() {
        let events = |format| {
            let mut out = Vec::new();
            timeline_jsonl(REPORTS.as_bytes(), &mut out, &options(format)).unwrap();
            String::from_utf8(out).unwrap()
        };
        let changes = |line: &Value| {
            let events = line["events"].as_array().unwrap().iter();
            let mut all: Vec<String> = events
                .map(|e| {
                    format!(
                        "{} {} {}",
                        e["study"], e["fact"]["name"], e["trend"]["change"]
                    )
                })
                .collect();
            all.sort();
            all
        };
        let before: Vec<Value> = events(Format::Facts)
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        for (source, format) in [
            (Source::Lunguage, Format::Lunguage),
            (Source::Scene, Format::Scene),
        ] {
            let mut out = Vec::new();
            let inputs = input(events(format), Shape::JsonLines);
            let summary =
                timeline_documents(source, inputs, &mut out, &options(Format::Facts)).unwrap();
            assert_eq!((summary.done, summary.failed), (3, 0), "{source:?}");
            let after = lines(&out);
            assert_eq!(after.len(), before.len());
            for (a, b) in after.iter().zip(&before) {
                assert_eq!(
                    (&a["patient"], &a["studies"]),
                    (&b["patient"], &b["studies"])
                );
                assert_eq!(changes(a), changes(b), "{source:?}");
            }
        }
    }

    #[test]
    fn what_is_no_document_is_an_error_line() {
        let text = concat!(
            "{\"id\":\"a\",\"rows\":[]}\n\n",
            "{\"rows\":[]}\n",
            "{\"id\":\"b\",\"rows\":3}\n",
            "{\"id\":\"c\",\"text\":\"x\"}\n",
            "{\"ent\":\"edema\",\"dx_status\":\"positive\"}\n",
            "{\"id\":\"d\",\"rows\":[{\"entity\":\"mass\",\"dx_status\":\"positive\",\"evidence\":[3]}]}\n",
            "nonsense\n",
        );
        let (summary, lines) = read(Source::Lunguage, text, Shape::JsonLines, Format::Facts);
        assert_eq!((summary.done, summary.failed, summary.blank), (1, 6, 1));
        let kinds: Vec<&str> = lines[1..]
            .iter()
            .map(|l| l["error"]["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "missing_id",
                "invalid_document",
                "invalid_document",
                "missing_id",
                "dangling_relation",
                "invalid_json"
            ]
        );
        let scenes = "{\"image_id\":\"i\"}\n{\"scenes\":1}\n{\"scenes\":[{\"image_id\":2,\"attributes\":[]}]}\n";
        let (summary, _) = read(Source::Scene, scenes, Shape::JsonLines, Format::Facts);
        assert_eq!((summary.done, summary.failed), (1, 2));
        let list = "[{\"image_id\":\"i\",\"attributes\":[]}, 3]";
        let (summary, _) = read(Source::Scene, list, Shape::Json, Format::Facts);
        assert_eq!((summary.done, summary.failed), (1, 1));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        /// Whatever the bytes are, every line is answered and counted.
        #[test]
        fn foreign_bytes_never_break_a_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), rows in "[a-z_,:\\[\\]{}\"0-9 \n]{0,200}") {
            for source in [Source::Lunguage, Source::Scene, Source::Radgraph] {
                for text in [bytes.clone(), rows.clone().into_bytes()] {
                    for shape in [Shape::JsonLines, Shape::Json, Shape::Table(b',')] {
                        let mut out = Vec::new();
                        let read = facts_documents(source, input(text.clone(), shape), &mut out, &options(Format::Facts));
                        if let Ok(summary) = read {
                            assert_eq!(summary.lines, summary.done + summary.failed + summary.blank);
                        }
                    }
                }
            }
        }
    }
}
