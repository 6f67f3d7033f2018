//! The server over a store with the repository's DICOM samples, asked by the client of this crate.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

#[path = "../../node/tests/common/certificates.rs"]
mod certificates;

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use hilum_dicomweb::{Client, ClientError, Server, WebState};
use hilum_node::audit::Audit;
use hilum_node::config::Config;
use hilum_store::Store;
use serde_json::Value;
use std::path::{Path, PathBuf};

struct Web {
    runtime: tokio::runtime::Runtime,
    base: String,
    _dir: tempfile::TempDir,
    server: Option<Server>,
}

impl Web {
    fn start(config: &Config) -> Self {
        Web::audited(config, Audit::none())
    }

    fn audited(config: &Config, audit: Audit) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let (store, _) = Store::open(dir.path(), config.store.options(), |_, _| None)
                .await
                .unwrap();
            let state = WebState::new(config, store, audit).unwrap();
            Server::start(([127, 0, 0, 1], 0).into(), state)
                .await
                .unwrap()
        });
        Web {
            base: server.base(),
            runtime,
            _dir: dir,
            server: Some(server),
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.base, None)
    }

    /// Status, content type and body.
    fn get(&self, path: &str, accept: &str) -> (u16, String, Vec<u8>) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent
            .get(format!("{}{path}", self.base))
            .header("accept", accept)
            .call()
            .unwrap();
        let kind = answer
            .headers()
            .get("content-type")
            .map(|v| v.to_str().unwrap().to_owned());
        let body = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .unwrap();
        (answer.status().as_u16(), kind.unwrap_or_default(), body)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples/images")
        .join(name)
}

fn text<'a>(object: &'a Value, tag: &str) -> &'a str {
    object[tag]["Value"][0].as_str().unwrap_or_default()
}

#[test]
fn what_is_stored_is_found_and_comes_back_byte_for_byte() {
    let web = Web::start(&Config::default());
    let client = web.client();
    assert!(client.search("/studies", &[]).unwrap().is_empty());
    let file = sample("adult-pa.dcm");
    let answer = client.store(&[&file]).unwrap();
    assert_eq!(
        answer["00081199"]["Value"].as_array().unwrap().len(),
        1,
        "{answer}"
    );
    let studies = client
        .search(
            "/studies",
            &[("includefield", "StudyDescription,PatientComments")],
        )
        .unwrap();
    let study = text(&studies[0], "0020000D").to_owned();
    assert_eq!(studies[0]["00201208"]["Value"][0], 1);
    assert!(text(&studies[0], "00081190").ends_with(&format!("/studies/{study}")));
    let instances = client
        .search(&format!("/studies/{study}/instances"), &[])
        .unwrap();
    let series = text(&instances[0], "0020000E").to_owned();
    let path = format!(
        "/studies/{study}/series/{series}/instances/{}",
        text(&instances[0], "00080018")
    );
    let objects = client.retrieve(&format!("/studies/{study}")).unwrap();
    let (stored, sent) = (&objects[0], std::fs::read(&file).unwrap());
    let data = |bytes: &[u8]| {
        let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
        bytes[144 + length..].to_vec()
    };
    assert_eq!(data(stored), data(&sent));
    let metadata = &client.metadata(&path).unwrap()[0];
    assert!(
        metadata["7FE00010"]["BulkDataURI"]
            .as_str()
            .unwrap()
            .ends_with("/bulkdata/7FE00010")
    );
    let (rows, columns) = (
        metadata["00280010"]["Value"][0].as_u64().unwrap(),
        metadata["00280011"]["Value"][0].as_u64().unwrap(),
    );

    let (status, kind, body) = web.get(
        &format!("{path}/frames/1"),
        "multipart/related; type=\"application/octet-stream\"",
    );
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert!(kind.starts_with("multipart/related"));
    let bytes = metadata["00280100"]["Value"][0].as_u64().unwrap() / 8;
    assert!(body.len() as u64 > rows * columns * bytes);
    let (status, kind, body) = web.get(&format!("{path}/rendered"), "image/png");
    assert_eq!((status, kind.as_str()), (200, "image/png"));
    assert!(body.starts_with(b"\x89PNG"));
    let (status, kind, small) = web.get(&format!("{path}/thumbnail"), "*/*");
    assert_eq!((status, kind.as_str()), (200, "image/jpeg"));
    assert!(small.len() < body.len());
    assert_eq!(
        web.get(&format!("/studies/{study}/thumbnail"), "*/*").0,
        200
    );
    assert_eq!(
        web.get(&format!("{path}/rendered?viewport=64,64"), "image/jpeg")
            .0,
        200
    );
    for (bad, expected) in [
        (format!("{path}/frames/0"), 400),
        (format!("{path}/frames/9"), 406),
        (format!("{path}/rendered?window=1,2,linear"), 400),
        ("/studies/1.2.3".to_owned(), 404),
        ("/studies/..%2f..%2fetc".to_owned(), 400),
        ("/studies?Nothing=1".to_owned(), 400),
        (format!("{path}/bulkdata/00400275"), 404),
    ] {
        assert_eq!(web.get(&bad, "*/*").0, expected, "{bad}");
    }
    assert_eq!(web.get(&format!("{path}/metadata"), "text/html").0, 406);
}

