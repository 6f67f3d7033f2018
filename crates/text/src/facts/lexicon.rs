//! Phrases of `data/facts.toml`, ready to match, and the senses of the labeler's modifiers.

use super::anatomy::{self, Place, Side};
use super::{AttributeKind, Change, Sense, Severity};
use crate::error::TextError;
use crate::lexicon::trie::PhraseTrie;
use crate::lexicon::{Lexicon, ModifierKind, pattern};
use serde::Deserialize;

const FILE: &str = "facts.toml";

/// What a phrase is to the fact rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// A place, with the side that an abbreviation implies.
    Place(&'static Place, Option<Side>),
    /// A describing word.
    Attribute(AttributeKind),
    /// A sign before it suggests what comes after.
    Link,
    /// Nothing wrong.
    Normal,
    /// "Any abnormality".
    Abnormal,
    /// A change.
    Change(Change),
    /// Part of a device.
    DevicePart,
    /// Hides shorter phrases.
    Ignore,
}

/// The file, matched over words like the labeler's lexicon.
#[derive(Debug)]
pub struct FactLexicon {
    /// Phrases; payloads index `roles`.
    pub phrases: PhraseTrie,
    /// Roles by payload.
    pub roles: Vec<Role>,
    /// Sense of each of the labeler's modifiers; `None` for its places, which this file names.
    pub modifiers: Vec<Option<Sense>>,
}

#[derive(Deserialize)]
struct File {
    ignore: Vec<String>,
    place: Vec<PlaceRow>,
    attribute: Vec<AttributeRow>,
    link: Vec<Row>,
    normal: Vec<Row>,
    abnormal: Vec<Row>,
    change: Vec<ChangeRow>,
    device_part: Vec<Row>,
}

#[derive(Deserialize)]
struct ChangeRow {
    value: Change,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct PlaceRow {
    place: String,
    side: Option<Side>,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct AttributeRow {
    kind: AttributeKind,
    phrases: Vec<String>,
}

impl FactLexicon {
    /// Reads the embedded file. Errors: it does not parse, or names a place that does not exist.
    pub fn embedded(labels: &Lexicon) -> Result<Self, TextError> {
        let file: File = toml::from_str(include_str!("../../data/facts.toml")).map_err(wrong)?;
        let mut out = FactLexicon {
            phrases: PhraseTrie::new(),
            roles: Vec::new(),
            modifiers: labels.modifiers.iter().map(modifier_sense).collect(),
        };
        out.add(&file.ignore, Role::Ignore)?;
        for row in &file.place {
            let place = anatomy::place(&row.place)
                .ok_or_else(|| wrong(format!("unknown place `{}`", row.place)))?;
            out.add(&row.phrases, Role::Place(place, row.side))?;
        }
        for row in &file.attribute {
            out.add(&row.phrases, Role::Attribute(row.kind))?;
        }
        for row in &file.change {
            out.add(&row.phrases, Role::Change(row.value))?;
        }
        for (rows, role) in [
            (&file.link, Role::Link),
            (&file.normal, Role::Normal),
            (&file.abnormal, Role::Abnormal),
            (&file.device_part, Role::DevicePart),
        ] {
            rows.iter()
                .try_for_each(|row| out.add(&row.phrases, role))?;
        }
        Ok(out)
    }

    fn add(&mut self, phrases: &[String], role: Role) -> Result<(), TextError> {
        let id = self.roles.len() as u32;
        self.roles.push(role);
        for phrase in phrases {
            for words in pattern::expand(phrase).map_err(wrong)? {
                self.phrases.insert(&words, id).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

fn wrong(reason: impl ToString) -> TextError {
    TextError::Lexicon {
        file: FILE.to_owned(),
        reason: reason.to_string(),
    }
}

fn modifier_sense(modifier: &crate::lexicon::Modifier) -> Option<Sense> {
    let value = modifier.value.as_str();
    match modifier.kind {
        ModifierKind::Side => Side::from_name(value).map(Sense::Side),
        ModifierKind::Severity => Severity::from_name(value).map(Sense::Severity),
        ModifierKind::Change => Change::from_name(value).map(Sense::Change),
        ModifierKind::Place => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_is_whole_and_every_modifier_has_a_sense() {
        let labels = Lexicon::embedded().unwrap();
        let facts = FactLexicon::embedded(&labels).unwrap();
        for (modifier, sense) in labels.modifiers.iter().zip(&facts.modifiers) {
            assert_eq!(
                sense.is_none(),
                modifier.kind == ModifierKind::Place,
                "{}",
                modifier.value
            );
        }
    }
}
