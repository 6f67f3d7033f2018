//! What the labeler knows: terms, structures with their states, cues and modifiers, read once from
//! the TOML files under `data/`, which are part of the binary.

pub mod pattern;
pub mod trie;

use crate::error::TextError;
use hilum_core::taxonomy;
use rustc_hash::FxHashSet;
use serde::Deserialize;
use std::collections::BTreeSet;
use trie::PhraseTrie;

/// Codes beside those of the taxonomy: things that reports say and no image set labels.
pub const EXTENSIONS: [(&str, &str); 7] = [
    ("vascular_congestion", "Vascular congestion"),
    ("lung_scarring", "Lung scarring"),
    ("low_lung_volumes", "Low lung volumes"),
    ("lymphadenopathy", "Lymphadenopathy"),
    ("osteopenia", "Osteopenia"),
    ("other_finding", "Other finding"),
    ("no_finding", "No finding"),
];

/// The 14 categories of CheXpert in their published order, by code.
pub const CHEXPERT: [&str; 14] = [
    "no_finding",
    "enlarged_cardiomediastinum",
    "cardiomegaly",
    "lung_lesion",
    "lung_opacity",
    "edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "pleural_effusion",
    "pleural_other",
    "fracture",
    "support_devices",
];

/// What a cue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CueKind {
    /// The finding after it is absent.
    NegPre,
    /// The finding before it is absent.
    NegPost,
    /// The findings after it are uncertain, through a list.
    UncPre,
    /// The next finding phrase is uncertain.
    UncNear,
    /// The finding before it is uncertain.
    UncPost,
    /// Uncertain even under a negation, after it.
    FirmUncPre,
    /// Uncertain even under a negation, before it.
    FirmUncPost,
    /// Only history.
    PastPre,
    /// End of reach.
    Stop,
    /// Looks like a cue and is none.
    Pseudo,
    /// Comma, `and`, `with`.
    Join,
    /// A verb that completes a statement.
    Verb,
}

/// What a phrase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A finding, by index into [`Lexicon::terms`].
    Term(u16),
    /// A structure, by index into [`Lexicon::structures`].
    Structure(u16),
    /// A state, by index into [`Lexicon::states`].
    State(u16),
    /// A cue.
    Cue(CueKind),
    /// Hides shorter phrases.
    Ignore,
}

/// A finding's phrases and the codes they give.
#[derive(Debug, Clone)]
pub struct Term {
    /// Codes with the polarity of the mention.
    pub codes: Vec<&'static str>,
    /// Codes that are uncertain where the mention is present, absent where it is absent.
    pub hedged: Vec<&'static str>,
    /// Codes that are uncertain where the mention is present or uncertain.
    pub implied: Vec<&'static str>,
}

/// What a state says of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The finding is there.
    Present,
    /// It is not.
    Absent,
    /// It may be.
    Uncertain,
    /// The structure is mentioned, its state left open ("stable").
    Unstated,
}

/// `structure` in `state` says something about `codes`.
#[derive(Debug, Clone)]
pub struct StateRule {
    /// Index of the structure.
    pub structure: u16,
    /// Index of the state.
    pub state: u16,
    /// Codes.
    pub codes: Vec<&'static str>,
    /// What it says.
    pub says: Says,
}

/// What a modifier describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModifierKind {
    /// left, right, bilateral, midline
    Side,
    /// anatomical place
    Place,
    /// minimal, mild, moderate, severe
    Severity,
    /// new, worse, better, same, gone
    Change,
}

/// A modifier's kind and value.
#[derive(Debug, Clone)]
pub struct Modifier {
    /// Kind.
    pub kind: ModifierKind,
    /// Snake-case value.
    pub value: String,
}

