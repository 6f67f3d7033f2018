//! Signing against what happens meanwhile, on a store with one film.

use super::*;
use crate::edits::{Context, NewEdit, Op};
use crate::list;
use crate::state::RoomOptions;
use hilum_core::{PredictionSet, Reading};
use hilum_node::audit::Audit;
use hilum_node::config::Config;
use hilum_reading::{sample, write_report};
use hilum_store::{Located, Options, Store};
use std::path::Path;

/// A room that sends everything to two destinations.
const CONFIG: &str = "[[destination]]\nname = \"pacs\"\naet = \"PACS\"\nhost = \"127.0.0.1\"\nport = 1\n\
     [[destination]]\nname = \"other\"\naet = \"OTHER\"\nhost = \"127.0.0.1\"\nport = 1\n\
     [[rule]]\nname = \"all\"\nsend_to = [\"pacs\"]\n";

async fn room(dir: &Path, config: &str) -> Room {
    let (store, _) = Store::open(dir, Options::default(), |_, _| None)
        .await
        .unwrap();
    let options = RoomOptions {
        loopback: true,
        ..RoomOptions::default()
    };
    let config = Config::parse(config).unwrap();
    let (room, _) = Room::open(store, config, Audit::none(), options)
        .await
        .unwrap();
    room
}

/// Stores a film and a reading of it. Gives the study.
async fn read_film(room: &Room) -> String {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/images/adult-pa.dcm");
    let bytes = std::fs::read(sample).unwrap();
    let added = room.add_file(bytes, "film.dcm").await.unwrap();
    let study = added.study_uid.unwrap();
    let mut reading = sample::reading();
    reading.images[0].path = film(room, &study).await.to_string_lossy().into_owned();
    let loaded = hilum_dicom::load(
        Path::new(&reading.images[0].path),
        hilum_dicom::Recipe::default(),
    );
    reading.images[0].sha256 = loaded.unwrap().sha256;
    reading.report = write_report(&reading);
    write(room, &study, &reading);
    list::refresh(room, &study).await.unwrap();
    study
}

async fn film(room: &Room, study: &str) -> PathBuf {
    let all = crate::study::instances(room, study).await.unwrap();
    room.store().path(&all[0])
}

fn write(room: &Room, study: &str, reading: &Reading) {
    let folder = room.folder(study);
    std::fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string(reading).unwrap();
    std::fs::write(folder.join("reading.json"), text).unwrap();
}

/// The study is read again, and the program says something else of its first answer.
async fn read_again(room: &Room, study: &str) {
    let mut reading = room.reading(study).await.unwrap().unwrap();
    reading.findings[0].set = Some(PredictionSet::Absent);
    write(room, study, &reading);
}

async fn shown(room: &Room, study: &str) -> Shown {
    let study = crate::study::study(room, study).await.unwrap();
    Shown {
        revision: study.item.revision,
        reading: study.reading_hash,
    }
}

async fn note(room: &Room, study: &str, base: i64) {
    let op = Op::Note { text: "x".into() };
    let new = NewEdit {
        study,
        base,
        op: &op,
        context: &Context::default(),
        by: "ben",
    };
    edits::add(room.db(), &new, |_| Ok(())).await.unwrap();
}

/// Reports of the study that are in the store.
async fn reports(room: &Room, study: &str) -> Vec<Located> {
    let query = hilum_store::Query::all(hilum_store::Level::Instance);
    let all = room.store().objects(&query).await.unwrap();
    let film = film(room, study).await;
    let of = |o: &Located| o.study.as_str() == study && room.store().path(o) != film;
    all.into_iter().filter(of).collect()
}

