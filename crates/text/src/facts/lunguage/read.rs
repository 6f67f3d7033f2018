//! Rows of Lunguage as facts: those written here, and those of files with the published columns
//! (`subject_id`, `study_id`, `section`, `ent_idx`, `ent`, `dx_status`, `dx_certainty`, `location`, ...,
//! `no change`, `past hx`), whose cells are words of reports.

use crate::error::TextError;
use crate::facts::compose::{Statements, bare};
use crate::facts::extract::Extractor;
use crate::facts::radgraph::code_of;
use crate::facts::{Assertion, AttributeKind, Change, Fact};
use crate::report::SectionKind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const FORMAT: &str = "Lunguage rows";

/// A row by the names of its columns: lower case, `_` for blanks, the published spellings under ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(BTreeMap<String, Value>);

/// Published names of columns that have another name here.
const ALIASES: [(&str, &str); 6] = [
    ("ent", "entity"),
    ("idx", "ent_idx"),
    ("study_id", "study"),
    ("subject_id", "patient"),
    ("patient_id", "patient"),
    ("sentence_idx", "sent_idx"),
];

impl Fields {
    /// Takes over an object; keys that are not known are kept and never looked at.
    pub fn new(object: Map<String, Value>) -> Self {
        let mut fields = BTreeMap::new();
        for (key, value) in object {
            let key = key.trim().to_lowercase().replace([' ', '-'], "_");
            let alias = ALIASES.iter().find(|(from, _)| *from == key);
            let known = alias.map_or(key.as_str(), |(_, to)| to).to_owned();
            // A column under our own name counts before an alias of it.
            if alias.is_none() || !fields.contains_key(&known) {
                fields.insert(known, value);
            }
        }
        Fields(fields)
    }

    /// A cell as text; `None` when it is missing, blank or `nan`.
    pub fn text(&self, name: &str) -> Option<String> {
        cell(self.0.get(name)?)
    }

    /// A cell as a whole number, `3`, `"3"` or `3.0`.
    pub fn index(&self, name: &str) -> Option<usize> {
        let number: f64 = self.text(name)?.parse().ok()?;
        (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then_some(number as usize)
    }

    /// Whether the row names an entity.
    pub fn is_entity(&self) -> bool {
        self.0.contains_key("entity")
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let parts = text.split([',', ';']).map(str::trim);
        parts
            .filter(|p| !p.is_empty())
            .map(str::to_lowercase)
            .collect()
    }
}

fn cell(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Array(parts) => parts.iter().filter_map(cell).collect::<Vec<_>>().join("; "),
        Value::Null | Value::Object(_) => return None,
    };
    (!text.is_empty() && !text.eq_ignore_ascii_case("nan")).then_some(text)
}

/// The facts of one report's rows, in their order. Names and describing words that no lexicon knows stay
/// words; what a fact has no room for is named in the notes.
///
/// # Errors
/// A row without an entity, an unknown `dx_status`, `dx_certainty` or code, a `location` of which nothing is
/// understood ([`TextError::UnknownValue`]), or a relation to a row that is not there
/// ([`TextError::DanglingRelation`]).
pub fn read(rows: &[Fields]) -> Result<Statements, TextError> {
    let mut out = Statements::default();
    for (at, row) in rows.iter().enumerate() {
        let fact = fact(at, row, &mut out.notes)?;
        out.facts.push(fact);
    }
    relate(rows, &mut out)?;
    Ok(out)
}

fn name_of(at: usize, row: &Fields) -> String {
    let index = row.text("ent_idx").unwrap_or_else(|| at.to_string());
    match row.text("section") {
        Some(section) => format!("row {index} of {section}"),
        None => format!("row {index}"),
    }
}

fn unknown(at: usize, row: &Fields, field: &'static str) -> TextError {
    TextError::UnknownValue {
        format: FORMAT,
        at: name_of(at, row),
        field,
        value: row.text(field).unwrap_or_default(),
    }
}

