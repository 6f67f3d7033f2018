//! Rows of Lunguage put together by their report.

use super::{Answer, Document, Work, problem};
use crate::error::TextError;
use crate::facts::Graph;
use crate::facts::compose::Statements;
use crate::facts::lunguage::{self, Fields};
use crate::stream::{LineError, Problem};
use serde_json::{Map, Value};

/// A report whose rows are being put together.
#[derive(Default)]
pub(super) struct Gathered {
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
    pub(super) fn spoil(&mut self) {
        if let Some(report) = &mut self.open {
            report.spoiled = true;
        }
    }

    pub(super) fn close(&mut self, work: Work) -> Result<(), TextError> {
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
pub(super) fn object(
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
