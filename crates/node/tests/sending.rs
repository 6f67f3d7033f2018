//! Work that goes wrong: destinations that are away or refuse, jobs that end the process, studies that are deleted meanwhile,
//! results that come back.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "common/reads.rs"]
mod reads;

use common::{Node, free_port, object, write_film};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;
use hilum_node::audit::Audit;
use hilum_node::auto::{self, READ, Reader, StudyFiles, Work};
use hilum_node::config::{Config, Destination, Rule};
use hilum_node::scu::{Item, Remote, Sender};
use hilum_node::web::NoWeb;
use hilum_store::{Chosen, Counts, NewJob, NewOutgoing, Target, Uid};
use reads::Reads;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn until(mut what: impl FnMut() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(30), "not within 30 s");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn work(node: &Node, config: &Config) -> Work {
    Work {
        worker: "tester".to_owned(),
        store: node.store.clone(),
        config: config.clone(),
        audit: Audit::open(&node.dir.path().join("work.xml")).unwrap(),
        web: Arc::new(NoWeb),
    }
}

/// A thread that works until it is dropped.
struct Thread(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Thread {
    fn start(what: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        Thread(stop, Some(std::thread::spawn(move || what(&flag))))
    }

    fn deliver(node: &Node, config: &Config) -> Self {
        let (work, handle) = (work(node, config), node.handle());
        Thread::start(move |stop| auto::deliver(&work, &handle, stop))
    }

    fn work(node: &Node, config: &Config, reader: Arc<dyn Reader>) -> Self {
        let (work, handle) = (work(node, config), node.handle());
        Thread::start(move |stop| auto::work(&work, reader.as_ref(), &handle, stop))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        if let Some(thread) = self.1.take() {
            thread.join().unwrap();
        }
    }
}

fn config(pacs: u16) -> Config {
    let mut config = Config::default();
    config.read.settle_s = 0;
    config.read.attempts = 2;
    config.read.backoff_s = 1;
    config.send.backoff_s = 1;
    config.send.max_backoff_s = 1;
    config
        .destination
        .push(Destination::dicom("pacs", "PACS", "127.0.0.1", pacs));
    config.rule.push(Rule {
        modality: vec!["CR".to_owned()],
        send_to: vec!["pacs".to_owned()],
        ..Rule::default()
    });
    config
}

fn read(study: &str) -> NewJob {
    NewJob {
        kind: READ.to_owned(),
        subject: study.to_owned(),
        wait_ms: 0,
    }
}

/// Puts a film into a node's outbox.
fn put(node: &Node, film: &Path) {
    put_for(node, film, "pacs");
}

fn put_for(node: &Node, film: &Path, destination: &str) {
    let item = Item::of_file(film).unwrap();
    let path = format!("outbox/{}.dcm", item.instance);
    std::fs::create_dir_all(node.dir.path().join("outbox")).unwrap();
    std::fs::copy(film, node.dir.path().join(&path)).unwrap();
    let out = NewOutgoing {
        destination: destination.to_owned(),
        sop_uid: item.instance,
        sop_class: item.sop_class,
        path,
    };
    node.block_on(async {
        node.store.request(&read("1.2.3.1")).await.unwrap();
        let lease = node.store.lease(READ, "test", 60_000).await.unwrap();
        let done = node.store.complete(&lease.unwrap(), &[out]).await.unwrap();
        assert!(done);
    });
}

fn outgoing(node: &Node) -> Counts {
    node.block_on(node.store.outgoing()).unwrap()
}

fn send(port: u16, files: &[PathBuf]) {
    let remote = Remote::plain("127.0.0.1", port, "PACS", "CR1");
    for file in files {
        let item = Item::of_file(file).unwrap();
        Sender::new(&remote).send_one(&item).unwrap();
    }
}

#[test]
fn a_destination_that_is_away_for_more_attempts_than_a_study_has_gets_the_result_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let away = free_port();
    let mut config = config(away);
    config.read.attempts = 1;
    let node = Node::start(&Config::default());
    put(&node, &write_film(dir.path(), 1, "P1", "20260101"));
    let sender = Thread::deliver(&node, &config);
    let audit = node.dir.path().join("work.xml");
    let failures = || {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        text.matches("0 instances sent, 1 failed").count()
    };
    until(|| failures() >= 2);
    assert_eq!(outgoing(&node).dead, 0);
    let pacs = Node::on(&Config::default(), away);
    until(|| outgoing(&node).done == 1);
    drop(sender);
    assert_eq!(pacs.stop().stored, 1);
    node.stop();
}

