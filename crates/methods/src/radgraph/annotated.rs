//! Sentences written and annotated by hand for this project (`annotated.tsv`).
//!
//! A line is `part TAB family TAB text TAB relations`. In the text an entity is `[its tokens]` with its number and the
//! letter of its label: `A` a place or side, `p` present, `u` uncertain, `n` absent. A relation is the number of its source,
//! `L` (located at), `M` (modify) or `S` (suggestive of), and the number of its target.

use super::spans::{Said, Span, Window};
use crate::error::{MethodError, Result};
use hilum_text::facts::extract::cut_tokens;
use std::collections::BTreeMap;

const FILE: &str = include_str!("annotated.tsv");

/// What an annotated sentence is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Trained on.
    Train,
    /// The epoch is chosen on it.
    Dev,
    /// Measured on, once.
    Test,
}

/// An annotated sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    /// What it is for.
    pub part: Part,
    /// What it was written for: negation, laterality, ...
    pub family: String,
    /// Tokens and what they say.
    pub window: Window,
}

/// All of them.
///
/// # Errors
/// None with the file that is built in, which a test reads.
pub fn sentences() -> Result<Vec<Sentence>> {
    parse(FILE)
}

fn parse(text: &str) -> Result<Vec<Sentence>> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, l)| !l.is_empty() && !l.starts_with('#'))
        .map(|(i, line)| {
            sentence(line).map_err(|reason| {
                MethodError::Config(format!("annotated sentences, line {}: {reason}", i + 1))
            })
        })
        .collect()
}

fn sentence(line: &str) -> std::result::Result<Sentence, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [part, family, text, rest @ ..] = cells.as_slice() else {
        return Err("three cells at least".to_owned());
    };
    let part = match *part {
        "train" => Part::Train,
        "dev" => Part::Dev,
        "test" => Part::Test,
        other => return Err(format!("no part `{other}`")),
    };
    let (tokens, spans) = entities(text)?;
    let mut said = Said::default();
    for (span, label) in spans.values() {
        said.entities.insert((*span, (*label).to_owned()));
    }
    if said.entities.len() != spans.len() {
        return Err("two entities on one span".to_owned());
    }
    for relation in rest.iter().flat_map(|r| r.split_whitespace()) {
        said.relations.insert(one_relation(relation, &spans)?);
    }
    Ok(Sentence {
        part,
        family: (*family).to_owned(),
        window: Window { tokens, said },
    })
}

type Numbered = BTreeMap<usize, (Span, &'static str)>;

fn entities(text: &str) -> std::result::Result<(Vec<String>, Numbered), String> {
    let mut tokens = Vec::new();
    let mut spans = Numbered::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        push_tokens(before, &mut tokens);
        let (inside, after) = after.split_once(']').ok_or("`[` without `]`")?;
        let start = tokens.len();
        push_tokens(inside, &mut tokens);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = after[..digits]
            .parse()
            .map_err(|_| "`]` without a number")?;
        let label = match after[digits..].chars().next() {
            Some('A') => "ANAT-DP",
            Some('p') => "OBS-DP",
            Some('u') => "OBS-U",
            Some('n') => "OBS-DA",
            other => return Err(format!("no label {other:?}")),
        };
        if tokens.len() == start {
            return Err("an entity without tokens".to_owned());
        }
        if spans
            .insert(number, ((start, tokens.len() - 1), label))
            .is_some()
        {
            return Err(format!("entity {number} is there twice"));
        }
        rest = &after[digits + 1..];
    }
    push_tokens(rest, &mut tokens);
    Ok((tokens, spans))
}

fn push_tokens(text: &str, tokens: &mut Vec<String>) {
    let mut ranges = Vec::new();
    cut_tokens(text, &mut ranges);
    tokens.extend(ranges.into_iter().map(|r| text[r].to_owned()));
}

fn one_relation(text: &str, spans: &Numbered) -> std::result::Result<(Span, Span, String), String> {
    let at = text
        .find(['L', 'M', 'S'])
        .ok_or("a relation without L, M or S")?;
    let name = match &text[at..=at] {
        "L" => "located_at",
        "M" => "modify",
        _ => "suggestive_of",
    };
    let end = |text: &str| {
        let number: usize = text.parse().map_err(|_| format!("no entity `{text}`"))?;
        let known = spans.get(&number).map(|s| s.0);
        known.ok_or_else(|| format!("no entity {number}"))
    };
    Ok((end(&text[..at])?, end(&text[at + 1..])?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_file_is_read_and_has_no_sentence_twice() {
        let all = sentences().unwrap();
        let of = |part| all.iter().filter(|s| s.part == part).count();
        assert!(all.len() >= 150, "{}", all.len());
        assert!(of(Part::Train) >= 80 && of(Part::Dev) >= 20 && of(Part::Test) >= 60);
        let texts: BTreeSet<String> = all
            .iter()
            .map(|s| s.window.tokens.join(" ").to_lowercase())
            .collect();
        assert_eq!(texts.len(), all.len());
        for s in &all {
            // Places are located or modified, they do not suggest; what modifies a place is one.
            for (a, b, relation) in &s.window.said.relations {
                let label = |span: &Span| {
                    let own = s.window.said.entities.iter().find(|e| e.0 == *span);
                    super::super::spans::is_anatomy(&own.unwrap().1)
                };
                let fits = match relation.as_str() {
                    "located_at" => !label(a) && label(b),
                    "suggestive_of" => !label(a) && !label(b),
                    _ => label(a) == label(b),
                };
                assert!(fits, "{}: {relation}", s.window.tokens.join(" "));
            }
        }
    }

    #[test]
    fn marks_become_spans_and_what_is_wrong_is_named() {
        let all = parse("test\tx\tNo [free air]1n under the [diaphragm]2A.\t1L2\n").unwrap();
        let window = &all[0].window;
        assert_eq!(window.tokens.join(" "), "No free air under the diaphragm .");
        assert!(
            window
                .said
                .entities
                .contains(&((1, 2), "OBS-DA".to_owned()))
        );
        let relation = ((1, 2), (5, 5), "located_at".to_owned());
        assert!(window.said.relations.contains(&relation));
        let told = |line: &str| parse(line).unwrap_err().to_string();
        assert!(told("test\tx\t[air]1n\t1L7").contains("no entity 7"));
        assert!(told("test\tx\t[air]1q").contains("no label"));
        assert!(told("play\tx\tair").contains("no part"));
        assert!(told("test\tx\t[air").contains("without"));
    }
}
