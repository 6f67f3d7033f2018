//! RadGraph JSON (Jain et al. 2021): read and written without loss.
//!
//! A [`Document`] holds exactly what the file holds: unknown keys, label spellings and the order of
//! entities stay. [`Document::to_graph`] gives it meaning: the `sense` that Hilum writes beside
//! each entity is taken as it is; where another program wrote the file, senses are looked up in the
//! lexicons by the entity's own tokens and those of the anatomy it is located at.

use super::extract::Extractor;
use super::{
    Assertion, AttributeKind, Change, Entity, Graph, Label, Relation, Sense, Severity, anatomy,
};
use crate::error::TextError;
use crate::lexicon::{CHEXPERT, EXTENSIONS};
use crate::report::SectionKind;
use hilum_core::taxonomy;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// An entity as in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawEntity {
    /// Tokens joined by blanks.
    pub tokens: String,
    /// `ANAT-DP`, `OBS-DP`, `OBS-U`, `OBS-DA`, or the longer names of RadGraph-XL.
    pub label: String,
    /// First token.
    pub start_ix: usize,
    /// Last token.
    pub end_ix: usize,
    /// `[relation, key of the other entity]`.
    pub relations: Vec<(String, String)>,
    /// What Hilum knows of its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sense: Option<RawSense>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A [`Sense`] as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawSense {
    /// finding, normal, place, side, severity, change, size, attribute
    pub kind: String,
    /// Code, place, side, ... or the attribute's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Codes of a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Millimetres of a size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mm: Vec<f64>,
    /// The words deny the finding by themselves ("normal").
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rules_out: bool,
    /// Told as history only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history: bool,
    /// Section, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<SectionKind>,
    /// Sentence within the report, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<usize>,
}

/// One report as in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Tokens joined by blanks.
    pub text: String,
    /// Entities by key, in the order of the file.
    pub entities: Entities,
    /// Every other key (`data_source`, `data_split`, ...).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A JSON object of entities that keeps its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entities(pub Vec<(String, RawEntity)>);

impl Serialize for Entities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

impl<'de> Deserialize<'de> for Entities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entities;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of entities")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entities, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Entities(all))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn wrong(reason: String) -> TextError {
    TextError::Document {
        format: "RadGraph JSON",
        reason,
    }
}

impl Document {
    /// The document of a graph; each entity carries its sense.
    pub fn from_graph(graph: &Graph) -> Self {
        let entity = |e: &Entity| {
            let raw = RawEntity {
                tokens: e.tokens.clone(),
                label: label_name(e.label).to_owned(),
                start_ix: e.start,
                end_ix: e.end,
                relations: e
                    .relations
                    .iter()
                    .map(|(r, to)| (r.name().to_owned(), graph.entities[*to].key.clone()))
                    .collect(),
                sense: raw_sense(e),
                extra: Map::new(),
            };
            (e.key.clone(), raw)
        };
        let extra = [
            ("data_source", Value::Null),
            ("data_split", "inference".into()),
        ];
        Document {
            text: graph.text.clone(),
            entities: Entities(graph.entities.iter().map(entity).collect()),
            extra: extra.map(|(k, v)| (k.to_owned(), v)).into_iter().collect(),
        }
    }

    /// The graph of a document.
    ///
    /// Errors: an unknown label or relation, a relation to no entity, a repeated key, a span that
    /// ends before it starts or lies outside the text, or a sense that does not exist.
    pub fn to_graph(&self) -> Result<Graph, TextError> {
        let tokens = self.text.split_whitespace().count();
        let mut index: HashMap<&str, usize> = HashMap::new();
        for (i, (key, _)) in self.entities.0.iter().enumerate() {
            if index.insert(key, i).is_some() {
                return Err(wrong(format!("entity `{key}` is there twice")));
            }
        }
        let mut entities = Vec::with_capacity(self.entities.0.len());
        for (key, raw) in &self.entities.0 {
            if raw.end_ix < raw.start_ix || raw.end_ix >= tokens {
                return Err(wrong(format!(
                    "entity `{key}`: tokens {} to {} of {tokens}",
                    raw.start_ix, raw.end_ix
                )));
            }
            entities.push(Entity {
                key: key.clone(),
                tokens: raw.tokens.clone(),
                start: raw.start_ix,
                end: raw.end_ix,
                label: label_of(&raw.label)
                    .ok_or_else(|| wrong(format!("entity `{key}`: label `{}`", raw.label)))?,
                sense: match &raw.sense {
                    Some(sense) => read_sense(sense)?,
                    None => Sense::Unknown,
                },
                section: raw.sense.as_ref().and_then(|s| s.section),
                sentence: raw.sense.as_ref().and_then(|s| s.sentence),
                relations: relations(key, raw, &index)?,
            });
        }
        let mut graph = Graph {
            text: self.text.clone(),
            entities,
        };
        let foreign: Vec<usize> = (0..graph.entities.len())
            .filter(|&i| self.entities.0[i].1.sense.is_none())
            .collect();
        Extractor::shared().give_senses(&mut graph, &foreign);
        Ok(graph)
    }
}

