//! The same store on PostgreSQL, started here on loopback from its Debian package. Skipped where it is not installed.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

#[path = "common/postgres.rs"]
mod postgres;

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use hilum_store::{
    Chosen, Db, EntryState, Incoming, Ingested, Level, NewJob, NewOutgoing, Options, Query, Sent,
    Store, Target, Uid, keys,
};
use postgres::Postgres;
use std::path::Path;
use std::time::{Duration, Instant};

fn options(server: &Postgres) -> Options {
    Options {
        database: Some(server.url()),
        ..Options::default()
    }
}

fn encoded(study: &str, sop: &str) -> Vec<u8> {
    let object = InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1"),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, sop),
        DataElement::new(tags::STUDY_DATE, VR::DA, "20260102"),
        DataElement::new(tags::MODALITY, VR::CS, "CR"),
        DataElement::new(tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
        DataElement::new(tags::PATIENT_ID, VR::LO, "P1"),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, study),
        DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, format!("{study}.1")),
    ]);
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get("1.2.840.10008.1.2.1").unwrap();
    object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

async fn put(store: &Store, study: &str, sop: &str) -> Ingested {
    let data = encoded(study, sop);
    let incoming = Incoming {
        data: &data,
        transfer_syntax: "1.2.840.10008.1.2.1",
        sop_class: None,
        instance: None,
        source: "SENDER",
    };
    let record = store.check(&incoming).unwrap();
    let job = NewJob {
        kind: "read".to_owned(),
        subject: study.to_owned(),
        wait_ms: 0,
    };
    store.ingest(record, &incoming, Some(&job)).await.unwrap()
}

async fn open(dir: &Path, options: Options) -> Store {
    Store::open(dir, options, |_, _| None).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_searches_jobs_and_what_is_to_be_sent() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), options(&server)).await;
    assert_eq!(put(&store, "1.2", "1.2.9").await, Ingested::Stored);
    assert_eq!(put(&store, "1.2", "1.2.9").await, Ingested::Known);
    assert_eq!(put(&store, "1.2", "1.2.10").await, Ingested::Stored);
    for (name, value, expected) in [
        ("PatientName", "doe*", 1),
        ("StudyDate", "20260101-20260103", 1),
        ("ModalitiesInStudy", "CR", 1),
        ("PatientID", "P2", 0),
    ] {
        let query = Query::all(Level::Study).with(keys::by_name(name).unwrap(), value);
        assert_eq!(store.find(&query).await.unwrap().len(), expected, "{name}");
    }
    assert_eq!(
        store.find(&Query::all(Level::Patient)).await.unwrap().len(),
        1
    );

    // A second process with a part in the queue only.
    let other = Store::join(dir.path(), options(&server)).await.unwrap();
    let lease = other.lease("read", "b", 60_000).await.unwrap().unwrap();
    assert_eq!(store.lease("read", "a", 60_000).await.unwrap(), None);
    let result = NewOutgoing {
        destination: "pacs".to_owned(),
        sop_uid: "2.25.1".to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.88.33".to_owned(),
        path: "outbox/2.25.1.dcm".to_owned(),
    };
    assert!(other.complete(&lease, &[result]).await.unwrap());
    let out = store.lease_outgoing("a", 60_000).await.unwrap().unwrap();
    assert!(other.lease_outgoing("b", 60_000).await.unwrap().is_none());
    assert!(store.heartbeat_outgoing(&out, 60_000).await.unwrap());
    assert!(store.finish_outgoing(&out, &Sent::Dead, "").await.unwrap());
    // Put aside, listed, and tried again.
    let dead = Chosen {
        states: vec![EntryState::Dead],
        ..Chosen::default()
    };
    assert_eq!(store.db().entries(&dead).await.unwrap().len(), 1);
    assert_eq!(store.db().retry(&dead).await.unwrap(), 1);
    let out = store.lease_outgoing("a", 60_000).await.unwrap().unwrap();
    assert!(out.attempt == 2 && out.lost == 0 && out.age_ms < 60_000);
    assert!(store.finish_outgoing(&out, &Sent::Yes, "").await.unwrap());
    assert!(store.own_objects("1.2").await.unwrap().contains("2.25.1"));
    let apart = Db::probe(&server.url()).await.unwrap() - hilum_store::now();
    assert!(apart.abs() < 60_000, "{apart}");
    store.db().goes_with_studies("notes").await.unwrap();
    sqlx::query("CREATE TABLE notes (study_uid TEXT NOT NULL)")
        .execute(store.db().keep())
        .await
        .unwrap();
    assert_eq!(
        store
            .delete(&Target::Study(Uid::new("1.2", "x").unwrap()))
            .await
            .unwrap(),
        2
    );
    assert!(
        store
            .find(&Query::all(Level::Study))
            .await
            .unwrap()
            .is_empty()
    );
    let left = store.db().entries(&Chosen::default()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_share_the_work_and_nobody_does_anothers() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), options(&server)).await;
    for n in 0..30 {
        put(&store, &format!("1.2.{n}"), &format!("1.2.{n}.9")).await;
    }
    let workers: Vec<_> = (0..6)
        .map(|w| {
            let (path, options) = (dir.path().to_owned(), options(&server));
            tokio::spawn(async move {
                let store = Store::join(&path, options).await.unwrap();
                let mut done = Vec::new();
                while let Some(lease) = store.lease("read", &format!("w{w}"), 60_000).await.unwrap()
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    assert!(store.complete(&lease, &[]).await.unwrap());
                    done.push(lease.subject);
                }
                done
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (30, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_found_again() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), options(&server)).await;
    put(&store, "1.2", "1.2.9").await;
    let lease = store.lease("read", "a", 60_000).await.unwrap().unwrap();
    assert!(server.down());
    assert!(store.jobs().await.is_err());
    server.up();
    let start = Instant::now();
    loop {
        if let Ok(done) = store.complete(&lease, &[]).await {
            assert!(done);
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(put(&store, "1.2", "1.2.10").await, Ingested::Stored);
}
