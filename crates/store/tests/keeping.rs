//! What must not be lost, and what must go: objects that take another's place, studies that are deleted, what is to be sent.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use hilum_store::{
    Chosen, Duplicates, EntryState, Failure, Incoming, Ingested, Lane, Level, NewJob, NewOutgoing,
    Options, Query, Sent, Store, StoreError, Target, Uid, Work,
};
use std::path::Path;
use std::time::Duration;

const SYNTAX: &str = "1.2.840.10008.1.2.1";

fn object(series: &str, sop: &str, number: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1"),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, sop),
        DataElement::new(tags::MODALITY, VR::CS, "CR"),
        DataElement::new(tags::PATIENT_ID, VR::LO, "P1"),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, "1.2"),
        DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, series),
        DataElement::new(tags::INSTANCE_NUMBER, VR::IS, number),
    ])
}

fn encoded(object: &InMemDicomObject) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(SYNTAX).unwrap();
    object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

async fn put(
    store: &Store,
    object: &InMemDicomObject,
    job: Option<&NewJob>,
) -> Result<Ingested, StoreError> {
    let data = encoded(object);
    let incoming = Incoming {
        data: &data,
        transfer_syntax: SYNTAX,
        sop_class: None,
        instance: None,
        source: "SENDER",
    };
    let record = store.check(&incoming)?;
    store.ingest(record, &incoming, job).await
}

async fn open(dir: &Path) -> Store {
    let options = Options {
        duplicates: Duplicates::Replace,
        ..Options::default()
    };
    Store::open(dir, options, |_, _| None).await.unwrap().0
}

fn uid(text: &str) -> Uid {
    Uid::new(text, "x").unwrap()
}

/// Instance numbers of what the index has, each checked against its file.
async fn numbers(store: &Store) -> Vec<String> {
    let found = store.find(&Query::all(Level::Instance)).await.unwrap();
    let mut numbers = Vec::new();
    for row in &found {
        let instance = uid(row.value(tags::SOP_INSTANCE_UID));
        let located = store.locate(&instance).await.unwrap().unwrap();
        let file = dicom_object::open_file(store.path(&located)).unwrap();
        let in_file = file.element(tags::INSTANCE_NUMBER).unwrap();
        let number = in_file.to_str().unwrap().trim().to_owned();
        assert_eq!(number, row.value(tags::INSTANCE_NUMBER));
        numbers.push(number);
    }
    numbers
}

fn read() -> NewJob {
    NewJob {
        kind: "read".to_owned(),
        subject: "1.2".to_owned(),
        wait_ms: 0,
    }
}

fn result(destination: &str, sop: &str) -> NewOutgoing {
    NewOutgoing {
        destination: destination.to_owned(),
        sop_uid: sop.to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.88.33".to_owned(),
        path: format!("outbox/{sop}.dcm"),
    }
}

