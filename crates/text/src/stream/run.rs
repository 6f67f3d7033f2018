//! Batches in order over all cores, and what was seen.

use super::row::{Row, parse};
use super::{LineError, Problem, Summary};
use crate::error::TextError;
use crate::rows::Rows;
use rayon::prelude::*;
use rustc_hash::{FxHashSet, FxHasher};
use serde::Serialize;
use std::hash::{Hash, Hasher};
use std::io::Write;

/// Ids remembered for the duplicate check (as 64-bit hashes).
pub const MAX_IDS: usize = 1 << 20;

/// One line of JSON.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        // Text, numbers and maps with text for keys always serialise.
        Err(e) => unreachable!("{e}"),
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
