//! Sentences about measurements: the cardiothoracic ratio and the extent of opacity.

use super::answers::{Answer, Answers};
use super::draft::Draft;
use super::grammar::{clause, decapitalise, join, percent};
use super::{lexicon, study};
use hilum_core::measurement::{CARDIOTHORACIC_RATIO, OPACITY_EXTENT};
use hilum_core::{AgeGroup, Evidence, ImageRecord, Interval, LungZone, Measurement, Reading, View};

/// Above this ratio the heart counts as enlarged on an adult's PA film (Danzer 1919).
const CTR_LIMIT: f64 = 0.5;
/// Extents below this many percent are not put in words.
const LEAST_EXTENT: f64 = 1.0;

/// What a cardiothoracic ratio allows to be said of the heart's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartSize {
    /// The whole interval lies above the limit.
    Enlarged,
    /// The whole interval lies at or below the limit.
    Usual,
    /// The interval holds the limit.
    Open,
    /// The film or the measurement does not allow a judgement.
    NotJudged(&'static str),
}

/// The image a measurement was taken on: that of its lines, else the first frontal one.
fn image_of<'a>(reading: &'a Reading, measurement: &Measurement) -> Option<&'a ImageRecord> {
    match measurement.lines.first() {
        Some(line) => reading.images.get(line.image),
        None => reading.images.iter().find(|image| image.view.is_frontal()),
    }
}

/// Judges heart size by a measured cardiothoracic ratio: only on an adult's PA film, only with an interval.
pub(crate) fn heart_size(reading: &Reading, ratio: &Measurement) -> HeartSize {
    let Some(image) = image_of(reading, ratio) else {
        return HeartSize::NotJudged("the projection is not known");
    };
    match (image.view, image.age_group, ratio.interval) {
        (View::Ap, ..) => HeartSize::NotJudged("an AP projection magnifies the heart"),
        (View::Pa, Some(AgeGroup::Paediatric), _) => {
            HeartSize::NotJudged("the limit of 0.50 does not hold for children")
        }
        (View::Pa, _, None) => HeartSize::NotJudged("the error of the measurement is not known"),
        (View::Pa, _, Some(interval)) if interval.low > CTR_LIMIT => HeartSize::Enlarged,
        (View::Pa, _, Some(interval)) if interval.high <= CTR_LIMIT => HeartSize::Usual,
        (View::Pa, _, Some(_)) => HeartSize::Open,
        _ => HeartSize::NotJudged("the projection is not known to be PA"),
    }
}

/// The reading's cardiothoracic ratios that have a value.
fn ratios(reading: &Reading) -> impl Iterator<Item = (&Measurement, f64)> {
    let named = reading
        .measurements
        .iter()
        .filter(|m| m.name == CARDIOTHORACIC_RATIO);
    named.filter_map(|m| m.value.map(|value| (m, value)))
}

/// Whether some cardiothoracic ratio shows an enlarged heart.
pub(crate) fn shows_enlarged_heart(reading: &Reading) -> bool {
    ratios(reading).any(|(ratio, _)| heart_size(reading, ratio) == HeartSize::Enlarged)
}

/// Sentences on the cardiothoracic ratio, taken or not.
pub(crate) fn heart(reading: &Reading, answers: &Answers, draft: &mut Draft) {
    for (ratio, value) in ratios(reading) {
        let view = image_of(reading, ratio)
            .and_then(view_words)
            .unwrap_or_default();
        let judgement = match heart_size(reading, ratio) {
            HeartSize::Enlarged => "the heart is enlarged".to_owned(),
            HeartSize::Usual => "the heart is not enlarged".to_owned(),
            HeartSize::Open => {
                "the interval includes 0.50, so heart size is not decided".to_owned()
            }
            HeartSize::NotJudged(why) => format!("heart size is not judged, since {why}"),
        };
        let interval = ratio.interval.map(interval_words).unwrap_or_default();
        let text = format!("cardiothoracic ratio {value:.2}{interval}{view}; {judgement}");
        draft.finding(&text, [Evidence::measurement(&ratio.name)]);
        disagreement(reading, answers, ratio, draft);
    }
    let missing = reading
        .measurements
        .iter()
        .filter(|m| m.name == CARDIOTHORACIC_RATIO && m.value.is_none());
    for ratio in missing {
        let why = ratio
            .note
            .as_deref()
            .map(|note| format!(": {}", decapitalise(&clause(note))))
            .unwrap_or_default();
        draft.finding(
            &format!("cardiothoracic ratio not measured{why}"),
            [Evidence::measurement(&ratio.name)],
        );
    }
}

/// Model and ruler may differ on the heart; then both are named.
fn disagreement(reading: &Reading, answers: &Answers, ratio: &Measurement, draft: &mut Draft) {
    let (wanted, said, measured) = match heart_size(reading, ratio) {
        HeartSize::Enlarged => (Answer::Absent, "absent", "enlarged"),
        HeartSize::Usual => (Answer::Present, "present", "not enlarged"),
        HeartSize::Open | HeartSize::NotJudged(_) => return,
    };
    if let Some(finding) = answers
        .with(wanted)
        .into_iter()
        .find(|f| f.code == "cardiomegaly")
    {
        let text = format!(
            "model and measurement disagree: {} {said} by the model, heart {measured} by the ratio",
            lexicon::noun(finding)
        );
        draft.finding(
            &text,
            [
                Evidence::finding(&finding.code),
                Evidence::measurement(&ratio.name),
            ],
        );
    }
}

fn view_words(image: &ImageRecord) -> Option<String> {
    let name = study::view_name(image.view)?;
    let source = if image.view_source == "model" {
        ", as judged by the gate"
    } else {
        ""
    };
    Some(format!(" on the {name} view{source}"))
}

fn interval_words(interval: Interval) -> String {
    format!(
        " ({} interval {:.2} to {:.2})",
        percent(interval.level * 100.0),
        interval.low,
        interval.high
    )
}

/// Extent of opacity by zone, said only where an opacity is present or possible.
pub(crate) fn opacity(reading: &Reading, answers: &Answers, draft: &mut Draft) {
    let mut open = answers.with(Answer::Present);
    open.extend(answers.with(Answer::Undecided));
    if !open
        .iter()
        .any(|finding| lexicon::is_opacity(&finding.code))
    {
        return;
    }
    let mut parts = Vec::new();
    let mut evidence = Vec::new();
    for zone in LungZone::ALL {
        if let Some(value) = extent(reading, &zone.opacity_extent()) {
            parts.push(format!("{} of the {}", percent(value), zone.place()));
            evidence.push(Evidence::measurement(zone.opacity_extent()));
        }
    }
    if let Some(value) = extent(reading, OPACITY_EXTENT) {
        let all = format!("{} of the lung area", percent(value));
        let text = if parts.is_empty() {
            all
        } else {
            format!("{all}: {}", join(&parts, "and"))
        };
        evidence.insert(0, Evidence::measurement(OPACITY_EXTENT));
        draft.finding(
            &format!("the area marked by the model covers {text}"),
            evidence,
        );
    } else {
        draft.finding(
            &format!(
                "the area marked by the model covers {}",
                join(&parts, "and")
            ),
            evidence,
        );
    }
}

/// The value of the measurement `name`, when it is large enough to be said.
fn extent(reading: &Reading, name: &str) -> Option<f64> {
    let found = reading.measurements.iter().find(|m| m.name == name)?;
    found.value.filter(|value| *value >= LEAST_EXTENT)
}
