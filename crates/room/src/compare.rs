//! A study beside an earlier one of the same patient: what is new, gone, the same, more or less, and what cannot be compared.

use crate::edits::{self, Decided, Edited};
use crate::error::{Result, RoomError};
use crate::list;
use crate::state::Room;
use hilum_core::{FindingStatus, Measurement, PredictionSet, Reading, Unit, View};
use serde::Serialize;

/// One side of a row.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Side {
    /// The answer that stands: the reader's, else the model's.
    #[schema(value_type = Option<String>)]
    pub set: Option<PredictionSet>,
    /// The model's probability.
    pub probability: Option<f64>,
    /// Whether a reader decided.
    pub by_reader: bool,
}

/// How a finding changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Absent before, present now.
    New,
    /// Present before, absent now.
    Gone,
    /// The same answer.
    Same,
    /// Present in both, on more of the lungs.
    More,
    /// Present in both, on less of the lungs.
    Less,
    /// Undecided on one side, or not comparable.
    Unsure,
}

/// A finding in both studies.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Row {
    /// Taxonomy code.
    pub code: String,
    /// Name to show.
    pub name: String,
    /// Before.
    pub prior: Option<Side>,
    /// Now.
    pub current: Option<Side>,
    /// What changed.
    pub change: Change,
    /// In words, with the reason where it is not comparable.
    pub text: String,
}

/// A measurement in both studies.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MeasuredRow {
    /// Name.
    pub name: String,
    /// Unit of both values; null where they differ.
    #[schema(value_type = Option<String>)]
    pub unit: Option<Unit>,
    /// Before.
    pub prior: Option<f64>,
    /// Now.
    pub current: Option<f64>,
    /// Now minus before, where both can be compared.
    pub delta: Option<f64>,
    /// In words.
    pub text: String,
}

/// Two studies side by side.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Comparison {
    /// The earlier study.
    pub prior: String,
    /// Why nothing can be compared; null where it can.
    pub not_comparable: Option<String>,
    /// By finding: those that are present or undecided in one of the two, then the others that were assessed in one of them.
    pub rows: Vec<Row>,
    /// By measurement.
    pub measurements: Vec<MeasuredRow>,
}

/// Share of the lungs that counts as a change, in points of a percent.
const EXTENT: f64 = 5.0;

/// Compares two studies.
///
/// # Errors
/// [`RoomError::NotRead`], [`RoomError::BadRequest`] for studies of different patients.
pub(crate) async fn compare(room: &Room, study: &str, prior: &str) -> Result<Comparison> {
    let (now, before) = (list::one(room, study).await?, list::one(room, prior).await?);
    if now.patient_id.is_empty() || now.patient_id != before.patient_id || study == prior {
        return Err(RoomError::BadRequest(
            "the two are not two studies of one patient".to_owned(),
        ));
    }
    let now = side(room, study).await?;
    let before = side(room, prior).await?;
    Ok(table(prior, (&before.0, &before.1), (&now.0, &now.1)))
}

async fn side(room: &Room, study: &str) -> Result<(Reading, Edited)> {
    let reading = room.reading(study).await?.ok_or(RoomError::NotRead)?;
    let edits = edits::list(room.db(), study).await?;
    let edited = Edited::of(&reading, &edits);
    Ok((reading, edited))
}

/// The table, as a function of two readings and their edits.
fn table(prior: &str, before: (&Reading, &Edited), now: (&Reading, &Edited)) -> Comparison {
    let not_comparable = reason(before.0, now.0);
    let mut rows: Vec<Row> = now
        .1
        .findings
        .iter()
        .filter_map(|current| {
            let earlier = before.1.findings.iter().find(|f| f.code == current.code);
            row(current, earlier, before.0, now.0, not_comparable.as_deref())
        })
        .collect();
    let rank = |r: &Row| {
        let set = |s: &Option<Side>| s.as_ref().and_then(|s| s.set);
        match (set(&r.current), set(&r.prior)) {
            (Some(PredictionSet::Present), _) => 0,
            (_, Some(PredictionSet::Present)) => 1,
            (Some(PredictionSet::Undecided), _) | (_, Some(PredictionSet::Undecided)) => 2,
            _ => 3,
        }
    };
    rows.sort_by_key(rank);
    Comparison {
        prior: prior.to_owned(),
        rows,
        measurements: measurements(before.0, now.0, not_comparable.as_deref()),
        not_comparable,
    }
}

/// Why two readings cannot be compared at all.
fn reason(before: &Reading, now: &Reading) -> Option<String> {
    for (reading, which) in [(before, "earlier"), (now, "current")] {
        if !reading.gate.analysable {
            return Some(format!("the {which} study is not analysable"));
        }
    }
    let frontal = |r: &Reading| r.images.iter().map(|i| i.view).find(|v| v.is_frontal());
    match (frontal(before), frontal(now)) {
        (Some(_), Some(_)) => None,
        (None, Some(_)) => Some("the earlier study has no frontal view".to_owned()),
        (Some(_), None) => Some("the current study has no frontal view".to_owned()),
        (None, None) => Some("neither study has a frontal view".to_owned()),
    }
}

