//! What all requests share.

use crate::account::{Observer, Recent};
use crate::error::{Result, WebError};
use hilum_node::audit::Audit;
use hilum_node::auto::Rules;
use hilum_node::config::{Config, HttpConfig};
use hilum_store::{Level, Located, Query, Store, Uid, keys};
use std::sync::Arc;

/// Store, configuration and token.
#[derive(Clone)]
pub struct WebState {
    pub(crate) store: Store,
    pub(crate) http: Arc<HttpConfig>,
    pub(crate) aet: Arc<str>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) audit: Audit,
    pub(crate) observer: Option<Observer>,
    pub(crate) recent: Arc<Recent>,
    /// SHA-256 of the token: comparing hashes takes as long whatever the first difference.
    pub(crate) token: Option<[u8; 32]>,
}

impl WebState {
    /// Reads the token file, where one is configured.
    ///
    /// # Errors
    /// A file that cannot be read or holds no token of at least 16 characters.
    pub fn new(config: &Config, store: Store, audit: Audit) -> std::io::Result<Self> {
        let token = config.http.token_file.as_deref().map(token).transpose()?;
        Ok(WebState {
            store,
            http: Arc::new(config.http.clone()),
            aet: config.node.aet.as_str().into(),
            rules: Arc::new(Rules::new(config)),
            audit,
            observer: None,
            recent: Arc::default(),
            token,
        })
    }

    /// Has somebody told of every access, besides the audit log.
    #[must_use]
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Whether connections are TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.http.tls.is_some()
    }

    /// The stored objects under a path of UIDs, in order.
    pub(crate) async fn objects(&self, path: &[(&'static str, String)]) -> Result<Vec<Located>> {
        let mut query = Query::all(Level::Instance);
        query.limit = 100_000;
        for (name, value) in path {
            Uid::new(value, name)?;
            let key = keys::by_name(name).ok_or(WebError::NotFound)?;
            query = query.with(key, value.clone());
        }
        let objects = self.store.objects(&query).await?;
        if objects.is_empty() {
            return Err(WebError::NotFound);
        }
        Ok(objects)
    }
}

/// Whether a file holds a token that the server would take.
///
/// # Errors
/// A file that cannot be read or holds no token of at least 16 characters.
pub fn check_token(path: &std::path::Path) -> std::io::Result<()> {
    token(path).map(|_| ())
}

fn token(path: &std::path::Path) -> std::io::Result<[u8; 32]> {
    let text = std::fs::read_to_string(path)?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < 16 {
        return Err(std::io::Error::other(format!(
            "{}: a token has at least 16 characters",
            path.display()
        )));
    }
    Ok(hash(token))
}

pub(crate) fn hash(text: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).into()
}
