//! Scene graphs as facts: those written here and the published ones, one JSON object an image with `objects`,
//! `attributes` and `relationships`.
//!
//! A graph says a finding at each of its locations, so mentions that agree in everything but the place are
//! put together again: a zone stands for the lung that holds it, and left and right are bilateral. What a
//! scene graph does not hold does not come back: sizes, history, sentences, places without a location.

use super::{LOCATIONS, locations, parent};
use crate::error::TextError;
use crate::facts::anatomy::{PLACES, Side};
use crate::facts::compose::{Statements, bare};
use crate::facts::extract::Extractor;
use crate::facts::words::Named;
use crate::facts::{Assertion, AttributeKind, Change, Fact, NORMAL, Severity};
use crate::lexicon::{EXTENSIONS, Lexicon};
use hilum_core::taxonomy::{ABNORMAL, TABLE};
use serde::Deserialize;
use serde_json::Value;

const FORMAT: &str = "scene graph";

/// Which image a graph is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `image_id`, or `id`.
    pub image: String,
    /// `patient_id`, if given.
    pub patient: Option<String>,
    /// `StudyOrder`, if given.
    pub order: Option<u64>,
}

#[derive(Deserialize)]
struct RawScene {
    #[serde(default)]
    image_id: Value,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    patient_id: Value,
    #[serde(default, rename = "StudyOrder")]
    order: Value,
    #[serde(default)]
    objects: Vec<RawObject>,
    attributes: Vec<RawAttributes>,
    #[serde(default)]
    relationships: Vec<RawRelation>,
    /// Only graphs written here have it.
    unplaced: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawObject {
    #[serde(default)]
    object_id: String,
}

#[derive(Deserialize)]
struct RawAttributes {
    #[serde(default)]
    object_id: String,
    #[serde(default)]
    bbox_name: Value,
    #[serde(default)]
    name: Value,
    attributes: Vec<Vec<String>>,
    #[serde(default)]
    phrases: Vec<String>,
    #[serde(default)]
    comparison_cues: Vec<Vec<String>>,
    #[serde(default)]
    temporal_cues: Vec<Vec<String>>,
    #[serde(default)]
    severity_cues: Vec<Vec<String>>,
    #[serde(default)]
    texture_cues: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct RawRelation {
    #[serde(default)]
    relationship_names: Vec<String>,
    #[serde(default)]
    finding: Option<String>,
    #[serde(default)]
    attributes: Vec<String>,
    subject_id: String,
    bbox_name: String,
}

/// The facts of one graph, and what it is of.
///
/// # Errors
/// [`TextError::Document`] when it has not that shape, [`TextError::UnknownValue`] for a location, an answer
/// that is neither yes nor no, or a comparison that is not known, [`TextError::DanglingRelation`] for a
/// relation of an object that is not there.
pub fn read(graph: Value) -> Result<(Head, Statements), TextError> {
    let raw: RawScene = serde_json::from_value(graph).map_err(|e| TextError::Document {
        format: FORMAT,
        reason: e.to_string(),
    })?;
    let head = head(&raw)?;
    let mut notes = Vec::new();
    let mut mentions = Vec::new();
    for entry in &raw.attributes {
        read_entry(entry, raw.unplaced.is_some(), &mut mentions, &mut notes)?;
    }
    compare(&raw, &mut mentions, &mut notes)?;
    let facts = gather(mentions);
    let unplaced = raw.unplaced.iter().flatten();
    notes.extend(unplaced.map(|_| "unplaced_left_out"));
    Ok((head, Statements { facts, notes }))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn head(raw: &RawScene) -> Result<Head, TextError> {
    let image = plain(&raw.image_id).or_else(|| plain(&raw.id));
    Ok(Head {
        image: image.ok_or_else(|| TextError::Document {
            format: FORMAT,
            reason: "`image_id` is missing or neither text nor number".to_owned(),
        })?,
        patient: plain(&raw.patient_id),
        order: raw.order.as_u64(),
    })
}

/// Where a mention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    /// One of the 29 locations.
    Location(usize),
    /// A published location beyond them.
    Further {
        place: Option<&'static str>,
        side: Option<Side>,
    },
}

/// Published locations beyond the 29, with the place and the side that they are here.
const FURTHER: [(&str, Option<&str>, Option<Side>); 18] = [
    ("left cardiac silhouette", Some("heart"), Some(Side::Left)),
    ("right cardiac silhouette", Some("heart"), Some(Side::Right)),
    ("descending aorta", Some("aorta"), None),
    ("left upper abdomen", Some("abdomen"), Some(Side::Left)),
    ("right upper abdomen", Some("abdomen"), Some(Side::Right)),
    ("left cardiophrenic angle", None, Some(Side::Left)),
    ("right cardiophrenic angle", None, Some(Side::Right)),
    ("left chest wall", Some("chest_wall"), Some(Side::Left)),
    ("right chest wall", Some("chest_wall"), Some(Side::Right)),
    ("left breast", Some("soft_tissue"), Some(Side::Left)),
    ("right breast", Some("soft_tissue"), Some(Side::Right)),
    ("left shoulder", Some("shoulder"), Some(Side::Left)),
    ("right shoulder", Some("shoulder"), Some(Side::Right)),
    ("left arm", None, Some(Side::Left)),
    ("right arm", None, Some(Side::Right)),
    ("left neck", Some("neck"), Some(Side::Left)),
    ("right neck", Some("neck"), Some(Side::Right)),
    ("neck", Some("neck"), None),
];

fn spot(name: &str) -> Option<Spot> {
    let lower = name.trim().to_lowercase();
    if let Some(at) = LOCATIONS.iter().position(|l| *l == lower) {
        return Some(Spot::Location(at));
    }
    if lower == "unknown" {
        return Some(Spot::Further {
            place: None,
            side: None,
        });
    }
    let (_, place, side) = FURTHER.iter().find(|(n, ..)| *n == lower)?;
    Some(Spot::Further {
        place: *place,
        side: *side,
    })
}

/// A finding at a location.
#[derive(Debug, Clone, PartialEq)]
struct Mention {
    spot: Spot,
    named: Named,
    text: String,
    assertion: Assertion,
    severity: Option<Severity>,
    change: Option<Change>,
    attributes: Vec<(AttributeKind, String)>,
    phrase: String,
}

/// What the cues of a phrase say of its findings.
#[derive(Default)]
struct Cues {
    uncertain: bool,
    severity: Option<Severity>,
    change: Option<Change>,
    attributes: Vec<(AttributeKind, String)>,
}

fn unknown(at: &str, field: &'static str, value: &str) -> TextError {
    TextError::UnknownValue {
        format: FORMAT,
        at: at.to_owned(),
        field,
        value: value.to_owned(),
    }
}

/// `family|yes|name`.
fn parts<'a>(at: &str, attribute: &'a str) -> Result<(&'a str, bool, &'a str), TextError> {
    let wrong = || unknown(at, "attributes", attribute);
    let mut parts = attribute.splitn(3, '|').map(str::trim);
    let (family, answer, name) = (
        parts.next().unwrap_or_default(),
        parts.next().ok_or_else(wrong)?,
        parts.next().filter(|n| !n.is_empty()).ok_or_else(wrong)?,
    );
    match answer {
        "yes" => Ok((family, true, name)),
        "no" => Ok((family, false, name)),
        _ => Err(wrong()),
    }
}

fn read_entry(
    entry: &RawAttributes,
    ours: bool,
    mentions: &mut Vec<Mention>,
    notes: &mut Vec<&'static str>,
) -> Result<(), TextError> {
    // Where `bbox_name` is missing, `name` tells the same in capitals.
    let place = entry.bbox_name.as_str().or(entry.name.as_str());
    let place = place.unwrap_or_default();
    let spot = spot(place).ok_or_else(|| unknown(&entry.object_id, "bbox_name", place))?;
    if matches!(spot, Spot::Further { place: None, .. }) {
        notes.push("location_left_out");
    }
    for (i, list) in entry.attributes.iter().enumerate() {
        let more = [
            &entry.comparison_cues,
            &entry.temporal_cues,
            &entry.severity_cues,
            &entry.texture_cues,
        ];
        let more = more.iter().filter_map(|cues| cues.get(i)).flatten();
        let mut cues = Cues::default();
        let mut findings = Vec::new();
        for attribute in list.iter().chain(more) {
            let (family, yes, name) = parts(place, attribute)?;
            if !cue(&mut cues, family, yes, name, notes) {
                findings.push((yes, name));
            }
        }
        let phrase = entry.phrases.get(i).map_or("", String::as_str);
        for (yes, name) in findings {
            mentions.push(mention(spot, yes, name, phrase, ours, &cues));
        }
    }
    Ok(())
}

/// Takes a word about findings; false for a finding.
fn cue(
    cues: &mut Cues,
    family: &str,
    yes: bool,
    name: &str,
    notes: &mut Vec<&'static str>,
) -> bool {
    let extractor = Extractor::shared();
    let mut attribute = |kind: AttributeKind| {
        let word = (kind, name.to_lowercase());
        if !cues.attributes.contains(&word) {
            cues.attributes.push(word);
        }
    };
    match (family, yes) {
        ("certainty" | "severity" | "texture" | "comparison" | "temporal", false) => {
            notes.push("denied_cue_left_out");
        }
        ("certainty", true) => cues.uncertain |= name == "uncertain",
        // The published severities hold one that is no severity.
        ("severity", true) if name == "hedge" => cues.uncertain = true,
        ("severity", true) => {
            let severity = extractor.severity_in(name);
            notes.extend(severity.is_none().then_some("severity_left_out"));
            cues.severity = cues.severity.or(severity);
        }
        ("texture", true) => {
            attribute(
                extractor
                    .attribute_in(name)
                    .unwrap_or(AttributeKind::Morphology),
            );
        }
        ("temporal", true) => match extractor.change_in(name) {
            Some(change @ (Change::New | Change::Gone)) => cues.change = Some(change),
            _ => attribute(AttributeKind::Onset),
        },
        ("comparison", true) => {
            let change = compared(name);
            notes.extend(change.is_none().then_some("comparison_left_out"));
            cues.change = cues.change.or(change);
        }
        _ => return false,
    }
    true
}

fn compared(name: &str) -> Option<Change> {
    match name {
        "improved" => Some(Change::Better),
        "worsened" => Some(Change::Worse),
        "no change" => Some(Change::Same),
        _ => None,
    }
}

fn mention(spot: Spot, yes: bool, name: &str, phrase: &str, ours: bool, cues: &Cues) -> Mention {
    // Our phrases are the finding's own words, published ones are sentences.
    let text = if ours && !phrase.is_empty() {
        phrase
    } else {
        name
    };
    let named = named(name, text);
    let assertion = match (yes, cues.uncertain) {
        (true, true) => Assertion::Uncertain,
        (true, false) => Assertion::Present,
        (false, _) => Assertion::Absent,
    };
    Mention {
        spot,
        assertion: crate::facts::turned(assertion, named.rules_out),
        named,
        text: text.to_owned(),
        severity: cues.severity,
        change: cues.change,
        attributes: cues.attributes.clone(),
        phrase: phrase.to_owned(),
    }
}

/// The finding of a published or of our own name; the words of the report tell its further codes.
fn named(name: &str, text: &str) -> Named {
    let extractor = Extractor::shared();
    let code = |code: &'static str| Named {
        name: code.to_owned(),
        codes: extractor.codes_of(code, text),
        rules_out: false,
    };
    if name == "abnormal" {
        return code(ABNORMAL);
    }
    if name != NORMAL {
        let mut known = TABLE
            .iter()
            .map(|t| t.code)
            .chain(EXTENSIONS.map(|(c, _)| c));
        let shown =
            known.find(|c| Lexicon::name_of(c).is_some_and(|n| n.eq_ignore_ascii_case(name)));
        if let Some(found) = shown {
            return code(found);
        }
    }
    extractor.named(name, None)
}