fn fact(at: usize, row: &Fields, notes: &mut Vec<&'static str>) -> Result<Fact, TextError> {
    let extractor = Extractor::shared();
    let entity = row
        .text("entity")
        .ok_or_else(|| unknown(at, row, "entity"))?;
    let location = row.text("location");
    let named = extractor.named(&entity, location.as_deref());
    let text = row.text("text").unwrap_or_else(|| entity.clone());
    let mut fact = bare(at, named.name, named.codes, text);
    if row.text("codes").is_some() {
        let codes: Option<Vec<_>> = row.list("codes").iter().map(|c| code_of(c)).collect();
        fact.codes = codes.ok_or_else(|| unknown(at, row, "codes"))?;
        fact.name = fact.codes.first().map_or(fact.name, |c| (*c).to_owned());
    }
    fact.assertion = crate::facts::turned(assertion(at, row, notes)?, named.rules_out);
    if let Some(words) = location {
        let place = extractor.whereabouts(&words);
        if place.side.is_none() && place.places.is_empty() {
            return Err(unknown(at, row, "location"));
        }
        notes.extend(place.unread.iter().map(|_| "location_words_left_out"));
        fact.side = place.side;
        fact.places = place.places;
    }
    fact.section = section(row, notes);
    fact.sentence = row.index("sent_idx");
    grade(row, &mut fact, notes);
    course(row, &mut fact, notes);
    for (field, kind) in [
        ("placement", AttributeKind::Placement),
        ("morphology", AttributeKind::Morphology),
        ("distribution", AttributeKind::Distribution),
    ] {
        let words = row.list(field).into_iter();
        fact.attributes.extend(words.map(|w| (kind, w)));
    }
    if row.text("past_hx").is_some() {
        fact.history = !fact.codes.is_empty();
        notes.extend((!fact.history).then_some("history_left_out"));
    }
    for (field, note) in [
        ("comparison", "comparison_left_out"),
        ("other_source", "other_source_left_out"),
        ("assessment_limitations", "limitation_left_out"),
    ] {
        notes.extend(row.text(field).map(|_| note));
    }
    Ok(fact)
}

/// `dx_status` with `dx_certainty`, or Lunguage++'s `status` (`dp`, `dn`, `tp`, `tn`). A tentative denial
/// leaves the finding open.
fn assertion(
    at: usize,
    row: &Fields,
    notes: &mut Vec<&'static str>,
) -> Result<Assertion, TextError> {
    let lower = |name: &str| row.text(name).map(|t| t.to_lowercase());
    if row.text("dx_status").is_none()
        && let Some(both) = lower("status")
    {
        return match both.as_str() {
            "dp" => Ok(Assertion::Present),
            "dn" => Ok(Assertion::Absent),
            "tp" | "tn" => Ok(Assertion::Uncertain),
            _ => Err(unknown(at, row, "status")),
        };
    }
    let tentative = match lower("dx_certainty").as_deref() {
        Some("tentative") => true,
        Some("definitive") => false,
        None => {
            notes.push("without_certainty");
            false
        }
        Some(_) => return Err(unknown(at, row, "dx_certainty")),
    };
    match (lower("dx_status").as_deref(), tentative) {
        (Some("positive" | "negative"), true) => Ok(Assertion::Uncertain),
        (Some("positive"), false) => Ok(Assertion::Present),
        (Some("negative"), false) => Ok(Assertion::Absent),
        _ => Err(unknown(at, row, "dx_status")),
    }
}

/// The section by our name or by the published short one (`find`, `impr`, `hist`).
fn section(row: &Fields, notes: &mut Vec<&'static str>) -> Option<SectionKind> {
    let name = row.text("section")?.to_lowercase();
    let known = match name.as_str() {
        "find" => Some(SectionKind::Findings),
        "impr" => Some(SectionKind::Impression),
        "hist" => Some(SectionKind::History),
        other => SectionKind::from_name(other).ok(),
    };
    notes.extend(known.is_none().then_some("section_left_out"));
    known
}

/// Severity and size.
fn grade(row: &Fields, fact: &mut Fact, notes: &mut Vec<&'static str>) {
    if let Some(words) = row.text("severity") {
        fact.severity = Extractor::shared().severity_in(&words);
        notes.extend(fact.severity.is_none().then_some("severity_left_out"));
    }
    if let Some(words) = row.text("measurement") {
        match Extractor::shared().millimetres_in(&words) {
            Some(mm) => fact.mm = mm,
            None => notes.push("measurement_left_out"),
        }
    }
}

