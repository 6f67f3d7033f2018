//! A line as a row, and a row as a report.

use super::{LineError, Problem};
use crate::report::{ReportText, SectionKind};
use crate::rows::Line;
use crate::sections;
use serde_json::Value;

/// A parsed row.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) fields: serde_json::Map<String, Value>,
}

/// The row of a line, `None` for a blank one.
pub(crate) fn parse(line: &Line) -> Result<Option<Row>, LineError> {
    parse_by(line, "id")
}

/// [`parse`], with the id in another field.
pub(crate) fn parse_by(line: &Line, id_field: &str) -> Result<Option<Row>, LineError> {
    let Some(fields) = object(line)? else {
        return Ok(None);
    };
    let fail = |message: String| LineError {
        line: line.number,
        id: None,
        kind: Problem::MissingId,
        message,
    };
    let id = match fields.get(id_field) {
        Some(Value::String(id)) if !id.trim().is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(Value::String(_)) => return Err(fail(format!("`{id_field}` is empty"))),
        _ => {
            let message = format!("`{id_field}` is missing or neither text nor number");
            return Err(fail(message));
        }
    };
    Ok(Some(Row { id, fields }))
}

/// The object of a line, `None` for a blank one.
pub(crate) fn object(line: &Line) -> Result<Option<serde_json::Map<String, Value>>, LineError> {
    let fail = |kind, message: String| LineError {
        line: line.number,
        id: None,
        kind,
        message,
    };
    let bytes = line
        .bytes
        .as_ref()
        .map_err(|(kind, message)| fail(*kind, message.clone()))?;
    let text = std::str::from_utf8(bytes).map_err(|e| fail(Problem::InvalidUtf8, e.to_string()))?;
    // A byte order mark is no part of the first line.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value: Value =
        serde_json::from_str(text).map_err(|e| fail(Problem::InvalidJson, e.to_string()))?;
    match value {
        Value::Object(fields) => Ok(Some(fields)),
        _ => Err(fail(Problem::InvalidJson, "not an object".to_owned())),
    }
}

/// Text of a field: `None` when missing or null, an error when it is something else.
pub(crate) fn field<'a>(row: &'a Row, name: &str, line: u64) -> Result<Option<&'a str>, LineError> {
    match row.fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(LineError {
            line,
            id: Some(row.id.clone()),
            kind: Problem::MissingText,
            message: format!("`{name}` is not text"),
        }),
    }
}

/// Report of a row: `xml` (Open-I), `text` (cut by its headings), or fields named like sections.
pub(crate) fn report(row: &Row, line: u64) -> Result<ReportText, LineError> {
    let fail = |kind, message: String| LineError {
        line,
        id: Some(row.id.clone()),
        kind,
        message,
    };
    if let Some(xml) = field(row, "xml", line)? {
        return sections::openi::parse(xml)
            .map(|r| r.report)
            .map_err(|e| fail(Problem::InvalidXml, e.to_string()));
    }
    if let Some(text) = field(row, "text", line)? {
        return Ok(ReportText::from_text(text));
    }
    let mut report = ReportText::default();
    let mut known = false;
    for kind in SectionKind::ALL {
        known |= row.fields.contains_key(kind.name());
        if let Some(text) = field(row, kind.name(), line)? {
            report.push(kind, text);
        }
    }
    if !known {
        let message =
            "no `text`, `xml`, `findings`, `impression` or other section field".to_owned();
        return Err(fail(Problem::MissingText, message));
    }
    Ok(report)
}
