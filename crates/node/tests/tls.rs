//! TLS on both sides, with certificates made by openssl. Skipped where it is not installed.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

#[path = "common/certificates.rs"]
mod certificates;
mod common;

use certificates::certificates;
use common::{Node, tool, write_objects};
use dicom_dictionary_std::uids;
use hilum_node::config::Config;
use hilum_node::scu::{Item, Proposed, Remote, Sender};
use hilum_node::tls::{self, TlsConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn config(dir: &Path, name: Option<&str>) -> TlsConfig {
    let file = |ending: &str| name.map(|n| dir.join(format!("{n}.{ending}")));
    TlsConfig {
        cert: file("pem"),
        key: file("key"),
        ca: Some(dir.join("ca.pem")),
    }
}

fn send(node: &Node, tls: Option<TlsConfig>, files: &[PathBuf]) -> usize {
    let mut remote = Remote::plain("127.0.0.1", node.address.port(), "HILUM", "TESTER")
        .with_timeout(Duration::from_secs(10));
    if let Some(tls) = tls {
        remote = remote.with_tls(tls::client(&tls).unwrap());
    }
    let items: Vec<Item> = files.iter().map(|f| Item::of_file(f).unwrap()).collect();
    Sender::new(&remote).send(&items, |_, _, _| {}).done
}

#[test]
fn only_callers_with_a_certificate_of_the_authority_are_let_in() {
    if tool("openssl").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let mut settings = Config::default();
    settings.node.associate_s = 3;
    settings.node.tls = Some(config(dir.path(), Some("server")));
    let node = Node::start(&settings);
    let files = write_objects(dir.path(), 1, 3, 200);
    assert_eq!(
        send(&node, Some(config(dir.path(), Some("caller"))), &files),
        3
    );
    assert_eq!(
        send(&node, Some(config(dir.path(), None)), &files[..1]),
        0,
        "no certificate"
    );
    assert_eq!(send(&node, None, &files[..1]), 0, "no TLS");
    let trusted = Remote::plain("127.0.0.1", node.address.port(), "HILUM", "TESTER")
        .with_tls(tls::client(&config(dir.path(), Some("caller"))).unwrap());
    let mut session = trusted
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .unwrap();
    session.echo().unwrap();
    session.release().unwrap();
}
