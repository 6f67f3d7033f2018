//! The store as a whole: what is acknowledged is there, also after a kill.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use hilum_store::{
    Duplicates, Failure, Incoming, Ingested, Level, NewJob, NewOutgoing, Options, Query, Recovered,
    Sent, Store, StoreError, Target, Uid, keys,
};
use std::path::Path;

const SYNTAX: &str = "1.2.840.10008.1.2.1";

fn object(study: &str, series: &str, sop: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1"),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, sop),
        DataElement::new(tags::STUDY_DATE, VR::DA, "20260102"),
        DataElement::new(tags::MODALITY, VR::CS, "CR"),
        DataElement::new(tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
        DataElement::new(tags::PATIENT_ID, VR::LO, "P1"),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, study),
        DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, series),
        DataElement::new(tags::INSTANCE_NUMBER, VR::IS, "7"),
    ])
}

fn encoded(object: &InMemDicomObject) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(SYNTAX).unwrap();
    object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

fn incoming(data: &[u8]) -> Incoming<'_> {
    Incoming {
        data,
        transfer_syntax: SYNTAX,
        sop_class: None,
        instance: None,
        source: "SENDER",
    }
}

async fn open_with(dir: &Path, options: Options) -> (Store, Recovered) {
    Store::open(dir, options, |_, _| None).await.unwrap()
}

async fn open(dir: &Path) -> Store {
    open_with(dir, Options::default()).await.0
}

async fn put(store: &Store, object: &InMemDicomObject) -> Result<Ingested, StoreError> {
    let data = encoded(object);
    let incoming = incoming(&data);
    let record = store.check(&incoming)?;
    store.ingest(record, &incoming, None).await
}

fn uid(text: &str) -> Uid {
    Uid::new(text, "SOPInstanceUID").unwrap()
}

async fn count(store: &Store, level: Level) -> usize {
    store.find(&Query::all(level)).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_stored_once_and_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let object = object("1.2", "1.3", "1.4");
    assert_eq!(put(&store, &object).await.unwrap(), Ingested::Stored);
    assert_eq!(put(&store, &object).await.unwrap(), Ingested::Known);
    let located = store.locate(&uid("1.4")).await.unwrap().unwrap();
    let file = std::fs::read(store.path(&located)).unwrap();
    let data = encoded(&object);
    assert!(file.ends_with(&data));
    assert_eq!(located.size, file.len() as u64);
    assert_eq!(located.source, "SENDER");
    let opened = dicom_object::open_file(store.path(&located)).unwrap();
    assert_eq!(opened.meta().transfer_syntax(), SYNTAX);
    assert_eq!(
        (
            count(&store, Level::Study).await,
            count(&store, Level::Instance).await
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_with_the_same_uid_is_refused_kept_or_takes_the_place() {
    for (duplicates, expected) in [
        (Duplicates::Refuse, None),
        (Duplicates::Keep, Some(Ingested::Kept)),
        (Duplicates::Replace, Some(Ingested::Replaced)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            duplicates,
            ..Options::default()
        };
        let (store, _) = open_with(dir.path(), options).await;
        let mut object = object("1.2", "1.3", "1.4");
        put(&store, &object).await.unwrap();
        object.put(DataElement::new(tags::INSTANCE_NUMBER, VR::IS, "8"));
        assert_eq!(put(&store, &object).await.ok(), expected);
        let found = store.find(&Query::all(Level::Instance)).await.unwrap();
        assert_eq!(found.len(), 1);
        let number = if duplicates == Duplicates::Replace {
            "8"
        } else {
            "7"
        };
        assert_eq!(found[0].value(tags::INSTANCE_NUMBER), number);
    }
}

/// Four pixels, and a sequence with an attribute of two lengths in one item.
fn film(instance: &str) -> InMemDicomObject {
    let mut film = object("1.2", "1.3", instance);
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1u16),
        (tags::ROWS, 2),
        (tags::COLUMNS, 2),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        film.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    film.put(DataElement::new(
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "MONOCHROME2",
    ));
    let item =
        InMemDicomObject::from_element_iter([DataElement::new(tags::CODE_VALUE, VR::SH, "odd")]);
    film.put(DataElement::new(
        tags::VIEW_CODE_SEQUENCE,
        VR::SQ,
        DataSetSequence::from(vec![item]),
    ));
    film.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(PIXELS.to_vec().into()),
    ));
    film
}