/// A caution where the projections differ: sizes and fluid look different, so a change of extent is not claimed.
fn projection(before: &Reading, now: &Reading) -> Option<String> {
    let view = |r: &Reading| r.images.iter().map(|i| i.view).find(|v| v.is_frontal());
    let (a, b) = (view(before)?, view(now)?);
    let known = |v| matches!(v, View::Pa | View::Ap);
    (known(a) && known(b) && a != b).then(|| {
        let name = |v| if v == View::Pa { "PA" } else { "AP" };
        format!("other projection ({} before, {} now)", name(a), name(b))
    })
}

fn told(decided: &Decided) -> Option<Side> {
    decided.set.map(|set| Side {
        set: Some(set),
        probability: decided.model_probability,
        by_reader: decided.decision.is_some(),
    })
}

fn row(
    current: &Decided,
    earlier: Option<&Decided>,
    before: &Reading,
    now: &Reading,
    stopped: Option<&str>,
) -> Option<Row> {
    let (was, is) = (earlier.and_then(told), told(current));
    if was.is_none() && is.is_none() {
        return None;
    }
    let (change, text) = match stopped {
        Some(why) => (Change::Unsure, format!("not comparable: {why}")),
        None => changed(&current.code, was.as_ref(), is.as_ref(), before, now),
    };
    Some(Row {
        code: current.code.clone(),
        name: current.name.clone(),
        prior: was,
        current: is,
        change,
        text,
    })
}

fn changed(
    code: &str,
    was: Option<&Side>,
    is: Option<&Side>,
    before: &Reading,
    now: &Reading,
) -> (Change, String) {
    use PredictionSet::{Absent, Present, Undecided};
    let unsure = |text: &str| (Change::Unsure, text.to_owned());
    let set = |s: Option<&Side>| s.and_then(|s| s.set);
    match (set(was), set(is)) {
        (None, _) => unsure(&format!(
            "not comparable: not assessed before{}",
            why(before, code)
        )),
        (_, None) => unsure(&format!(
            "not comparable: not assessed now{}",
            why(now, code)
        )),
        (Some(Absent), Some(Present)) => (Change::New, "absent before, present now".to_owned()),
        (Some(Present), Some(Absent)) => (Change::Gone, "present before, absent now".to_owned()),
        (Some(Absent), Some(Absent)) => (Change::Same, "absent in both".to_owned()),
        (Some(Undecided), Some(Undecided)) => unsure("undecided in both"),
        (Some(Undecided), Some(_)) => unsure("undecided before"),
        (Some(_), Some(Undecided)) => unsure("undecided now"),
        (Some(Present), Some(Present)) => extent(code, before, now),
    }
}

fn why(reading: &Reading, code: &str) -> String {
    let finding = reading.findings.iter().find(|f| f.code == code);
    let reason = finding
        .filter(|f| f.status == FindingStatus::NotAssessed)
        .and_then(|f| f.reason.as_deref());
    reason.map_or(String::new(), |r| format!(" ({r})"))
}

/// Present in both: the share of the lungs in the model's map, where both readings measured it for this finding.
fn extent(code: &str, before: &Reading, now: &Reading) -> (Change, String) {
    if let Some(caution) = projection(before, now) {
        let text = format!("present in both; extent not compared: {caution}");
        return (Change::Same, text);
    }
    let value = |r: &Reading| {
        let only = r
            .findings
            .iter()
            .filter(|f| !f.regions.is_empty())
            .collect::<Vec<_>>();
        // The extent is measured of the one finding that has a map; with several it would not be known whose it is.
        let [finding] = only.as_slice() else {
            return None;
        };
        let extent = r
            .measurements
            .iter()
            .find(|m| m.name == hilum_core::measurement::OPACITY_EXTENT);
        extent
            .filter(|m| finding.code == code && m.unit == Unit::Percent)
            .and_then(|m| m.value)
    };
    match (value(before), value(now)) {
        (Some(a), Some(b)) if b - a > EXTENT => (
            Change::More,
            format!("present in both, marked area {a:.0}% of the lungs before, {b:.0}% now"),
        ),
        (Some(a), Some(b)) if a - b > EXTENT => (
            Change::Less,
            format!("present in both, marked area {a:.0}% of the lungs before, {b:.0}% now"),
        ),
        (Some(a), Some(b)) => (
            Change::Same,
            format!("present in both, marked area {a:.0}% of the lungs before, {b:.0}% now"),
        ),
        _ => (
            Change::Same,
            "present in both; extent not measured in both".to_owned(),
        ),
    }
}

fn measurements(before: &Reading, now: &Reading, stopped: Option<&str>) -> Vec<MeasuredRow> {
    let names: Vec<&str> = now.measurements.iter().map(|m| m.name.as_str()).collect();
    let more = before.measurements.iter().map(|m| m.name.as_str());
    let mut all = names.clone();
    all.extend(more.filter(|n| !names.contains(n)));
    all.dedup();
    all.into_iter()
        .map(|name| {
            let of = |r: &Reading| r.measurements.iter().find(|m| m.name == name).cloned();
            measured(
                name,
                of(before),
                of(now),
                stopped
                    .map(str::to_owned)
                    .or_else(|| projection(before, now)),
            )
        })
        .collect()
}

