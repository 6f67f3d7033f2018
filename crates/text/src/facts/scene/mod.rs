//! The anatomy-centred scene graph of Chest ImaGenome (Wu et al. 2021): 29 locations with boxes,
//! attributes of each location, and comparison relations to the patient's study before.
//!
//! Attributes are written as there, `family|yes or no|name`, with the names of Hilum's taxonomy.
//! A later sentence overrides an earlier one for the same location and finding, what is positive in
//! a zone is positive in its lung, and every pair of finding and location is one that makes sense
//! ([`legal`]); facts without such a location are counted, not dropped in silence. Published graphs know three
//! comparisons; that something is new or gone stands beside them as `temporal|yes|new` or `gone`. [`read()`] takes
//! graphs back, ours and the published ones.

mod read;

use super::anatomy::{self, Side};
use super::atlas::{Frame, LOCATIONS};
use super::timeline::Tracked;
use super::{Assertion, Change, Fact, Graph, NORMAL};
use crate::lexicon::Lexicon;
use hilum_core::taxonomy::{self, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use read::{Head, read};

/// A location with its box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Id within the file: the image's id and the location.
    pub object_id: String,
    /// One of the 29 locations.
    pub bbox_name: String,
    /// Left edge in pixels.
    pub x1: f64,
    /// Top edge in pixels.
    pub y1: f64,
    /// Right edge in pixels.
    pub x2: f64,
    /// Bottom edge in pixels.
    pub y2: f64,
}

/// What is said of a location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocationAttributes {
    /// The location's object.
    pub object_id: String,
    /// One of the 29 locations.
    pub bbox_name: String,
    /// One list a fact: the finding first, then its severity, texture and comparison.
    pub attributes: Vec<Vec<String>>,
    /// The words of each fact.
    pub phrases: Vec<String>,
}

/// A comparison with the study before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Unique within the file.
    pub relationship_id: String,
    /// `comparison|yes|improved`, `worsened` or `no change`.
    pub relationship_names: Vec<String>,
    /// The finding that is compared.
    pub finding: String,
    /// Location in this study.
    pub subject_id: String,
    /// The same location in the study before.
    pub object_id: String,
    /// Location.
    pub bbox_name: String,
    /// The words.
    pub phrase: String,
}

/// One image's graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneGraph {
    /// Image or study.
    pub image_id: String,
    /// Patient, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<String>,
    /// Place in the patient's studies, from 1, if known.
    #[serde(
        default,
        rename = "StudyOrder",
        skip_serializing_if = "Option::is_none"
    )]
    pub study_order: Option<usize>,
    /// Locations with boxes; empty where there is no frame to put them in.
    pub objects: Vec<Object>,
    /// Locations of which something is said.
    pub attributes: Vec<LocationAttributes>,
    /// Comparisons with the study before.
    pub relationships: Vec<Comparison>,
    /// Facts that have no location among the 29.
    #[serde(default)]
    pub unplaced: Vec<String>,
}

/// Default places of findings whose name and report tell none.
const DEFAULT: [(&str, &str); 6] = [
    ("scoliosis", "spine"),
    ("kyphosis", "spine"),
    ("vertebral_degenerative_changes", "spine"),
    ("hiatal_hernia", "mediastinum"),
    ("lymphadenopathy", "mediastinum"),
    ("pulmonary_hypertension", "hilum"),
];

/// The scene graph of one report; `frame` gives the boxes.
pub fn scene(image_id: &str, graph: &Graph, frame: Option<&Frame>) -> SceneGraph {
    scene_of(image_id, &graph.facts(), frame)
}

/// As [`scene`], from facts.
pub fn scene_of(image_id: &str, facts: &[Fact], frame: Option<&Frame>) -> SceneGraph {
    let mut said: BTreeMap<(usize, String), &Fact> = BTreeMap::new();
    let mut unplaced = Vec::new();
    for fact in facts.iter().filter(|f| !f.history) {
        let locations = locations(fact);
        if locations.is_empty() {
            unplaced.push(fact.text.clone());
        }
        for at in locations {
            // In the order of the text, so that the last word counts.
            said.insert((at, fact.name.clone()), fact);
        }
    }
    roll_up(&mut said);
    SceneGraph {
        image_id: image_id.to_owned(),
        patient_id: None,
        study_order: None,
        objects: frame.map(|f| objects(image_id, f)).unwrap_or_default(),
        attributes: attributes(image_id, &said),
        relationships: Vec::new(),
        unplaced,
    }
}

fn objects(image_id: &str, frame: &Frame) -> Vec<Object> {
    let object = |name: &&str| {
        let rect = frame.location(name)?;
        Some(Object {
            object_id: object_id(image_id, name),
            bbox_name: (*name).to_owned(),
            x1: rect.x,
            y1: rect.y,
            x2: rect.x + rect.w,
            y2: rect.y + rect.h,
        })
    };
    LOCATIONS.iter().filter_map(object).collect()
}