/// Everything, ready to match.
#[derive(Debug)]
pub struct Lexicon {
    /// Findings.
    pub terms: Vec<Term>,
    /// Structures by id.
    pub structures: Vec<String>,
    /// States by id.
    pub states: Vec<String>,
    /// Structure and state rules.
    pub rules: Vec<StateRule>,
    /// Modifiers.
    pub modifiers: Vec<Modifier>,
    /// Phrases of terms, structures, states and cues; payloads index `roles`.
    pub phrases: PhraseTrie,
    /// Roles by payload.
    pub roles: Vec<Role>,
    /// Words that make a doubt lean to the finding.
    pub leaning: FxHashSet<String>,
    /// Phrases of modifiers; payloads index `modifiers`.
    pub modifier_phrases: PhraseTrie,
    /// Every code that can be given, CheXpert's 14 first in their order, then the others sorted.
    pub codes: Vec<&'static str>,
}

#[derive(Deserialize)]
struct FindingsFile {
    ignore: Vec<String>,
    term: Vec<TermRow>,
}

#[derive(Deserialize)]
struct TermRow {
    codes: Vec<String>,
    #[serde(default)]
    hedged: Vec<String>,
    #[serde(default)]
    implied: Vec<String>,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct StructuresFile {
    structure: Vec<NamedRow>,
    state: Vec<NamedRow>,
    rule: Vec<RuleRow>,
}

#[derive(Deserialize)]
struct NamedRow {
    id: String,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct RuleRow {
    structure: Vec<String>,
    state: String,
    codes: Vec<String>,
    says: Says,
}

#[derive(Deserialize)]
struct CuesFile {
    leaning: WordsRow,
    cue: Vec<CueRow>,
}

#[derive(Deserialize)]
struct WordsRow {
    words: FxHashSet<String>,
}

#[derive(Deserialize)]
struct CueRow {
    kind: CueKind,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct ModifiersFile {
    modifier: Vec<ModifierRow>,
}

#[derive(Deserialize)]
struct ModifierRow {
    kind: ModifierKind,
    value: String,
    phrases: Vec<String>,
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, TextError> {
    toml::from_str(text).map_err(|e| TextError::Lexicon {
        file: file.to_owned(),
        reason: e.to_string(),
    })
}

impl Lexicon {
    /// Reads the embedded files. Errors: a file that does not parse, an unknown code or a bad phrase.
    pub fn embedded() -> Result<Self, TextError> {
        let mut lexicon = Lexicon {
            terms: Vec::new(),
            structures: Vec::new(),
            states: Vec::new(),
            rules: Vec::new(),
            modifiers: Vec::new(),
            phrases: PhraseTrie::new(),
            roles: Vec::new(),
            leaning: FxHashSet::default(),
            modifier_phrases: PhraseTrie::new(),
            codes: Vec::new(),
        };
        lexicon.add_findings(parse(
            "findings.toml",
            include_str!("../../data/findings.toml"),
        )?)?;
        lexicon.add_structures(parse(
            "structures.toml",
            include_str!("../../data/structures.toml"),
        )?)?;
        lexicon.add_cues(parse("cues.toml", include_str!("../../data/cues.toml"))?)?;
        lexicon.add_modifiers(parse(
            "modifiers.toml",
            include_str!("../../data/modifiers.toml"),
        )?)?;
        lexicon.list_codes();
        Ok(lexicon)
    }

    /// Name to show for a code.
    pub fn name_of(code: &str) -> Option<&'static str> {
        let extension = EXTENSIONS
            .iter()
            .find(|(c, _)| *c == code)
            .map(|(_, name)| *name);
        taxonomy::by_code(code).map(|t| t.name).or(extension)
    }

    fn add_findings(&mut self, file: FindingsFile) -> Result<(), TextError> {
        self.add_phrases("findings.toml", &file.ignore, Role::Ignore)?;
        for row in file.term {
            let term = Term {
                codes: codes(&row.codes)?,
                hedged: codes(&row.hedged)?,
                implied: codes(&row.implied)?,
            };
            self.add_phrases(
                "findings.toml",
                &row.phrases,
                Role::Term(self.terms.len() as u16),
            )?;
            self.terms.push(term);
        }
        Ok(())
    }