fn measured(
    name: &str,
    before: Option<Measurement>,
    now: Option<Measurement>,
    caution: Option<String>,
) -> MeasuredRow {
    let value = |m: &Option<Measurement>| m.as_ref().and_then(|m| m.value);
    let (a, b) = (value(&before), value(&now));
    let units = (
        before.as_ref().map(|m| m.unit),
        now.as_ref().map(|m| m.unit),
    );
    let unit = match units {
        (Some(x), Some(y)) if x == y => Some(x),
        (Some(x), None) | (None, Some(x)) => Some(x),
        _ => None,
    };
    let missing = |m: &Option<Measurement>, when: &str| {
        let note = m.as_ref().and_then(|m| m.note.clone());
        let note = note.map_or(String::new(), |n| format!(" ({n})"));
        format!("not comparable: not measured {when}{note}")
    };
    let (delta, text) = match (a, b) {
        _ if caution.is_some() => (
            None,
            format!("not comparable: {}", caution.unwrap_or_default()),
        ),
        (None, _) => (None, missing(&before, "before")),
        (_, None) => (None, missing(&now, "now")),
        (Some(_), Some(_)) if unit.is_none() => (None, "not comparable: other units".to_owned()),
        (Some(_), Some(_)) if unit == Some(Unit::Pixel) => (
            None,
            "not comparable: pixels of two images need not be of one size".to_owned(),
        ),
        (Some(a), Some(b)) => (Some(b - a), difference(a, b, &before, &now)),
    };
    MeasuredRow {
        name: name.to_owned(),
        unit,
        prior: a,
        current: b,
        delta,
        text,
    }
}

/// Whether the intervals of both overlap, where both have one.
fn difference(a: f64, b: f64, before: &Option<Measurement>, now: &Option<Measurement>) -> String {
    let interval = |m: &Option<Measurement>| m.as_ref().and_then(|m| m.interval);
    let way = if b > a { "larger" } else { "smaller" };
    match (interval(before), interval(now)) {
        (Some(x), Some(y)) if x.low <= y.high && y.low <= x.high => {
            "no difference beyond the measurement's error (the intervals overlap)".to_owned()
        }
        (Some(_), Some(_)) => format!("{way} than before, beyond the measurement's error"),
        _ if a == b => "the same".to_owned(),
        _ => format!("{way} than before; the error of the measurement is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::Interval;
    use hilum_reading::sample;

    fn with(set: Option<PredictionSet>) -> (Reading, Edited) {
        let mut reading = sample::reading();
        reading.gate.analysable = true;
        reading.images[0].view = View::Pa;
        reading.findings.truncate(1);
        reading.findings[0].set = set;
        let edited = Edited::of(&reading, &[]);
        (reading, edited)
    }

    fn first(before: Option<PredictionSet>, now: Option<PredictionSet>) -> (Change, String) {
        let (b, n) = (with(before), with(now));
        let mut table = table("1", (&b.0, &b.1), (&n.0, &n.1));
        let row = table.rows.remove(0);
        (row.change, row.text)
    }

    #[test]
    fn what_was_not_assessed_is_not_compared() {
        use PredictionSet::{Absent, Present, Undecided};
        assert_eq!(first(Some(Absent), Some(Present)).0, Change::New);
        assert_eq!(first(Some(Present), Some(Absent)).0, Change::Gone);
        assert_eq!(first(Some(Absent), Some(Absent)).0, Change::Same);
        assert_eq!(first(Some(Undecided), Some(Present)).0, Change::Unsure);
        let (change, text) = first(None, Some(Present));
        assert_eq!(change, Change::Unsure);
        assert!(text.starts_with("not comparable: not assessed before"));
    }

    #[test]
    fn another_view_stops_the_comparison() {
        let (b, mut n) = (
            with(Some(PredictionSet::Present)),
            with(Some(PredictionSet::Present)),
        );
        n.0.images[0].view = View::Lateral;
        n.0.images.truncate(1);
        let table = table("1", (&b.0, &b.1), (&n.0, &n.1));
        assert!(table.not_comparable.is_some_and(|w| w.contains("frontal")));
        assert_eq!(table.rows[0].change, Change::Unsure);
    }

    #[test]
    fn measurements_within_their_error_are_no_change() {
        let m = |value: f64, half: f64| {
            Some(Measurement {
                name: "cardiothoracic_ratio".into(),
                value: Some(value),
                unit: Unit::Ratio,
                interval: Some(Interval {
                    low: value - half,
                    high: value + half,
                    level: 0.9,
                }),
                lines: Vec::new(),
                note: None,
            })
        };
        let near = measured("x", m(0.50, 0.03), m(0.52, 0.03), None);
        assert!(near.text.contains("overlap") && near.delta.is_some());
        let far = measured("x", m(0.40, 0.03), m(0.52, 0.03), None);
        assert!(far.text.starts_with("larger"));
        let none = measured("x", m(0.4, 0.03), None, None);
        assert!(none.delta.is_none() && none.text.contains("not measured now"));
    }
}
