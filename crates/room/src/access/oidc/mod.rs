//! Logging in by an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9700).
//!
//! [`Oidc::begin`] sends the browser to the provider with a state, a nonce and the hash of a secret; [`Oidc::finish`] takes what comes
//! back, from the same browser and once, fetches the ID token with that secret, and checks it. What the provider vouches for is a
//! [`Person`]; from there on the session is that of any account.

mod client;
mod pending;
mod signature;
mod token;

use super::users::Role;
use crate::error::{Result, RoomError};
use crate::state::blocking;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use client::Client;
use hilum_node::config::{OidcConfig, OidcRoles};
use pending::{Attempt, Pending};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use url::Url;

/// Where the provider sends browsers back to.
pub(crate) const CALLBACK: &str = "/api/oidc/callback";

/// Whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Issuer and subject: what stays the same when the name changes.
    pub(crate) subject: String,
}

/// The provider of a room. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Oidc {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: OidcConfig,
    client: Client,
    pending: Pending,
}

/// An attempt to log in that has begun.
pub(crate) struct Begun {
    /// Where the browser goes.
    pub(crate) to: String,
    /// What only this browser knows, for its cookie.
    pub(crate) browser: String,
}

/// Whether a provider answers, is who the configuration says, and the secret and authorities can be read. Blocks its thread.
///
/// # Errors
/// [`RoomError`] that says what is wrong.
pub fn check_provider(config: &OidcConfig) -> Result<()> {
    Client::new(config)?.authorization_endpoint().map(|_| ())
}

impl Oidc {
    /// # Errors
    /// [`RoomError::Setup`] for a secret or a certificate that cannot be read.
    pub(crate) fn new(config: &OidcConfig) -> Result<Self> {
        Ok(Oidc {
            inner: Arc::new(Inner {
                config: config.clone(),
                client: Client::new(config)?,
                pending: Pending::default(),
            }),
        })
    }

    /// What the button says.
    pub(crate) fn name(&self) -> &str {
        &self.inner.config.name
    }

    fn redirect(&self) -> String {
        format!("{}{CALLBACK}", self.inner.config.url.trim_end_matches('/'))
    }

    /// Begins an attempt that will end at `next`. A browser that tries twice keeps what it is known by.
    ///
    /// # Errors
    /// [`RoomError::LogIn`] when the provider does not answer.
    pub(crate) async fn begin(&self, next: &str, known: Option<String>) -> Result<Begun> {
        let (state, nonce, verifier) = (super::token()?, super::token()?, super::token()?);
        let browser = match known {
            Some(known) => known,
            None => super::token()?,
        };
        let this = self.clone();
        let endpoint = blocking(move || this.inner.client.authorization_endpoint()).await?;
        let mut to = Url::parse(&endpoint).map_err(|e| failed(format!("its address: {e}")))?;
        let mut scopes = vec!["openid"];
        scopes.extend(self.inner.config.scopes.iter().map(String::as_str));
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.inner.config.client_id)
            .append_pair("redirect_uri", &self.redirect())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        let attempt = Attempt::new(nonce, verifier, inside(next), &browser);
        self.inner.pending.put(state, attempt);
        Ok(Begun {
            to: to.into(),
            browser,
        })
    }

    /// Ends an attempt: who it is, and where the browser wanted to go.
    ///
    /// # Errors
    /// [`RoomError::LogIn`].
    pub(crate) async fn finish(
        &self,
        code: &str,
        state: &str,
        browser: Option<&str>,
    ) -> Result<(Person, String)> {
        let attempt = self.inner.pending.take(state, browser).ok_or_else(|| {
            RoomError::log_in("expired", "no attempt with this state and browser")
        })?;
        let (this, code) = (self.clone(), code.to_owned());
        let next = attempt.next.clone();
        let claims = blocking(move || this.claims(&code, &attempt)).await?;
        Ok((self.person(&claims)?, next))
    }

    fn claims(&self, code: &str, attempt: &Attempt) -> Result<Value> {
        let inner = &self.inner;
        let id_token = inner
            .client
            .exchange(code, &self.redirect(), &attempt.verifier)?;
        let expected = token::Expected {
            issuer: &inner.config.issuer,
            client_id: &inner.config.client_id,
            nonce: &attempt.nonce,
        };
        let keys = inner.client.keys(false)?;
        match token::check(&id_token, &keys, &expected) {
            // The provider may have taken a new key since its keys were fetched.
            Err(token::Refused::NoKey) => {
                let keys = inner.client.keys(true)?;
                token::check(&id_token, &keys, &expected)
            }
            other => other,
        }
        .map_err(|e| failed(format!("ID token: {e}")))
    }

    fn person(&self, claims: &Value) -> Result<Person> {
        let config = &self.inner.config;
        let text = |name: &str| at(claims, name).and_then(Value::as_str);
        let subject = text("sub").filter(|s| !s.is_empty());
        let subject = subject.ok_or_else(|| failed("ID token: no subject".to_owned()))?;
        let name = text(&config.name_claim).filter(|n| super::users::is_name(n));
        let name = name.ok_or_else(|| {
            failed(format!(
                "claim {} holds no name of an account",
                config.name_claim
            ))
        })?;
        let groups = groups(at(claims, &config.role_claim));
        let role = role(&config.roles, &groups)
            .ok_or_else(|| RoomError::log_in("no_role", "none of the groups has a role here"))?;
        Ok(Person {
            name: name.to_owned(),
            role,
            subject: format!("{}|{subject}", config.issuer),
        })
    }
}