const PIXELS: [u16; 4] = [1, 2, 300, 4095];

/// The pixels as RLE Lossless (PS3.5, annex G): a segment of high bytes and one of low bytes, copied literally.
fn run_length() -> Vec<u8> {
    let mut frame = vec![0u8; 64];
    for (at, value) in [(0, 2u32), (4, 64), (8, 70)] {
        frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    for plane in [1, 0] {
        frame.push(3);
        frame.extend(PIXELS.map(|p| p.to_le_bytes()[plane]));
        frame.push(0x80);
    }
    frame
}

async fn put_as(store: &Store, object: &InMemDicomObject, syntax: &str) -> Option<Ingested> {
    let mut data = Vec::new();
    let encoding = TransferSyntaxRegistry.get(syntax).unwrap();
    object.write_dataset_with_ts(&mut data, encoding).unwrap();
    let incoming = Incoming {
        transfer_syntax: syntax,
        ..incoming(&data)
    };
    let record = store.check(&incoming).unwrap();
    match store.ingest(record, &incoming, None).await {
        Ok(done) => Some(done),
        Err(StoreError::Duplicate) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_another_transfer_syntax_is_known_unless_something_differs() {
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const RLE: &str = "1.2.840.10008.1.2.5";
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = film("1.4");
    assert_eq!(put_as(&store, &first, SYNTAX).await, Some(Ingested::Stored));
    assert_eq!(
        put_as(&store, &first, IMPLICIT).await,
        Some(Ingested::Known)
    );
    let mut packed = first.clone();
    packed.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PixelFragmentSequence::new_fragments(vec![run_length()]),
    ));
    assert_eq!(put_as(&store, &packed, RLE).await, Some(Ingested::Known));
    let located = store.locate(&uid("1.4")).await.unwrap().unwrap();
    assert_eq!(located.transfer_syntax, SYNTAX);

    let mut broken = run_length();
    broken[0] = 3;
    let mut other_pixel = run_length();
    other_pixel[71] += 1;
    for frame in [broken, other_pixel] {
        packed.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            PixelFragmentSequence::new_fragments(vec![frame]),
        ));
        assert_eq!(put_as(&store, &packed, RLE).await, None);
    }
    let mut inverse = first.clone();
    inverse.put(DataElement::new(
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "MONOCHROME1",
    ));
    assert_eq!(put_as(&store, &inverse, IMPLICIT).await, None);
    let mut more = first.clone();
    more.put(DataElement::new(tags::VIEW_POSITION, VR::CS, "PA"));
    assert_eq!(put_as(&store, &more, IMPLICIT).await, None);
    let mut less = first;
    less.remove_element(tags::VIEW_CODE_SEQUENCE);
    assert_eq!(put_as(&store, &less, IMPLICIT).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_belongs_to_one_patient_and_a_series_to_one_study() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &object("1.2", "1.3", "1.4")).await.unwrap();
    let mut other = object("1.2", "1.3", "1.5");
    other.put(DataElement::new(tags::PATIENT_ID, VR::LO, "P2"));
    assert!(matches!(
        put(&store, &other).await,
        Err(StoreError::Conflict { .. })
    ));
    let moved = object("1.9", "1.3", "1.6");
    assert!(matches!(
        put(&store, &moved).await,
        Err(StoreError::Conflict { .. })
    ));
    // A refusal leaves neither file nor row.
    assert_eq!(count(&store, Level::Study).await, 1);
    assert!(!dir.path().join("instances/1.9").exists());
    assert!(!dir.path().join("instances/1.2/1.3/1.5.dcm").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_never_lead_out_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for bad in ["../../x", "/etc/x", "1.2/../../../x", "..", "1.2\u{0}/x"] {
        let object = object(bad, "1.3", "1.4");
        assert!(put(&store, &object).await.is_err(), "{bad:?}");
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join("instances"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_searches_follow_what_is_stored_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for (study, series, sop) in [
        ("1.2", "1.3", "1.4"),
        ("1.2", "1.3", "1.5"),
        ("1.2", "1.6", "1.7"),
        ("1.8", "1.9", "1.10"),
    ] {
        put(&store, &object(study, series, sop)).await.unwrap();
    }
    let study =
        |uid: &str| Query::all(Level::Study).with(keys::by_name("StudyInstanceUID").unwrap(), uid);
    let found = &store.find(&study("1.2")).await.unwrap()[0];
    assert_eq!(found.value(tags::NUMBER_OF_STUDY_RELATED_SERIES), "2");
    assert_eq!(found.value(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "3");
    assert_eq!(found.value(tags::MODALITIES_IN_STUDY), "CR");
    let by = |name: &str, value: &str| {
        Query::all(Level::Study).with(keys::by_name(name).unwrap(), value)
    };
    for (name, value, expected) in [
        ("PatientName", "doe^*", 2),
        ("PatientName", "DOE^JANE", 2),
        ("PatientName", "roe*", 0),
        ("PatientID", "P?", 2),
        ("StudyDate", "20260101-20260131", 2),
        ("StudyDate", "20260103-", 0),
        ("ModalitiesInStudy", "DX\\CR", 2),
        ("ModalitiesInStudy", "CT", 0),
    ] {
        let found = store.find(&by(name, value)).await.unwrap();
        assert_eq!(found.len(), expected, "{name}={value}");
    }
    let mut fuzzy = by("PatientName", "jan");
    fuzzy.fuzzy = true;
    assert_eq!(store.find(&fuzzy).await.unwrap().len(), 2);
    let mut page = Query::all(Level::Instance);
    (page.limit, page.offset) = (2, 3);
    assert_eq!(store.find(&page).await.unwrap().len(), 1);
    assert_eq!(
        store.find(&Query::all(Level::Patient)).await.unwrap().len(),
        1
    );

    assert_eq!(store.delete(&Target::Series(uid("1.3"))).await.unwrap(), 2);
    let found = &store.find(&study("1.2")).await.unwrap()[0];
    assert_eq!(found.value(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "1");
    assert!(!dir.path().join("instances/1.2/1.3").exists());
    assert_eq!(store.delete(&Target::Study(uid("1.2"))).await.unwrap(), 1);
    assert_eq!(store.delete(&Target::Study(uid("1.2"))).await.unwrap(), 0);
    assert_eq!(count(&store, Level::Study).await, 1);
}

/// A process that is killed runs no destructors: the lock goes, the mark that the store was closed is not made.
async fn kill(store: Store) {
    drop(store);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for sop in ["1.4", "1.5", "1.6"] {
        put(&store, &object("1.2", "1.3", sop)).await.unwrap();
    }
    kill(store).await;
    let root = dir.path();
    let series = root.join("instances/1.2/1.3");
    // Killed while receiving; between file and index; with a file that is no object; and a file taken away by hand.
    std::fs::write(root.join("incoming/x.part"), b"half").unwrap();
    let file = std::fs::read(series.join("1.4.dcm")).unwrap();
    let extra = String::from_utf8_lossy(&file).len();
    assert!(extra > 0);
    {
        // An object whose row was not committed: stored elsewhere, its file copied here.
        let other = tempfile::tempdir().unwrap();
        let second = open(other.path()).await;
        put(&second, &object("1.2", "1.3", "1.7")).await.unwrap();
        let from = other.path().join("instances/1.2/1.3/1.7.dcm");
        std::fs::copy(from, series.join("1.7.dcm")).unwrap();
    }
    std::fs::write(series.join("1.8.dcm"), b"no object").unwrap();
    std::fs::remove_file(series.join("1.6.dcm")).unwrap();

    let (store, recovered) = open_with(root, Options::default()).await;
    let expected = Recovered {
        unfinished: 1,
        indexed: 1,
        quarantined: 1,
        lost: 1,
        deleted: 0,
    };
    assert_eq!(recovered, expected);
    let mut found: Vec<String> = store
        .find(&Query::all(Level::Instance))
        .await
        .unwrap()
        .iter()
        .map(|f| f.value(tags::SOP_INSTANCE_UID).to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["1.4", "1.5", "1.7"]);
    let adopted = store.locate(&uid("1.7")).await.unwrap().unwrap();
    assert_eq!(adopted.source, "SENDER");
    // The adopted object is the same as one that comes again.
    assert_eq!(
        put(&store, &object("1.2", "1.3", "1.7")).await.unwrap(),
        Ingested::Known
    );
    assert_eq!(
        std::fs::read_dir(root.join("quarantine")).unwrap().count(),
        1
    );
    store.close().await.unwrap();
    let (_, again) = open_with(root, Options::default()).await;
    assert_eq!(again, Recovered::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let second = Store::open(dir.path(), Options::default(), |_, _| None).await;
    assert!(matches!(second, Err(StoreError::InUse { .. })));
    store.close().await.unwrap();
    open(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_object_from_many_sides_at_once_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, &object("1.2", "1.3", "1.4")).await.unwrap() })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += usize::from(task.await.unwrap() == Ingested::Stored);
    }
    assert_eq!(stored, 1);
}

fn job(wait_ms: i64) -> NewJob {
    NewJob {
        kind: "read".to_owned(),
        subject: "1.2".to_owned(),
        wait_ms,
    }
}

fn result() -> NewOutgoing {
    NewOutgoing {
        destination: "pacs".to_owned(),
        sop_uid: "2.25.1".to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.88.33".to_owned(),
        path: "results/x.dcm".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_leased_to_one_and_comes_back_when_its_worker_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.request(&job(60_000)).await.unwrap();
    assert_eq!(store.lease("read", "a", 1000).await.unwrap(), None);
    store.request(&job(0)).await.unwrap();
    let first = store.lease("read", "a", -1).await.unwrap().unwrap();
    // The first one's time is up; the second one gets it, and the first one can do nothing any more.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let second = store.lease("read", "b", 60_000).await.unwrap().unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert!(!store.complete(&first, &[result()]).await.unwrap());
    assert_eq!(store.outgoing().await.unwrap().waiting, 0);
    assert!(store.heartbeat(&second, 60_000).await.unwrap());
    assert_eq!(store.lease("read", "c", 1000).await.unwrap(), None);
    // A new object meanwhile: the job is done once more.
    store.request(&job(0)).await.unwrap();
    assert!(store.complete(&second, &[result()]).await.unwrap());
    assert_eq!(store.outgoing().await.unwrap().waiting, 1);
    let third = store.lease("read", "c", 60_000).await.unwrap().unwrap();
    assert!(store.fail(&third, "why", &Failure::Dead).await.unwrap());
    assert_eq!(store.jobs().await.unwrap().dead, 1);
    assert_eq!(store.lease("read", "c", 1000).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_in_hand_is_taken_up_at_once_and_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.request(&job(0)).await.unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    store.complete(&lease, &[result()]).await.unwrap();
    store.request(&job(0)).await.unwrap();
    store.lease("read", "a", 600_000).await.unwrap().unwrap();
    store.lease_outgoing("a", 600_000).await.unwrap().unwrap();
    kill(store).await;
    let store = open(dir.path()).await;
    assert!(store.lease("read", "b", 60_000).await.unwrap().is_some());
    assert!(
        store
            .lease_outgoing("b", 60_000)
            .await
            .unwrap()
            .unwrap()
            .in_doubt
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_sent_once_and_one_without_an_answer_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for _ in 0..2 {
        // Reading a study twice gives the same object; it goes out once.
        store.request(&job(0)).await.unwrap();
        let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
        store.complete(&lease, &[result()]).await.unwrap();
    }
    let first = store.lease_outgoing("a", -1).await.unwrap().unwrap();
    assert!(!first.in_doubt);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let second = store.lease_outgoing("b", 60_000).await.unwrap().unwrap();
    assert!(second.in_doubt);
    assert!(!store.finish_outgoing(&first, &Sent::Yes, "").await.unwrap());
    assert!(
        store
            .finish_outgoing(&second, &Sent::Retry(0), "busy")
            .await
            .unwrap()
    );
    let third = store.lease_outgoing("b", 60_000).await.unwrap().unwrap();
    assert!(!third.in_doubt && third.attempt == 3);
    assert!(store.finish_outgoing(&third, &Sent::Yes, "").await.unwrap());
    assert_eq!(store.lease_outgoing("b", 60_000).await.unwrap(), None);
    assert_eq!(store.outgoing().await.unwrap().done, 1);
}
