//! Write, then read: an equal reading, whatever it says.

#![allow(clippy::unwrap_used)]

use dicom_core::VR;
use dicom_dictionary_std::tags;
use hilum_core::{
    AgeGroup, Evidence, Finding, FindingStatus, Gate, GateReason, ImageRecord, Interval,
    Laterality, Line, Masks, Measurement, ModelRef, NamedLine, OperatingPoint, Point,
    PredictionSet, Provenance, Reading, Rect, Region, RegionKind, Report, Section, Sentence,
    Spacing, SpacingKind, StudyInfo, Unit, View,
};
use hilum_dicom::Limits;
use hilum_dicom::write::DataSet;
use hilum_objects::back::{self, Opened};
use hilum_objects::code;
use hilum_objects::item::ImageRef;
use hilum_objects::report::{self, References};
use hilum_reading::{sample, write_report};
use proptest::prelude::*;
use serde_json::json;

fn references(reading: &Reading) -> References {
    let image = |n: usize| ImageRef {
        class: "1.2.840.10008.5.1.4.1.1.1".to_owned(),
        instance: format!("2.25.{n}"),
        frame: None,
    };
    References {
        images: (0..reading.images.len()).map(image).collect(),
        modalities: vec![Some("CR".to_owned()); reading.images.len()],
        study_uid: "2.25.77".to_owned(),
        patient_id: Some("P1".to_owned()),
        study_date: None,
        seed: "seed".to_owned(),
    }
}

/// The reading's tree as the bytes of a file, with a header as short as it may be.
fn file(reading: &Reading) -> Vec<u8> {
    let tree = report::tree(reading, &references(reading)).unwrap();
    let mut set = DataSet::default();
    let class = "1.2.840.10008.5.1.4.1.1.88.33";
    set.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    set.text(tags::SOP_CLASS_UID, VR::UI, class);
    set.text(tags::SOP_INSTANCE_UID, VR::UI, "2.25.5");
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, "2.25.77");
    set.text(tags::PATIENT_ID, VR::LO, "P1");
    tree.put_into(&mut set, true);
    set.file(class, "2.25.5").unwrap()
}

/// Through the bytes of a file.
fn there_and_back(reading: &Reading) -> Reading {
    let opened = back::open(&file(reading), "sr.dcm".as_ref(), &Limits::default()).unwrap();
    let study = back::assemble(vec![opened]).into_iter().next().unwrap();
    study.unwrap().reading.unwrap()
}

fn timeless(mut reading: Reading) -> Reading {
    reading.provenance.elapsed_ms = 0;
    reading
}

/// What the templates' rows did not carry, by its place.
fn additions(reading: &Reading) -> Vec<String> {
    let tree = report::tree(reading, &references(reading)).unwrap();
    let provenance = code::Code::of(code::OWN, "provenance", "");
    let addition = code::Code::of(code::OWN, "addition", "");
    tree.all(&provenance)
        .flat_map(|p| p.all(&addition))
        .map(|item| format!("{:?}", item.value))
        .collect()
}

#[test]
fn the_sample_readings_come_back_by_the_rows_alone() {
    for mut reading in [sample::reading(), sample::blocked()] {
        reading.report = write_report(&reading);
        assert_eq!(additions(&reading), Vec::<String>::new());
        assert_eq!(there_and_back(&reading), timeless(reading));
    }
}

#[test]
fn a_finding_that_was_not_assessed_is_never_absent() {
    let reading = sample::reading();
    let tree = report::tree(&reading, &references(&reading)).unwrap();
    let holder = tree.first(&code::Code::of("DCM", "126010", "")).unwrap();
    let (mut seen, mut checked) = (0, 0);
    for group in &holder.below {
        let code = |value| group.coded(&code::Code::of("DCM", value, "")).cloned();
        let Some(presence) = code("121052") else {
            continue;
        };
        seen += 1;
        let status = group
            .coded(&code::Code::of(code::OWN, "status", ""))
            .unwrap();
        if status.value == "not_assessed" {
            checked += 1;
            assert_eq!(presence.value, "121059", "{group:?}");
        }
    }
    assert_eq!(seen, reading.findings.len());
    assert!(checked > 0);
}