#[test]
fn a_destination_that_says_nothing_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let pacs = Node::start(&Config::default());
    // Connections are made, and nobody ever answers.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut config = config(pacs.address.port());
    let port = silent.local_addr().unwrap().port();
    let mute = Destination::dicom("mute", "MUTE", "127.0.0.1", port);
    config.destination.insert(0, mute);
    let node = Node::start(&Config::default());
    let film = write_film(dir.path(), 1, "P1", "20260101");
    put_for(&node, &film, "mute");
    let sender = Thread::deliver(&node, &config);
    until(|| outgoing(&node).leased == 1);
    put(&node, &film);
    until(|| outgoing(&node).done == 1);
    let now = outgoing(&node);
    assert_eq!((now.leased, now.dead), (1, 0), "{now:?}");
    drop(silent);
    drop(sender);
    node.stop();
    assert_eq!(pacs.stop().stored, 1);
}

#[test]
fn what_is_for_a_destination_that_is_no_longer_configured_is_tried_later() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&Config::default());
    put_for(&node, &write_film(dir.path(), 1, "P1", "20260101"), "gone");
    let sender = Thread::deliver(&node, &config(1));
    until(|| {
        let entries = node.block_on(node.store.db().entries(&Chosen::default()));
        let mut entries = entries.unwrap().into_iter();
        entries.any(|e| e.error.contains("not in the configuration"))
    });
    drop(sender);
    let out = node.block_on(node.store.outgoing()).unwrap();
    assert_eq!((out.done, out.dead), (0, 0), "{out:?}");
    node.stop();
}

#[test]
fn an_archive_that_fails_with_c000_is_tried_again_and_one_that_says_the_object_is_wrong_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let pacs = Node::start(&Config::default());
    let port = pacs.address.port();
    // The study is there with another patient, which is answered with C000.
    send(port, &[write_film(dir.path(), 1, "P2", "20260101")]);
    let other = dir.path().join("other.dcm");
    let mut film = object(1, 5, 8);
    film.put(DataElement::new(tags::PATIENT_ID, VR::LO, "P1"));
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3.1.1.5")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let film = film.with_meta(meta).unwrap();
    film.write_to_file(&other).unwrap();
    let config = config(port);
    let node = Node::start(&Config::default());
    put(&node, &other);
    let sender = Thread::deliver(&node, &config);
    until(|| {
        pacs.totals()
            .refused
            .get("conflict")
            .is_some_and(|n| *n >= 2)
    });
    assert_eq!(outgoing(&node).dead, 0);
    let study = Target::Study(Uid::new("1.2.3.1", "x").unwrap());
    pacs.block_on(pacs.store.delete(&study)).unwrap();
    until(|| outgoing(&node).done == 1);
    // A data set that is not what its file meta information says: A900.
    let wrong = dir.path().join("wrong.dcm");
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3.1.1.6")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .build()
        .unwrap();
    let film = object(1, 6, 8).with_exact_meta(meta);
    film.write_to_file(&wrong).unwrap();
    put(&node, &wrong);
    until(|| outgoing(&node).dead == 1);
    drop(sender);
    node.stop();
    pacs.stop();
}

#[test]
fn a_destination_that_has_the_object_already_and_answers_no_searches_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut theirs = Config::default();
    theirs.node.query = false;
    let pacs = Node::start(&theirs);
    let port = pacs.address.port();
    send(port, &[write_film(dir.path(), 1, "P1", "20260101")]);
    // Not the very same bytes, so it says 0111.
    let film = write_film(dir.path(), 1, "P1", "20260102");
    let node = Node::start(&Config::default());
    put(&node, &film);
    let sender = Thread::deliver(&node, &config(port));
    until(|| outgoing(&node).done == 1);
    drop(sender);
    assert_eq!(pacs.stop().refused["duplicate"], 1);
    node.stop();
}

/// A reader that must not be asked.
struct Never;

