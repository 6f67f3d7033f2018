//! Meanings of words from the user's copy of WordNet (Miller 1995), as METEOR's synonym stage uses them.
//!
//! The folder holds the files of WordNet 3.0's `dict` (Debian: package `wordnet-base`, folder
//! `/usr/share/wordnet`). Two words are synonyms when they share a synonym set; an inflected word also has
//! the sets of its base, found in the lists of exceptions or by WordNet's own suffix rules.

use crate::error::TextError;
use rustc_hash::FxHashMap;
use std::path::Path;

const PARTS: [&str; 4] = ["noun", "verb", "adj", "adv"];

/// Endings and what stands for them in the base: nouns, verbs, adjectives (morphy, WordNet 3.0).
const ENDINGS: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// Synonym sets of words, and bases of irregular forms.
#[derive(Debug, Clone, Default)]
pub struct WordNet {
    sets: FxHashMap<String, Vec<u32>>,
    bases: FxHashMap<String, Vec<String>>,
    name: String,
}

impl WordNet {
    /// Reads `index.*` and `*.exc` of a `dict` folder.
    ///
    /// # Errors
    /// [`TextError::Resource`] when a file is missing, not UTF-8, or a line is not of its form.
    pub fn load(folder: &Path) -> Result<Self, TextError> {
        let read = |name: String| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .map(|text| (path.clone(), text))
                .map_err(|e| TextError::Resource {
                    path,
                    reason: e.to_string(),
                })
        };
        let mut out = WordNet::default();
        for part in PARTS {
            let (path, index) = read(format!("index.{part}"))?;
            let fail = |line: usize| TextError::Resource {
                path: path.clone(),
                reason: format!("line {line} is no index entry"),
            };
            for (at, line) in index.lines().enumerate() {
                if line.starts_with(' ') {
                    out.find_version(line);
                    continue;
                }
                let (word, offsets) = entry(line).ok_or_else(|| fail(at + 1))?;
                out.sets.entry(word.to_owned()).or_default().extend(offsets);
            }
            let (_, exceptions) = read(format!("{part}.exc"))?;
            for line in exceptions.lines() {
                let mut words = line.split_whitespace().map(str::to_owned);
                if let Some(form) = words.next() {
                    out.bases.entry(form).or_default().extend(words);
                }
            }
        }
        for sets in out.sets.values_mut() {
            sets.sort_unstable();
            sets.dedup();
        }
        if out.name.is_empty() {
            out.name = format!("unknown({}words)", out.sets.len());
        }
        Ok(out)
    }

    /// The version, from the licence at the head of the files: `WordNet 3.0 Copyright ...`.
    fn find_version(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once("WordNet ")
            && let Some(version) = rest
                .split_whitespace()
                .next()
                .filter(|v| v.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.name = version.to_owned();
        }
    }

    /// Version, for signatures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Synonym sets of a word in lower case and of its base, sorted.
    pub fn meanings(&self, word: &str) -> Vec<u32> {
        let mut out = self.sets.get(word).cloned().unwrap_or_default();
        match self.bases.get(word) {
            Some(bases) => out.extend(bases.iter().filter_map(|b| self.sets.get(b)).flatten()),
            None => out.extend(
                self.base(word)
                    .and_then(|b| self.sets.get(&b))
                    .into_iter()
                    .flatten(),
            ),
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Base of a regular form: the first ending whose replacement gives a word.
    fn base(&self, word: &str) -> Option<String> {
        let (stem, ful) = match word.strip_suffix("ful") {
            Some(stem) => (stem, "ful"),
            None if word.ends_with("ss") || word.len() <= 2 => return None,
            None => (word, ""),
        };
        let bases = ENDINGS
            .iter()
            .filter_map(|(ending, by)| stem.strip_suffix(ending).map(|s| format!("{s}{by}")));
        let known = bases
            .into_iter()
            .find(|base| self.sets.contains_key(base.as_str()))?;
        Some(known + ful)
    }
}

/// Word and offsets of a line `lemma pos sets pointers [pointer...] senses tagged offset...`.
fn entry(line: &str) -> Option<(&str, Vec<u32>)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let sets: usize = fields.get(2)?.parse().ok()?;
    let offsets = fields.len().checked_sub(sets).filter(|from| *from >= 4)?;
    let offsets = fields[offsets..]
        .iter()
        .map(|f| f.parse())
        .collect::<Result<_, _>>()
        .ok()?;
    Some((fields[0], offsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> WordNet {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "index.noun",
            "  1 x WordNet 3.0 Copyright 2006\nheart n 1 1 @ 1 1 00000010  \nticker n 1 0 1 0 00000010\nman n 1 0 1 0 00000020\nfoot n 1 0 1 0 00000030\n",
        );
        write("index.verb", "enlarge v 2 1 @ 2 1 00000040 00000050\n");
        write("index.adj", "");
        write("index.adv", "");
        write("noun.exc", "feet foot\n");
        ["verb.exc", "adj.exc", "adv.exc"]
            .iter()
            .for_each(|name| write(name, ""));
        WordNet::load(folder.path()).unwrap()
    }

    #[test]
    fn words_share_sets_with_synonyms_and_bases() {
        let w = tiny();
        assert_eq!(
            (w.name(), w.meanings("heart")),
            ("3.0", w.meanings("ticker"))
        );
        assert_eq!(w.meanings("hearts"), [10]);
        assert_eq!(w.meanings("feet"), [30]);
        assert_eq!(w.meanings("enlarged"), [40, 50]);
        assert!(w.meanings("opacity").is_empty());
    }

    #[test]
    fn a_missing_folder_is_named() {
        assert!(matches!(
            WordNet::load(Path::new("/no/such")),
            Err(TextError::Resource { .. })
        ));
    }
}
