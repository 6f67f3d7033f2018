use super::*;
use crate::{evidence, sample};
use hilum_core::{
    AgeGroup, Evidence, Finding, FindingStatus, LungZone, PredictionSet, Reading, Rect, Section,
    View, taxonomy,
};
use proptest::prelude::*;

const BOX: Rect = Rect {
    x: 1.0,
    y: 1.0,
    w: 9.0,
    h: 9.0,
};
use PredictionSet::{Absent, Present, Undecided};

/// A PA film of an adult with these findings and nothing else.
fn film(findings: Vec<Finding>) -> Reading {
    let mut reading = sample::reading();
    reading.gate.reasons.clear();
    reading.measurements.clear();
    reading.findings = findings;
    reading
}

fn found(code: &str, set: PredictionSet, places: &[&str]) -> Finding {
    let probability = match set {
        Present => 0.9,
        Undecided => 0.5,
        Absent => 0.05,
    };
    let mut finding = sample::assessed(code, Some(set), probability);
    finding.regions = places
        .iter()
        .enumerate()
        .map(|(n, place)| sample::region(code, n, BOX, Some(place)))
        .collect();
    finding
}

fn unseen(code: &str) -> Finding {
    Finding::not_assessed(
        code,
        taxonomy::by_code(code).map_or(code, |t| t.name),
        "no model",
    )
}

fn sentences(reading: &Reading, section: Section) -> Vec<String> {
    let report = write_report(reading);
    report
        .sentences
        .into_iter()
        .filter(|s| s.section == section)
        .map(|s| s.text)
        .collect()
}

fn findings_of(reading: &Reading) -> Vec<String> {
    sentences(reading, Section::Findings)
}

fn evidence_of(reading: &Reading, text: &str) -> Vec<Evidence> {
    let report = write_report(reading);
    report
        .sentences
        .into_iter()
        .find(|s| s.text == text)
        .map(|s| s.evidence)
        .unwrap_or_default()
}

#[test]
fn present_is_plain_undecided_is_hedged_absent_is_denied() {
    let reading = film(vec![
        found("consolidation", Present, &["right lower zone"]),
        found("nodule", Undecided, &["left upper zone"]),
        found("emphysema", Absent, &[]),
        found("fibrosis", Absent, &[]),
    ]);
    assert_eq!(
        findings_of(&reading),
        [
            "PA chest radiograph.",
            "Consolidation in the right lower zone.",
            "Possible nodule in the left upper zone, not decided by the model.",
            "No emphysema or fibrosis.",
        ]
    );
    assert_eq!(
        sentences(&reading, Section::Impression),
        [
            "Consolidation in the right lower zone.",
            "Possible nodule, not decided by the model."
        ]
    );
    assert_eq!(
        evidence_of(&reading, "Consolidation in the right lower zone."),
        [
            Evidence::finding("consolidation"),
            Evidence::region("consolidation/0")
        ]
    );
}

#[test]
fn a_broader_finding_is_merged_only_when_its_places_are_said() {
    let same = film(vec![
        found("lung_opacity", Present, &["right lower zone"]),
        found("consolidation", Present, &["right lower zone"]),
    ]);
    assert_eq!(
        findings_of(&same)[1..],
        ["Consolidation in the right lower zone."]
    );
    assert!(
        evidence_of(&same, "Consolidation in the right lower zone.")
            .contains(&Evidence::finding("lung_opacity"))
    );
    let wider = film(vec![
        found(
            "lung_opacity",
            Present,
            &["right lower zone", "left middle zone"],
        ),
        found("consolidation", Present, &["right lower zone"]),
    ]);
    assert_eq!(
        findings_of(&wider)[1..],
        [
            "Lung opacity in the right lower zone and the left middle zone.",
            "Consolidation in the right lower zone."
        ]
    );
}

#[test]
fn an_undecided_kind_is_told_with_its_present_parent() {
    let reading = film(vec![
        found("lung_opacity", Present, &["left lower zone"]),
        found("consolidation", Undecided, &[]),
        found("atelectasis", Undecided, &[]),
    ]);
    assert_eq!(
        findings_of(&reading)[1..],
        [
            "Lung opacity in the left lower zone; possible consolidation or atelectasis, not decided by the model."
        ]
    );
}

#[test]
fn an_absent_parent_is_not_denied_beside_an_open_child() {
    let undecided = film(vec![
        found("lung_opacity", Absent, &[]),
        found("mass", Undecided, &[]),
    ]);
    assert!(!findings_of(&undecided).iter().any(|s| s.starts_with("No ")));
    let present = film(vec![
        found("lung_opacity", Absent, &[]),
        found("mass", Present, &[]),
    ]);
    let text = findings_of(&present);
    assert!(!text.iter().any(|s| s.starts_with("No ")), "{text:?}");
    assert!(text.contains(
        &"The answers of the models disagree: mass present, lung opacity absent.".to_owned()
    ));
}