/// Comparison relations: checked, and taken where the attributes do not say the change.
fn compare(
    raw: &RawScene,
    mentions: &mut [Mention],
    notes: &mut Vec<&'static str>,
) -> Result<(), TextError> {
    let objects = raw.objects.iter().map(|o| o.object_id.as_str());
    let described = raw.attributes.iter().map(|a| a.object_id.as_str());
    let ids: Vec<&str> = objects.chain(described).collect();
    for relation in &raw.relationships {
        if !ids.contains(&relation.subject_id.as_str()) {
            return Err(TextError::DanglingRelation {
                format: FORMAT,
                at: "relationships".to_owned(),
                to: relation.subject_id.clone(),
            });
        }
        let at = spot(&relation.bbox_name)
            .ok_or_else(|| unknown(&relation.subject_id, "bbox_name", &relation.bbox_name))?;
        let names = relation
            .attributes
            .iter()
            .filter_map(|a| a.rsplit('|').next());
        let names: Vec<Named> = relation
            .finding
            .as_deref()
            .into_iter()
            .chain(names)
            .map(|n| named(n, n))
            .collect();
        for name in &relation.relationship_names {
            let (_, yes, what) = parts(&relation.subject_id, name)?;
            let change = compared(what)
                .filter(|_| yes)
                .ok_or_else(|| unknown(&relation.subject_id, "relationship_names", name))?;
            let about =
                |m: &&mut Mention| m.spot == at && names.iter().any(|n| n.name == m.named.name);
            let mut found = false;
            for mention in mentions.iter_mut().filter(about) {
                mention.change = mention.change.or(Some(change));
                found = true;
            }
            notes.extend((!found).then_some("comparison_left_out"));
        }
    }
    Ok(())
}

