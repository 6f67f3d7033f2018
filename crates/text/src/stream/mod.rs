//! Labels and sections over JSON Lines of any length: batches in order, all cores, flat memory.
//!
//! Every input line that is not blank gives exactly one output line: its result, or
//! `{"id","line","error":{"kind","message"}}`. The [`Summary`] counts both, by kind.

mod labels;
mod language;
mod problem;
mod row;
mod run;
mod sections;

pub use crate::rows::MAX_LINE;
pub use labels::{label_csv, label_jsonl, label_rows};
pub use problem::{LineError, Problem, Summary};
pub use run::MAX_IDS;
pub use sections::{sections_jsonl, sections_rows};

pub(crate) use labels::csv_cell;
pub(crate) use language::{only_removed_words, readable, unlike_english};
pub(crate) use problem::{kind_of, text_problem};
pub(crate) use row::{Row, field, object, parse, parse_by};
pub(crate) use run::{SeenIds, Sinks, run, to_line};

#[cfg(test)]
mod tests;