/// An error of which the browser is told no more than that it failed.
fn failed(why: String) -> RoomError {
    RoomError::log_in("failed", why)
}

/// S256 of RFC 7636, section 4.2.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// A page of this room: a link must not make logging in end anywhere else.
fn inside(next: &str) -> String {
    let good = next.len() <= 512
        && next.starts_with('/')
        && !next.starts_with("//")
        && !next.chars().any(|c| c == '\\' || c.is_control());
    if good { next } else { "/" }.to_owned()
}

/// A claim by its name, else by its way through objects.
fn at<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    match claims.get(name) {
        Some(value) => Some(value),
        None => name
            .split('.')
            .try_fold(claims, |value, part| value.get(part)),
    }
}

fn groups(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The highest role that one of the groups has.
fn role(roles: &OidcRoles, groups: &[&str]) -> Option<Role> {
    let has = |of: &[String]| of.iter().any(|g| g == "*" || groups.contains(&g.as_str()));
    [
        (Role::Admin, &roles.admin),
        (Role::Editor, &roles.editor),
        (Role::Reader, &roles.reader),
    ]
    .into_iter()
    .find(|(_, of)| has(of))
    .map(|(role, _)| role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn logging_in_ends_in_the_room() {
        assert_eq!(inside("/study/1.2?a=b"), "/study/1.2?a=b");
        for outside in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "",
            "/a\nb",
        ] {
            assert_eq!(inside(outside), "/", "{outside:?}");
        }
    }

    #[test]
    fn groups_give_the_highest_role() {
        let roles = OidcRoles {
            reader: vec!["*".into()],
            editor: vec!["radiology".into()],
            admin: vec!["it".into()],
        };
        let claims = json!({
            "groups": ["radiology", 7, "it"],
            "one": "radiology",
            "realm_access": { "roles": ["radiology"] },
            "a.b": "it",
        });
        let of = |name: &str| role(&roles, &groups(at(&claims, name)));
        assert_eq!(of("groups"), Some(Role::Admin));
        assert_eq!(of("one"), Some(Role::Editor));
        assert_eq!(of("realm_access.roles"), Some(Role::Editor));
        assert_eq!(of("a.b"), Some(Role::Admin));
        assert_eq!(of("missing"), Some(Role::Reader));
        let strict = OidcRoles {
            admin: vec!["it".into()],
            ..OidcRoles::default()
        };
        assert_eq!(role(&strict, &["radiology"]), None);
    }
}