/// Onset, and what became of it.
fn course(row: &Fields, fact: &mut Fact, notes: &mut Vec<&'static str>) {
    let mut changes = Vec::new();
    for word in row.list("onset") {
        if Extractor::shared().change_in(&word) == Some(Change::New) {
            changes.push(Change::New);
        } else {
            fact.attributes.push((AttributeKind::Onset, word));
        }
    }
    if let Some(words) = row.text("improved") {
        // A cell holds the bare word, which reports use with a verb.
        let is_gone = |w: &str| Extractor::shared().change_in(w) == Some(Change::Gone);
        let gone = is_gone(&words) || is_gone(&format!("has {words}"));
        changes.push(if gone { Change::Gone } else { Change::Better });
    }
    changes.extend(row.text("worsened").map(|_| Change::Worse));
    changes.extend(row.text("no_change").map(|_| Change::Same));
    fact.change = changes.first().copied();
    // A fact has room for one.
    notes.extend(changes.iter().skip(1).map(|_| "further_change_left_out"));
}

/// What a row is evidence for, it suggests; associations beside that have no place in a fact.
fn relate(rows: &[Fields], out: &mut Statements) -> Result<(), TextError> {
    let linked = |field: &'static str| -> Result<Vec<Vec<usize>>, TextError> {
        let each = rows.iter().enumerate();
        each.map(|(at, row)| targets(rows, at, row, field))
            .collect()
    };
    let (associated, evidence) = (linked("associate")?, linked("evidence")?);
    for (at, towards) in associated.iter().enumerate() {
        for &to in towards {
            if evidence[to].contains(&at) {
                out.facts[at].suggests.push(to);
            } else if !evidence[at].contains(&to) {
                out.notes.push("association_left_out");
            }
        }
    }
    for (to, signs) in evidence.iter().enumerate() {
        for &sign in signs {
            let suggests = &mut out.facts[sign].suggests;
            if !suggests.contains(&to) {
                suggests.push(to);
            }
        }
    }
    Ok(())
}

/// Positions of the rows that a relation names: by index (`3`, `idx3`, `opacity, idx3`) or by entity.
fn targets(
    rows: &[Fields],
    at: usize,
    row: &Fields,
    field: &'static str,
) -> Result<Vec<usize>, TextError> {
    let Some(text) = row.text(field) else {
        return Ok(Vec::new());
    };
    let text = text.trim_matches(['[', ']']);
    let mut out = Vec::new();
    let mut add = |found: Option<usize>, to: &str| match found {
        Some(target) => {
            if !out.contains(&target) {
                out.push(target);
            }
            Ok(())
        }
        None => Err(TextError::DanglingRelation {
            format: FORMAT,
            at: format!("{}, {field}", name_of(at, row)),
            to: to.to_owned(),
        }),
    };
    let numbers = numbers_after_idx(text);
    if !numbers.is_empty() {
        for n in numbers {
            add(by_index(rows, row, n), &format!("idx{n}"))?;
        }
        return Ok(out);
    }
    for part in text
        .split([';', ','])
        .map(|p| p.trim().trim_matches(['"', '\'']))
    {
        if part.is_empty() {
            continue;
        }
        let whole = part.strip_suffix(".0").unwrap_or(part);
        let found = match whole.parse::<usize>() {
            Ok(index) => by_index(rows, row, index),
            Err(_) => by_entity(rows, row, part),
        };
        add(found, part)?;
    }
    Ok(out)
}

fn numbers_after_idx(text: &str) -> Vec<usize> {
    let lower = text.to_ascii_lowercase();
    let digits = |rest: &str| -> Option<usize> {
        let rest = rest.trim_start_matches([':', '_', ' ']);
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    };
    lower.split("idx").skip(1).filter_map(digits).collect()
}

/// The row of an index, in the same section if there, since published indices begin anew in each.
fn by_index(rows: &[Fields], from: &Fields, index: usize) -> Option<usize> {
    let section = from.text("section");
    let named = |(at, row): (usize, &Fields)| row.index("ent_idx").unwrap_or(at) == index;
    let here = |at: &usize| rows[*at].text("section") == section;
    let all = || (0..rows.len()).filter(|&at| named((at, &rows[at])));
    all().find(here).or_else(|| all().next())
}