/// Destination and file of what is to be sent.
async fn outbox(room: &Room) -> Vec<(String, String)> {
    let rows = sqlx::query("SELECT destination, path FROM outbox ORDER BY destination, path")
        .fetch_all(room.db().read())
        .await
        .unwrap();
    let of = |r: &sqlx::any::AnyRow| (r.try_get(0).unwrap(), r.try_get(1).unwrap());
    rows.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_is_stored_and_sent_where_the_rules_say() {
    for (more, to, objects) in [
        ("", "pacs", 2),
        ("[signed]\nsend = [\"sr\"]\nto = [\"other\"]\n", "other", 1),
        ("[signed]\nsend = []\n", "", 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let room = room(dir.path(), &format!("{CONFIG}{more}")).await;
        let study = read_film(&room).await;
        let shown = shown(&room, &study).await;
        let signed = sign(&room, &study, &shown, "ada").await.unwrap();
        assert_eq!((signed.by.as_str(), signed.revision), ("ada", 0));
        assert_eq!(reports(&room, &study).await.len(), 2, "SR and PDF");
        let sent = outbox(&room).await;
        assert_eq!(sent.len(), objects, "{more}");
        for (destination, path) in sent {
            assert_eq!(destination, to);
            assert!(dir.path().join(path).is_file());
        }
        let study = crate::study::study(&room, &study).await.unwrap();
        assert!(study.item.signed && study.signed.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_refused_leaves_nothing_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let room = room(dir.path(), CONFIG).await;
    let study = read_film(&room).await;
    // Somebody edits, or the study is read again, while the objects are written.
    for n in 0..2 {
        let shown = shown(&room, &study).await;
        let prepared = prepare(&room, &study, &shown, "ada").await.unwrap();
        let refused = match n {
            0 => {
                note(&room, &study, 0).await;
                count(&room, &prepared).await.unwrap_err()
            }
            _ => {
                read_again(&room, &study).await;
                count(&room, &prepared).await.unwrap_err()
            }
        };
        assert_eq!(refused.kind(), ["conflict", "read_again"][n]);
        finish_all(&room).await;
        assert!(reports(&room, &study).await.is_empty());
        assert!(outbox(&room).await.is_empty());
        let folder = std::fs::read_dir(room.folder(&study).join("signed"));
        assert_eq!(folder.unwrap().count(), 0);
        let study = crate::study::study(&room, &study).await.unwrap();
        assert!(study.signed.is_none() && !study.item.signed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_nobody_saw_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let room = room(dir.path(), CONFIG).await;
    let study = read_film(&room).await;
    let before = shown(&room, &study).await;
    read_again(&room, &study).await;
    let blind = Shown {
        reading: None,
        ..before.clone()
    };
    for unseen in [&before, &blind] {
        let refused = sign(&room, &study, unseen, "ada").await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.status().as_u16()),
            ("read_again", 409)
        );
    }
    let now = shown(&room, &study).await;
    assert_ne!(now.reading, before.reading);
    assert_eq!(now.revision, before.revision);
    sign(&room, &study, &now, "ada").await.unwrap();
    // Read again after that: the signature is there, and does not cover it.
    let signed = crate::study::study(&room, &study).await.unwrap();
    assert!(signed.item.signed);
    let mut reading = room.reading(&study).await.unwrap().unwrap();
    reading.findings[0].set = Some(PredictionSet::Undecided);
    write(&room, &study, &reading);
    let again = crate::study::study(&room, &study).await.unwrap();
    assert!(!again.item.signed);
    assert_eq!(again.signed.unwrap().revision, again.item.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ended_in_between_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let study = {
        let room = room(dir.path(), CONFIG).await;
        let study = read_film(&room).await;
        let shown = shown(&room, &study).await;
        let prepared = prepare(&room, &study, &shown, "ada").await.unwrap();
        count(&room, &prepared).await.unwrap();
        assert!(reports(&room, &study).await.is_empty());
        study
    };
    let room = room(dir.path(), CONFIG).await;
    for _ in 0..2 {
        finish_all(&room).await;
        assert_eq!(reports(&room, &study).await.len(), 2);
        assert_eq!(outbox(&room).await.len(), 2);
        assert!(hand_over::unfinished(&room).await.unwrap().is_empty());
    }
    // A study that was deleted before does not come back as one of reports.
    let second = read_film(&room).await;
    assert_eq!(second, study);
    note(&room, &study, 0).await;
    let shown = shown(&room, &study).await;
    let prepared = prepare(&room, &study, &shown, "ada").await.unwrap();
    count(&room, &prepared).await.unwrap();
    let uid = hilum_store::Uid::new(&study, "StudyInstanceUID").unwrap();
    let target = hilum_store::Target::Study(uid);
    room.store().delete(&target).await.unwrap();
    finish_all(&room).await;
    let query = hilum_store::Query::all(hilum_store::Level::Instance);
    assert!(room.store().objects(&query).await.unwrap().is_empty());
    assert!(hand_over::unfinished(&room).await.unwrap().is_empty());
}
