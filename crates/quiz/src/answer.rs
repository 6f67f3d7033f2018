//! Answers, as a file of them is read.

use crate::error::QuizError;
use crate::question::{Key, Select};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// One letter or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Letters {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// One number or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Numbers {
    /// One.
    One(f64),
    /// One for each that was asked for.
    Many(Vec<f64>),
}

/// A line of a file of answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question.
    pub id: String,
    /// The chosen letter, or letters where all that apply are asked for.
    pub choice: Letters,
    /// The numbers that were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Numbers>,
}

/// An answer that fits its question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Given {
    /// Sorted letters.
    pub(crate) letters: Vec<char>,
    pub(crate) values: Option<Vec<f64>>,
}

impl Given {
    pub(crate) fn is_right(&self, key: &Key) -> bool {
        key.accepts.contains(&self.letters)
    }

    pub(crate) fn is_unknown(&self, key: &Key) -> bool {
        key.unknown.is_some_and(|u| self.letters == [u])
    }

    /// Whether all numbers lie in their ranges.
    pub(crate) fn in_range(&self, key: &Key) -> bool {
        let pairs = |v: &Vec<f64>| {
            v.iter()
                .zip(&key.ranges)
                .all(|(v, r)| (r[0]..=r[1]).contains(v))
        };
        self.values.as_ref().is_some_and(pairs)
    }
}

/// Reads answers and checks each against its question.
///
/// # Errors
/// [`QuizError::Io`]; [`QuizError::Line`] for a broken line, an unknown question, a second answer to one, letters that are no
/// options, several letters where one is asked for, and numbers that are not finite or of another count.
pub(crate) fn read(path: &Path, key: &[Key]) -> Result<HashMap<String, Given>, QuizError> {
    let text = std::fs::read_to_string(path).map_err(|e| QuizError::io(path, e))?;
    let known: HashMap<&str, &Key> = key.iter().map(|k| (k.id.as_str(), k)).collect();
    let mut all = HashMap::new();
    for (k, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |reason: String| QuizError::line(path, k + 1, reason);
        let answer: Answer = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let key = known
            .get(answer.id.as_str())
            .ok_or_else(|| wrong(format!("there is no question `{}`", answer.id)))?;
        let given = given(&answer, key).map_err(|why| wrong(format!("`{}`: {why}", answer.id)))?;
        if all.insert(answer.id.clone(), given).is_some() {
            return Err(wrong(format!("`{}` is answered twice", answer.id)));
        }
    }
    Ok(all)
}

fn given(answer: &Answer, key: &Key) -> Result<Given, String> {
    let named: Vec<&String> = match &answer.choice {
        Letters::One(one) => vec![one],
        Letters::Many(many) => many.iter().collect(),
    };
    let mut letters = Vec::new();
    for name in named {
        letters.push(letter(name, key)?);
    }
    letters.sort_unstable();
    if letters.windows(2).any(|w| w[0] == w[1]) {
        return Err("a letter is chosen twice".to_owned());
    }
    if letters.is_empty() || (key.select == Select::One && letters.len() > 1) {
        return Err(format!("{} letters where one is asked for", letters.len()));
    }
    let values = match &answer.value {
        None => None,
        Some(Numbers::One(v)) => Some(vec![*v]),
        Some(Numbers::Many(v)) => Some(v.clone()),
    };
    if let Some(values) = &values {
        if values.len() != key.ranges.len() {
            let asked = key.ranges.len();
            return Err(format!(
                "{} values where {asked} are asked for",
                values.len()
            ));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err("a value is not finite".to_owned());
        }
    }
    Ok(Given { letters, values })
}

/// `B`, `b`, `(B)` or `B)`.
fn letter(name: &str, key: &Key) -> Result<char, String> {
    let bare = name.trim().trim_start_matches('(').trim_end_matches(')');
    let mut chars = bare.chars();
    match (chars.next().map(|c| c.to_ascii_uppercase()), chars.next()) {
        (Some(c), None) if key.letters.contains(&c) => Ok(c),
        _ => {
            let known: String = key.letters.iter().collect();
            Err(format!("`{name}` is none of the options {known}"))
        }
    }
}
