//! Facts: what a report says as one typed graph, and as flat records.
//!
//! A [`Graph`] has the shape of RadGraph (Jain et al. 2021): token spans that are anatomy or
//! observation, each present, uncertain or absent, joined by `located_at`, `modify` and
//! `suggestive_of`. Every entity also has a [`Sense`]: the finding's codes, a place, a side, a
//! severity, a size, a change. [`Graph::facts`] follows the relations and gives one [`Fact`] an
//! observation.
//!
//! * [`extract`] makes graphs from reports by rules with scopes; [`reader`] lets a model do it instead;
//! * [`radgraph`] reads and writes RadGraph JSON without loss;
//! * [`scene`] makes and reads the anatomy-centred graph of Chest ImaGenome, [`atlas`] its boxes;
//! * [`timeline`] follows findings over a patient's studies, [`lunguage`] writes and reads Lunguage's rows;
//! * [`compose`] makes a graph of facts that came without a text;
//! * [`entail`] decides whether one fact follows from others, [`score`] compares reports.
//!
//! ```
//! use hilum_text::facts::{Assertion, Extractor, anatomy::Side};
//! use hilum_text::ReportText;
//!
//! let report = ReportText::from_parts("Small left effusion, larger than before. No pneumothorax.", "");
//! let graph = Extractor::shared().graph(&report, &Default::default())?;
//! let facts = graph.facts();
//! assert_eq!(facts[0].name, "pleural_effusion");
//! assert_eq!(facts[0].side, Some(Side::Left));
//! assert_eq!(facts[1].assertion, Assertion::Absent);
//! # Ok::<(), hilum_text::TextError>(())
//! ```

pub mod anatomy;
pub mod atlas;
pub mod compose;
pub mod entail;
pub mod extract;
mod lexicon;
mod links;
pub mod lunguage;
pub mod radgraph;
pub mod reader;
pub mod scene;
pub mod score;
mod sequence;
pub mod stream;
pub mod timeline;
mod words;

use crate::report::SectionKind;
use anatomy::Side;
use serde::{Deserialize, Serialize};

pub use extract::Extractor;
pub use reader::GraphReader;
pub use sequence::entity_sequence;

/// Whether something is said to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assertion {
    /// There.
    Present,
    /// Perhaps.
    Uncertain,
    /// Not there.
    Absent,
}

/// What a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// A place.
    Anatomy(Assertion),
    /// Anything seen, or a word about it.
    Observation(Assertion),
}

impl Label {
    /// The assertion of either kind.
    pub fn assertion(self) -> Assertion {
        match self {
            Label::Anatomy(a) | Label::Observation(a) => a,
        }
    }
}

/// A relation's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Observation to anatomy.
    LocatedAt,
    /// Observation to observation, or anatomy to anatomy.
    Modify,
    /// Observation to observation.
    SuggestiveOf,
}

impl Relation {
    /// RadGraph's name.
    pub fn name(self) -> &'static str {
        match self {
            Relation::LocatedAt => "located_at",
            Relation::Modify => "modify",
            Relation::SuggestiveOf => "suggestive_of",
        }
    }

    /// The relation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Relation::LocatedAt,
            Relation::Modify,
            Relation::SuggestiveOf,
        ]
        .into_iter()
        .find(|r| r.name() == name)
    }
}

/// How severe or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// trace, tiny, subtle
    Minimal,
    /// mild, small, slight
    Mild,
    /// moderate
    Moderate,
    /// severe, large, marked
    Severe,
}

impl Severity {
    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        ["minimal", "mild", "moderate", "severe"][self as usize]
    }

    /// The severity of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Severity::Minimal,
            Severity::Mild,
            Severity::Moderate,
            Severity::Severe,
        ]
        .into_iter()
        .find(|s| s.name() == name)
    }
}

/// How it compares with the study before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Was not there.
    New,
    /// More than it was.
    Worse,
    /// Less than it was.
    Better,
    /// As it was.
    Same,
    /// No longer there.
    Gone,
}

impl Change {
    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        ["new", "worse", "better", "same", "gone"][self as usize]
    }

    /// The change of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Change::New,
            Change::Worse,
            Change::Better,
            Change::Same,
            Change::Gone,
        ]
        .into_iter()
        .find(|c| c.name() == name)
    }
}

