//! The client as the node's automatic work wants it: destinations of the configuration, answers as data sets, errors sorted into
//! those that may pass and those that stay.

use crate::client::{Client, ClientError};
use dicom_object::InMemDicomObject;
use hilum_node::config::WebService;
use hilum_node::error::{NodeError, Result};
use hilum_node::web::WebClient;
use serde_json::Value;
use std::path::Path;

/// DICOMweb servers of a configuration. Token and certificates are read anew with every call, so that they can be changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peers;

/// Referenced SOP Sequence, Failed SOP Sequence, Failure Reason, Referenced SOP Instance UID.
const STORED: &str = "00081199";
const FAILED: &str = "00081198";
const REASON: &str = "00081197";
const INSTANCE: &str = "00081155";

impl WebClient for Peers {
    fn search(
        &self,
        at: &WebService,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<InMemDicomObject>> {
        let rows = match client(at)?.search(path, parameters) {
            // Some servers say so when nothing is found.
            Err(ClientError::Status(404)) => Vec::new(),
            other => other.map_err(error)?,
        };
        rows.into_iter()
            .map(|row| dicom_json::from_value(row).map_err(|e| answer(&e.to_string())))
            .collect()
    }

    fn retrieve(&self, at: &WebService, path: &str) -> Result<Vec<Vec<u8>>> {
        client(at)?.retrieve(path).map_err(error)
    }

    fn store(&self, at: &WebService, file: &Path, instance: &str) -> Result<()> {
        let said = client(at)?.store(&[file]).map_err(error)?;
        match outcome(&said, instance) {
            Outcome::Stored => Ok(()),
            Outcome::Refused(status) => Err(NodeError::Status {
                status,
                comment: String::new(),
            }),
            Outcome::Unsaid => Err(NodeError::Web {
                what: "the answer does not name the object".to_owned(),
                transient: true,
            }),
        }
    }

    fn has(&self, at: &WebService, study: &str, instance: &str) -> Result<Option<bool>> {
        let path = format!("/studies/{study}/instances");
        let rows = match client(at)?.search(&path, &[("SOPInstanceUID", instance)]) {
            Ok(rows) => rows,
            Err(ClientError::Status(404)) => Vec::new(),
            Err(ClientError::Status(400 | 405 | 406 | 410 | 501)) => return Ok(None),
            Err(other) => return Err(error(other)),
        };
        Ok(Some(
            rows.iter()
                .any(|row| text(row, "00080018") == Some(instance)),
        ))
    }
}

/// What a server said of one object.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Stored,
    Refused(u16),
    Unsaid,
}

fn outcome(said: &Value, instance: &str) -> Outcome {
    let items = |tag: &str| said[tag]["Value"].as_array().cloned().unwrap_or_default();
    if items(STORED)
        .iter()
        .any(|i| text(i, INSTANCE) == Some(instance))
    {
        return Outcome::Stored;
    }
    // One object was sent, so a failure without a UID is its failure too.
    match items(FAILED).first() {
        Some(item) => {
            let reason = item[REASON]["Value"][0].as_u64();
            Outcome::Refused(reason.and_then(|r| u16::try_from(r).ok()).unwrap_or(0xC000))
        }
        None => Outcome::Unsaid,
    }
}

fn text<'a>(row: &'a Value, tag: &str) -> Option<&'a str> {
    row[tag]["Value"][0].as_str().map(str::trim)
}

fn client(at: &WebService) -> Result<Client> {
    let token = at.token_file.as_deref().map(token).transpose()?;
    let token = token.as_deref();
    let Some(tls) = &at.tls else {
        return Ok(Client::new(&at.url, token));
    };
    let identity = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => Some((cert.as_path(), key.as_path())),
        (None, None) => None,
        _ => return Err(NodeError::Tls("cert and key belong together".to_owned())),
    };
    Client::secured(&at.url, token, tls.ca.as_deref(), identity).map_err(error)
}

/// The first line of a file.
fn token(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|source| NodeError::File {
        path: path.display().to_string(),
        source,
    })?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    match line.is_empty() {
        true => Err(NodeError::Config(format!(
            "{}: no token in its first line",
            path.display()
        ))),
        false => Ok(line),
    }
}

fn answer(what: &str) -> NodeError {
    NodeError::Web {
        what: format!("answer: {what}"),
        transient: false,
    }
}

/// Whether an error may pass: a server that is away or busy, or one whose access may be set up until the next attempt.
fn error(error: ClientError) -> NodeError {
    let transient = match &error {
        ClientError::Status(400 | 406 | 409 | 411 | 413 | 414 | 415 | 422) => false,
        ClientError::Status(_) => true,
        ClientError::Http(inner) => !matches!(**inner, ureq::Error::BadUri(_)),
        ClientError::Answer(_) => false,
        ClientError::File(_) | ClientError::Tls(_) => false,
    };
    match error {
        ClientError::Tls(what) => NodeError::Tls(what),
        other => NodeError::Web {
            what: other.to_string(),
            transient,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_must_name_what_it_keeps() {
        let item = |uid: &str| json!({"Value": [{INSTANCE: {"vr": "UI", "Value": [uid]}}]});
        assert_eq!(
            outcome(&json!({STORED: item("1.2")}), "1.2"),
            Outcome::Stored
        );
        assert_eq!(
            outcome(&json!({STORED: item("1.3")}), "1.2"),
            Outcome::Unsaid
        );
        assert_eq!(outcome(&Value::Null, "1.2"), Outcome::Unsaid);
        let failed = json!({FAILED: {"Value": [{REASON: {"vr": "US", "Value": [0xA700]}}]}});
        assert_eq!(outcome(&failed, "1.2"), Outcome::Refused(0xA700));
        let bare = json!({FAILED: {"Value": [{}]}});
        assert_eq!(outcome(&bare, "1.2"), Outcome::Refused(0xC000));
    }

    #[test]
    fn what_is_wrong_with_the_object_stays_and_the_rest_may_pass() {
        let passes = |status| error(ClientError::Status(status)).is_transient();
        assert!(passes(503) && passes(429) && passes(401) && passes(404));
        assert!(!passes(400) && !passes(413) && !passes(415));
    }
}
