//! What can go wrong in this crate.

use std::path::PathBuf;

/// The error of every fallible function here. Fields, not strings, so that a caller can act on them.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The report has none of the sections that were asked for.
    #[error("no text in the sections {wanted:?}; the report has {present:?}")]
    NoSuchSection {
        /// Sections asked for.
        wanted: Vec<String>,
        /// Sections that the report has with text in them.
        present: Vec<String>,
    },
    /// The report has no text at all.
    #[error("the report is empty")]
    EmptyReport,
    /// A section, label, tokenizer or metric name that does not exist.
    #[error("unknown {what} `{name}`; known: {known}")]
    UnknownName {
        /// What kind of name.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// An embedded or user-supplied lexicon cannot be used.
    #[error("lexicon {file}: {reason}")]
    Lexicon {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An Open-I report in XML that cannot be read.
    #[error("Open-I XML: {reason}")]
    Xml {
        /// What the parser said.
        reason: String,
    },
    /// A RadGraph, scene graph or Lunguage document that does not hold together.
    #[error("{format}: {reason}")]
    Document {
        /// Which format.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of such a document has a value that is none of those it can have.
    #[error("{format}, {at}: `{field}` is `{value}`")]
    UnknownValue {
        /// Which format.
        format: &'static str,
        /// Which row or object.
        at: String,
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// A relation of such a document leads to what is not there.
    #[error("{format}, {at}: relation to `{to}`, which is not there")]
    DanglingRelation {
        /// Which format.
        format: &'static str,
        /// Which row or object.
        at: String,
        /// What it leads to.
        to: String,
    },
    /// Reference and hypothesis sets do not fit together.
    #[error("cannot score: {reason}")]
    Unscorable {
        /// Why.
        reason: String,
    },
    /// The header of a CSV file lacks what is needed.
    #[error("line 1: {reason}")]
    Columns {
        /// What is missing, and what there is.
        reason: String,
    },
    /// A resource file (METEOR data, tokenizer) that cannot be read.
    #[error("{path}: {reason}")]
    Resource {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model that reads reports refuses a text.
    #[error("{model}: {reason}")]
    Model {
        /// Which model.
        model: String,
        /// Why.
        reason: String,
    },
    /// There is no mask of an image.
    #[error("no mask {path}")]
    NoMask {
        /// Where it would be.
        path: PathBuf,
    },
    /// A mask that does not show both lungs.
    #[error("mask {path}: {reason}")]
    UnusableMask {
        /// The mask.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading the input or writing the output failed.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
}
