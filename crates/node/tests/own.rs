//! Both sides of this crate against each other: echo, store, find, move, limits, malformed units, many at once.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{Node, data_set, object, write_objects};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_node::config::{Config, Destination, Peer};
use hilum_node::scu::{Item, Proposed, Remote, Sender};
use hilum_node::{NodeError, dataset};
use hilum_store::{Level, Query, Uid};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const FIND: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
const MOVE: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;

fn remote(node: &Node) -> Remote {
    Remote::plain("127.0.0.1", node.address.port(), "HILUM", "TESTER")
        .with_timeout(Duration::from_secs(20))
}

fn send(node: &Node, files: &[std::path::PathBuf]) -> (usize, Vec<String>) {
    let items: Vec<Item> = files.iter().map(|f| Item::of_file(f).unwrap()).collect();
    let mut errors = Vec::new();
    let remote = remote(node);
    let report = Sender::new(&remote).send(&items, |_, _, how| {
        errors.extend(how.as_ref().err().map(ToString::to_string));
    });
    (report.done, errors)
}

fn count(node: &Node, level: Level) -> usize {
    node.block_on(node.store.find(&Query::all(level)))
        .unwrap()
        .len()
}

#[test]
fn echo_store_find_and_move() {
    let receiver = Node::start(&Config::default());
    let mut config = Config::default();
    config.destination.push(Destination::dicom(
        "there",
        "THERE",
        "127.0.0.1",
        receiver.address.port(),
    ));
    let node = Node::start(&config);
    let mut session = remote(&node)
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .unwrap();
    session.echo().unwrap();
    session.release().unwrap();

    let files = tempfile::tempdir().unwrap();
    let mut paths = write_objects(files.path(), 1, 3, 16);
    paths.extend(write_objects(files.path(), 2, 2, 16));
    assert_eq!(send(&node, &paths), (5, vec![]));
    assert_eq!(
        send(&node, &paths[..1]),
        (1, vec![]),
        "the same object once more"
    );
    assert_eq!(count(&node, Level::Instance), 5);
    let located = node
        .block_on(node.store.locate(&Uid::new("1.2.3.1.1.0", "x").unwrap()))
        .unwrap()
        .unwrap();
    assert_eq!(data_set(&node.store.path(&located)), data_set(&paths[0]));

    let identifier = InMemDicomObject::from_element_iter([
        DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        DataElement::new(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY"),
        DataElement::new(tags::PATIENT_NAME, VR::PN, "müller*"),
        DataElement::new(tags::PATIENT_ID, VR::LO, "P2"),
        DataElement::new(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, ""),
    ]);
    let mut session = remote(&node)
        .associate(&[Proposed::service(FIND), Proposed::service(MOVE)])
        .unwrap();
    let mut found = Vec::new();
    session
        .find(FIND, &identifier, |answer| {
            found.push(answer);
            true
        })
        .unwrap();
    assert_eq!(found.len(), 1);
    let text = |tag| found[0].get(tag).unwrap().to_str().unwrap().into_owned();
    assert_eq!(text(tags::PATIENT_NAME), "Müller^Test2");
    assert_eq!(text(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "2");
    assert_eq!(text(tags::STUDY_INSTANCE_UID), "1.2.3.2");

    let wanted = InMemDicomObject::from_element_iter([
        DataElement::new(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY"),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1"),
    ]);
    let moved = session.move_to(MOVE, &wanted, "THERE", |_| {}).unwrap();
    assert_eq!((moved.completed, moved.failed), (3, 0));
    assert_eq!(count(&receiver, Level::Instance), 3);
    let nowhere = session.move_to(MOVE, &wanted, "NOWHERE", |_| {});
    assert!(matches!(
        nowhere,
        Err(NodeError::Status { status: 0xA801, .. })
    ));
    session.release().unwrap();
    let totals = node.stop();
    assert_eq!((totals.stored, totals.known, totals.moved), (5, 1, 3));
    assert!(
        totals.aborted.is_empty() && totals.refused.is_empty(),
        "{totals:?}"
    );
}

#[test]
fn sixteen_associations_at_once_lose_nothing() {
    let node = Node::start(&Config::default());
    let files = tempfile::tempdir().unwrap();
    let sets: Vec<_> = (0..16)
        .map(|study| write_objects(files.path(), study, 10, 64))
        .collect();
    std::thread::scope(|scope| {
        let senders: Vec<_> = sets
            .iter()
            .map(|set| scope.spawn(|| send(&node, set)))
            .collect();
        for sender in senders {
            assert_eq!(sender.join().unwrap(), (10, vec![]));
        }
    });
    assert_eq!(count(&node, Level::Study), 16);
    assert_eq!(count(&node, Level::Instance), 160);
    for set in &sets {
        for path in set {
            let item = Item::of_file(path).unwrap();
            let uid = Uid::new(&item.instance, "SOPInstanceUID").unwrap();
            let located = node.block_on(node.store.locate(&uid)).unwrap().unwrap();
            assert_eq!(data_set(&node.store.path(&located)), data_set(path));
        }
    }
}

#[test]
fn callers_that_are_not_on_the_list_and_one_too_many_are_rejected() {
    let mut config = Config::default();
    config.node.allow = vec![Peer {
        aet: "FRIEND".to_owned(),
        address: None,
    }];
    config.node.check_called = true;
    config.node.max_associations = 1;
    let node = Node::start(&config);
    let call = |called: &str, calling: &str| {
        Remote::plain("127.0.0.1", node.address.port(), called, calling)
            .associate(&[Proposed::service(uids::VERIFICATION)])
    };
    // A connection counts until its thread is gone, so a call may come too early and be one too many.
    let for_good = |called: &str, calling: &str| {
        until(|| match call(called, calling) {
            Err(NodeError::Rejected { transient, .. }) => (!transient).then_some(()),
            other => panic!("{called} {calling}: {:?}", other.err()),
        });
    };
    for_good("HILUM", "STRANGER");
    for_good("OTHER", "FRIEND");
    let first = until(|| call("HILUM", "FRIEND").ok());
    assert!(matches!(
        call("HILUM", "FRIEND"),
        Err(NodeError::Rejected {
            transient: true,
            ..
        })
    ));
    first.release().unwrap();
    until(|| call("HILUM", "FRIEND").ok()).release().unwrap();
    assert!(node.totals().rejected.values().sum::<u64>() >= 3);
}

/// Tries until it works, for at most ten seconds.
fn until<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "not within ten seconds"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_object_over_the_limit_is_refused_and_the_association_goes_on() {
    let mut config = Config::default();
    config.store.max_object_mb = 1;
    let node = Node::start(&config);
    let files = tempfile::tempdir().unwrap();
    let mut paths = write_objects(files.path(), 1, 1, 1000);
    paths.extend(write_objects(files.path(), 2, 1, 16));
    let (done, errors) = send(&node, &paths);
    assert_eq!(done, 1);
    assert!(errors[0].contains("0xA700"), "{errors:?}");
    let totals = node.stop();
    assert_eq!((totals.associations, totals.refused["too_large"]), (1, 1));
}

#[test]
fn what_is_refused_says_why() {
    let node = Node::start(&Config::default());
    let files = tempfile::tempdir().unwrap();
    let send_object = |object: InMemDicomObject, class: &str| {
        let path = files.path().join("x.dcm");
        let meta = dicom_object::FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid("1.2.3.1.1.0")
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .build()
            .unwrap();
        // Exactly so: a class that is not the data set's must stand in the file.
        object.with_exact_meta(meta).write_to_file(&path).unwrap();
        send(&node, &[path]).1
    };
    let cr = uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE;
    let mut no_study = object(1, 0, 8);
    no_study.remove_element(tags::STUDY_INSTANCE_UID);
    assert!(send_object(no_study, cr)[0].contains("0xA900"));
    let mut path = object(1, 0, 8);
    path.put(DataElement::new(
        tags::SERIES_INSTANCE_UID,
        VR::UI,
        "../../x",
    ));
    assert!(send_object(path, cr)[0].contains("0xA900"));
    assert!(send_object(object(1, 0, 8), uids::CT_IMAGE_STORAGE)[0].contains("0xA900"));
    assert!(send_object(object(1, 0, 8), "1.2.3.4")[0].contains("not accepted"));
    assert!(send_object(object(1, 0, 8), cr).is_empty());
    let mut other = object(1, 0, 8);
    other.put(DataElement::new(tags::INSTANCE_NUMBER, VR::IS, "99"));
    assert!(send_object(other, cr)[0].contains("0x0111"));
    assert_eq!(count(&node, Level::Instance), 1);
    let refused = node.stop().refused;
    assert_eq!(refused["bad_uid"], 1);
    assert_eq!(refused["missing_attribute"], 1);
    assert_eq!(refused["mismatch"], 1);
    assert_eq!(refused["duplicate"], 1);
}

/// Sends bytes and returns the first byte of the answer: the type of a unit, or nothing when the connection was closed.
fn raw(node: &Node, bytes: &[u8]) -> Option<u8> {
    let mut tcp = TcpStream::connect(node.address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The other side may close before everything was written.
    let _ = tcp.write_all(bytes);
    let _ = tcp.shutdown(std::net::Shutdown::Write);
    let mut first = [0u8; 1];
    tcp.read_exact(&mut first).ok().map(|()| first[0])
}

#[test]
fn malformed_units_end_their_association_and_nothing_else() {
    let node = Node::start(&Config::default());
    const ABORT: u8 = 7;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x01\0\xFF\xFF\xFF\xFF",
        b"\x01\0\0\0\0\x04abcd",
        b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03",
        b"\x09\0\0\0\0\0",
        b"\x05\0\0\0\0\x04\0\0\0\0",
    ] {
        assert_eq!(raw(&node, bytes), Some(ABORT), "{bytes:?}");
    }
    // Cut off inside a unit, and nothing at all: closed without a word.
    assert_eq!(raw(&node, b""), None);
    let mut session = remote(&node)
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .unwrap();
    session.echo().unwrap();
    session.release().unwrap();
    let totals = node.stop();
    assert!(!totals.aborted.contains_key("defect"), "{totals:?}");
    assert!(totals.aborted["malformed"] >= 3);
}

/// Bytes of an association request that is accepted, and of a message on it.
fn conversation() -> Vec<u8> {
    use dicom_ul::pdu::{AssociationRQ, PresentationContextProposed, UserVariableItem};
    let request = dicom_ul::Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "FUZZ".into(),
        called_ae_title: "HILUM".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![PresentationContextProposed {
            id: 1,
            abstract_syntax: uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE.into(),
            transfer_syntaxes: vec![uids::EXPLICIT_VR_LITTLE_ENDIAN.into()],
        }],
        user_variables: vec![UserVariableItem::MaxLength(16384)],
    });
    let mut bytes = Vec::new();
    dicom_ul::write_pdu(&mut bytes, &request).unwrap();
    let command =
        hilum_node::command::Command::request(1, 1, uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE)
            .with_uid(0x1000, "1.2.3.9.1.0")
            .with_data_set()
            .encode();
    let data = dataset::encode(&object(9, 0, 8), uids::EXPLICIT_VR_LITTLE_ENDIAN).unwrap();
    for (head, body) in [(3u8, command), (2, data)] {
        let length = u32::try_from(body.len()).unwrap();
        bytes.extend([4, 0]);
        bytes.extend((length + 6).to_be_bytes());
        bytes.extend((length + 2).to_be_bytes());
        bytes.extend([1, head]);
        bytes.extend(body);
    }
    bytes
}

