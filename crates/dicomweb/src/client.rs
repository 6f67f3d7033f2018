//! A small DICOMweb client: search, retrieve, store. Blocking; not for use on a thread of an async runtime.

use crate::multipart;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

/// Errors of the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request failed before it was answered, or the body could not be read.
    #[error("{0}")]
    Http(#[from] Box<ureq::Error>),
    /// An answer with an error status.
    #[error("HTTP status {0}")]
    Status(u16),
    /// An answer that is not what the standard says.
    #[error("answer: {0}")]
    Answer(String),
    /// A file that cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// Certificates or keys that cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Result with [`ClientError`].
type Result<T, E = ClientError> = std::result::Result<T, E>;

/// A DICOMweb server.
#[derive(Debug)]
pub struct Client {
    base: String,
    token: Option<String>,
    agent: Agent,
}

/// Most time for one request and its answer.
const LONGEST: Duration = Duration::from_secs(280);

/// Largest answer that is read.
const MAX_ANSWER: u64 = 4 << 30;

impl Client {
    /// The server whose services are under `base`, e.g. `http://localhost:8042/dicom-web`. With `https`, its certificate must
    /// come from a public authority.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        Client::with(base, token, None)
    }

    /// A server behind TLS: `ca` are the authorities that its certificate must come from (public ones without it), `cert` and
    /// `key` what it is shown when it asks who calls. PEM files.
    ///
    /// # Errors
    /// [`ClientError::File`], [`ClientError::Tls`].
    pub fn secured(
        base: &str,
        token: Option<&str>,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self> {
        let mut tls = TlsConfig::builder();
        if let Some(ca) = ca {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(ca)?));
        }
        if let Some((cert, key)) = identity {
            let pem = std::fs::read(key)?;
            let key = ureq::tls::PrivateKey::from_pem(&pem).map_err(|e| wrong(key, &e))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates(cert)?, key)));
        }
        Ok(Client::with(base, token, Some(tls.build())))
    }

    fn with(base: &str, token: Option<&str>, tls: Option<TlsConfig>) -> Self {
        let mut config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .timeout_global(Some(LONGEST))
            .http_status_as_error(false);
        if let Some(tls) = tls {
            config = config.tls_config(tls);
        }
        Client {
            base: base.trim_end_matches('/').to_owned(),
            token: token.map(|t| format!("Bearer {t}")),
            agent: config.build().into(),
        }
    }

    fn get(&self, path: &str, accept: &str) -> Result<(String, Vec<u8>)> {
        let mut request = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("accept", accept);
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let response = request.call().map_err(Box::new)?;
        read(response)
    }

    /// Searches, e.g. `search("/studies", &[("PatientID", "1")])`; an answer without rows is empty.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn search(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Value>> {
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(n, v)| format!("{}={}", encode(n), encode(v)))
            .collect();
        let query = if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        };
        let (_, body) = self.get(&format!("{path}{query}"), "application/dicom+json")?;
        if body.is_empty() {
            return Ok(Vec::new());
        }
        json_rows(&body)
    }

    /// Metadata under a path such as `/studies/1.2`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn metadata(&self, path: &str) -> Result<Vec<Value>> {
        let (_, body) = self.get(&format!("{path}/metadata"), "application/dicom+json")?;
        json_rows(&body)
    }

    /// The objects under a path such as `/studies/1.2`, as DICOM files.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn retrieve(&self, path: &str) -> Result<Vec<Vec<u8>>> {
        let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
        let (kind, body) = self.get(path, accept)?;
        let wrong = |e: crate::WebError| ClientError::Answer(e.to_string());
        let boundary = multipart::boundary(&kind).map_err(wrong)?;
        let parts = multipart::parts(&body, &boundary).map_err(wrong)?;
        Ok(parts.iter().map(|p| p.data.to_vec()).collect())
    }

    /// Stores files in one request. Returns the server's answer, which lists what was stored and what was not.
    ///
    /// # Errors
    /// [`ClientError`]; an answer that says that nothing was stored is none.
    pub fn store(&self, files: &[&Path]) -> Result<Value> {
        let boundary = crate::media::boundary();
        let mut body = Vec::new();
        for file in files {
            body.extend(crate::media::part_head(&boundary, "application/dicom", None).into_bytes());
            std::fs::File::open(file)?.read_to_end(&mut body)?;
            body.extend(b"\r\n");
        }
        body.extend(format!("--{boundary}--\r\n").into_bytes());
        let kind = crate::media::multipart_type(&boundary, "application/dicom");
        let mut request = self
            .agent
            .post(format!("{}/studies", self.base))
            .header("content-type", kind)
            .header("accept", "application/dicom+json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let response = request.send(&body[..]).map_err(Box::new)?;
        let status = response.status().as_u16();
        if status != 409 && !response.status().is_success() {
            return Err(ClientError::Status(status));
        }
        // 409 comes with the list of failures, or else with nothing that can be used.
        let (_, body) = body_of(response)?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
            Err(_) if status == 409 => Err(ClientError::Status(status)),
            Err(_) if body.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
            Err(error) => Err(ClientError::Answer(error.to_string())),
        }
    }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Tls(format!("{}: {error}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let pem = std::fs::read(path)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(path, &e))? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(wrong(path, &"no certificate in it")),
        false => Ok(found),
    }
}

fn json_rows(body: &[u8]) -> Result<Vec<Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(rows)) => Ok(rows),
        Ok(_) => Err(ClientError::Answer("no list".to_owned())),
        Err(error) => Err(ClientError::Answer(error.to_string())),
    }
}

type Response = ureq::http::Response<ureq::Body>;

fn read(response: Response) -> Result<(String, Vec<u8>)> {
    if !response.status().is_success() {
        return Err(ClientError::Status(response.status().as_u16()));
    }
    body_of(response)
}

fn body_of(mut response: Response) -> Result<(String, Vec<u8>)> {
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec();
    Ok((kind, body.map_err(Box::new)?))
}

/// Text as part of a URL's query.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
