//! A made-up reading, for examples, tests and work on pages. No patient, no model.

use hilum_core::measurement::{CARDIOTHORACIC_RATIO, OPACITY_EXTENT};
use hilum_core::taxonomy;
use hilum_core::{
    AgeGroup, Finding, FindingStatus, Gate, GateReason, ImageRecord, Interval, Line, LungZone,
    Measurement, ModelRef, NamedLine, OperatingPoint, Point, PredictionSet, Provenance, Reading,
    Rect, Region, RegionKind, Report, Spacing, SpacingKind, StudyInfo, Unit, View,
};

/// Model named by [`assessed`].
pub const MODEL: &str = "sample-densenet121";

/// A frontal study with present, undecided, absent and not assessed findings; its report is empty.
pub fn reading() -> Reading {
    Reading {
        study: StudyInfo {
            id: "1.2.826.0.1.3680043.8.498.1".into(),
            patient: Some("SAMPLE-001".into()),
            date: Some("2026-11-02".into()),
        },
        images: vec![image("samples/frontal.dcm", View::Pa)],
        gate: Gate {
            analysable: true,
            reasons: vec![cropped()],
        },
        findings: findings(),
        measurements: measurements(),
        similar: Vec::new(),
        report: Report::default(),
        provenance: provenance(),
    }
}

/// A lateral film, stopped by the gate; its report is empty.
pub fn blocked() -> Reading {
    let reason = GateReason {
        code: "lateral".into(),
        message: "A lateral projection; the models were trained on frontal films.".into(),
        blocking: true,
        image: 0,
        score: Some(0.97),
    };
    let listed = taxonomy::reporting_list();
    Reading {
        images: vec![image("samples/lateral.png", View::Lateral)],
        gate: Gate {
            analysable: false,
            reasons: vec![reason],
        },
        findings: listed
            .iter()
            .map(|t| Finding::not_assessed(t.code, t.name, "stopped by the gate"))
            .collect(),
        measurements: Vec::new(),
        ..reading()
    }
}

/// An image record of 1024 by 1240 pixels.
pub fn image(path: &str, view: View) -> ImageRecord {
    ImageRecord {
        path: path.into(),
        sha256: "6f".repeat(32),
        width: 1024,
        height: 1240,
        view,
        view_source: "file".into(),
        laterality: None,
        spacing: Some(Spacing {
            row_mm: 0.3,
            column_mm: 0.3,
            kind: SpacingKind::Imager,
        }),
        inverted: false,
        age_group: Some(AgeGroup::Adult),
        masks: None,
    }
}

/// A finding of the taxonomy that a model answered; threshold 0.4.
pub fn assessed(code: &str, set: Option<PredictionSet>, probability: f64) -> Finding {
    let threshold = 0.4;
    Finding {
        status: FindingStatus::Assessed,
        reason: None,
        logit: Some((probability / (1.0 - probability)).ln()),
        probability: Some(probability),
        operating_point: Some(OperatingPoint {
            threshold,
            rule: "youden on val".into(),
            sensitivity: Some(0.83),
            specificity: Some(0.79),
            positive: probability >= threshold,
        }),
        set,
        model: Some(MODEL.into()),
        ..Finding::not_assessed(code, display_name(code), "")
    }
}

/// A box at `place` on the first image.
pub fn region(code: &str, n: usize, rect: Rect, place: Option<&str>) -> Region {
    Region {
        id: format!("{code}/{n}"),
        image: 0,
        kind: RegionKind::ActivationBox,
        rect,
        score: 0.8,
        outline: Vec::new(),
        place: place.map(str::to_owned),
    }
}

