//! `[oidc]`: accounts of the reading room that an OpenID provider vouches for.

use crate::error::{NodeError, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An OpenID provider, and what its claims mean here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Address of the provider, as its discovery document says it. `https`, or `http` on this machine.
    pub issuer: String,
    /// What the provider calls this room.
    pub client_id: String,
    /// File whose first line is the client's secret.
    pub client_secret_file: Option<PathBuf>,
    /// Environment variable that holds the client's secret. Without either the room is a public client.
    pub client_secret_env: Option<String>,
    /// Address of the room as browsers see it; the provider sends them back to `/api/oidc/callback` there.
    pub url: String,
    /// What the button says.
    #[serde(default = "single_sign_on")]
    pub name: String,
    /// Scopes that are asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Claim that names the account.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// Claim with the person's groups: a text or a list of texts, with dots on the way to one in an object (`realm_access.roles`).
    #[serde(default = "role_claim")]
    pub role_claim: String,
    /// Which groups have which role.
    pub roles: OidcRoles,
    /// Authorities (PEM) that the provider's certificate must come from; public ones without it.
    pub ca: Option<PathBuf>,
}

/// Groups by role; `*` stands for everybody whom the provider knows. The highest role counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcRoles {
    /// They look.
    pub reader: Vec<String>,
    /// They upload, correct and sign.
    pub editor: Vec<String>,
    /// They delete and see who saw what.
    pub admin: Vec<String>,
}

fn single_sign_on() -> String {
    "single sign-on".to_owned()
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

fn role_claim() -> String {
    "groups".to_owned()
}

/// Whether what goes to this address is encrypted or stays on this machine.
pub fn is_safe_url(url: &str) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

impl OidcConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`NodeError::Config`].
    pub(crate) fn check(&self) -> Result<()> {
        let fail = |text: &str| Err(NodeError::Config(text.to_owned()));
        if !is_safe_url(&self.issuer) {
            return fail("oidc.issuer begins with https:// (http:// on this machine only)");
        }
        let web = self.url.starts_with("https://") || self.url.starts_with("http://");
        if !web || self.url.contains(['?', '#', ' ']) {
            return fail("oidc.url is the address of the room as browsers see it");
        }
        if self.client_id.is_empty() || self.name_claim.is_empty() || self.role_claim.is_empty() {
            return fail("oidc.client_id, oidc.name_claim and oidc.role_claim must not be empty");
        }
        if self.client_secret_file.is_some() && self.client_secret_env.is_some() {
            return fail("oidc.client_secret_file and oidc.client_secret_env are one or the other");
        }
        let roles = &self.roles;
        if roles.reader.is_empty() && roles.editor.is_empty() && roles.admin.is_empty() {
            return fail("oidc.roles names no group, so nobody could log in");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn addresses_that_anybody_could_read_are_refused() {
        for good in [
            "https://id.example.org/realm",
            "http://localhost:8081",
            "http://127.0.0.1:8081/x",
            "http://[::1]:8081",
        ] {
            assert!(is_safe_url(good), "{good}");
        }
        for bad in [
            "http://id.example.org",
            "http://localhost.example.org",
            "http://127.0.0.1@example.org/",
            "ftp://127.0.0.1",
            "",
        ] {
            assert!(!is_safe_url(bad), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let good = "[oidc]\nissuer = \"https://id.example\"\nclient_id = \"hilum\"\nurl = \"https://room.example\"\n\
                    [oidc.roles]\nreader = [\"staff\"]\n";
        let config = Config::parse(good).unwrap().oidc.unwrap();
        assert_eq!(
            (&*config.name_claim, &*config.role_claim),
            ("preferred_username", "groups")
        );
        for (from, to, word) in [
            ("https://id.example", "http://id.example", "oidc.issuer"),
            ("https://room.example", "room.example", "oidc.url"),
            ("\"hilum\"", "\"\"", "oidc.client_id"),
            ("[\"staff\"]", "[]", "oidc.roles"),
            (
                "[oidc.roles]",
                "client_secret_file = \"a\"\nclient_secret_env = \"B\"\n[oidc.roles]",
                "client_secret_env",
            ),
            ("reader", "readers", "readers"),
        ] {
            let error = Config::parse(&good.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
