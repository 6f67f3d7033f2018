//! What was done to an object.

use serde::Serialize;

/// What was done to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It was taken out.
    Removed,
    /// Its value was taken out.
    Emptied,
    /// Its value was replaced by one that means nothing, or by a pseudonym.
    Replaced,
    /// Its UID was replaced.
    UidReplaced,
    /// Its date was moved.
    DateMoved,
    /// What identifies was taken out of its text.
    Cleaned,
    /// It stays because an option says so.
    Retained,
}

/// One attribute. Values are never in a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Where: tags in hexadecimal, joined by dots through sequences, e.g. `00400275.00400007`.
    pub path: String,
    /// Keyword, empty for private elements.
    pub keyword: String,
    /// What.
    pub done: Done,
}

/// What was done to an object, and what a person should look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Attributes, in order of their tags; items of one sequence are one line.
    pub changes: Vec<Change>,
    /// Why a person should look at it.
    pub review: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, path: &str, keyword: &str, done: Done) {
        self.changes.push(Change {
            path: path.to_owned(),
            keyword: keyword.to_owned(),
            done,
        });
    }

    pub(crate) fn finish(mut self) -> Self {
        self.changes.sort();
        self.changes.dedup();
        self
    }
}