/// What kind of describing word an [`Sense::Attribute`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// patchy, nodular, linear
    Morphology,
    /// diffuse, multifocal
    Distribution,
    /// acute, old
    Onset,
    /// of a device: in place, malpositioned
    Placement,
}

/// What an entity means.
#[derive(Debug, Clone, PartialEq)]
pub enum Sense {
    /// A finding by its codes, the most particular first. `rules_out`: the words themselves say
    /// that it is not there, as "normal" does of a heart for cardiomegaly; the label then tells how
    /// sure *that* is. `history`: only known from the past.
    Finding {
        /// Codes of the taxonomy or the labeler's extensions.
        codes: Vec<&'static str>,
        /// Whether the words deny it by themselves.
        rules_out: bool,
        /// Whether it is told as history only.
        history: bool,
    },
    /// Nothing wrong with the places it is located at.
    Normal,
    /// A place.
    Place(&'static anatomy::Place),
    /// A side.
    Side(Side),
    /// A severity.
    Severity(Severity),
    /// A change.
    Change(Change),
    /// A size in millimetres, as the report says it.
    Size(Vec<f64>),
    /// Another describing word; the word itself is the value.
    Attribute(AttributeKind),
    /// Nothing that is known here.
    Unknown,
}

/// A token span with its label, sense and outgoing relations.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Key in RadGraph JSON.
    pub key: String,
    /// The tokens, joined by blanks.
    pub tokens: String,
    /// First token.
    pub start: usize,
    /// Last token (inclusive, as in RadGraph).
    pub end: usize,
    /// What it is.
    pub label: Label,
    /// What it means.
    pub sense: Sense,
    /// Section it stands in, if known.
    pub section: Option<SectionKind>,
    /// Sentence within the report, from 0, if known.
    pub sentence: Option<usize>,
    /// Relations to other entities by index.
    pub relations: Vec<(Relation, usize)>,
}

/// A report's entities over its tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Tokens joined by blanks, as RadGraph cuts them.
    pub text: String,
    /// Entities in the order of the text.
    pub entities: Vec<Entity>,
}

/// One thing said, with everything said about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fact {
    /// Index of its entity in the graph.
    pub entity: usize,
    /// Its most particular code, `normal`, or its own lower-case tokens when it has no code.
    pub name: String,
    /// Every code it counts for.
    pub codes: Vec<&'static str>,
    /// As written.
    pub text: String,
    /// Whether it is there.
    pub assertion: Assertion,
    /// Only known from the past.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub history: bool,
    /// Side, said or implied by the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Places beside the one that the finding's name tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<&'static str>,
    /// Severity or extent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Change since the study before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Size in millimetres as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mm: Vec<f64>,
    /// Other describing words, lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(AttributeKind, String)>,
    /// Entities that this one is suggestive of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggests: Vec<usize>,
    /// Section, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<SectionKind>,
    /// Sentence within the report, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<usize>,
}

impl Fact {
    /// Whether it says that a place has nothing wrong with it.
    pub fn is_normal(&self) -> bool {
        self.codes.is_empty() && self.name == NORMAL
    }

    /// The change as a comparison that needs an earlier study.
    pub fn compares(&self) -> bool {
        self.change.is_some()
    }
}

/// Name of a fact that states normality.
pub const NORMAL: &str = "normal";

impl Graph {
    /// One fact for every observation that is not merely a word about another one.
    pub fn facts(&self) -> Vec<Fact> {
        let mut about = vec![Vec::new(); self.entities.len()];
        for (i, entity) in self.entities.iter().enumerate() {
            for &(relation, target) in &entity.relations {
                if relation == Relation::Modify {
                    about[target].push(i);
                }
            }
        }
        (0..self.entities.len())
            .filter(|&i| self.is_head(i))
            .map(|i| self.fact(i, &about))
            .collect()
    }

    /// Findings, statements of normality, and unknown observations that modify nothing.
    fn is_head(&self, at: usize) -> bool {
        let entity = &self.entities[at];
        let observation = matches!(entity.label, Label::Observation(_));
        let modifies = entity.relations.iter().any(|r| r.0 == Relation::Modify);
        observation
            && match entity.sense {
                Sense::Finding { .. } | Sense::Normal => true,
                Sense::Unknown => !modifies,
                _ => false,
            }
    }