#[test]
fn evidence_that_is_not_there_is_refused() {
    let mut reading = sample::reading();
    reading.report.sentences.push(Sentence {
        section: Section::Findings,
        text: "Nothing behind it.".to_owned(),
        evidence: vec![Evidence::finding("teapot")],
    });
    let refused = report::tree(&reading, &references(&reading)).unwrap_err();
    assert!(refused.to_string().contains("teapot"), "{refused}");
}

#[test]
fn numbers_that_are_none_are_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let mut reading = sample::reading();
        reading.findings[0].probability = Some(value);
        assert!(report::tree(&reading, &references(&reading)).is_err());
        let mut reading = sample::reading();
        reading.findings[1].regions[0].rect.x = value;
        assert!(report::tree(&reading, &references(&reading)).is_err());
    }
    let mut reading = sample::reading();
    reading.findings[1].regions[0].image = 7;
    assert!(report::tree(&reading, &references(&reading)).is_err());
}

/// Words as files, models and people make them: never control characters alone, but quotes, spaces, other scripts.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "[a-z]{1,8}( [a-z]{1,8}){0,3}",
        Just("\"quoted\" \\ and\nbroken".to_owned()),
        Just(" ".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,24}",
        Just("pneumonia".to_owned()),
        Just("cardiothoracic_ratio".to_owned()),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0f64,
        -1e6..1e6f64,
        Just(0.0),
        Just(1.0 / 3.0),
        any::<f32>()
            .prop_filter("finite", |v| v.is_finite())
            .prop_map(f64::from),
    ]
}

fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..5000.0f64,
        (0..5000i32).prop_map(f64::from),
        -10.0..0.0f64
    ]
}

fn point() -> impl Strategy<Value = Point> {
    (coordinate(), coordinate()).prop_map(|(x, y)| Point { x, y })
}

fn rect() -> impl Strategy<Value = Rect> {
    (coordinate(), coordinate(), 0.0..3000.0f64, 0.0..3000.0f64).prop_map(|(x, y, w, h)| Rect {
        x,
        y,
        w,
        h,
    })
}

fn opt<T: std::fmt::Debug + Clone>(
    inner: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(inner)
}

fn region(images: usize) -> impl Strategy<Value = Region> {
    let kind = prop_oneof![
        Just(RegionKind::ActivationBox),
        Just(RegionKind::DetectorBox),
        Just(RegionKind::Outline)
    ];
    let place = prop_oneof![words(), Just("right lower zone".to_owned())];
    let outline = prop_oneof![Just(Vec::new()), proptest::collection::vec(point(), 1..6)];
    (0..images, kind, rect(), 0.0..1.0f64, outline, opt(place)).prop_map(
        |(image, kind, rect, score, outline, place)| Region {
            id: String::new(),
            image,
            kind,
            rect,
            score,
            outline,
            place,
        },
    )
}

fn operating_point() -> impl Strategy<Value = OperatingPoint> {
    (
        0.0..1.0f64,
        words(),
        opt(0.0..1.0f64),
        opt(0.0..1.0f64),
        any::<bool>(),
    )
        .prop_map(
            |(threshold, rule, sensitivity, specificity, positive)| OperatingPoint {
                threshold,
                rule,
                sensitivity,
                specificity,
                positive,
            },
        )
}

fn finding(images: usize) -> impl Strategy<Value = Finding> {
    let set = prop_oneof![
        Just(PredictionSet::Present),
        Just(PredictionSet::Absent),
        Just(PredictionSet::Undecided)
    ];
    (
        (name(), words(), any::<bool>(), opt(words())),
        (
            opt(number()),
            opt(0.0..1.0f64),
            opt(operating_point()),
            opt(set),
            opt(words()),
        ),
        proptest::collection::vec(region(images), 0..3),
    )
        .prop_map(|(head, numbers, regions)| Finding {
            status: if head.2 {
                FindingStatus::Assessed
            } else {
                FindingStatus::NotAssessed
            },
            reason: head.3,
            logit: numbers.0,
            probability: numbers.1,
            operating_point: numbers.2,
            set: numbers.3,
            model: numbers.4,
            regions,
            ..Finding::not_assessed(&head.0, &head.1, "")
        })
}