/// Puts mentions together that differ in nothing but their location.
fn gather(mentions: Vec<Mention>) -> Vec<Fact> {
    let mut groups: Vec<(Mention, Vec<Spot>)> = Vec::new();
    for mention in mentions {
        let spot = mention.spot;
        let same = |(m, _): &&mut (Mention, Vec<Spot>)| {
            let here = Mention { spot, ..m.clone() };
            here == mention
        };
        match groups.iter_mut().find(same) {
            Some((_, spots)) => spots.push(spot),
            None => groups.push((mention, vec![spot])),
        }
    }
    let mut facts = Vec::new();
    for (mention, spots) in &groups {
        for (side, places) in whereabouts(mention, spots) {
            let fact = fact(facts.len(), mention, side, places);
            facts.push(fact);
        }
    }
    facts
}

type Where = (Option<Side>, Vec<&'static str>);

/// Sides with their places: both sides as one where their places are the same.
fn whereabouts(mention: &Mention, spots: &[Spot]) -> Vec<Where> {
    let rolled = mention.assertion != Assertion::Absent && mention.named.name != NORMAL;
    let holds = |whole: usize| {
        let part = |s: &Spot| matches!(s, Spot::Location(at) if parent(*at) == Some(whole));
        rolled && spots.iter().any(part)
    };
    let mut middle = Vec::new();
    let (mut left, mut right): (Vec<&'static str>, Vec<&'static str>) = (Vec::new(), Vec::new());
    let mut out: Vec<Where> = Vec::new();
    for spot in spots {
        match *spot {
            Spot::Location(at) if holds(at) => {}
            Spot::Location(at) => {
                let name = LOCATIONS[at];
                // "right atrium" is one place, and no side.
                if let Some(place) = scene_place(name) {
                    middle.push(place);
                } else if let Some(place) = name.strip_prefix("left ").and_then(scene_place) {
                    left.push(place);
                } else if let Some(place) = name.strip_prefix("right ").and_then(scene_place) {
                    right.push(place);
                }
            }
            Spot::Further { place, side } => out.push((side, place.into_iter().collect())),
        }
    }
    if !middle.is_empty() {
        out.push((None, middle));
    }
    if left == right && !left.is_empty() {
        out.push((Some(Side::Bilateral), left));
        return out;
    }
    for (side, places) in [(Side::Right, right), (Side::Left, left)] {
        if !places.is_empty() {
            out.push((Some(side), places));
        }
    }
    out
}

/// The place that a location without its side is: of several the one that is nothing else beside.
fn scene_place(name: &str) -> Option<&'static str> {
    match name {
        "upper lung zone" => Some("upper_zone"),
        "mid lung zone" => Some("mid_zone"),
        "lower lung zone" => Some("lower_zone"),
        "aortic arch" => Some("aortic_arch"),
        "abdomen" => Some("abdomen"),
        _ => PLACES
            .iter()
            .find(|p| p.scene == Some(name))
            .map(|p| p.code),
    }
}