#[test]
fn findings_below_their_operating_points_share_one_hedged_sentence() {
    let low = |code: &str| sample::assessed(code, Some(Undecided), 0.2);
    let reading = film(vec![low("emphysema"), low("fibrosis"), low("pneumothorax")]);
    assert_eq!(
        findings_of(&reading)[1..],
        [
            "Possible emphysema or fibrosis, below the operating points and not decided by the model.",
            "Possible pneumothorax, below its operating point and not decided by the model.",
        ]
    );
}

#[test]
fn the_impression_names_what_is_above_the_operating_point_and_counts_the_rest() {
    let reading = film(vec![
        sample::assessed("mass", Some(Undecided), 0.5),
        sample::assessed("emphysema", Some(Undecided), 0.2),
        sample::assessed("fibrosis", Some(Undecided), 0.1),
    ]);
    assert_eq!(
        sentences(&reading, Section::Impression),
        [
            "Possible mass, not decided by the model.",
            "2 findings below the operating point are not decided by the model.",
        ]
    );
}

#[test]
fn pleural_findings_take_their_side() {
    let reading = film(vec![
        found(
            "pleural_effusion",
            Present,
            &["right lower zone", "left lower zone"],
        ),
        found("pneumothorax", Present, &["left upper zone"]),
    ]);
    assert_eq!(
        findings_of(&reading)[1..],
        ["Bilateral pleural effusion.", "Left pneumothorax."]
    );
    assert_eq!(
        sentences(&reading, Section::Impression)[0],
        "Left pneumothorax."
    );
}

#[test]
fn what_was_not_assessed_is_listed_and_never_denied() {
    let reading = film(vec![
        found("emphysema", Absent, &[]),
        unseen("pneumothorax"),
        unseen("hernia"),
    ]);
    let text = findings_of(&reading);
    assert_eq!(
        text[1..],
        ["No emphysema.", "Not assessed: pneumothorax and hernia."]
    );
    assert_eq!(
        sentences(&reading, Section::Impression),
        [
            "No emphysema; no other finding was decided.",
            "2 findings were not assessed and cannot be excluded."
        ]
    );
}

#[test]
fn a_score_without_a_set_is_not_turned_into_an_answer() {
    let reading = film(vec![sample::assessed("mass", None, 0.99)]);
    assert_eq!(
        findings_of(&reading)[1..],
        ["Scored without a decision: mass."]
    );
}

#[test]
fn heart_size_is_judged_by_the_interval_on_an_adult_pa_film_only() {
    let say = |view: View, age: Option<AgeGroup>, value: f64, interval| {
        let mut reading = film(vec![]);
        reading.images[0].view = view;
        reading.images[0].age_group = age;
        reading.measurements = vec![sample::ratio(value, interval)];
        findings_of(&reading)[1].clone()
    };
    let adult = Some(AgeGroup::Adult);
    assert_eq!(
        say(View::Pa, adult, 0.554, Some((0.52, 0.58))),
        "Cardiothoracic ratio 0.55 (90% interval 0.52 to 0.58) on the PA view; the heart is enlarged."
    );
    assert!(say(View::Pa, adult, 0.45, Some((0.42, 0.48))).ends_with("the heart is not enlarged."));
    assert!(say(View::Pa, adult, 0.51, Some((0.50, 0.55))).ends_with("heart size is not decided."));
    assert!(
        say(View::Pa, adult, 0.60, None).ends_with("the error of the measurement is not known.")
    );
    assert!(
        say(View::Ap, adult, 0.60, Some((0.57, 0.63)))
            .contains("AP projection magnifies the heart")
    );
    assert!(say(View::Frontal, adult, 0.60, Some((0.57, 0.63))).contains("not known to be PA"));
    assert!(
        say(
            View::Pa,
            Some(AgeGroup::Paediatric),
            0.6,
            Some((0.57, 0.63))
        )
        .contains("children")
    );
}

#[test]
fn an_unmeasured_ratio_says_why() {
    let mut reading = film(vec![]);
    let mut ratio = sample::ratio(0.5, None);
    ratio.value = None;
    ratio.note = Some("the heart mask touches the border.".into());
    reading.measurements = vec![ratio];
    assert_eq!(
        findings_of(&reading)[1],
        "Cardiothoracic ratio not measured: the heart mask touches the border."
    );
}

#[test]
fn ruler_and_model_that_disagree_on_the_heart_are_both_named() {
    let mut reading = film(vec![found("cardiomegaly", Absent, &[])]);
    reading.measurements = vec![sample::ratio(0.6, Some((0.57, 0.63)))];
    let text = findings_of(&reading);
    assert!(
        !text.iter().any(|s| s.starts_with("No cardiomegaly")),
        "{text:?}"
    );
    assert!(text.iter().any(|s| s.contains("disagree")), "{text:?}");
    assert_eq!(
        sentences(&reading, Section::Impression)[0],
        "Enlarged heart by the cardiothoracic ratio."
    );
}