fn object_id(image_id: &str, location: &str) -> String {
    format!("{image_id}_{location}")
}

/// What is there in a part is there in the whole. A denial of the whole stays below it: the report
/// contradicts itself then, and the finding wins.
fn roll_up(said: &mut BTreeMap<(usize, String), &Fact>) {
    let positive: Vec<(usize, String, &Fact)> = said
        .iter()
        .filter(|(_, f)| f.assertion != Assertion::Absent && !f.is_normal())
        .map(|((at, name), f)| (*at, name.clone(), *f))
        .collect();
    for (at, name, fact) in positive {
        // What is in the atrium is in the heart, and so in the mediastinum.
        let mut part = at;
        while let Some(whole) = parent(part).filter(|&p| legal(fact, LOCATIONS[p])) {
            let there = said.entry((whole, name.clone())).or_insert(fact);
            if there.assertion == Assertion::Absent {
                *there = fact;
            }
            part = whole;
        }
    }
}

/// The location that holds another one.
pub fn parent(at: usize) -> Option<usize> {
    let name = LOCATIONS[at];
    let whole = match name {
        _ if name.ends_with(" lung zone") || name.ends_with(" apical zone") => None,
        _ if name.ends_with("hilar structures") || name.ends_with("costophrenic angle") => None,
        "svc"
        | "aortic arch"
        | "upper mediastinum"
        | "carina"
        | "cavoatrial junction"
        | "cardiac silhouette" => Some("mediastinum"),
        "right atrium" => Some("cardiac silhouette"),
        _ => return None,
    };
    let whole = whole.unwrap_or(if name.starts_with("left") {
        "left lung"
    } else {
        "right lung"
    });
    LOCATIONS.iter().position(|l| *l == whole)
}

/// Locations of a fact, by index into [`LOCATIONS`], only legal ones.
fn locations(fact: &Fact) -> Vec<usize> {
    let default = || {
        let home = fact.codes.iter().find_map(|c| anatomy::home(c));
        let row = DEFAULT.iter().find(|(c, _)| fact.codes.contains(c));
        home.or(row.map(|r| r.1))
            .or(lung_finding(fact).then_some("lung"))
    };
    let places: Vec<&str> = if fact.places.is_empty() {
        default().into_iter().collect()
    } else {
        fact.places.clone()
    };
    let mut out = Vec::new();
    for place in places.into_iter().filter_map(anatomy::place) {
        let Some(scene) = place.scene else { continue };
        let sides: &[&str] = match (place.paired(), place.own_side().or(fact.side)) {
            (false, Some(Side::Left)) if place.own_side().is_some() => &["left "],
            (false, Some(Side::Right)) if place.own_side().is_some() => &["right "],
            (false, _) => &[""],
            (true, Some(Side::Left)) => &["left "],
            (true, Some(Side::Right)) => &["right "],
            (true, _) => &["right ", "left "],
        };
        for side in sides {
            let name = format!("{side}{scene}");
            let at = LOCATIONS.iter().position(|l| **l == name);
            out.extend(at.filter(|&a| legal(fact, LOCATIONS[a]) && !out.contains(&a)));
        }
    }
    out
}

fn lung_finding(fact: &Fact) -> bool {
    let lung = |c: &&&str| {
        ["lung_opacity", "lung_lesion"]
            .iter()
            .any(|p| *c == p || taxonomy::is_kind_of(c, p))
            || matches!(
                **c,
                "emphysema"
                    | "copd"
                    | "bronchiectasis"
                    | "bulla"
                    | "fibrosis"
                    | "lung_cyst"
                    | "nodule"
                    | "mass"
                    | "granuloma"
                    | "volume_loss"
                    | "pneumonia"
                    | "edema"
                    | "tuberculosis"
            )
    };
    fact.codes.iter().any(|c| lung(&c))
}

/// Whether a finding can be at a location: devices, normality and calcifications anywhere, a
/// finding whose name tells its place there and in what holds it or lies in it, a finding of the
/// lungs in the lungs and the mediastinum, everything else anywhere.
pub fn legal(fact: &Fact, location: &str) -> bool {
    if fact.is_normal() || is_device(fact) {
        return true;
    }
    let lungs = ["lung", "hilar", "costophrenic", "hemidiaphragm", "apical"];
    let in_lungs = lungs.iter().any(|w| location.contains(w));
    match fact.codes.iter().find_map(|c| anatomy::home(c)) {
        Some("pleura") => in_lungs || location == "mediastinum",
        Some("soft_tissue") | None if lung_finding(fact) => {
            in_lungs || location.contains("mediastinum")
        }
        None | Some("soft_tissue") => true,
        Some(home) => {
            let place = anatomy::place(home).and_then(|p| p.scene);
            let own = place.is_some_and(|s| location.ends_with(s));
            own || (location.contains("mediastinum") && anatomy::within(home, "mediastinum"))
                || (in_lungs && anatomy::within(home, "lung"))
        }
    }
}