    fn fact(&self, at: usize, about: &[Vec<usize>]) -> Fact {
        let entity = &self.entities[at];
        let lower = entity.tokens.to_lowercase();
        let (name, codes, assertion, history) = match &entity.sense {
            Sense::Finding {
                codes,
                rules_out,
                history,
            } => (
                codes.first().map_or(lower, |c| (*c).to_owned()),
                codes.clone(),
                turned(entity.label.assertion(), *rules_out),
                *history,
            ),
            Sense::Normal => (
                NORMAL.to_owned(),
                Vec::new(),
                entity.label.assertion(),
                false,
            ),
            _ => (lower, Vec::new(), entity.label.assertion(), false),
        };
        let mut fact = Fact {
            entity: at,
            name,
            codes,
            text: entity.tokens.clone(),
            assertion,
            history,
            side: None,
            places: Vec::new(),
            severity: None,
            change: None,
            mm: Vec::new(),
            attributes: Vec::new(),
            suggests: Vec::new(),
            section: entity.section,
            sentence: entity.sentence,
        };
        for &modifier in &about[at] {
            self.describe(&mut fact, modifier);
        }
        for &(relation, target) in &entity.relations {
            match relation {
                Relation::LocatedAt => self.locate(&mut fact, target, about),
                Relation::SuggestiveOf => fact.suggests.push(target),
                Relation::Modify => {}
            }
        }
        refine(&mut fact);
        fact
    }

    fn describe(&self, fact: &mut Fact, modifier: usize) {
        let entity = &self.entities[modifier];
        match &entity.sense {
            Sense::Side(side) => fact.side = Some(fact.side.map_or(*side, |s| s.and(*side))),
            Sense::Severity(s) => fact.severity = fact.severity.or(Some(*s)),
            Sense::Change(c) => fact.change = fact.change.or(Some(*c)),
            Sense::Size(mm) if fact.mm.is_empty() => fact.mm.clone_from(mm),
            Sense::Attribute(kind) => {
                let word = (*kind, entity.tokens.to_lowercase());
                if !fact.attributes.contains(&word) {
                    fact.attributes.push(word);
                }
            }
            _ => {}
        }
    }

    fn locate(&self, fact: &mut Fact, target: usize, about: &[Vec<usize>]) {
        let join = |fact: &mut Fact, side: Side| {
            fact.side = Some(fact.side.map_or(side, |s| s.and(side)));
        };
        match &self.entities[target].sense {
            Sense::Place(place) => {
                if let Some(side) = place.own_side() {
                    join(fact, side);
                }
                let told = fact.codes.iter().any(|c| anatomy::is_home(c, place.code));
                if !told && !fact.places.contains(&place.code) {
                    fact.places.push(place.code);
                }
            }
            Sense::Side(side) => join(fact, *side),
            _ => {}
        }
        let modifiers = about.get(target).map_or(&[][..], Vec::as_slice);
        for &modifier in modifiers {
            match &self.entities[modifier].sense {
                Sense::Side(side) => join(fact, *side),
                // One step only: a place that modifies a place, as in "left lower lobe".
                Sense::Place(_) => self.locate(fact, modifier, &[]),
                _ => {}
            }
        }
    }
}

/// A fracture at a rib is a rib fracture: more particular codes that a place makes.
fn refine(fact: &mut Fact) {
    const BY_PLACE: [(&str, &str, &str); 3] = [
        ("fracture", "rib", "rib_fracture"),
        ("fracture", "clavicle", "clavicle_fracture"),
        ("mass", "mediastinum", "mediastinal_mass"),
    ];
    let fits = |row: &&(&str, &str, &str)| row.0 == fact.name && fact.places.contains(&row.1);
    if let Some((_, place, code)) = BY_PLACE.iter().find(fits) {
        fact.name = (*code).to_owned();
        fact.codes.insert(0, code);
        fact.places.retain(|p| p != place);
    }
}

/// What words that rule a finding out make of their own assertion.
pub(in crate::facts) fn turned(assertion: Assertion, rules_out: bool) -> Assertion {
    match (assertion, rules_out) {
        (a, false) => a,
        (Assertion::Present, true) => Assertion::Absent,
        // "not normal", "probably normal" leave it open.
        (_, true) => Assertion::Uncertain,
    }
}
