//! Labels that a file brings: those of the CheXpert labeler, or of `hilum text label`.

use super::problem;
use crate::label::LabelValue;
use crate::lexicon::CHEXPERT;
use crate::score::chexpert::FileLabels;
use crate::stream::{LineError, Problem, Row};
use serde_json::Value;

/// CheXpert labels of an object `labels`, by code or by CheXpert's headings.
pub(super) fn of_row(row: &Row, line: u64) -> Result<Option<FileLabels>, LineError> {
    let Some(Value::Object(given)) = row.fields.get("labels") else {
        return Ok(None);
    };
    let mut out: FileLabels = [None; 14];
    let mut known = false;
    for (name, value) in given {
        let Some(at) = finding(name) else { continue };
        known = true;
        out[at] = match value {
            Value::Null => None,
            value => Some(value.as_f64().and_then(value_of).ok_or_else(|| {
                problem(
                    line,
                    Some(row.id.clone()),
                    Problem::InvalidLabel,
                    format!("`{name}` is {value}"),
                )
            })?),
        };
    }
    Ok(known.then_some(out))
}

/// Place of a finding by its code or CheXpert's heading (`Pleural Effusion`).
pub(super) fn finding(name: &str) -> Option<usize> {
    let code = name.trim().to_lowercase().replace([' ', '-'], "_");
    CHEXPERT.iter().position(|c| *c == code)
}

/// 1, 0 or -1.
pub(super) fn value_of(value: f64) -> Option<LabelValue> {
    [
        (1.0, LabelValue::Present),
        (0.0, LabelValue::Absent),
        (-1.0, LabelValue::Uncertain),
    ]
    .into_iter()
    .find(|(v, _)| *v == value)
    .map(|(_, l)| l)
}