#[test]
fn damaged_conversations_never_end_the_listener() {
    let mut config = Config::default();
    config.node.associate_s = 2;
    config.node.idle_s = 2;
    config.node.unit_s = 2;
    let node = Node::start(&config);
    let good = conversation();
    assert_eq!(raw(&node, &good), Some(2), "the undamaged one is accepted");
    until(|| (count(&node, Level::Instance) == 1).then_some(()));
    // A small generator of its own: the same damage in every run.
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        if random(4) == 0 {
            bytes.truncate(random(bytes.len()) + 1);
        }
        raw(&node, &bytes);
    }
    let mut session = remote(&node)
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .unwrap();
    session.echo().unwrap();
    session.release().unwrap();
    let totals = node.stop();
    assert!(!totals.aborted.contains_key("defect"), "{totals:?}");
}

#[test]
fn a_silent_caller_is_not_waited_for() {
    let mut config = Config::default();
    config.node.associate_s = 1;
    let node = Node::start(&config);
    let start = Instant::now();
    let mut tcp = TcpStream::connect(node.address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp.write_all(b"\x01\0\0").unwrap();
    let mut rest = Vec::new();
    // The abort, then the end.
    let _ = tcp.read_to_end(&mut rest);
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    until(|| node.totals().aborted.get("timed_out").copied());
}

#[test]
fn nothing_about_patients_is_in_the_audit_log() {
    let node = Node::start(&Config::default());
    let files = tempfile::tempdir().unwrap();
    send(&node, &write_objects(files.path(), 1, 2, 8));
    let path = node.dir.path().join("audit.xml");
    until(|| {
        std::fs::read_to_string(&path)
            .ok()
            .filter(|t| t.contains("2 instances"))
    });
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("110100") && text.contains("110104") && text.contains("1.2.3.1"));
    assert!(!text.contains("ller") && !text.contains("P1\""));
}