#[test]
fn every_access_is_in_the_audit_log_with_the_callers_address() {
    let dir = tempfile::tempdir().unwrap();
    let (log, token) = (dir.path().join("audit.xml"), dir.path().join("token"));
    std::fs::write(&token, "0123456789abcdefghij\n").unwrap();
    let mut config = Config::default();
    config.http.token_file = Some(token);
    config.http.delete = true;
    let web = Web::audited(&config, Audit::open(&log).unwrap());
    let client = Client::new(&web.base, Some("0123456789abcdefghij"));
    // Two objects of one study and one of another, in one request.
    let source = sample("adult-pa.dcm");
    let files: Vec<PathBuf> = [
        ("1.9.1", "1.9.2.1"),
        ("1.9.1", "1.9.2.2"),
        ("1.9.3", "1.9.2.3"),
    ]
    .iter()
    .map(|(study, instance)| {
        let mut object = dicom_object::open_file(&source).unwrap();
        for (tag, uid) in [
            (tags::STUDY_INSTANCE_UID, *study),
            (tags::SERIES_INSTANCE_UID, &format!("{study}.7")),
            (tags::SOP_INSTANCE_UID, *instance),
        ] {
            object.put(DataElement::new(tag, VR::UI, uid));
        }
        object.update_meta(|m| m.media_storage_sop_instance_uid = (*instance).to_owned());
        let path = dir.path().join(format!("{instance}.dcm"));
        object.write_to_file(&path).unwrap();
        path
    })
    .collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    client.store(&paths).unwrap();
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let about = |study: &str, what: &str| {
        let id = format!("ParticipantObjectID=\"{study}\"");
        let found = lines();
        let fit = |l: &&String| l.contains(&id) && l.contains(what);
        found.iter().filter(fit).count()
    };
    assert_eq!(about("1.9.1", ">2 instances<"), 1, "{:?}", lines());
    assert_eq!(about("1.9.3", ">1 instances<"), 1);
    client.search("/studies", &[("PatientID", "X*")]).unwrap();
    client.search("/studies/1.9.1/series", &[]).unwrap();
    for _ in 0..2 {
        client.metadata("/studies/1.9.1").unwrap();
    }
    client.retrieve("/studies/1.9.3").unwrap();
    assert!(matches!(
        client.retrieve("/studies/1.9.4"),
        Err(ClientError::Status(404))
    ));
    assert!(web.client().retrieve("/studies/1.9.1").is_err());
    let found = lines();
    let count = |what: &str| found.iter().filter(|l| l.contains(what)).count();
    assert_eq!(count("QIDO-RS, level STUDY"), 1);
    assert_eq!(about("1.9.1", "QIDO-RS, level SERIES"), 1);
    assert_eq!(about("1.9.1", "DICOMweb: metadata"), 1, "{found:?}");
    assert_eq!(about("1.9.3", "DICOMweb: objects"), 1);
    assert_eq!(about("1.9.1", "DICOMweb: objects"), 0, "it was refused");
    assert_eq!(about("1.9.4", ""), 0, "it is not there");
    assert_eq!(count("request refused"), 1);
    assert!(
        found
            .iter()
            .all(|l| l.contains("NetworkAccessPointID=\"127.0.0.1\""))
    );
    assert!(!found.iter().any(|l| l.contains("X*")));
}

#[test]
fn storing_again_is_no_error_and_what_is_no_object_is_one() {
    let web = Web::start(&Config::default());
    let file = sample("adult-pa.dcm");
    web.client().store(&[&file]).unwrap();
    let again = web.client().store(&[&file]).unwrap();
    assert!(again.get("00081198").is_none(), "{again}");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/README.md");
    let mixed = web.client().store(&[&file, &readme]).unwrap();
    assert_eq!(
        mixed["00081198"]["Value"].as_array().unwrap().len(),
        1,
        "{mixed}"
    );
    assert_eq!(web.client().search("/instances", &[]).unwrap().len(), 1);
}

#[test]
fn without_the_token_nobody_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0123456789abcdefghij\n").unwrap();
    let mut config = Config::default();
    config.http.token_file = Some(token.clone());
    let web = Web::start(&config);
    assert!(matches!(
        web.client().search("/studies", &[]),
        Err(ClientError::Status(401))
    ));
    let wrong = Client::new(&web.base, Some("0123456789abcdefghik"));
    assert!(matches!(
        wrong.search("/studies", &[]),
        Err(ClientError::Status(401))
    ));
    let right = Client::new(&web.base, Some("0123456789abcdefghij"));
    assert!(right.search("/studies", &[]).unwrap().is_empty());
    std::fs::write(&token, "short").unwrap();
    let store = web.runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path(), config.store.options(), |_, _| None)
            .await
            .unwrap()
            .0
    });
    assert!(WebState::new(&config, store, Audit::none()).is_err());
}