fn relations(
    key: &str,
    raw: &RawEntity,
    index: &HashMap<&str, usize>,
) -> Result<Vec<(Relation, usize)>, TextError> {
    let one = |(name, to): &(String, String)| {
        let relation = Relation::from_name(name)
            .ok_or_else(|| wrong(format!("entity `{key}`: relation `{name}`")))?;
        let target = index
            .get(to.as_str())
            .ok_or_else(|| wrong(format!("entity `{key}`: no entity `{to}`")))?;
        Ok((relation, *target))
    };
    raw.relations.iter().map(one).collect()
}

/// RadGraph's short label.
pub fn label_name(label: Label) -> &'static str {
    match label {
        Label::Anatomy(Assertion::Present) => "ANAT-DP",
        Label::Anatomy(Assertion::Uncertain) => "ANAT-U",
        Label::Anatomy(Assertion::Absent) => "ANAT-DA",
        Label::Observation(Assertion::Present) => "OBS-DP",
        Label::Observation(Assertion::Uncertain) => "OBS-U",
        Label::Observation(Assertion::Absent) => "OBS-DA",
    }
}

/// The label of either vocabulary: `OBS-DA`, `Observation::definitely absent`,
/// `Observation::measurement::uncertain`.
pub fn label_of(name: &str) -> Option<Label> {
    let (kind, rest) = name.split_once(['-', ':'])?;
    let last = rest.rsplit(':').next()?;
    let assertion = match last {
        "DP" | "definitely present" => Assertion::Present,
        "U" | "uncertain" => Assertion::Uncertain,
        "DA" | "definitely absent" => Assertion::Absent,
        _ => return None,
    };
    match kind {
        "ANAT" | "Anatomy" => Some(Label::Anatomy(assertion)),
        "OBS" | "Observation" => Some(Label::Observation(assertion)),
        _ => None,
    }
}

/// The static form of a code.
pub fn code_of(name: &str) -> Option<&'static str> {
    let ours = EXTENSIONS.iter().map(|(c, _)| *c).chain(CHEXPERT);
    taxonomy::by_code(name)
        .map(|t| t.code)
        .or_else(|| ours.into_iter().find(|c| *c == name))
}

fn raw_sense(e: &Entity) -> Option<RawSense> {
    let mut raw = RawSense {
        kind: String::new(),
        value: None,
        codes: Vec::new(),
        mm: Vec::new(),
        rules_out: false,
        history: false,
        section: e.section,
        sentence: e.sentence,
    };
    let (kind, value) = match &e.sense {
        Sense::Finding {
            codes,
            rules_out,
            history,
        } => {
            raw.codes = codes.iter().map(|c| (*c).to_owned()).collect();
            raw.rules_out = *rules_out;
            raw.history = *history;
            ("finding", None)
        }
        Sense::Normal => ("normal", None),
        Sense::Place(place) => ("place", Some(place.code)),
        Sense::Side(side) => ("side", Some(side.name())),
        Sense::Severity(severity) => ("severity", Some(severity.name())),
        Sense::Change(change) => ("change", Some(change.name())),
        Sense::Size(mm) => {
            raw.mm.clone_from(mm);
            ("size", None)
        }
        Sense::Attribute(kind) => ("attribute", Some(attribute_name(*kind))),
        Sense::Unknown => return None,
    };
    raw.kind = kind.to_owned();
    raw.value = value.map(str::to_owned);
    Some(raw)
}

/// Snake-case name of an attribute's kind.
pub fn attribute_name(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Morphology => "morphology",
        AttributeKind::Distribution => "distribution",
        AttributeKind::Onset => "onset",
        AttributeKind::Placement => "placement",
    }
}

