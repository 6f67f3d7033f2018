//! A set of questions in its folder.

use crate::error::QuizError;
use crate::question::{Case, Key};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::path::Path;

/// Name of the file with the questions.
pub const CASES: &str = "cases.jsonl";
/// Name of the file with what is right.
pub const KEY: &str = "key.jsonl";

/// Questions and their key.
#[derive(Debug, Clone, PartialEq)]
pub struct QuizSet {
    /// The cases.
    pub cases: Vec<Case>,
    /// The key, one entry a question, in the order of the cases.
    pub key: Vec<Key>,
}

impl QuizSet {
    /// Reads a set.
    ///
    /// # Errors
    /// [`QuizError::Io`]; [`QuizError::Line`] for a broken line, a case or question that is there twice, and a question without key.
    pub fn read(folder: &Path) -> Result<Self, QuizError> {
        let cases: Vec<Case> = lines(&folder.join(CASES))?;
        let path = folder.join(KEY);
        let key: Vec<Key> = lines(&path)?;
        let mut known = HashSet::new();
        for (k, entry) in key.iter().enumerate() {
            if !known.insert(entry.id.as_str()) {
                let reason = format!("the question `{}` is there twice", entry.id);
                return Err(QuizError::line(&path, k + 1, reason));
            }
        }
        let mut seen = HashSet::new();
        for (k, case) in cases.iter().enumerate() {
            let path = folder.join(CASES);
            if !seen.insert(case.case.as_str()) {
                let reason = format!("the case `{}` is there twice", case.case);
                return Err(QuizError::line(&path, k + 1, reason));
            }
            for q in case.direct.iter().chain(&case.guided).chain(&case.review) {
                if !known.contains(q.id.as_str()) {
                    let reason = format!("the key has no entry for `{}`", q.id);
                    return Err(QuizError::line(&path, k + 1, reason));
                }
            }
        }
        Ok(QuizSet { cases, key })
    }
}

/// The lines of a JSON Lines file; empty lines are skipped.
pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, QuizError> {
    let text = std::fs::read_to_string(path).map_err(|e| QuizError::io(path, e))?;
    let mut all = Vec::new();
    for (k, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        all.push(serde_json::from_str(line).map_err(|e| QuizError::line(path, k + 1, e))?);
    }
    Ok(all)
}
