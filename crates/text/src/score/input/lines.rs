//! A line as an entry: a JSON object, or the text itself.

use super::sections::join_parts;
use super::{Entry, InputOptions, PATIENT_COLUMNS, labels, problem};
use crate::report::SectionKind;
use crate::rows::Line;
use crate::score::grounded;
use crate::stream::{self, LineError, Problem, Row};
use serde_json::Value;

/// A line that is the text.
pub(super) fn plain(line: &Line) -> Result<Entry, LineError> {
    let fail = |kind, message: String| problem(line.number, None, kind, message);
    let bytes = line
        .bytes
        .as_ref()
        .map_err(|(kind, message)| fail(*kind, message.clone()))?;
    let text = std::str::from_utf8(bytes).map_err(|e| fail(Problem::InvalidUtf8, e.to_string()))?;
    Ok(Entry {
        id: line.number.to_string(),
        line: line.number,
        texts: vec![text.to_owned()],
        labels: None,
        phrases: None,
        patient: None,
    })
}

/// An object; `None` for a blank line.
pub(super) fn object(line: &Line, options: &InputOptions) -> Result<Option<Entry>, LineError> {
    let id = options.id_column.as_deref().unwrap_or("id");
    let Some(row) = stream::parse_by(line, id)? else {
        return Ok(None);
    };
    let labels = labels::of_row(&row, line.number)?;
    let text_field = options.text_column.as_deref().unwrap_or("text");
    let phrases = grounded::phrases_of(&row, line.number)?;
    let texts = match (&phrases, row.fields.contains_key(text_field)) {
        (Some(phrases), false) => vec![grounded::joined(phrases)],
        _ => texts_of(&row, line.number, options, labels.is_some())?,
    };
    let patient = PATIENT_COLUMNS.iter().find_map(|k| row.fields.get(*k));
    Ok(Some(Entry {
        patient: patient.and_then(plain_text),
        id: row.id,
        line: line.number,
        texts,
        labels,
        phrases,
    }))
}

/// Texts of a row: the field asked for, `text`, every entry of `texts`, or the fields named like sections.
fn texts_of(
    row: &Row,
    line: u64,
    options: &InputOptions,
    labelled: bool,
) -> Result<Vec<String>, LineError> {
    let name = options.text_column.as_deref().unwrap_or("text");
    if let Some(text) = stream::field(row, name, line)? {
        return Ok(vec![text.to_owned()]);
    }
    let fail = |message: String| problem(line, Some(row.id.clone()), Problem::MissingText, message);
    if let Some(Value::Array(list)) = row.fields.get("texts") {
        let texts: Option<Vec<String>> =
            list.iter().map(|v| v.as_str().map(str::to_owned)).collect();
        return texts
            .filter(|t| !t.is_empty())
            .ok_or_else(|| fail("`texts` is no list of texts".to_owned()));
    }
    let mut parts = Vec::new();
    for kind in SectionKind::ALL {
        if let Some(text) = stream::field(row, kind.name(), line)?.filter(|t| !t.trim().is_empty())
        {
            parts.push((kind.name(), text));
        }
    }
    match join_parts(&parts, !options.sections.is_empty()) {
        Some(text) => Ok(vec![text]),
        None if labelled => Ok(vec![String::new()]),
        None => Err(fail(format!(
            "neither `{name}`, a list of `texts` nor a field named like a section"
        ))),
    }
}

/// Text that is not blank, or a number.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