fn read_sense(raw: &RawSense) -> Result<Sense, TextError> {
    let value = raw.value.as_deref().unwrap_or_default();
    let sense = match raw.kind.as_str() {
        "finding" => {
            let codes: Option<Vec<_>> = raw.codes.iter().map(|c| code_of(c)).collect();
            codes.map(|codes| Sense::Finding {
                codes,
                rules_out: raw.rules_out,
                history: raw.history,
            })
        }
        "normal" => Some(Sense::Normal),
        "place" => anatomy::place(value).map(Sense::Place),
        "side" => anatomy::Side::from_name(value).map(Sense::Side),
        "severity" => Severity::from_name(value).map(Sense::Severity),
        "change" => Change::from_name(value).map(Sense::Change),
        "size" => Some(Sense::Size(raw.mm.clone())),
        "attribute" => [
            AttributeKind::Morphology,
            AttributeKind::Distribution,
            AttributeKind::Onset,
            AttributeKind::Placement,
        ]
        .into_iter()
        .find(|k| attribute_name(*k) == value)
        .map(Sense::Attribute),
        _ => None,
    };
    sense.ok_or_else(|| {
        wrong(format!(
            "sense `{}` with value {:?} and codes {:?}",
            raw.kind, raw.value, raw.codes
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReportText;
    use serde_json::json;

    /// In the form that the radgraph package gives out, with keys of other programs.
    fn foreign() -> Value {
        json!({
            "text": "heart is enlarged . small left pleural effusion , may be edema .",
            "entities": {
                "10": {"tokens": "heart", "label": "ANAT-DP", "start_ix": 0, "end_ix": 0, "relations": []},
                "2": {"tokens": "enlarged", "label": "OBS-DP", "start_ix": 2, "end_ix": 2, "relations": [["located_at", "10"]], "score": 0.5},
                "3": {"tokens": "small", "label": "OBS-DP", "start_ix": 4, "end_ix": 4, "relations": [["modify", "6"]]},
                "4": {"tokens": "left", "label": "ANAT-DP", "start_ix": 5, "end_ix": 5, "relations": [["modify", "5"]]},
                "5": {"tokens": "pleural", "label": "ANAT-DP", "start_ix": 6, "end_ix": 6, "relations": []},
                "6": {"tokens": "effusion", "label": "Observation::definitely present", "start_ix": 7, "end_ix": 7,
                      "relations": [["located_at", "5"], ["suggestive_of", "7"]]},
                "7": {"tokens": "edema", "label": "OBS-U", "start_ix": 11, "end_ix": 11, "relations": []}
            },
            "data_source": "MIMIC-CXR", "data_split": "dev", "labeler": [1, null]
        })
    }

    #[test]
    fn a_foreign_document_comes_back_as_it_was() {
        let text = foreign().to_string();
        let document: Document = serde_json::from_str(&text).unwrap();
        let again = serde_json::to_value(&document).unwrap();
        assert_eq!(again, foreign());
        let keys: Vec<&str> = document
            .entities
            .0
            .iter()
            .map(|(k, _)| k.as_str())
            .collect();
        assert_eq!(keys.len(), 7);
        let twice: Document =
            serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
        assert_eq!(twice, document);
    }

    #[test]
    fn a_foreign_document_is_understood() {
        let document: Document = serde_json::from_value(foreign()).unwrap();
        let facts = document.to_graph().unwrap().facts();
        let names: Vec<&str> = facts.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for name in ["cardiomegaly", "pleural_effusion", "edema"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let effusion = facts.iter().find(|f| f.name == "pleural_effusion").unwrap();
        assert_eq!(effusion.side, Some(anatomy::Side::Left));
        assert_eq!(effusion.severity, Some(Severity::Mild));
        assert_eq!(effusion.suggests.len(), 1);
    }

    #[test]
    fn graphs_survive_the_file() {
        let text = "Mild cardiomegaly, unchanged. A 1.2 cm nodule in the left upper lobe is suspicious for malignancy. \
                    Lungs are otherwise clear. The heart is not enlarged/normal. No right effusion (2 x 3 cm).";
        let report = ReportText::from_parts(text, "Öffnung: small éffusion. History of pneumonia.");
        let graph = Extractor::shared()
            .graph(&report, &Default::default())
            .unwrap();
        assert!(graph.entities.len() > 12);
        let json = serde_json::to_string(&Document::from_graph(&graph)).unwrap();
        let back: Document = serde_json::from_str(&json).unwrap();
        assert_eq!(back.to_graph().unwrap(), graph);
        let tokens: Vec<&str> = graph.text.split(' ').collect();
        for e in &graph.entities {
            assert_eq!(tokens[e.start..=e.end].join(" "), e.tokens);
        }
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let broken = |path: &str, value: Value| {
            let mut doc = foreign();
            *doc.pointer_mut(path).unwrap() = value;
            let document: Document = serde_json::from_value(doc).unwrap();
            document.to_graph().unwrap_err().to_string()
        };
        assert!(broken("/entities/2/label", json!("OBS-X")).contains("OBS-X"));
        assert!(broken("/entities/2/relations", json!([["located_at", "99"]])).contains("99"));
        assert!(broken("/entities/2/relations", json!([["part_of", "10"]])).contains("part_of"));
        assert!(broken("/entities/7/end_ix", json!(40)).contains("40"));
    }
}