fn measurement(images: usize) -> impl Strategy<Value = Measurement> {
    let unit = prop_oneof![
        Just(Unit::Ratio),
        Just(Unit::Pixel),
        Just(Unit::MmDetector),
        Just(Unit::Mm),
        Just(Unit::Percent)
    ];
    let interval = (number(), number(), 0.5..1.0f64).prop_map(|(low, high, level)| Interval {
        low,
        high,
        level,
    });
    let line = (words(), 0..images, point(), point()).prop_map(|(name, image, from, to)| {
        let line = Line { from, to };
        NamedLine { name, image, line }
    });
    let lines = proptest::collection::vec(line, 0..3);
    (
        name(),
        opt(number()),
        unit,
        opt(interval),
        lines,
        opt(words()),
    )
        .prop_map(|(name, value, unit, interval, lines, note)| Measurement {
            name,
            value,
            unit,
            interval,
            lines,
            note,
        })
}

fn image() -> impl Strategy<Value = ImageRecord> {
    let view = prop_oneof![
        Just(View::Pa),
        Just(View::Ap),
        Just(View::Frontal),
        Just(View::Lateral),
        Just(View::Other),
        Just(View::Unknown)
    ];
    let side = prop_oneof![
        Just(Laterality::Left),
        Just(Laterality::Right),
        Just(Laterality::Both),
        Just(Laterality::Unpaired)
    ];
    let kind = prop_oneof![
        Just(SpacingKind::Pixel),
        Just(SpacingKind::Imager),
        Just(SpacingKind::Calibrated)
    ];
    let spacing =
        (0.01..2.0f64, 0.01..2.0f64, kind).prop_map(|(row_mm, column_mm, kind)| Spacing {
            row_mm,
            column_mm,
            kind,
        });
    let age = prop_oneof![Just(AgeGroup::Paediatric), Just(AgeGroup::Adult)];
    let masks = (opt(words()), opt(words())).prop_map(|(lungs, heart)| Masks { lungs, heart });
    (
        (
            words(),
            "[0-9a-f]{64}",
            1..9000u32,
            1..9000u32,
            view,
            words(),
        ),
        (opt(side), opt(spacing), any::<bool>(), opt(age), opt(masks)),
    )
        .prop_map(|(a, b)| ImageRecord {
            path: a.0,
            sha256: a.1,
            width: a.2,
            height: a.3,
            view: a.4,
            view_source: a.5,
            laterality: b.0,
            spacing: b.1,
            inverted: b.2,
            age_group: b.3,
            masks: b.4,
        })
}

fn reason(images: usize) -> impl Strategy<Value = GateReason> {
    (name(), words(), any::<bool>(), 0..images, opt(number())).prop_map(
        |(code, message, blocking, image, score)| GateReason {
            code,
            message,
            blocking,
            image,
            score,
        },
    )
}

fn provenance() -> impl Strategy<Value = Provenance> {
    let model = (words(), "[0-9a-f]{64}").prop_map(|(name, sha256)| ModelRef { name, sha256 });
    let models = proptest::collection::vec(model, 0..3);
    (words(), models, words(), words()).prop_map(|(version, models, recipe, engine)| {
        let models = serde_json::to_value(models).unwrap();
        serde_json::from_value(json!({
            "version": version, "models": models, "recipe": recipe, "engine": engine, "elapsed_ms": 0
        }))
        .unwrap()
    })
}

/// A reading that does not contradict itself: names are used once, and sentences rest on what is there.
fn reading() -> impl Strategy<Value = Reading> {
    proptest::collection::vec(image(), 1..3).prop_flat_map(|images| {
        let n = images.len();
        let study = (words(), opt(words()), opt(words()))
            .prop_map(|(id, patient, date)| StudyInfo { id, patient, date });
        let sentences = (
            any::<bool>(),
            words(),
            proptest::collection::vec(any::<usize>(), 1..3),
        );
        (
            (Just(images), study, provenance(), any::<bool>()),
            proptest::collection::vec(finding(n), 0..4),
            proptest::collection::vec(measurement(n), 0..4),
            proptest::collection::vec(reason(n), 0..3),
            proptest::collection::vec(sentences, 0..5),
            (opt(words()), opt(words())),
        )
            .prop_map(
                |(head, findings, measurements, reasons, sentences, running)| {
                    put_together(head, findings, measurements, reasons, sentences, running)
                },
            )
    })
}