fn by_entity(rows: &[Fields], from: &Fields, name: &str) -> Option<usize> {
    let section = from.text("section");
    let named = |row: &Fields| {
        let entity = row.text("entity");
        entity.is_some_and(|e| e.eq_ignore_ascii_case(name))
    };
    let here = |at: &usize| rows[*at].text("section") == section;
    let all = || (0..rows.len()).filter(|&at| named(&rows[at]));
    all().find(here).or_else(|| all().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Graph;
    use crate::facts::anatomy::Side;
    use crate::facts::compose::detached;
    use crate::facts::lunguage::rows;
    use crate::facts::score::graphs;
    use serde_json::json;

    fn fields(value: &Value) -> Vec<Fields> {
        let rows = value.as_array().unwrap().iter();
        rows.map(|r| Fields::new(r.as_object().unwrap().clone()))
            .collect()
    }

    #[test]
    fn our_rows_come_back_as_the_same_facts() {
        let facts_of = include_str!("../../../tests/fixtures/annotated_facts.jsonl");
        let sentences = include_str!("../../../tests/fixtures/annotated_sentences.tsv");
        let ours = facts_of.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["text"].as_str().unwrap().to_owned()
        });
        let others = sentences.lines().filter(|l| !l.starts_with('#'));
        let others = others.flat_map(|l| l.split('\t').filter(|c| c.contains(' ')));
        let mut checked = 0;
        for text in ours.chain(others.map(str::to_owned)) {
            let graph = &graphs(&[text.as_str()]).unwrap()[0];
            let written = serde_json::to_value(rows(graph)).unwrap();
            let back = read(&fields(&written)).unwrap();
            assert!(back.notes.is_empty(), "{text}: {:?}", back.notes);
            let facts = Graph::from_facts(&back.facts).facts();
            assert_eq!(detached(&facts), detached(&graph.facts()), "{text}");
            checked += facts.len();
        }
        assert!(checked > 400, "{checked}");
    }

    /// In the manner of the published file: words of reports in the cells, indices by section, further columns.
    #[test]
    fn published_columns_are_understood() {
        let rows = fields(&json!([
            {"subject_id": 1, "study_id": "s1", "section": "find", "ent_idx": 1.0, "ent": "opacity", "cat": "PF",
             "dx_status": "Positive", "dx_certainty": "definitive", "location": "loc: right lower lobe",
             "onset": "new", "morphology": "patchy", "no change": null, "worsened": "nan", "reviewer": "x"},
            {"study_id": "s1", "section": "find", "ent_idx": 2, "ent": "pneumonia", "dx_status": "positive",
             "dx_certainty": "tentative", "evidence": "opacity, idx1", "other source": "ct"},
            {"study_id": "s1", "section": "impr", "ent_idx": 1, "ent": "widget sign", "dx_status": "negative",
             "dx_certainty": "definitive", "improved": "resolved", "measurement": "1.2 cm", "severity": "tiny"}
        ]));
        let read = read(&rows).unwrap();
        assert_eq!(read.notes, ["other_source_left_out"]);
        let facts = Graph::from_facts(&read.facts).facts();
        assert_eq!(facts[0].name, "lung_opacity");
        assert_eq!(
            (facts[0].side, facts[0].change),
            (Some(Side::Right), Some(Change::New))
        );
        assert_eq!(facts[0].places, ["lower_lobe"]);
        assert_eq!(facts[0].suggests, [facts[1].entity]);
        assert_eq!(facts[1].assertion, Assertion::Uncertain);
        assert_eq!(facts[2].name, "widget sign");
        assert_eq!(facts[2].change, Some(Change::Gone));
        assert_eq!(
            (facts[2].mm.as_slice(), facts[2].section),
            (&[12.0][..], Some(SectionKind::Impression))
        );
        assert_eq!(facts[2].severity, Some(crate::facts::Severity::Minimal));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_by_name() {
        let row = |field: &str, value: Value| {
            let mut row = json!({"entity": "effusion", "dx_status": "positive", "dx_certainty": "definitive"});
            row[field] = value;
            read(&fields(&json!([row]))).unwrap_err()
        };
        for (field, value) in [
            ("dx_status", "maybe"),
            ("dx_status", ""),
            ("dx_certainty", "sure"),
            ("location", "moon"),
            ("codes", "teapot"),
            ("entity", " "),
        ] {
            match row(field, json!(value)) {
                TextError::UnknownValue { field: named, .. } => assert_eq!(named, field),
                other => panic!("{field}: {other}"),
            }
        }
        for to in [json!([4]), json!("idx9"), json!("mass")] {
            assert!(matches!(
                row("associate", to),
                TextError::DanglingRelation { .. }
            ));
        }
    }

    #[test]
    fn lunguage_plus_plus_has_one_column_for_both() {
        let rows =
            fields(&json!([{"ent": "edema", "status": "tn"}, {"ent": "mass", "status": "dn"}]));
        let facts = read(&rows).unwrap().facts;
        assert_eq!(facts[0].assertion, Assertion::Uncertain);
        assert_eq!(facts[1].assertion, Assertion::Absent);
    }
}
