//! Time lines: the studies of a patient, which follow each other in the input, become one line.

use super::{FactOptions, Format, graph_of};
use crate::error::TextError;
use crate::facts::atlas::Frame;
use crate::facts::timeline::{Tracked, track};
use crate::facts::{Fact, Graph, lunguage, scene};
use crate::rows::{JsonLines, Line, Rows};
use crate::stream::{self, LineError, Problem, Row, SeenIds, Summary};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead, Write};

/// Studies of one patient that are read together at most.
pub const MAX_STUDIES: usize = 4096;

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
    out: impl Write,
    options: &FactOptions,
) -> Result<Summary, TextError> {
    let mut lines = Timelines::new(out, options);
    let mut studies = SeenIds::default();
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
                Some((row, study)) => studies.check(Some(row), line).map(|row| row.map(|_| study)),
                None => Ok(None),
            });
            match result {
                Ok(None) => lines.blank(),
                Ok(Some(study)) => lines.add(study)?,
                Err(error) => lines.fail(&error)?,
            }
        }
    }
    lines.summary.all_ids_checked = !studies.full;
    lines.finish()
}

fn study(line: &Line, options: &FactOptions) -> Result<Option<(Row, Study)>, LineError> {
    let Some(row) = stream::parse(line)? else {
        return Ok(None);
    };
    let patient = patient_of(&row.fields);
    let Some(patient) = patient else {
        return Err(LineError {
            line: line.number,
            id: Some(row.id),
            kind: Problem::MissingPatient,
            message: "`patient` is missing or neither text nor number".to_owned(),
        });
    };
    let (graph, _) = graph_of(&row, line.number, options)?;
    let frame = options
        .frame(&row.id)
        .map_err(|e| stream::text_problem(&row, line.number, &e))?;
    let study = Study {
        line: line.number,
        id: row.id.clone(),
        patient,
        order: None,
        graph,
        frame,
    };
    Ok(Some((row, study)))
}

/// `patient` or `patient_id` of a row, text or a number.
pub(crate) fn patient_of(fields: &serde_json::Map<String, Value>) -> Option<String> {
    ["patient", "patient_id"]
        .iter()
        .find_map(|k| match fields.get(*k) {
            Some(Value::String(p)) if !p.trim().is_empty() => Some(p.clone()),
            Some(Value::Number(p)) => Some(p.to_string()),
            _ => None,
        })
}

/// A study to be put into its patient's time line.
pub(super) struct Study {
    pub(super) line: u64,
    pub(super) id: String,
    pub(super) patient: String,
    /// Place among the patient's studies, where the file says one.
    pub(super) order: Option<u64>,
    pub(super) graph: Graph,
    pub(super) frame: Option<Frame>,
}

/// A patient's studies as they are read.
struct Patient {
    id: String,
    names: Vec<String>,
    graphs: Vec<Graph>,
    frames: Vec<Option<Frame>>,
    order: Option<u64>,
}

/// Puts studies together, patient by patient, and writes a line for each.
pub(super) struct Timelines<'a, W> {
    out: W,
    options: &'a FactOptions,
    pub(super) summary: Summary,
    open: Option<Patient>,
    patients: SeenIds,
}

impl<'a, W: Write> Timelines<'a, W> {
    pub(super) fn new(out: W, options: &'a FactOptions) -> Self {
        Timelines {
            out,
            options,
            summary: Summary {
                all_ids_checked: true,
                ..Summary::default()
            },
            open: None,
            patients: SeenIds::default(),
        }
    }

    pub(super) fn blank(&mut self) {
        self.summary.lines += 1;
        self.summary.blank += 1;
    }

    pub(super) fn fail(&mut self, error: &LineError) -> Result<(), TextError> {
        self.summary.lines += 1;
        self.write_error(error)
    }

    fn write_error(&mut self, error: &LineError) -> Result<(), TextError> {
        self.summary.failed += 1;
        let name = error.kind.name();
        *self.summary.problems.entry(name).or_default() += 1;
        Ok(writeln!(self.out, "{}", error.to_json())?)
    }

    /// Takes the next study; one that does not fit gives its error line.
    pub(super) fn add(&mut self, study: Study) -> Result<(), TextError> {
        self.summary.lines += 1;
        let same = |p: &Patient| p.id == study.patient;
        if !self.open.as_ref().is_some_and(same) {
            self.close()?;
        }
        match self.place(study) {
            Ok(()) => self.summary.done += 1,
            Err(error) => self.write_error(&error)?,
        }
        Ok(())
    }

    fn place(&mut self, study: Study) -> Result<(), LineError> {
        let problem = |kind, message: String| LineError {
            line: study.line,
            id: Some(study.id.clone()),
            kind,
            message,
        };
        if self.open.is_none() {
            if !self.patients.first(&study.patient) {
                let message = format!(
                    "patient `{}` was closed before: sort the studies by patient",
                    study.patient
                );
                return Err(problem(Problem::ScatteredPatient, message));
            }
            self.open = Some(Patient {
                id: study.patient.clone(),
                names: Vec::new(),
                graphs: Vec::new(),
                frames: Vec::new(),
                order: None,
            });
        }
        let Some(known) = &mut self.open else {
            return Ok(());
        };
        if known.names.len() >= MAX_STUDIES {
            let message = format!("more than {MAX_STUDIES} studies of one patient");
            return Err(problem(Problem::TooLong, message));
        }
        if let (Some(before), Some(now)) = (known.order, study.order)
            && now < before
        {
            let message = format!("study {now} of the patient comes after study {before}");
            return Err(problem(Problem::ScatteredPatient, message));
        }
        known.order = study.order.or(known.order);
        known.names.push(study.id);
        known.graphs.push(study.graph);
        known.frames.push(study.frame);
        Ok(())
    }

    /// Writes the patient that is open.
    fn close(&mut self) -> Result<(), TextError> {
        let Some(patient) = self.open.take() else {
            return Ok(());
        };
        *self.summary.notes.entry("patients").or_default() += 1;
        let value = written(&patient, self.options.format);
        Ok(writeln!(self.out, "{value}")?)
    }

    /// Writes the last patient.
    pub(super) fn finish(mut self) -> Result<Summary, TextError> {
        self.close()?;
        self.summary.all_ids_checked &= !self.patients.full;
        self.out.flush()?;
        Ok(self.summary)
    }
}

fn written(patient: &Patient, format: Format) -> Value {
    let facts: Vec<Vec<Fact>> = patient.graphs.iter().map(Graph::facts).collect();
    let tracked = track(&facts);
    match format {
        Format::Scene => {
            let scenes =
                scene::patient_scenes(&patient.id, &patient.names, &tracked, &patient.frames);
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::extract::ExtractOptions;

    fn options(format: Format) -> FactOptions {
        FactOptions {
            extract: ExtractOptions::default(),
            format,
            frames: None,
            reader: None,
        }
    }

    fn lines(out: &[u8]) -> Vec<Value> {
        let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
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
