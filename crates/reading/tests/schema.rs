//! The published schema against readings as they are written, and against readings broken on purpose.

use hilum_core::{FailedPath, Masks, Point, ReadError, Reading};
use hilum_reading::{SCHEMA, sample, write_report};
use jsonschema::Validator;
use serde_json::{Value, json};

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    assert!(
        jsonschema::draft202012::meta::is_valid(&schema),
        "the schema is a schema"
    );
    jsonschema::validator_for(&schema).expect("the schema compiles")
}

fn written(mut reading: Reading) -> Value {
    reading.report = write_report(&reading);
    serde_json::to_value(reading).expect("a reading is JSON")
}

fn assert_valid(value: &Value) {
    let errors: Vec<String> = validator()
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn readings_are_valid() {
    assert_valid(&written(sample::reading()));
    assert_valid(&written(sample::blocked()));
}

#[test]
fn a_reading_with_every_option_is_valid() {
    let mut reading = sample::reading();
    reading.images[0].masks = Some(Masks {
        lungs: Some("1.2/image-0-lungs.png".into()),
        heart: None,
    });
    reading.images[0].spacing = None;
    reading.images[0].age_group = None;
    reading.study.patient = None;
    reading.study.date = None;
    let region = reading
        .findings
        .iter_mut()
        .flat_map(|f| &mut f.regions)
        .next()
        .expect("a region");
    region.outline = vec![Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 4.0 }];
    region.place = None;
    assert_valid(&written(reading));
}

#[test]
fn a_failed_path_is_valid() {
    let failed = FailedPath {
        path: "a.dcm".into(),
        error: ReadError {
            kind: "truncated".into(),
            message: "ends after 12 bytes".into(),
        },
    };
    assert_valid(&serde_json::to_value(failed).expect("JSON"));
}

/// Sets the value at `pointer`; the pointer must exist, so that a test cannot pass by a typing error.
fn broken(pointer: &str, value: Value) -> Value {
    let mut reading = written(sample::reading());
    *reading
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer} exists")) = value;
    reading
}

#[test]
fn broken_readings_are_not_valid() {
    let validator = validator();
    let assessed = |field: &str| format!("/findings/0/{field}");
    let unseen = |field: &str| format!("/findings/17/{field}");
    assert_eq!(
        written(sample::reading())["findings"][17]["status"],
        "not_assessed"
    );
    for (pointer, value) in [
        ("/study/date".to_owned(), json!("20261102")),
        ("/images/0/sha256".into(), json!("abc")),
        ("/images/0/view".into(), json!("PA")),
        ("/images/0/width".into(), json!(0)),
        ("/images/0/spacing/kind".into(), json!("guess")),
        ("/gate/reasons/0/code".into(), json!("Not Snake Case")),
        (assessed("probability"), json!(1.2)),
        (assessed("probability"), json!(null)),
        (assessed("set"), json!("maybe")),
        (assessed("reason"), json!("why")),
        (unseen("set"), json!("absent")),
        (unseen("probability"), json!(0.1)),
        (unseen("reason"), json!(null)),
        ("/measurements/0/value".into(), json!(null)),
        ("/measurements/0/unit".into(), json!("cm")),
        ("/measurements/0/interval/level".into(), json!(90)),
        ("/report/sentences/0/evidence".into(), json!([])),
        ("/report/sentences/0/evidence/0/kind".into(), json!("hunch")),
        ("/provenance/models/0/sha256".into(), json!(null)),
        ("/provenance/elapsed_ms".into(), json!(-1)),
        ("/images".into(), json!({})),
    ] {
        assert!(
            !validator.is_valid(&broken(&pointer, value.clone())),
            "{pointer} = {value}"
        );
    }
}

#[test]
fn missing_and_unknown_fields_are_not_valid() {
    let validator = validator();
    for field in [
        "study",
        "images",
        "gate",
        "findings",
        "measurements",
        "report",
        "provenance",
    ] {
        let mut reading = written(sample::reading());
        reading.as_object_mut().expect("an object").remove(field);
        assert!(!validator.is_valid(&reading), "{field}");
    }
    let mut reading = written(sample::reading());
    reading["diagnosis"] = json!("none");
    assert!(!validator.is_valid(&reading));
    assert!(!validator.is_valid(&json!({ "path": "a.dcm" })));
    assert!(
        !validator
            .is_valid(&json!({ "path": "a.dcm", "error": { "kind": "Bad Kind", "message": "x" } }))
    );
}