fn is_device(fact: &Fact) -> bool {
    let device = |c: &&str| taxonomy::by_code(c).is_some_and(|t| t.kind == Kind::Device);
    fact.codes.iter().any(device)
}

fn attributes(image_id: &str, said: &BTreeMap<(usize, String), &Fact>) -> Vec<LocationAttributes> {
    let mut out: Vec<LocationAttributes> = Vec::new();
    for ((at, _), fact) in said {
        let name = LOCATIONS[*at];
        if out.last().is_none_or(|l| l.bbox_name != name) {
            out.push(LocationAttributes {
                object_id: object_id(image_id, name),
                bbox_name: name.to_owned(),
                attributes: Vec::new(),
                phrases: Vec::new(),
            });
        }
        if let Some(last) = out.last_mut() {
            last.attributes.push(words(fact));
            last.phrases.push(fact.text.clone());
        }
    }
    out
}

/// `family|yes|name` and what goes with it.
fn words(fact: &Fact) -> Vec<String> {
    let yes = if fact.assertion == Assertion::Absent {
        "no"
    } else {
        "yes"
    };
    let name = Lexicon::name_of(&fact.name).map_or(fact.name.clone(), str::to_lowercase);
    let mut words = vec![format!("{}|{yes}|{name}", family(fact))];
    if fact.assertion == Assertion::Uncertain {
        words.push("certainty|yes|uncertain".to_owned());
    }
    words.extend(fact.severity.map(|s| format!("severity|yes|{}", s.name())));
    words.extend(
        fact.attributes
            .iter()
            .map(|(_, w)| format!("texture|yes|{w}")),
    );
    words.extend(fact.change.map(|c| comparison(c).to_owned()));
    let begun_or_ended = fact
        .change
        .filter(|c| matches!(c, Change::New | Change::Gone));
    words.extend(begun_or_ended.map(|c| format!("temporal|yes|{}", c.name())));
    words
}

fn family(fact: &Fact) -> &'static str {
    if fact.name == NORMAL {
        return "nlp";
    }
    match taxonomy::by_code(&fact.name).map(|t| t.kind) {
        Some(Kind::Disease) => "disease",
        Some(Kind::Device) => {
            let tube = |w: &&str| fact.name.contains(w);
            if ["tube", "catheter"].iter().any(tube) {
                "tubesandlines"
            } else {
                "device"
            }
        }
        Some(Kind::Summary) => "nlp",
        _ => "anatomicalfinding",
    }
}

fn comparison(change: Change) -> &'static str {
    match change {
        Change::Better | Change::Gone => "comparison|yes|improved",
        Change::Worse | Change::New => "comparison|yes|worsened",
        Change::Same => "comparison|yes|no change",
    }
}

/// The scene graphs of a patient's studies in time order, with comparison relations to the study
/// before. Only comparisons that a report words and that have a study before them become relations. `frames`
/// are those of the studies, by the same index; a study beyond them has no boxes.
pub fn patient_scenes(
    patient_id: &str,
    names: &[String],
    tracked: &[Tracked],
    frames: &[Option<Frame>],
) -> Vec<SceneGraph> {
    let mut scenes = Vec::new();
    for (study, name) in names.iter().enumerate() {
        let here: Vec<&Tracked> = tracked.iter().filter(|t| t.study == study).collect();
        let facts: Vec<Fact> = here.iter().map(|t| t.fact.clone()).collect();
        let frame = frames.get(study).and_then(Option::as_ref);
        let mut scene = scene_of(name, &facts, frame);
        scene.patient_id = Some(patient_id.to_owned());
        scene.study_order = Some(study + 1);
        if let Some(before) = study.checked_sub(1).map(|b| &names[b]) {
            scene.relationships = relations(name, before, &here);
        }
        scenes.push(scene);
    }
    scenes
}

fn relations(name: &str, before: &str, here: &[&Tracked]) -> Vec<Comparison> {
    let mut out = Vec::new();
    for tracked in here {
        let fact = &tracked.fact;
        let Some(change) = fact.change else { continue };
        for at in locations(fact) {
            let location = LOCATIONS[at];
            out.push(Comparison {
                relationship_id: format!("{}_{}", object_id(name, location), out.len() + 1),
                relationship_names: vec![comparison(change).to_owned()],
                finding: fact.name.clone(),
                subject_id: object_id(name, location),
                object_id: object_id(before, location),
                bbox_name: location.to_owned(),
                phrase: fact.text.clone(),
            });
        }
    }
    out
}