type Head = (Vec<ImageRecord>, StudyInfo, Provenance, bool);

fn put_together(
    (images, study, provenance, analysable): Head,
    mut findings: Vec<Finding>,
    mut measurements: Vec<Measurement>,
    mut reasons: Vec<GateReason>,
    sentences: Vec<(bool, String, Vec<usize>)>,
    running: (Option<String>, Option<String>),
) -> Reading {
    let mut evidence: Vec<Evidence> = (0..images.len()).map(Evidence::image).collect();
    findings.sort_by(|a, b| a.code.cmp(&b.code));
    findings.dedup_by(|a, b| a.code == b.code);
    for finding in &mut findings {
        evidence.push(Evidence::finding(finding.code.clone()));
        for (n, region) in finding.regions.iter_mut().enumerate() {
            region.id = format!("{}/{n}", finding.code);
            evidence.push(Evidence::region(region.id.clone()));
        }
    }
    measurements.sort_by(|a, b| a.name.cmp(&b.name));
    measurements.dedup_by(|a, b| a.name == b.name);
    evidence.extend(
        measurements
            .iter()
            .map(|m| Evidence::measurement(m.name.clone())),
    );
    reasons.sort_by(|a, b| a.code.cmp(&b.code));
    reasons.dedup_by(|a, b| a.code == b.code);
    evidence.extend(reasons.iter().map(|r| Evidence::gate(r.code.clone())));
    let sentences: Vec<Sentence> = sentences
        .into_iter()
        .map(|(first, text, picks)| Sentence {
            section: if first {
                Section::Findings
            } else {
                Section::Impression
            },
            text,
            evidence: picks
                .iter()
                .map(|p| evidence[p % evidence.len()].clone())
                .collect(),
        })
        .collect();
    let joined = |section| {
        let of = sentences.iter().filter(|s| s.section == section);
        of.map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    let report = Report {
        findings: running.0.unwrap_or_else(|| joined(Section::Findings)),
        impression: running.1.unwrap_or_else(|| joined(Section::Impression)),
        sentences,
    };
    Reading {
        study,
        images,
        gate: Gate {
            analysable,
            reasons,
        },
        findings,
        measurements,
        report,
        provenance,
        ..sample::reading()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_reading_comes_back(reading in reading()) {
        prop_assert_eq!(there_and_back(&reading), timeless(reading));
    }

    #[test]
    fn a_report_that_was_damaged_is_read_or_refused(cut in 0usize..100_000, flips in proptest::collection::vec((0usize..100_000, any::<u8>()), 0..4)) {
        let mut bytes = file(&sample::reading());
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut.max(1));
        // Whatever comes of it, it comes without a panic.
        if let Ok(Opened::Report(report)) = back::open(&bytes, "damaged.dcm".as_ref(), &Limits::default()) {
            let _ = back::assemble(vec![Opened::Report(report)]);
        }
    }
}

#[test]
fn a_tree_of_nothing_but_nesting_is_refused() {
    let level = b"\x40\x00\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
    let mut bytes = vec![0u8; 128];
    bytes.extend(b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
    bytes.extend(level.repeat(50_000));
    let refused = back::open(&bytes, "nest.dcm".as_ref(), &Limits::default()).unwrap_err();
    assert!(
        refused.to_string().contains("inside each other"),
        "{refused}"
    );
}

#[test]
fn a_tree_without_its_parts_is_refused() {
    let mut reading = sample::reading();
    reading.findings.clear();
    reading.measurements.clear();
    let refs = references(&reading);
    let tree = report::tree(&reading, &refs).unwrap();
    for lost in ["provenance", "gate"] {
        let mut part = tree.clone();
        part.below
            .retain(|i| i.name.as_ref().is_none_or(|n| n.value != lost));
        assert!(report::reading(&part, &refs).is_err(), "{lost}");
    }
}