    fn add_structures(&mut self, file: StructuresFile) -> Result<(), TextError> {
        const FILE: &str = "structures.toml";
        for (i, row) in file.structure.iter().enumerate() {
            self.add_phrases(FILE, &row.phrases, Role::Structure(i as u16))?;
        }
        for (i, row) in file.state.iter().enumerate() {
            self.add_phrases(FILE, &row.phrases, Role::State(i as u16))?;
        }
        for row in file.rule {
            let state = index_of(FILE, &file.state, &row.state)?;
            for structure in &row.structure {
                let structure = index_of(FILE, &file.structure, structure)?;
                self.rules.push(StateRule {
                    structure,
                    state,
                    codes: codes(&row.codes)?,
                    says: row.says,
                });
            }
        }
        self.structures = file.structure.into_iter().map(|r| r.id).collect();
        self.states = file.state.into_iter().map(|r| r.id).collect();
        Ok(())
    }

    fn add_cues(&mut self, file: CuesFile) -> Result<(), TextError> {
        self.leaning = file.leaning.words;
        file.cue
            .iter()
            .try_for_each(|row| self.add_phrases("cues.toml", &row.phrases, Role::Cue(row.kind)))
    }

    fn add_modifiers(&mut self, file: ModifiersFile) -> Result<(), TextError> {
        for row in file.modifier {
            let id = self.modifiers.len() as u32;
            insert(
                "modifiers.toml",
                &mut self.modifier_phrases,
                &row.phrases,
                id,
            )?;
            self.modifiers.push(Modifier {
                kind: row.kind,
                value: row.value,
            });
        }
        Ok(())
    }

    fn add_phrases(&mut self, file: &str, phrases: &[String], role: Role) -> Result<(), TextError> {
        let id = self.roles.len() as u32;
        self.roles.push(role);
        insert(file, &mut self.phrases, phrases, id)
    }

    fn list_codes(&mut self) {
        let terms = self
            .terms
            .iter()
            .flat_map(|t| t.codes.iter().chain(&t.hedged).chain(&t.implied));
        let all: BTreeSet<&'static str> = terms
            .chain(self.rules.iter().flat_map(|r| &r.codes))
            .copied()
            .collect();
        self.codes = CHEXPERT.to_vec();
        self.codes
            .extend(all.into_iter().filter(|c| !CHEXPERT.contains(c)));
    }
}

fn insert(file: &str, trie: &mut PhraseTrie, phrases: &[String], id: u32) -> Result<(), TextError> {
    let wrong = |reason: String| TextError::Lexicon {
        file: file.to_owned(),
        reason,
    };
    for phrase in phrases {
        for words in pattern::expand(phrase).map_err(wrong)? {
            trie.insert(&words, id).map_err(wrong)?;
        }
    }
    Ok(())
}

fn codes(names: &[String]) -> Result<Vec<&'static str>, TextError> {
    let known = |name: &String| {
        let extension = EXTENSIONS.iter().find(|(c, _)| c == name).map(|(c, _)| *c);
        taxonomy::by_code(name)
            .map(|t| t.code)
            .or(extension)
            .ok_or_else(|| TextError::Lexicon {
                file: "codes".to_owned(),
                reason: format!("`{name}` is neither in the taxonomy nor an extension"),
            })
    };
    names.iter().map(known).collect()
}

fn index_of(file: &str, rows: &[NamedRow], id: &str) -> Result<u16, TextError> {
    rows.iter()
        .position(|r| r.id == id)
        .map(|i| i as u16)
        .ok_or_else(|| TextError::Lexicon {
            file: file.to_owned(),
            reason: format!("no row with id `{id}`"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_whole() {
        let lexicon = Lexicon::embedded().unwrap();
        assert!(lexicon.codes.starts_with(&CHEXPERT));
        assert!(lexicon.codes.len() > 60, "{}", lexicon.codes.len());
        for code in &lexicon.codes {
            assert!(Lexicon::name_of(code).is_some(), "{code} has no name");
        }
    }

    #[test]
    fn an_unknown_code_is_refused() {
        assert!(codes(&["teapot".to_owned()]).is_err());
    }
}