impl SceneGraph {
    /// What is said of a location: `family|yes|name` of each fact.
    pub fn attributes_of(&self, location: &str) -> Vec<&str> {
        let here = self.attributes.iter().filter(|a| a.bbox_name == location);
        here.flat_map(|a| &a.attributes)
            .filter_map(|words| words.first().map(String::as_str))
            .collect()
    }

    /// What one graph says and the other does not: (location, attribute) of this one only.
    pub fn minus(&self, other: &SceneGraph) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for location in LOCATIONS {
            let there = other.attributes_of(location);
            for attribute in self.attributes_of(location) {
                if !there.contains(&attribute) {
                    out.push((location.to_owned(), attribute.to_owned()));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;
    use crate::facts::timeline::track;

    fn scene_for(text: &str) -> SceneGraph {
        scene(
            "i",
            &graphs(&[text]).unwrap()[0],
            Some(&Frame::of_image(1000.0, 1000.0)),
        )
    }

    #[test]
    fn a_zone_rolls_up_to_its_lung_and_later_sentences_win() {
        let graph = scene_for(
            "Possible right lower lobe consolidation. Left lower lobe opacity. Right base is without consolidation.",
        );
        assert!(
            graph
                .attributes_of("left lower lung zone")
                .contains(&"anatomicalfinding|yes|lung opacity")
        );
        assert!(
            graph
                .attributes_of("left lung")
                .contains(&"anatomicalfinding|yes|lung opacity")
        );
        let right = graph.attributes_of("right lower lung zone");
        assert!(
            right.contains(&"anatomicalfinding|no|consolidation"),
            "{right:?}"
        );
        assert!(
            !graph
                .attributes_of("right lung")
                .contains(&"anatomicalfinding|yes|lung opacity")
        );
        assert_eq!(graph.objects.len(), 29);
    }

    #[test]
    fn what_has_no_location_is_counted() {
        let graph = scene_for("Left rib fracture. Cardiomegaly.");
        assert_eq!(graph.unplaced.len(), 1, "{:?}", graph.unplaced);
        assert!(
            graph
                .attributes_of("cardiac silhouette")
                .contains(&"anatomicalfinding|yes|cardiomegaly")
        );
        assert!(
            graph.attributes_of("mediastinum").is_empty()
                || legal(
                    &graphs(&["Cardiomegaly."]).unwrap()[0].facts()[0],
                    "mediastinum"
                )
        );
    }

    #[test]
    fn comparisons_point_from_study_to_study() {
        let graphs = graphs(&[
            "Left effusion.",
            "The left effusion has increased. Stable cardiomegaly.",
        ])
        .unwrap();
        let facts: Vec<Vec<Fact>> = graphs.iter().map(Graph::facts).collect();
        let names = ["one", "two"].map(str::to_owned);
        let scenes = patient_scenes("p", &names, &track(&facts), &[]);
        assert!(scenes[0].relationships.is_empty());
        let effusion = scenes[1]
            .relationships
            .iter()
            .find(|r| r.finding == "pleural_effusion")
            .unwrap();
        assert_eq!(effusion.relationship_names, ["comparison|yes|worsened"]);
        assert_eq!(
            (effusion.subject_id.as_str(), effusion.object_id.as_str()),
            ("two_left lung", "one_left lung")
        );
        let json = serde_json::to_string(&scenes).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<SceneGraph>>(&json).unwrap(),
            scenes
        );
        assert!(!scenes[1].minus(&scenes[0]).is_empty());
        assert!(scenes[0].minus(&scenes[0]).is_empty());
    }

    /// Over the annotated sentences: every edge is legal, and a lung has what its parts have.
    #[test]
    fn every_edge_is_legal_and_parents_hold_their_parts() {
        for line in include_str!("../../../tests/fixtures/annotated_facts.jsonl").lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let graph = &graphs(&[row["text"].as_str().unwrap()]).unwrap()[0];
            let scene = scene("i", graph, None);
            for fact in graph.facts() {
                for at in locations(&fact) {
                    assert!(
                        legal(&fact, LOCATIONS[at]),
                        "{} at {}",
                        fact.name,
                        LOCATIONS[at]
                    );
                    let Some(whole) = parent(at).filter(|&p| legal(&fact, LOCATIONS[p])) else {
                        continue;
                    };
                    let positive = format!("|yes|{}", words(&fact)[0].rsplit('|').next().unwrap());
                    let has = |l: usize| {
                        scene
                            .attributes_of(LOCATIONS[l])
                            .iter()
                            .any(|a| a.ends_with(&positive) && !a.starts_with("nlp"))
                    };
                    assert!(!has(at) || has(whole), "{} in {}", positive, LOCATIONS[at]);
                }
            }
        }
    }
}
