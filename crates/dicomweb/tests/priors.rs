//! Priors and results by DICOMweb, with the node's automatic work on one side and this crate's server on the other.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

#[path = "../../node/tests/common/mod.rs"]
mod common;
#[path = "../../node/tests/common/reads.rs"]
mod reads;

use common::{Node, write_film};
use hilum_dicomweb::{Client, Peers, Server, WebState};
use hilum_node::NodeError;
use hilum_node::audit::Audit;
use hilum_node::config::{Address, Config, Destination, Rule, WebService};
use hilum_node::scu::{Item, Remote, Sender};
use hilum_node::web::WebClient;
use reads::Reads;
use std::sync::Arc;

#[test]
fn priors_are_found_retrieved_and_read_and_results_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Node::start(&Config::default());
    let server = archive.block_on(async {
        let state =
            WebState::new(&Config::default(), archive.store.clone(), Audit::none()).unwrap();
        Server::start(([127, 0, 0, 1], 0).into(), state)
            .await
            .unwrap()
    });
    let history = [
        write_film(dir.path(), 11, "P 1/ü", "20250101"),
        write_film(dir.path(), 12, "P 1/ü", "20240101"),
        write_film(dir.path(), 13, "P 1/ü", "20100101"),
        write_film(dir.path(), 14, "P2", "20250101"),
    ];
    let client = Client::new(&server.base(), None);
    for film in &history {
        client.store(&[film]).unwrap();
    }
    let mut config = Config::default();
    config.read.settle_s = 0;
    config.priors.from = vec!["web".to_owned()];
    config.priors.max = 1;
    config
        .destination
        .push(Destination::web("web", &server.base()));
    config.rule.push(Rule::default());
    let node = Node::start(&config);
    let reads = Reads::start(&node, &config, Arc::new(Peers));
    let film = write_film(dir.path(), 1, "P 1/ü", "20260101");
    let remote = Remote::plain("127.0.0.1", node.address.port(), "HILUM", "CR1");
    let items = [Item::of_file(&film).unwrap()];
    assert_eq!(Sender::new(&remote).send(&items, |_, _, _| {}).done, 1);
    reads.expect(&["1.2.3.1", "1.2.3.11"]);
    drop(reads);

    // What delivery does: it stores, asks, and takes a refusal for one.
    let Address::Web(service) = &config.destination[0].at else {
        panic!("a DICOMweb server");
    };
    assert_eq!(
        Peers.has(service, "1.2.3.1", "1.2.3.1.1.0").unwrap(),
        Some(false)
    );
    Peers.store(service, &film, "1.2.3.1.1.0").unwrap();
    assert_eq!(
        Peers.has(service, "1.2.3.1", "1.2.3.1.1.0").unwrap(),
        Some(true)
    );
    let other = write_film(dir.path(), 1, "P 1/ü", "20260102");
    let refused = Peers.store(service, &other, "1.2.3.1.1.0").unwrap_err();
    assert!(
        matches!(refused, NodeError::Status { status: 0x0111, .. }),
        "{refused}"
    );
    let nobody = WebService {
        url: "http://127.0.0.1:1/dicom-web".to_owned(),
        token_file: None,
        tls: None,
    };
    assert!(Peers.has(&nobody, "1.2", "1.3").unwrap_err().is_transient());
    archive.block_on(server.stop());
    node.stop();
    archive.stop();
}