/// A cardiothoracic ratio with the lines it was read from.
pub fn ratio(value: f64, interval: Option<(f64, f64)>) -> Measurement {
    let line = |name: &str, x0: f64, x1: f64, y: f64| NamedLine {
        name: name.into(),
        image: 0,
        line: Line {
            from: Point { x: x0, y },
            to: Point { x: x1, y },
        },
    };
    Measurement {
        name: CARDIOTHORACIC_RATIO.into(),
        value: Some(value),
        unit: Unit::Ratio,
        interval: interval.map(|(low, high)| Interval {
            low,
            high,
            level: 0.9,
        }),
        lines: vec![
            line("heart_width", 390.0, 842.0, 850.0),
            line("thorax_width", 104.0, 920.0, 980.0),
        ],
        note: None,
    }
}

fn display_name(code: &str) -> &str {
    taxonomy::by_code(code).map_or(code, |taxon| taxon.name)
}

fn cropped() -> GateReason {
    GateReason {
        code: "cropped".into(),
        message: "the left costophrenic angle is close to the border and may be cut off".into(),
        blocking: false,
        image: 0,
        score: Some(0.61),
    }
}

fn findings() -> Vec<Finding> {
    use PredictionSet::{Absent, Present, Undecided};
    let opacity = Rect {
        x: 165.0,
        y: 640.0,
        w: 250.0,
        h: 260.0,
    };
    let base = Rect {
        x: 125.0,
        y: 860.0,
        w: 230.0,
        h: 150.0,
    };
    let apex = Rect {
        x: 640.0,
        y: 270.0,
        w: 110.0,
        h: 120.0,
    };
    let mut list = vec![
        assessed("abnormal", Some(Present), 0.93),
        with(
            assessed("lung_opacity", Some(Present), 0.88),
            opacity,
            "right lower zone",
        ),
        with(
            assessed("pneumonia", Some(Present), 0.81),
            opacity,
            "right lower zone",
        ),
        assessed("consolidation", Some(Undecided), 0.46),
        assessed("atelectasis", Some(Undecided), 0.22),
        assessed("edema", Some(Absent), 0.03),
        with(
            assessed("nodule", Some(Undecided), 0.44),
            apex,
            "left upper zone",
        ),
        assessed("mass", Some(Absent), 0.04),
        with(
            assessed("pleural_effusion", Some(Present), 0.72),
            base,
            "right lower zone",
        ),
        assessed("pneumothorax", Some(Absent), 0.02),
        assessed("cardiomegaly", Some(Present), 0.69),
        assessed("emphysema", Some(Absent), 0.05),
    ];
    let unseen = [
        "fibrosis",
        "tuberculosis",
        "covid_19",
        "fracture",
        "hernia",
        "support_devices",
    ];
    let why = "no shipped model was shown to detect it";
    list.extend(unseen.map(|code| Finding::not_assessed(code, display_name(code), why)));
    list
}

fn with(mut finding: Finding, rect: Rect, place: &str) -> Finding {
    finding
        .regions
        .push(region(&finding.code, 0, rect, Some(place)));
    finding
}

fn measurements() -> Vec<Measurement> {
    let mut list = vec![ratio(0.554, Some((0.522, 0.586)))];
    let mut extent = |name: String, value: Option<f64>, note: Option<&str>| {
        list.push(Measurement {
            name,
            value,
            unit: Unit::Percent,
            interval: None,
            lines: Vec::new(),
            note: note.map(str::to_owned),
        });
    };
    extent(OPACITY_EXTENT.into(), Some(11.2), None);
    for (zone, value) in LungZone::ALL.into_iter().zip([0.0, 6.4, 41.0, 3.1, 0.0]) {
        extent(zone.opacity_extent(), Some(value), None);
    }
    extent(
        LungZone::LeftLower.opacity_extent(),
        None,
        Some("the zone is cut off by the border of the image"),
    );
    list
}

fn provenance() -> Provenance {
    Provenance {
        version: "0.1.0".into(),
        models: vec![
            ModelRef {
                name: MODEL.into(),
                sha256: "a1".repeat(32),
            },
            ModelRef {
                name: "sample-unet".into(),
                sha256: "b2".repeat(32),
            },
        ],
        recipe: "voi".into(),
        engine: "sample".into(),
        calibration: None,
        index: None,
        elapsed_ms: 412,
    }
}