#[test]
fn extents_are_told_only_beside_an_opacity() {
    let mut reading = film(vec![found("lung_opacity", Present, &["right lower zone"])]);
    reading.measurements = sample::reading().measurements.split_off(1);
    assert_eq!(
        findings_of(&reading)[2],
        "The area marked by the model covers 11% of the lung area: 6% of the right middle zone, \
         41% of the right lower zone and 3% of the left upper zone."
    );
    reading.findings[0].set = Some(Absent);
    assert!(!findings_of(&reading).iter().any(|s| s.contains("covers")));
}

#[test]
fn a_blocked_study_says_why_and_nothing_else() {
    let reading = sample::blocked();
    let report = write_report(&reading);
    assert_eq!(
        report.findings,
        "The image was not analysed: a lateral projection; the models were trained on frontal films."
    );
    assert_eq!(
        report.impression,
        "Not analysed; nothing is said about any finding."
    );
    assert_eq!(
        report.sentences[0].evidence,
        [Evidence::gate("lateral"), Evidence::image(0)]
    );
}

#[test]
fn the_whole_image_model_speaks_in_the_impression_alone() {
    let reading = film(vec![
        found("abnormal", Present, &[]),
        found("mass", Absent, &[]),
    ]);
    assert_eq!(findings_of(&reading)[1..], ["No mass."]);
    assert!(
        sentences(&reading, Section::Impression)
            .iter()
            .any(|s| s.contains("abnormal as a whole"))
    );
    let torn = film(vec![
        found("abnormal", Absent, &[]),
        found("mass", Present, &[]),
    ]);
    assert!(
        sentences(&torn, Section::Impression)
            .iter()
            .any(|s| s.contains("disagree"))
    );
}

fn any_finding(code: &'static str) -> impl Strategy<Value = Finding> {
    let set = prop::option::of(prop::sample::select(vec![Present, Absent, Undecided]));
    let zones = prop::collection::vec(prop::sample::select(LungZone::ALL.to_vec()), 0..4);
    (any::<bool>(), set, 0.01..0.99f64, zones).prop_map(
        move |(assessed, set, probability, zones)| {
            if !assessed {
                return unseen(code);
            }
            let mut finding = sample::assessed(code, set, probability);
            finding.regions = zones
                .iter()
                .enumerate()
                .map(|(n, zone)| sample::region(code, n, BOX, Some(&zone.place())))
                .collect();
            finding
        },
    )
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let codes: Vec<&'static str> = taxonomy::TABLE.iter().map(|taxon| taxon.code).collect();
    let findings = prop::sample::subsequence(codes, 0..18)
        .prop_flat_map(|codes| codes.into_iter().map(any_finding).collect::<Vec<_>>());
    let view = prop::sample::select(vec![View::Pa, View::Ap, View::Frontal, View::Unknown]);
    let ratio = prop::option::of((0.3..0.8f64, prop::option::of(0.01..0.1f64)));
    (findings, view, ratio).prop_map(|(findings, view, ratio)| {
        let mut reading = film(findings);
        reading.images[0].view = view;
        reading.measurements = sample::reading().measurements.split_off(1);
        reading
            .measurements
            .extend(ratio.map(|(v, half)| sample::ratio(v, half.map(|h| (v - h, v + h)))));
        reading
    })
}

/// Words that would claim a comparison or more than was assessed.
const FORBIDDEN: &[&str] = &[
    "unchanged",
    "stable",
    "compar",
    "previous",
    "prior",
    "interval change",
    "worse",
    "improv",
    "increas",
    "decreas",
    "resolv",
    "lungs are clear",
    "normal chest",
    "unremarkable",
    "persist",
    "again seen",
];

proptest! {
    #[test]
    fn whatever_the_reading_the_report_keeps_its_word(reading in any_reading()) {
        let mut reading = reading;
        reading.report = write_report(&reading);
        prop_assert!(evidence::check(&reading).is_ok());
        prop_assert_eq!(&reading.report, &write_report(&reading));
        let status = |code: &str| reading.findings.iter().find(|f| f.code == code).map(|f| (f.status, f.set));
        for sentence in &reading.report.sentences {
            let lower = sentence.text.to_lowercase();
            prop_assert!(!FORBIDDEN.iter().any(|word| lower.contains(word)), "{}", sentence.text);
            if lower.starts_with("no ") {
                for evidence in &sentence.evidence {
                    prop_assert_eq!(status(&evidence.target), Some((FindingStatus::Assessed, Some(Absent))));
                }
            }
            if lower.starts_with("possible ") {
                prop_assert!(lower.contains("not decided by the model"));
            }
        }
        let said: String = reading.report.sentences.iter().map(|s| s.text.clone()).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(said, format!("{} {}", reading.report.findings, reading.report.impression).trim().to_owned());
    }

    #[test]
    fn every_answer_is_told(reading in any_reading()) {
        let report = write_report(&reading);
        let told = |code: &str| report.sentences.iter().any(|s| s.evidence.contains(&Evidence::finding(code)));
        for finding in reading.findings.iter().filter(|f| !super::lexicon::is_summary(&f.code)) {
            // A denial may be held back, where it would contradict something else.
            prop_assert!(finding.set == Some(Absent) || told(&finding.code), "{}", finding.code);
        }
    }
}
