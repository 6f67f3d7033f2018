//! Facts in the rows of Lunguage (Moon et al. 2025): one row an entity, its attributes by name, the
//! relations ASSOCIATE and EVIDENCE, and for a patient the group and the episode. [`read()`] takes rows
//! back, ours and those of files with the published columns.

mod read;

use super::compose::millimetres;
use super::timeline::Tracked;
use super::{Assertion, AttributeKind, Change, Fact, Graph, Relation};
use serde::{Deserialize, Serialize};

pub use read::{Fields, read};

/// One row. Lists are joined by ", "; what is not said is left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Study of the row, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<String>,
    /// Section, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Sentence within the report, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_idx: Option<usize>,
    /// Row within the report, from 0; relations name it.
    pub ent_idx: usize,
    /// The finding: its code, or its words.
    pub entity: String,
    /// The words of the report.
    pub text: String,
    /// Every code it counts for, where these are more than the entity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// positive or negative
    pub dx_status: String,
    /// definitive or tentative
    pub dx_certainty: String,
    /// Side and places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// minimal, mild, moderate, severe
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// "new", acute, old, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<String>,
    /// Said to be better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub improved: Option<String>,
    /// Said to be worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worsened: Option<String>,
    /// Said to be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_change: Option<String>,
    /// How a device lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<String>,
    /// Shape words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub morphology: Option<String>,
    /// Spread words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Size as millimetres, e.g. `12 x 9 mm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<String>,
    /// Told as history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past_hx: Option<String>,
    /// Rows that this one goes with: what it suggests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub associate: Vec<usize>,
    /// Rows that are evidence for this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<usize>,
    /// Finding within the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_group: Option<usize>,
    /// Episode of that finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<usize>,
}

/// The rows of one report.
pub fn rows(graph: &Graph) -> Vec<Row> {
    let facts = graph.facts();
    let row_of = |entity: usize| facts.iter().position(|f| f.entity == entity);
    let mut rows: Vec<Row> = facts.iter().enumerate().map(|(i, f)| row(i, f)).collect();
    for (i, fact) in facts.iter().enumerate() {
        for target in fact.suggests.iter().filter_map(|&e| row_of(e)) {
            rows[i].associate.push(target);
            rows[target].evidence.push(i);
        }
    }
    debug_assert!(graph.entities.iter().all(|e| {
        let points = |r: &(Relation, usize)| r.1 < graph.entities.len();
        e.relations.iter().all(points)
    }));
    rows
}

/// The rows of a patient: those of each study in order, with group and episode. `graphs` and
/// `names` are the studies that `tracked` was made of.
pub fn timeline_rows(graphs: &[Graph], names: &[String], tracked: &[Tracked]) -> Vec<Row> {
    let mut out = Vec::new();
    for (study, (graph, name)) in graphs.iter().zip(names).enumerate() {
        let facts = graph.facts();
        for (fact, mut row) in facts.iter().zip(rows(graph)) {
            let same = |t: &&Tracked| t.study == study && t.fact.entity == fact.entity;
            if let Some(t) = tracked.iter().find(same) {
                row.entity_group = Some(t.group);
                row.episode = Some(t.episode);
            }
            row.study = Some(name.clone());
            out.push(row);
        }
    }
    out
}

fn row(ent_idx: usize, fact: &Fact) -> Row {
    let words = |kind: AttributeKind| -> Vec<&str> {
        let of = fact.attributes.iter().filter(|(k, _)| *k == kind);
        of.map(|(_, w)| w.as_str()).collect()
    };
    let joined = |words: Vec<&str>| (!words.is_empty()).then(|| words.join(", "));
    let said = |change: Change| (fact.change == Some(change)).then(|| change.name().to_owned());
    let mut place: Vec<&str> = fact.side.map(|s| s.name()).into_iter().collect();
    place.extend(&fact.places);
    let mut onset = words(AttributeKind::Onset);
    if fact.change == Some(Change::New) {
        onset.push("new");
    }
    let more = fact.codes.len() > 1 || fact.codes.first().is_some_and(|c| *c != fact.name);
    Row {
        section: fact.section.map(|s| s.name().to_owned()),
        sent_idx: fact.sentence,
        ent_idx,
        entity: fact.name.clone(),
        text: fact.text.clone(),
        codes: if more {
            fact.codes.iter().map(|c| (*c).to_owned()).collect()
        } else {
            Vec::new()
        },
        dx_status: status(fact.assertion).to_owned(),
        dx_certainty: certainty(fact.assertion).to_owned(),
        location: joined(place),
        severity: fact.severity.map(|s| s.name().to_owned()),
        onset: joined(onset),
        improved: said(Change::Better).or(said(Change::Gone)),
        worsened: said(Change::Worse),
        no_change: said(Change::Same),
        placement: joined(words(AttributeKind::Placement)),
        morphology: joined(words(AttributeKind::Morphology)),
        distribution: joined(words(AttributeKind::Distribution)),
        measurement: (!fact.mm.is_empty()).then(|| millimetres(&fact.mm)),
        past_hx: fact.history.then(|| "history".to_owned()),
        ..Row::default()
    }
}

fn status(assertion: Assertion) -> &'static str {
    match assertion {
        Assertion::Absent => "negative",
        _ => "positive",
    }
}

fn certainty(assertion: Assertion) -> &'static str {
    match assertion {
        Assertion::Uncertain => "tentative",
        _ => "definitive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;
    use crate::facts::timeline::track;

    #[test]
    fn a_report_becomes_rows_that_point_at_each_other() {
        let text =
            "New patchy opacity in the left lower lobe, suspicious for pneumonia. No effusion.";
        let rows = rows(&graphs(&[text]).unwrap()[0]);
        let entities: Vec<&str> = rows.iter().map(|r| r.entity.as_str()).collect();
        assert_eq!(entities, ["lung_opacity", "pneumonia", "pleural_effusion"]);
        assert_eq!(rows[0].location.as_deref(), Some("left, lower_lobe"));
        assert_eq!(rows[0].onset.as_deref(), Some("new"));
        assert_eq!(rows[0].morphology.as_deref(), Some("patchy"));
        assert_eq!(rows[0].associate, [1]);
        assert_eq!(rows[1].evidence, [0]);
        assert_eq!(rows[1].dx_certainty, "tentative");
        assert_eq!(rows[2].dx_status, "negative");
    }

    #[test]
    fn a_patient_has_groups_and_episodes_and_rows_survive_json() {
        let graphs = graphs(&["Left effusion.", "No effusion.", "Left effusion."]).unwrap();
        let facts: Vec<Vec<Fact>> = graphs.iter().map(Graph::facts).collect();
        let names = ["a", "b", "c"].map(str::to_owned);
        let rows = timeline_rows(&graphs, &names, &track(&facts));
        let episodes: Vec<Option<usize>> = rows.iter().map(|r| r.episode).collect();
        assert_eq!(episodes, [Some(0), Some(0), Some(1)]);
        assert_eq!(rows[2].study.as_deref(), Some("c"));
        let json = serde_json::to_string(&rows).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Row>>(&json).unwrap(), rows);
    }
}
