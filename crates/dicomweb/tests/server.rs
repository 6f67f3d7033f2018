//! The server over a store with the repository's DICOM samples, asked by the client of this crate.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

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
            let state = WebState::new(config, store, Audit::none()).unwrap();
            Server::start(([127, 0, 0, 1], 0).into(), state)
                .await
                .unwrap()
        });
        Web {
            base: format!("http://{}/dicom-web", server.address()),
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
