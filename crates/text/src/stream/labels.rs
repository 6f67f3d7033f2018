//! Labels of rows.

use super::language::readable;
use super::row::Row;
use super::run::{Sinks, run, to_line};
use super::{LineError, Summary, text_problem};
use crate::error::TextError;
use crate::label::{LabelOptions, Labeler, Labels, Mention};
use crate::rows::{JsonLines, Rows};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::io::{BufRead, Write};

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
