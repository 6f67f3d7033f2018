//! DCMTK's programs as the other side. Skipped where they are not installed.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{Node, data_set, free_port, tool, write_objects};
use dicom_dictionary_std::uids;
use hilum_node::config::{Config, Destination};
use hilum_node::scu::{Item, Proposed, Remote, Retries, Sender};
use hilum_store::{Level, Query, Uid};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn run(program: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Ends a program of this test when the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/images");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    files
        .filter(|p| p.extension().is_some_and(|e| e == "dcm"))
        .collect()
}

#[test]
fn storescu_echoscu_findscu() {
    let (Some(storescu), Some(echoscu), Some(findscu)) =
        (tool("storescu"), tool("echoscu"), tool("findscu"))
    else {
        return;
    };
    let node = Node::start(&Config::default());
    let port = node.port();
    let (ok, text) = run(&echoscu, &["-aec", "HILUM", "127.0.0.1", &port]);
    assert!(ok, "{text}");
    let files = samples();
    assert!(!files.is_empty());
    for file in &files {
        let (ok, text) = run(
            &storescu,
            &[
                "-aec",
                "HILUM",
                "-R",
                "-xs",
                "127.0.0.1",
                &port,
                &file.to_string_lossy(),
            ],
        );
        let (ok, text) = if ok {
            (ok, text)
        } else {
            run(
                &storescu,
                &["-aec", "HILUM", "127.0.0.1", &port, &file.to_string_lossy()],
            )
        };
        assert!(ok, "{}: {text}", file.display());
        let item = Item::of_file(file).unwrap();
        let uid = Uid::new(&item.instance, "SOPInstanceUID").unwrap();
        let located = node.block_on(node.store.locate(&uid)).unwrap().unwrap();
        if located.transfer_syntax == item.transfer_syntax {
            assert_eq!(
                data_set(&node.store.path(&located)),
                data_set(file),
                "{}",
                file.display()
            );
        }
    }
    let (ok, text) = run(
        &findscu,
        &[
            "-S",
            "-aec",
            "HILUM",
            "-k",
            "QueryRetrieveLevel=STUDY",
            "-k",
            "StudyInstanceUID",
            "-k",
            "PatientName",
            "127.0.0.1",
            &port,
        ],
    );
    assert!(ok, "{text}");
    let studies = node
        .block_on(node.store.find(&Query::all(Level::Study)))
        .unwrap();
    assert_eq!(
        text.matches("StudyInstanceUID").count(),
        studies.len(),
        "{text}"
    );
}

#[test]
fn storescp_gets_what_was_sent() {
    let Some(storescp) = tool("storescp") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = Command::new(storescp)
        .args([
            "-od",
            &dir.path().to_string_lossy(),
            "+xa",
            &port.to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _child = Ended(child);
    let files = tempfile::tempdir().unwrap();
    let paths = write_objects(files.path(), 1, 3, 32);
    let items: Vec<Item> = paths.iter().map(|p| Item::of_file(p).unwrap()).collect();
    let remote = Remote::plain("127.0.0.1", port, "STORESCP", "HILUM");
    // It takes a moment to start: that is what retries are for.
    let retries = Retries {
        count: 8,
        wait: Duration::from_millis(50),
    };
    let report = Sender::new(&remote)
        .retries(retries)
        .send(&items, |_, _, how| {
            how.as_ref().map_or_else(|e| panic!("{e}"), |()| ())
        });
    assert_eq!(report.done, 3);
    let mut session = remote
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .unwrap();
    session.echo().unwrap();
    session.release().unwrap();
    let start = Instant::now();
    while std::fs::read_dir(dir.path()).unwrap().count() < 3 {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn movescu_has_objects_sent_to_storescp() {
    let (Some(movescu), Some(storescp)) = (tool("movescu"), tool("storescp")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = Command::new(storescp)
        .args([
            "-od",
            &dir.path().to_string_lossy(),
            "+xa",
            &port.to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _child = Ended(child);
    let mut config = Config::default();
    config
        .destination
        .push(Destination::dicom("scp", "STORESCP", "127.0.0.1", port));
    let node = Node::start(&config);
    let files = tempfile::tempdir().unwrap();
    let paths = write_objects(files.path(), 4, 2, 32);
    let items: Vec<Item> = paths.iter().map(|p| Item::of_file(p).unwrap()).collect();
    let own = Remote::plain("127.0.0.1", node.address.port(), "HILUM", "TESTER");
    assert_eq!(Sender::new(&own).send(&items, |_, _, _| {}).done, 2);
    let there = Remote::plain("127.0.0.1", port, "STORESCP", "HILUM");
    let start = Instant::now();
    while there
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .and_then(|s| s.release())
        .is_err()
    {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
    let (ok, text) = run(
        &movescu,
        &[
            "-S",
            "-aec",
            "HILUM",
            "-aem",
            "STORESCP",
            "-k",
            "QueryRetrieveLevel=STUDY",
            "-k",
            "StudyInstanceUID=1.2.3.4",
            "127.0.0.1",
            &node.port(),
        ],
    );
    assert!(ok, "{text}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}
