//! Texts as rows of a word table and back: words in lower case, marks on their own.

use std::collections::{BTreeMap, BTreeSet};

/// Row of places without a word.
pub const FILL: usize = 0;
/// Row of the token that a text begins with.
pub const BEGIN: usize = 1;
/// Row of the token that a text ends with.
pub const END: usize = 2;
/// Row of a place that stands for a part of a picture.
pub const IMAGE: usize = 3;
/// Row of words that were not in the training texts.
pub const UNKNOWN: usize = 4;
/// First row of a word.
const WORDS: usize = 5;

/// Marks that stand behind a word and are tokens of their own.
const MARKS: [char; 4] = ['.', ',', ';', ':'];

/// The words of some texts.
#[derive(Debug, Clone)]
pub struct Wording {
    words: Vec<String>,
    rows: BTreeMap<String, usize>,
}

impl Wording {
    /// The words of these texts, in the order of the alphabet.
    pub fn of<S: AsRef<str>>(texts: &[S]) -> Self {
        let all: BTreeSet<String> = texts.iter().flat_map(|t| pieces(t.as_ref())).collect();
        let words: Vec<String> = all.into_iter().collect();
        let named = words.iter().enumerate();
        Wording {
            rows: named.map(|(i, w)| (w.clone(), WORDS + i)).collect(),
            words,
        }
    }

    /// Rows of the table.
    pub fn size(&self) -> usize {
        WORDS + self.words.len()
    }

    /// Rows of a text's words, without beginning and end.
    pub fn rows(&self, text: &str) -> Vec<usize> {
        let row = |w: String| self.rows.get(&w).copied().unwrap_or(UNKNOWN);
        pieces(text).into_iter().map(row).collect()
    }

    /// Whether a row is that of a word.
    pub fn is_word(&self, row: usize) -> bool {
        (WORDS..self.size()).contains(&row)
    }

    /// The text of rows; those that are no word say nothing.
    pub fn text(&self, rows: &[usize]) -> String {
        let mut out = String::new();
        let word = |row: &usize| row.checked_sub(WORDS).and_then(|i| self.words.get(i));
        for word in rows.iter().filter_map(word) {
            let is_mark = word.chars().all(|c| MARKS.contains(&c));
            if !out.is_empty() && !is_mark {
                out.push(' ');
            }
            out.push_str(word);
        }
        out
    }
}

/// Words and marks of a text in order.
fn pieces(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for chunk in text.split_whitespace() {
        let word = chunk.trim_end_matches(MARKS);
        if !word.is_empty() {
            out.push(word.to_lowercase());
        }
        out.extend(chunk[word.len()..].chars().map(String::from));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_lower_case_and_unknown_words_are_lost() {
        let text = "A 2.3 cm nodule, stable. No ground-glass opacity.";
        let wording = Wording::of(&[text, "no effusion"]);
        let rows = wording.rows(text);
        assert_eq!(rows.len(), 11);
        assert!(rows.iter().all(|r| wording.is_word(*r)));
        assert_eq!(wording.text(&rows), text.to_lowercase());
        let other = wording.rows("No zebra.");
        assert_eq!(
            (other[1], wording.text(&other)),
            (UNKNOWN, "no.".to_owned())
        );
        assert_eq!(wording.text(&[BEGIN, END, FILL, 999]), "");
        assert_eq!(pieces("one.. ,"), ["one", ".", ".", ","]);
        assert!(!wording.is_word(wording.size()) && !wording.is_word(IMAGE));
    }
}