#[test]
fn over_tls_only_callers_with_a_certificate_of_the_authority_are_let_in() {
    let openssl = std::process::Command::new("openssl")
        .arg("version")
        .output();
    if !openssl.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificates::certificates(dir.path());
    let file = |name: &str| dir.path().join(name);
    let mut config = Config::default();
    config.http.tls = Some(hilum_node::tls::TlsConfig {
        cert: Some(file("server.pem")),
        key: Some(file("server.key")),
        ca: Some(file("ca.pem")),
    });
    let web = Web::start(&config);
    assert!(web.base.starts_with("https://"));
    // One that says nothing holds up nobody.
    let address = web.base["https://".len()..].split('/').next().unwrap();
    let _silent = std::net::TcpStream::connect(address).unwrap();
    let (ca, cert, key) = (file("ca.pem"), file("caller.pem"), file("caller.key"));
    let known = Client::secured(&web.base, None, Some(&ca), Some((&cert, &key))).unwrap();
    known.store(&[&sample("adult-pa.dcm")]).unwrap();
    let rows = known.search("/studies", &[]).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(text(&rows[0], "00081190").starts_with("https://"));
    let unknown = Client::secured(&web.base, None, Some(&ca), None).unwrap();
    assert!(matches!(
        unknown.search("/studies", &[]),
        Err(ClientError::Http(_))
    ));
    // Neither side speaks without TLS, and an authority that is not known is not trusted.
    let plain = Client::new(&web.base.replace("https", "http"), None);
    assert!(plain.search("/studies", &[]).is_err());
    assert!(
        Client::new(&web.base, None)
            .search("/studies", &[])
            .is_err()
    );
}

#[test]
fn paths_that_are_no_uids_and_bodies_over_the_limit_are_refused() {
    let mut config = Config::default();
    config.http.max_body_mb = 1;
    let web = Web::start(&config);
    for path in [
        "/studies/..%2f..%2fetc/metadata",
        "/studies/1.2/series/%2e%2e/instances/1.3",
        "/studies/1.2/series/1.3/instances/..%2f..%2f..%2fetc%2fpasswd",
        "/studies/1.2%00/metadata",
        "/studies?StudyInstanceUID=..%2f..&limit=-1",
    ] {
        let (status, _, body) = web.get(path, "*/*");
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(!String::from_utf8_lossy(&body).contains("root:"), "{path}");
    }
    let dir = tempfile::tempdir().unwrap();
    let big = dir.path().join("big.dcm");
    std::fs::write(&big, vec![0; 2 << 20]).unwrap();
    // The server may close before the body is through.
    let error = web.client().store(&[&big]).unwrap_err();
    assert!(
        matches!(error, ClientError::Status(413) | ClientError::Http(_)),
        "{error}"
    );
    web.client().store(&[&sample("adult-pa.dcm")]).unwrap();
}

/// A page on loopback under these limits, for as long as the runtime lives.
fn served(limits: hilum_dicomweb::WebLimits) -> (tokio::runtime::Runtime, std::net::SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let http = Config::default().http;
    let address = runtime.block_on(async {
        let listener = hilum_dicomweb::WebListener::bind(([127, 0, 0, 1], 0).into(), &http, limits);
        let listener = listener.await.unwrap();
        let address = listener.address();
        let app = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
        tokio::spawn(hilum_dicomweb::serve(listener, app, std::future::pending()));
        address
    });
    (runtime, address)
}

#[test]
fn connections_are_counted_and_a_silent_one_ends() {
    use std::io::{Read, Write};
    let (_runtime, address) = served(hilum_dicomweb::WebLimits {
        connections: 1,
        idle: std::time::Duration::from_millis(500),
        ..hilum_dicomweb::WebLimits::default()
    });
    let start = std::time::Instant::now();
    let mut silent = std::net::TcpStream::connect(address).unwrap();
    let mut second = std::net::TcpStream::connect(address).unwrap();
    second
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("here"), "{answer}");
    assert!(
        start.elapsed() >= std::time::Duration::from_millis(400),
        "it did not wait"
    );
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0);
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    use std::io::{Read, Write};
    let (_runtime, address) = served(hilum_dicomweb::WebLimits {
        head: std::time::Duration::from_millis(400),
        ..hilum_dicomweb::WebLimits::default()
    });
    let start = std::time::Instant::now();
    let mut slow = std::net::TcpStream::connect(address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    slow.set_read_timeout(Some(std::time::Duration::from_millis(20)))
        .unwrap();
    // A byte now and then, which keeps a connection from being silent.
    while start.elapsed() < std::time::Duration::from_secs(20) {
        if slow.write_all(b"x").is_err() || matches!(slow.read(&mut [0; 64]), Ok(0)) {
            break;
        }
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
}