fn fact(row: usize, mention: &Mention, side: Option<Side>, places: Vec<&'static str>) -> Fact {
    let named = &mention.named;
    let mut fact = bare(
        row,
        named.name.clone(),
        named.codes.clone(),
        mention.text.clone(),
    );
    fact.assertion = mention.assertion;
    fact.severity = mention.severity;
    fact.change = mention.change;
    fact.attributes.clone_from(&mention.attributes);
    fact.side = side;
    fact.places = places;
    told_by_name(&mut fact);
    fact
}

/// Leaves a place out that the finding has by its name alone.
fn told_by_name(fact: &mut Fact) {
    let with = locations(fact);
    let without = Fact {
        places: Vec::new(),
        ..fact.clone()
    };
    if !with.is_empty() && locations(&without) == with {
        fact.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{patient_scenes, scene, scene_of};
    use super::*;
    use crate::facts::Graph;
    use crate::facts::score::graphs;
    use crate::facts::timeline::track;
    use serde_json::json;

    /// What a scene graph holds of the facts: everything of it comes back.
    #[test]
    fn our_graphs_come_back_as_facts_that_make_the_same_graph() {
        let own = include_str!("../../../tests/fixtures/annotated_facts.jsonl").lines();
        let own = own.map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["text"].as_str().unwrap().to_owned()
        });
        let others = include_str!("../../../tests/fixtures/annotated_sentences.tsv").lines();
        let others = others
            .filter(|l| !l.starts_with('#'))
            .flat_map(|l| l.split('\t').filter(|c| c.contains(' ')).map(str::to_owned));
        let mut checked = 0;
        for text in own.chain(others) {
            let graph = &graphs(&[text.as_str()]).unwrap()[0];
            let written = scene("i", graph, None);
            let (head, back) = read(serde_json::to_value(&written).unwrap()).unwrap();
            assert_eq!((head.image.as_str(), head.patient), ("i", None));
            let left_out = |n: &&&str| **n != "unplaced_left_out";
            assert_eq!(back.notes.iter().filter(left_out).count(), 0, "{text}");
            let facts = Graph::from_facts(&back.facts).facts();
            let again = scene_of("i", &facts, None);
            assert_eq!(again.attributes, written.attributes, "{text}");
            let said = |f: &Fact| {
                (
                    f.name.clone(),
                    f.assertion,
                    f.severity,
                    f.change,
                    f.text.clone(),
                )
            };
            let before: Vec<_> = graph.facts().iter().map(said).collect();
            assert!(facts.iter().all(|f| before.contains(&said(f))), "{text}");
            checked += facts.len();
        }
        assert!(checked > 350, "{checked}");
    }

    #[test]
    fn a_patients_graphs_keep_their_order_and_comparisons() {
        let graphs = graphs(&["Left effusion.", "The left effusion is gone. New edema."]).unwrap();
        let facts: Vec<Vec<Fact>> = graphs.iter().map(Graph::facts).collect();
        let names = ["a", "b"].map(str::to_owned);
        let scenes = patient_scenes("p", &names, &track(&facts), &[]);
        let (head, second) = read(serde_json::to_value(&scenes[1]).unwrap()).unwrap();
        assert_eq!((head.patient.as_deref(), head.order), (Some("p"), Some(2)));
        let change = |name: &str| second.facts.iter().find(|f| f.name == name).unwrap().change;
        assert_eq!(change("pleural_effusion"), Some(Change::Gone));
        assert_eq!(change("edema"), Some(Change::New));
    }

    fn published() -> Value {
        json!({
            "image_id": "img", "viewpoint": "AP", "patient_id": 100, "study_id": 7, "StudyOrder": 2, "gender": "F",
            "objects": [{"object_id": "img_right lung", "x1": 1, "y1": 2, "x2": 3, "y2": 4, "bbox_name": "right lung",
                         "synsets": ["C1"], "name": "Right lung", "original_x1": 10}],
            "attributes": [
                {"right lung": true, "bbox_name": "right lung", "synsets": ["C1"], "name": "Right lung",
                 "attributes": [["anatomicalfinding|no|pneumothorax", "anatomicalfinding|yes|pulmonary edema/hazy opacity"],
                                ["anatomicalfinding|yes|lung opacity"]],
                 "attributes_ids": [["x", "y"], ["z"]], "phrases": ["A sentence of the report.", "Another one."],
                 "phrase_IDs": ["1", "2"], "sections": ["finalreport", "finalreport"],
                 "comparison_cues": [[], ["comparison|yes|worsened"]], "temporal_cues": [[], ["temporal|yes|acute"]],
                 "severity_cues": [["severity|yes|mild"], []], "texture_cues": [[], ["texture|yes|linear"]],
                 "object_id": "img_right lung"},
                {"bbox_name": "cardiac silhouette", "object_id": "img_cardiac silhouette",
                 "attributes": [["anatomicalfinding|yes|enlarged cardiac silhouette"]], "phrases": ["Large heart."]},
                {"bbox_name": "left chest wall", "object_id": "img_left chest wall",
                 "attributes": [["device|yes|strange gadget", "nlp|yes|abnormal"]], "phrases": ["Gadget."]}
            ],
            "relationships": [{"relationship_id": "r", "predicate": "['No status change']", "synsets": ["C2"],
                "relationship_names": ["comparison|yes|improved"], "relationship_contexts": [1.0], "phrase": "p",
                "attributes": ["anatomicalfinding|yes|enlarged cardiac silhouette"], "bbox_name": "cardiac silhouette",
                "subject_id": "img_cardiac silhouette", "object_id": "earlier_cardiac silhouette"}]
        })
    }

    #[test]
    fn published_graphs_are_understood_and_further_keys_tolerated() {
        let (head, told) = read(published()).unwrap();
        assert_eq!(
            (head.patient.as_deref(), head.order),
            (Some("100"), Some(2))
        );
        let fact = |name: &str| {
            let found = told.facts.iter().find(|f| f.name == name);
            found.unwrap_or_else(|| panic!("{name} in {:?}", told.facts))
        };
        assert_eq!(fact("pneumothorax").assertion, Assertion::Absent);
        assert_eq!(fact("pneumothorax").side, Some(Side::Right));
        let opacity = fact("lung_opacity");
        assert_eq!(opacity.change, Some(Change::Worse));
        assert_eq!(opacity.attributes.len(), 2);
        assert_eq!(fact("edema").severity, Some(Severity::Mild));
        assert_eq!(fact("cardiomegaly").change, Some(Change::Better));
        let gadget = fact("strange gadget");
        assert_eq!(
            (gadget.places.as_slice(), gadget.side),
            (&["chest_wall"][..], Some(Side::Left))
        );
        assert_eq!(fact(ABNORMAL).assertion, Assertion::Present);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_by_name() {
        let broken = |path: &str, value: Value| {
            let mut graph = published();
            *graph.pointer_mut(path).unwrap() = value;
            read(graph).unwrap_err()
        };
        for (path, value) in [
            ("/attributes/0/bbox_name", "left moon"),
            (
                "/attributes/0/attributes/0/0",
                "anatomicalfinding|perhaps|edema",
            ),
            ("/attributes/0/attributes/0/0", "edema"),
            (
                "/relationships/0/relationship_names/0",
                "comparison|yes|bluer",
            ),
        ] {
            let error = broken(path, json!(value));
            assert!(
                matches!(error, TextError::UnknownValue { .. }),
                "{path}: {error}"
            );
        }
        let error = broken("/relationships/0/subject_id", json!("nowhere"));
        assert!(
            matches!(error, TextError::DanglingRelation { .. }),
            "{error}"
        );
        let error = broken("/image_id", json!(null));
        assert!(matches!(error, TextError::Document { .. }), "{error}");
        assert!(read(json!({"image_id": "i"})).is_err());
        assert!(read(json!([1])).is_err());
    }
}
