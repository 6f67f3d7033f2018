//! What can be wrong with a line, and the count of it.

use super::row::Row;
use crate::error::TextError;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Longer than [`MAX_LINE`](super::MAX_LINE).
    TooLong,
    /// Not a JSON object.
    InvalidJson,
    /// `id` missing or neither text nor number.
    MissingId,
    /// None of the text fields is there, or one is not text.
    MissingText,
    /// The id was seen before.
    DuplicateId,
    /// No text in the report.
    EmptyReport,
    /// Text, but not in the sections asked for.
    NoSuchSection,
    /// XML that cannot be read.
    InvalidXml,
    /// A row of a CSV file that does not fit its header.
    InvalidCsv,
    /// A label that is none of 1, 0, -1 and nothing.
    InvalidLabel,
    /// Has no counterpart on the other side.
    Unmatched,
    /// Hardly a word of it is English, which is all that the rules know.
    NotEnglish,
    /// A graph that does not hold together.
    InvalidDocument,
    /// A status, location or the like that a document of facts cannot have.
    UnknownValue,
    /// A relation to a row or object that is not there.
    DanglingRelation,
    /// No `patient`.
    MissingPatient,
    /// The patient's studies do not follow each other.
    ScatteredPatient,
    /// A model that reads reports refuses the text.
    ModelRefused,
    /// No mask of the image that boxes are asked for.
    MissingMask,
    /// A mask that does not show both lungs.
    UnusableMask,
}

impl Problem {
    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Problem::InvalidUtf8 => "invalid_utf8",
            Problem::TooLong => "too_long",
            Problem::InvalidJson => "invalid_json",
            Problem::MissingId => "missing_id",
            Problem::MissingText => "missing_text",
            Problem::DuplicateId => "duplicate_id",
            Problem::EmptyReport => "empty_report",
            Problem::NoSuchSection => "no_such_section",
            Problem::InvalidXml => "invalid_xml",
            Problem::InvalidCsv => "invalid_csv",
            Problem::InvalidLabel => "invalid_label",
            Problem::Unmatched => "unmatched",
            Problem::NotEnglish => "not_english",
            Problem::InvalidDocument => "invalid_document",
            Problem::UnknownValue => "unknown_value",
            Problem::DanglingRelation => "dangling_relation",
            Problem::MissingPatient => "missing_patient",
            Problem::ScatteredPatient => "scattered_patient",
            Problem::ModelRefused => "model_refused",
            Problem::MissingMask => "missing_mask",
            Problem::UnusableMask => "unusable_mask",
        }
    }
}

/// A line that gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// Line number from 1.
    pub line: u64,
    /// Its id, if it could be read.
    pub id: Option<String>,
    /// What kind of problem.
    pub kind: Problem,
    /// The reason in words.
    pub message: String,
}

impl LineError {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "id": self.id, "line": self.line, "error": { "kind": self.kind.name(), "message": self.message } })
    }
}

/// What happened to the lines. `done + failed + blank == lines`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// Lines with a result.
    pub done: u64,
    /// Lines with an error.
    pub failed: u64,
    /// Blank lines.
    pub blank: u64,
    /// Errors by kind.
    pub problems: BTreeMap<&'static str, u64>,
    /// Things worth counting that are no errors, e.g. reports without an impression.
    pub notes: BTreeMap<&'static str, u64>,
    /// Whether every id was checked for duplicates; false after [`MAX_IDS`](super::MAX_IDS) ids.
    pub all_ids_checked: bool,
}

pub(crate) fn text_problem(row: &Row, line: u64, error: &TextError) -> LineError {
    LineError {
        line,
        id: Some(row.id.clone()),
        kind: kind_of(error),
        message: error.to_string(),
    }
}

/// What kind of problem of a line an error is.
pub(crate) fn kind_of(error: &TextError) -> Problem {
    match error {
        TextError::EmptyReport => Problem::EmptyReport,
        TextError::Xml { .. } => Problem::InvalidXml,
        TextError::Model { .. } => Problem::ModelRefused,
        TextError::Document { .. } => Problem::InvalidDocument,
        TextError::UnknownValue { .. } => Problem::UnknownValue,
        TextError::DanglingRelation { .. } => Problem::DanglingRelation,
        TextError::NoMask { .. } => Problem::MissingMask,
        TextError::UnusableMask { .. } => Problem::UnusableMask,
        _ => Problem::NoSuchSection,
    }
}
