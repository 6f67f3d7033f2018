//! What the provider is asked: its discovery document, its keys, and a token for a code. Blocking.

use super::failed;
use crate::error::{Result, RoomError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hilum_node::config::{OidcConfig, is_safe_url};
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use url::form_urlencoded;

/// How long what the provider says of itself is kept.
const FRESH: Duration = Duration::from_secs(3600);
/// Keys are not fetched again sooner, however many tokens name unknown ones.
const KEYS_AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(15);
/// Largest answer, in bytes.
const LARGEST: u64 = 1 << 20;

/// What is used of the discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    /// Without it `client_secret_basic`.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug)]
struct Known<T> {
    since: Instant,
    value: Arc<T>,
}

/// Asks the provider.
#[derive(Debug)]
pub(super) struct Client {
    issuer: String,
    client_id: String,
    secret: Option<String>,
    agent: Agent,
    metadata: Mutex<Option<Known<Metadata>>>,
    keys: Mutex<Option<Known<Vec<Jwk>>>>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Client {
    pub(super) fn new(config: &OidcConfig) -> Result<Self> {
        let mut http = Agent::config_builder()
            .timeout_global(Some(LONGEST))
            // An answer that sends elsewhere could send anywhere.
            .max_redirects(0)
            .http_status_as_error(false);
        if let Some(ca) = &config.ca {
            let roots = RootCerts::new_with_certs(&certificates(ca)?);
            http = http.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Client {
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            secret: secret(config)?,
            agent: http.build().into(),
            metadata: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    pub(super) fn authorization_endpoint(&self) -> Result<String> {
        Ok(self.metadata()?.authorization_endpoint.clone())
    }

    fn metadata(&self) -> Result<Arc<Metadata>> {
        let mut known = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|k| k.since.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.value));
        }
        let base = self.issuer.trim_end_matches('/');
        let found: Metadata = self.get(&format!("{base}/.well-known/openid-configuration"))?;
        // Section 4.3: it must be exactly the one that was asked.
        if found.issuer != self.issuer {
            return Err(failed(format!(
                "the provider calls itself {:?}, the configuration {:?}",
                found.issuer, self.issuer
            )));
        }
        for url in [
            &found.authorization_endpoint,
            &found.token_endpoint,
            &found.jwks_uri,
        ] {
            if !is_safe_url(url) {
                return Err(failed(format!("{url}: neither https nor this machine")));
            }
        }
        let value = Arc::new(found);
        *known = Some(Known {
            since: Instant::now(),
            value: Arc::clone(&value),
        });
        Ok(value)
    }

    /// The provider's keys; `again` when those that are known did not do.
    pub(super) fn keys(&self, again: bool) -> Result<Arc<Vec<Jwk>>> {
        let metadata = self.metadata()?;
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = if again { KEYS_AGAIN } else { FRESH };
        if let Some(known) = known.as_ref().filter(|k| k.since.elapsed() < lasts) {
            return Ok(Arc::clone(&known.value));
        }
        let set: KeySet = self.get(&metadata.jwks_uri)?;
        // Keys of kinds that are not known here are no business of ours.
        let keys = set.keys.into_iter();
        let keys = keys.filter_map(|k| serde_json::from_value(k).ok());
        let value = Arc::new(keys.collect());
        *known = Some(Known {
            since: Instant::now(),
            value: Arc::clone(&value),
        });
        Ok(value)
    }

    /// The ID token for a code (section 3.1.3).
    pub(super) fn exchange(&self, code: &str, redirect: &str, verifier: &str) -> Result<String> {
        let metadata = self.metadata()?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect)
            .append_pair("code_verifier", verifier);
        let mut request = self
            .agent
            .post(&metadata.token_endpoint)
            .header("accept", "application/json");
        match &self.secret {
            None => {
                form.append_pair("client_id", &self.client_id);
            }
            Some(secret) if in_body(&metadata) => {
                form.append_pair("client_id", &self.client_id)
                    .append_pair("client_secret", secret);
            }
            Some(secret) => {
                let pair = format!("{}:{}", encoded(&self.client_id), encoded(secret));
                let basic = format!("Basic {}", STANDARD.encode(pair));
                request = request.header("authorization", basic);
            }
        }
        let request = request.content_type("application/x-www-form-urlencoded");
        let answer = request.send(form.finish()).map_err(unreachable)?;
        let tokens: Tokens = read("token", answer)?;
        Ok(tokens.id_token)
    }

    fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let request = self.agent.get(url).header("accept", "application/json");
        read(url, request.call().map_err(unreachable)?)
    }
}

fn unreachable(error: ureq::Error) -> RoomError {
    RoomError::log_in("no_provider", error.to_string())
}

fn read<T: DeserializeOwned>(
    what: &str,
    mut answer: ureq::http::Response<ureq::Body>,
) -> Result<T> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(failed(format!("{what}: status {status}")));
    }
    let bytes = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
    let bytes = bytes.map_err(unreachable)?;
    // What came is not told: it may hold a token.
    serde_json::from_slice(&bytes).map_err(|_| failed(format!("{what}: not the JSON expected")))
}

/// Whether the secret goes into the body: where the provider takes it there and not in the header.
fn in_body(metadata: &Metadata) -> bool {
    let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
    methods.is_some_and(|methods| {
        let takes = |name: &str| methods.iter().any(|m| m == name);
        takes("client_secret_post") && !takes("client_secret_basic")
    })
}

/// RFC 6749, section 2.3.1: name and secret are encoded before they are joined.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn secret(config: &OidcConfig) -> Result<Option<String>> {
    let wrong = |text: String| RoomError::Setup(text);
    let text = match (&config.client_secret_file, &config.client_secret_env) {
        (Some(file), _) => std::fs::read_to_string(file)
            .map_err(|e| wrong(format!("oidc.client_secret_file: {e}")))?,
        (None, Some(name)) => {
            std::env::var(name).map_err(|e| wrong(format!("oidc.client_secret_env {name}: {e}")))?
        }
        (None, None) => return Ok(None),
    };
    let secret = text.lines().next().unwrap_or_default().trim();
    if secret.is_empty() {
        return Err(wrong("the secret of oidc is empty".to_owned()));
    }
    Ok(Some(secret.to_owned()))
}

fn certificates(file: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let wrong = |e: &dyn std::fmt::Display| RoomError::Setup(format!("oidc.ca: {e}"));
    let pem = std::fs::read(file).map_err(|e| wrong(&e))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(&e))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(wrong(&"no certificate in this file"));
    }
    Ok(found)
}
