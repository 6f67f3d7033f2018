//! Priors: found by C-FIND, fetched by C-MOVE or C-GET, read once, without their own priors.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "common/reads.rs"]
mod reads;

use common::{Node, free_port, tool, write_film};
use hilum_node::config::{Config, Destination, Rule};
use hilum_node::scu::{Item, Remote, Sender};
use hilum_node::web::NoWeb;
use reads::Reads;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn send(port: u16, aet: &str, files: &[PathBuf]) {
    let remote = Remote::plain("127.0.0.1", port, aet, "CR1");
    let items: Vec<Item> = files.iter().map(|f| Item::of_file(f).unwrap()).collect();
    let report = Sender::new(&remote).send(&items, |_, _, how| {
        if let Err(error) = how {
            panic!("{error}");
        }
    });
    assert_eq!(report.done, files.len());
}

/// Two priors, one too old, one later, one of somebody whose ID begins the same.
fn history(dir: &Path) -> Vec<PathBuf> {
    [
        (11, "P1", "20250101"),
        (12, "P1", "20240101"),
        (13, "P1", "20100101"),
        (14, "P1", "20270101"),
        (15, "P11", "20250101"),
    ]
    .map(|(study, patient, date)| write_film(dir, study, patient, date))
    .to_vec()
}

fn reading(pacs: Destination) -> Config {
    let mut config = Config::default();
    config.read.settle_s = 0;
    config.read.backoff_s = 1;
    config.priors.from = vec!["pacs".to_owned()];
    config.destination.push(pacs);
    config.rule.push(Rule {
        modality: vec!["CR".to_owned()],
        calling_aet: vec!["CR1".to_owned()],
        send_to: vec!["pacs".to_owned()],
        ..Rule::default()
    });
    config
}

#[test]
fn priors_are_moved_here_and_read_without_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let own = free_port();
    let mut theirs = Config::default();
    theirs
        .destination
        .push(Destination::dicom("reader", "HILUM", "127.0.0.1", own));
    let pacs = Node::start(&theirs);
    send(pacs.address.port(), "PACS", &history(dir.path()));
    let config = reading(Destination::dicom(
        "pacs",
        "PACS",
        "127.0.0.1",
        pacs.address.port(),
    ));
    let node = Node::on(&config, own);
    let reads = Reads::start(&node, &config, Arc::new(NoWeb));
    send(own, "HILUM", &[write_film(dir.path(), 1, "P1", "20260101")]);
    reads.expect(&["1.2.3.1", "1.2.3.11", "1.2.3.12"]);
    assert_eq!(reads.send_to("1.2.3.1"), ["pacs"]);
    assert!(reads.send_to("1.2.3.11").is_empty());
    drop(reads);
    let audit = std::fs::read_to_string(node.dir.path().join("work.xml")).unwrap();
    assert_eq!(audit.matches("search for priors: ").count(), 1, "{audit}");
    assert_eq!(
        audit.matches("prior: 1 instances asked for").count(),
        2,
        "{audit}"
    );
    assert!(!audit.contains("P1<") && !audit.contains("Müller"));
    node.stop();
    pacs.stop();
}

#[test]
fn a_destination_that_is_away_is_asked_again_and_the_study_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (own, away) = (free_port(), free_port());
    let config = reading(Destination::dicom("pacs", "PACS", "127.0.0.1", away));
    let node = Node::on(&config, own);
    let reads = Reads::start(&node, &config, Arc::new(NoWeb));
    send(own, "HILUM", &[write_film(dir.path(), 1, "P1", "20260101")]);
    reads.expect(&["1.2.3.1"]);
    let mut theirs = Config::default();
    theirs
        .destination
        .push(Destination::dicom("reader", "HILUM", "127.0.0.1", own));
    let pacs = Node::on(&theirs, away);
    send(away, "PACS", &history(dir.path())[..1]);
    reads.expect(&["1.2.3.1", "1.2.3.11"]);
    drop(reads);
    node.stop();
    pacs.stop();
}

/// DCMTK's archive, ended when the test ends.
struct Archive(Child);

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn priors_come_by_c_get_where_it_is_offered() {
    let Some(program) = tool("dcmqrscp") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (port, area) = (free_port(), dir.path().join("area"));
    std::fs::create_dir(&area).unwrap();
    let settings = dir.path().join("dcmqrscp.cfg");
    // No application entity is known there, so it could move nothing anywhere.
    let text = format!(
        "NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n\
         VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nPACS {} RW (200, 1024mb) ANY\nAETable END\n",
        area.display()
    );
    std::fs::write(&settings, text).unwrap();
    let child = Command::new(program)
        .arg("-c")
        .arg(&settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _archive = Archive(child);
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    send(port, "PACS", &history(dir.path()));
    let config = reading(Destination::dicom("pacs", "PACS", "127.0.0.1", port));
    let node = Node::start(&config);
    let reads = Reads::start(&node, &config, Arc::new(NoWeb));
    send(
        node.address.port(),
        "HILUM",
        &[write_film(dir.path(), 1, "P1", "20260101")],
    );
    reads.expect(&["1.2.3.1", "1.2.3.11", "1.2.3.12"]);
    drop(reads);
    node.stop();
}
