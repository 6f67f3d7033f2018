//! The profile on a whole object.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_deid::{Deidentifier, Done, Options, Secret};

fn secret() -> Secret {
    Secret::new(b"not a secret at all").unwrap()
}

fn object() -> InMemDicomObject {
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(
            tags::REFERENCED_SOP_CLASS_UID,
            VR::UI,
            "1.2.840.10008.5.1.4.1.1.1",
        ),
        DataElement::new(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.4"),
    ]);
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1"),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4"),
        DataElement::new(tags::STUDY_DATE, VR::DA, "20260310"),
        DataElement::new(tags::SERIES_DATE, VR::DA, "20260312"),
        DataElement::new(tags::SERIES_DESCRIPTION, VR::LO, "Chest PA of Miller"),
        DataElement::new(
            tags::REFERENCED_IMAGE_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(vec![item]),
        ),
        DataElement::new(tags::PATIENT_NAME, VR::PN, "Miller^Anna"),
        DataElement::new(tags::PATIENT_ID, VR::LO, "P1"),
        DataElement::new(tags::PATIENT_AGE, VR::AS, "042Y"),
        DataElement::new(tags::ROWS, VR::US, PrimitiveValue::from(2u16)),
        DataElement::new(Tag(0x0019, 0x0010), VR::LO, "ACME"),
        DataElement::new(Tag(0x0019, 0x1001), VR::LO, "Miller"),
        DataElement::new(Tag(0x0019, 0x1002), VR::LO, "kV 120"),
    ])
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object
        .get(tag)
        .map(|e| e.to_str().unwrap().into_owned())
        .unwrap_or_default()
}

fn run(options: Options) -> InMemDicomObject {
    Deidentifier::new(options, secret())
        .unwrap()
        .apply(object())
        .0
}

#[test]
fn the_basic_profile_leaves_nothing_that_identifies() {
    let (out, report) = Deidentifier::new(Options::default(), secret())
        .unwrap()
        .apply(object());
    let all = format!("{out:?}");
    for gone in [
        "Miller", "Anna", "P1\"", "20260310", "042Y", "1.2.3.4", "ACME",
    ] {
        assert!(!all.contains(gone), "{gone} is still there");
    }
    assert_eq!(text(&out, tags::SOP_CLASS_UID), "1.2.840.10008.5.1.4.1.1.1");
    assert_eq!(text(&out, tags::ROWS), "2");
    assert_eq!(text(&out, tags::PATIENT_IDENTITY_REMOVED), "YES");
    assert_eq!(
        text(&out, tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED),
        "REMOVED"
    );
    let done = |path: &str| {
        report
            .changes
            .iter()
            .find(|c| c.path == path)
            .map(|c| c.done)
    };
    assert_eq!(done("00080018"), Some(Done::UidReplaced));
    assert_eq!(done("00081140.00081155"), Some(Done::UidReplaced));
    assert_eq!(done("00191001"), Some(Done::Removed));
    assert_eq!(done("00280010"), None);
    assert!(!serde_json::to_string(&report).unwrap().contains("Miller"));
}

#[test]
fn references_still_point_at_their_objects() {
    let out = run(Options::default());
    let items = out
        .get(tags::REFERENCED_IMAGE_SEQUENCE)
        .unwrap()
        .items()
        .unwrap();
    assert_eq!(
        text(&items[0], tags::REFERENCED_SOP_INSTANCE_UID),
        text(&out, tags::SOP_INSTANCE_UID)
    );
}

#[test]
fn options_keep_what_they_name() {
    let out = run(Options {
        retain_patient_characteristics: true,
        retain_modified_dates: true,
        clean_descriptors: true,
        retain_uids: true,
        retain_safe_private: vec!["001902:ACME".parse().unwrap()],
        ..Options::default()
    });
    assert_eq!(text(&out, tags::PATIENT_AGE), "042Y");
    assert_eq!(text(&out, tags::SOP_INSTANCE_UID), "1.2.3.4");
    assert_eq!(
        text(&out, tags::SERIES_DESCRIPTION),
        "Chest PA of [removed]"
    );
    assert_eq!(text(&out, Tag(0x0019, 0x1002)), "kV 120");
    assert!(out.get(Tag(0x0019, 0x1001)).is_none());
    let (study, series) = (text(&out, tags::STUDY_DATE), text(&out, tags::SERIES_DATE));
    assert_ne!(study, "20260310");
    let days = |d: &str| d[6..8].parse::<i32>().unwrap();
    // Two days apart as before, unless a month ends between them.
    assert!(days(&series) - days(&study) == 2 || days(&series) < days(&study));
}

#[test]
fn every_value_of_a_date_is_moved_and_none_is_left() {
    let mut given = object();
    let dates = PrimitiveValue::Strs(vec!["20260101".into(), "20260105".into()].into());
    given.put(DataElement::new(
        tags::DATE_OF_LAST_CALIBRATION,
        VR::DA,
        dates,
    ));
    let options = Options {
        retain_modified_dates: true,
        ..Options::default()
    };
    let deidentifier = Deidentifier::new(options, secret()).unwrap();
    let out = deidentifier.apply(given.clone()).0;
    let moved = text(&out, tags::DATE_OF_LAST_CALIBRATION);
    assert!(
        !moved.contains("20260101") && !moved.contains("20260105"),
        "{moved}"
    );
    assert_eq!(moved.split('\\').count(), 2, "{moved}");
    // One value that is no date: nothing of it stays.
    let dates = PrimitiveValue::Strs(vec!["20260101".into(), "in May".into()].into());
    given.put(DataElement::new(
        tags::DATE_OF_LAST_CALIBRATION,
        VR::DA,
        dates,
    ));
    let out = deidentifier.apply(given).0;
    assert_eq!(text(&out, tags::DATE_OF_LAST_CALIBRATION), "");
}

#[test]
fn another_secret_gives_another_pseudonym() {
    let other = Secret::new(b"another secret of enough bytes").unwrap();
    let out = Deidentifier::new(Options::default(), other)
        .unwrap()
        .apply(object())
        .0;
    assert_ne!(
        text(&out, tags::PATIENT_ID),
        text(&run(Options::default()), tags::PATIENT_ID)
    );
}