impl Reader for Never {
    fn read(&self, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String> {
        panic!("{} was read", study.study)
    }
}

#[test]
fn a_job_whose_worker_never_came_back_is_put_aside_before_it_is_worked_on_again() {
    let node = Node::start(&Config::default());
    node.block_on(async {
        node.store.request(&read("1.2.3.1")).await.unwrap();
        // Twice its worker was gone without a word, as when the system ends a process that takes too much memory.
        for _ in 0..2 {
            let lease = node.store.lease(READ, "gone", -1).await.unwrap();
            assert!(lease.is_some());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let worker = Thread::work(&node, &config(1), Arc::new(Never));
    until(|| node.block_on(node.store.jobs()).unwrap().dead == 1);
    drop(worker);
    let audit = std::fs::read_to_string(node.dir.path().join("work.xml")).unwrap();
    assert!(audit.contains("ended without a word"), "{audit}");
    node.stop();
}

#[test]
fn an_object_whose_sender_never_came_back_is_put_aside_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&Config::default());
    put(&node, &write_film(dir.path(), 1, "P1", "20260101"));
    node.block_on(async {
        for _ in 0..6 {
            let out = node.store.lease_outgoing("gone", -1).await.unwrap();
            assert!(out.is_some());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let sender = Thread::deliver(&node, &config(1));
    until(|| outgoing(&node).dead == 1);
    drop(sender);
    node.stop();
}

/// A reader whose study is deleted while it reads.
struct Deleted {
    store: hilum_store::Store,
    runtime: tokio::runtime::Handle,
}

impl Reader for Deleted {
    fn read(&self, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String> {
        let uid = Uid::new(&study.study, "x").unwrap();
        self.runtime
            .block_on(self.store.delete(&Target::Study(uid)))
            .unwrap();
        let folder = self.store.root().join("readings").join(&study.study);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("reading.json"), "{}").unwrap();
        Ok(vec![])
    }
}

#[test]
fn a_study_that_is_deleted_while_it_is_read_leaves_no_reading() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(1);
    let node = Node::start(&config);
    let reader = Deleted {
        store: node.store.clone(),
        runtime: node.handle(),
    };
    let worker = Thread::work(&node, &config, Arc::new(reader));
    send(
        node.address.port(),
        &[write_film(dir.path(), 1, "P1", "20260101")],
    );
    let root = node.dir.path();
    let idle = Counts::default();
    until(|| {
        let jobs = node.block_on(node.store.jobs()).unwrap();
        jobs == idle && root.join("readings").is_dir() && !root.join("readings/1.2.3.1").exists()
    });
    drop(worker);
    node.stop();
}

#[test]
fn an_overlay_that_comes_back_is_kept_and_gives_rise_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(1);
    let node = Node::start(&config);
    let reads = Reads::start(&node, &config, Arc::new(NoWeb));
    let port = node.address.port();
    send(port, &[write_film(dir.path(), 1, "P1", "20260101")]);
    reads.expect(&["1.2.3.1"]);
    let mut overlay = object(1, 7, 8);
    let class = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    for (tag, vr, value) in [
        (tags::SOP_CLASS_UID, VR::UI, class),
        (tags::MANUFACTURER, VR::LO, "Hilum"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1.9"),
        (tags::PATIENT_ID, VR::LO, "P1"),
    ] {
        overlay.put(DataElement::new(tag, vr, value));
    }
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid("1.2.3.1.1.7")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let path = dir.path().join("overlay.dcm");
    let overlay = overlay.with_meta(meta).unwrap();
    overlay.write_to_file(&path).unwrap();
    send(port, &[path]);
    // Stored, and not read; the study read once more for another film is read without it.
    reads.expect(&["1.2.3.1"]);
    let second = common::write_objects(dir.path(), 1, 2, 8).remove(1);
    let mut film = dicom_object::open_file(&second).unwrap();
    film.put(DataElement::new(tags::PATIENT_ID, VR::LO, "P1"));
    film.write_to_file(&second).unwrap();
    send(port, &[second]);
    reads.expect(&["1.2.3.1", "1.2.3.1"]);
    assert_eq!(reads.files("1.2.3.1"), [1, 2]);
    drop(reads);
    node.stop();
}