/// Ends a job of the study with results.
async fn complete(store: &Store, results: &[NewOutgoing]) {
    store.request(&read()).await.unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    assert!(store.complete(&lease, results).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_written_does_not_cost_the_one_whose_place_it_should_take() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &object("1.3", "1.4", "7"), None).await.unwrap();
    // As with a full disk: nothing new can be written.
    std::fs::remove_dir(dir.path().join("incoming")).unwrap();
    for series in ["1.3", "1.5"] {
        assert!(
            put(&store, &object(series, "1.4", "8"), None)
                .await
                .is_err()
        );
        assert_eq!(numbers(&store).await, ["7"]);
    }
    std::fs::create_dir(dir.path().join("incoming")).unwrap();
    let again = put(&store, &object("1.5", "1.4", "8"), None).await.unwrap();
    assert_eq!(again, Ingested::Replaced);
    assert_eq!(numbers(&store).await, ["8"]);
    assert!(!dir.path().join("instances/1.2/1.3").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_shows_before_a_file_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &object("1.3", "1.4", "7"), None).await.unwrap();
    put(&store, &object("1.3", "1.9", "6"), None).await.unwrap();
    let mut other = object("1.3", "1.4", "8");
    other.put(DataElement::new(tags::PATIENT_ID, VR::LO, "P2"));
    let refused = put(&store, &other, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(numbers(&store).await, ["6", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_between_file_and_row_the_row_follows_the_file() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path()).await;
    put(&store, &object("1.3", "1.4", "7"), None).await.unwrap();
    // What a replacement does before its transaction ends: a note, then the file.
    sqlx::query("INSERT INTO swaps (sop_uid) VALUES ('1.4')")
        .execute(store.db().keep())
        .await
        .unwrap();
    let second = open(other.path()).await;
    put(&second, &object("1.3", "1.4", "8"), None)
        .await
        .unwrap();
    let file = "instances/1.2/1.3/1.4.dcm";
    std::fs::copy(other.path().join(file), dir.path().join(file)).unwrap();
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(numbers(&store).await, ["8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_that_is_deleted_takes_along_all_that_was_made_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let root = dir.path();
    put(&store, &object("1.3", "1.4", "7"), None).await.unwrap();
    put(&store, &object("1.3", "1.5", "8"), None).await.unwrap();
    complete(
        &store,
        &[result("pacs", "2.25.1"), result("archive", "2.25.1")],
    )
    .await;
    let mut notes = NewJob {
        kind: "prior".to_owned(),
        ..read()
    };
    store.request(&notes).await.unwrap();
    notes.subject = "1.99".to_owned();
    store.request(&notes).await.unwrap();
    for sql in [
        "CREATE TABLE notes (study_uid TEXT NOT NULL)",
        "INSERT INTO notes VALUES ('1.2')",
        "INSERT INTO notes VALUES ('1.99')",
    ] {
        sqlx::query(sql).execute(store.db().keep()).await.unwrap();
    }
    store.db().goes_with_studies("notes").await.unwrap();
    let made = [
        "readings/1.2/reading.json",
        "outbox/2.25.1.dcm",
        "room/thumbnails/1.4-128.png",
        "room/thumbnails/1.5-128.png",
    ];
    let stays = ["readings/1.22/reading.json", "room/thumbnails/1.44-128.png"];
    for file in made.iter().chain(&stays) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }
    let lease = store
        .lease_outgoing("sender", 60_000)
        .await
        .unwrap()
        .unwrap();

    // One object: what was made of the study stays, its own picture goes.
    store.delete(&Target::Instance(uid("1.4"))).await.unwrap();
    assert!(root.join(made[0]).is_file() && root.join(made[1]).is_file());
    assert!(!root.join(made[2]).exists());
    // The last one, by its series.
    assert_eq!(store.delete(&Target::Series(uid("1.3"))).await.unwrap(), 1);
    for file in made {
        assert!(!root.join(file).exists(), "{file}");
    }
    for file in stays {
        assert!(root.join(file).is_file(), "{file}");
    }
    assert!(root.join("outbox").is_dir());
    assert_eq!(store.outgoing().await.unwrap(), Default::default());
    assert!(!store.finish_outgoing(&lease, &Sent::Yes, "").await.unwrap());
    let left = store.db().entries(&Chosen::default()).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].study, "1.99");
    let notes: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notes")
        .fetch_one(store.db().read())
        .await
        .unwrap();
    assert_eq!(notes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_made_of_a_study_deleted_meanwhile_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &object("1.3", "1.4", "7"), Some(&read()))
        .await
        .unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    let (reading, outgoing) = (dir.path().join("readings/1.2"), dir.path().join("outbox"));
    std::fs::create_dir_all(&reading).unwrap();
    std::fs::create_dir_all(&outgoing).unwrap();
    std::fs::write(outgoing.join("2.25.1.dcm"), b"x").unwrap();
    let made = [result("pacs", "2.25.1")];
    // As long as the study is there, nothing is touched.
    assert!(!store.sweep(&uid("1.2"), &made).await.unwrap());
    assert!(reading.is_dir());
    store.delete(&Target::Study(uid("1.2"))).await.unwrap();
    std::fs::create_dir_all(&reading).unwrap();
    assert!(!store.complete(&lease, &made).await.unwrap());
    assert!(store.sweep(&uid("1.2"), &made).await.unwrap());
    assert!(!reading.exists() && !outgoing.join("2.25.1.dcm").exists());
    // A study that another fetches is not stored yet, and is nobody's to sweep.
    let prior = NewJob {
        kind: "prior".to_owned(),
        ..read()
    };
    store.request(&prior).await.unwrap();
    assert!(!store.sweep(&uid("1.2"), &[]).await.unwrap());
    assert!(store.lease("prior", "b", 60_000).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_every_destination_has_go_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let outbox = dir.path().join("outbox");
    std::fs::create_dir(&outbox).unwrap();
    for name in ["2.25.1.dcm", "2.25.2.dcm", "2.25.3.dcm"] {
        std::fs::write(outbox.join(name), b"x").unwrap();
    }
    // The first goes to two, the second is put aside, the third belongs to nothing.
    let results = [
        result("pacs", "2.25.1"),
        result("archive", "2.25.1"),
        result("pacs", "2.25.2"),
    ];
    complete(&store, &results).await;
    let there = || {
        let mut names: Vec<_> = std::fs::read_dir(&outbox)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let hour = Duration::from_secs(3600);
    assert_eq!(store.prune_outbox(hour).await.unwrap(), 0);
    assert_eq!(store.prune_outbox(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(there(), ["2.25.1.dcm", "2.25.2.dcm"]);
    let mut first = 0;
    while let Some(out) = store.lease_outgoing("a", 60_000).await.unwrap() {
        let how = match out.entry.sop_uid.as_str() {
            "2.25.1" => Sent::Yes,
            _ => Sent::Dead,
        };
        store.finish_outgoing(&out, &how, "").await.unwrap();
        first += usize::from(how == Sent::Yes);
        let gone = store.prune_outbox(Duration::ZERO).await.unwrap();
        assert_eq!(gone, usize::from(how == Sent::Yes && first == 2));
    }
    assert_eq!(there(), ["2.25.2.dcm"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_takes_what_is_in_its_lane() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let results = ["a", "b", "c"].map(|to| result(to, "2.25.1"));
    complete(&store, &results).await;
    let next = async |lane: Lane<'_>| {
        let out = store.lease_outgoing_of("w", lane, 60_000).await.unwrap();
        out.map(|o| o.entry.destination)
    };
    assert_eq!(next(Lane::To("b")).await.as_deref(), Some("b"));
    assert_eq!(next(Lane::To("b")).await, None);
    assert_eq!(next(Lane::Beside(&["a", "b"])).await.as_deref(), Some("c"));
    assert_eq!(next(Lane::Beside(&["a", "b"])).await, None);
    assert_eq!(next(Lane::Beside(&[])).await.as_deref(), Some("a"));
    assert_eq!(next(Lane::Any).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_is_listed_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let results = [result("pacs", "2.25.1")];
    complete(&store, &results).await;
    let dead = || async {
        let out = store.lease_outgoing("a", 60_000).await.unwrap().unwrap();
        store
            .finish_outgoing(&out, &Sent::Dead, "refused")
            .await
            .unwrap();
        out
    };
    dead().await;
    assert_eq!(store.lease_outgoing("a", 60_000).await.unwrap(), None);
    // Another reading of the study gives it another chance.
    complete(&store, &results).await;
    assert_eq!(dead().await.attempt, 2);
    // So does a person.
    let chosen = Chosen {
        states: vec![EntryState::Dead],
        ..Chosen::default()
    };
    let listed = store.db().entries(&chosen).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].work,
        Work::Send {
            destination: "pacs".to_owned(),
            sop_uid: "2.25.1".to_owned()
        }
    );
    assert_eq!(
        (listed[0].attempts, listed[0].error.as_str()),
        (2, "refused")
    );
    let elsewhere = Chosen {
        destination: Some("archive".to_owned()),
        ..chosen.clone()
    };
    assert_eq!(store.db().retry(&elsewhere).await.unwrap(), 0);
    assert_eq!(store.db().retry(&chosen).await.unwrap(), 1);
    let out = store.lease_outgoing("a", 60_000).await.unwrap().unwrap();
    assert!(out.attempt == 3 && out.age_ms < 60_000);
    store.finish_outgoing(&out, &Sent::Yes, "").await.unwrap();
    // What was sent is never sent again.
    assert_eq!(store.db().retry(&chosen).await.unwrap(), 0);
    complete(&store, &results).await;
    assert_eq!(store.lease_outgoing("a", 60_000).await.unwrap(), None);

    store.request(&read()).await.unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    store.fail(&lease, "why", &Failure::Dead).await.unwrap();
    let jobs = Chosen {
        kind: Some("read".to_owned()),
        ..chosen
    };
    assert_eq!(store.db().retry(&jobs).await.unwrap(), 1);
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    assert_eq!(lease.attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_end_without_a_word_are_counted_and_a_sender_at_work_keeps_its_entry() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    complete(&store, &[result("pacs", "2.25.1")]).await;
    for lost in 0..3 {
        let out = store.lease_outgoing("a", -1).await.unwrap().unwrap();
        assert_eq!((out.lost, out.in_doubt), (lost, lost > 0));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let out = store.lease_outgoing("a", 200).await.unwrap().unwrap();
    assert_eq!(out.lost, 3);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(store.heartbeat_outgoing(&out, 200).await.unwrap());
        assert_eq!(store.lease_outgoing("b", 200).await.unwrap(), None);
    }
    store
        .finish_outgoing(&out, &Sent::Retry(0), "away")
        .await
        .unwrap();
    let out = store.lease_outgoing("a", 200).await.unwrap().unwrap();
    assert_eq!((out.lost, out.in_doubt), (0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_went_out_from_here_and_comes_back_asks_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &object("1.3", "1.4", "7"), Some(&read()))
        .await
        .unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    store
        .complete(&lease, &[result("pacs", "2.25.1")])
        .await
        .unwrap();
    let back = object("1.5", "2.25.1", "1");
    assert_eq!(
        put(&store, &back, Some(&read())).await.unwrap(),
        Ingested::Stored
    );
    assert_eq!(store.lease("read", "a", 60_000).await.unwrap(), None);
    assert!(store.own_objects("1.2").await.unwrap().contains("2.25.1"));
    put(&store, &object("1.3", "1.6", "8"), Some(&read()))
        .await
        .unwrap();
    assert!(store.lease("read", "a", 60_000).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_object_gives_a_job_that_failed_meanwhile_all_its_attempts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.request(&read()).await.unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    store.request(&read()).await.unwrap();
    store.fail(&lease, "why", &Failure::Dead).await.unwrap();
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    assert_eq!(lease.attempt, 1);
}
