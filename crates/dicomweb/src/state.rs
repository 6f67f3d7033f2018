//! What all requests share.

use crate::account::{Observer, Recent};
use crate::error::{Result, WebError};
use hilum_node::audit::Audit;
use hilum_node::auto::Rules;
use hilum_node::config::{Config, HttpConfig};
use hilum_store::{Level, Located, Query, Store, Uid, keys};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Store, configuration and token.
#[derive(Clone)]
pub struct WebState {
    pub(crate) store: Store,
    pub(crate) http: Arc<HttpConfig>,
    pub(crate) aet: Arc<str>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) audit: Audit,
    pub(crate) bodies: Bodies,
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
            bodies: Bodies::new(config.node.memory_mb.max(config.http.max_body_mb)),
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

/// Memory for bodies of requests, in MiB.
#[derive(Clone)]
pub(crate) struct Bodies {
    free: Arc<Semaphore>,
    all: u32,
}

impl Bodies {
    fn new(all: u64) -> Self {
        let all = u32::try_from(all).unwrap_or(u32::MAX).min(1 << 24);
        Bodies {
            free: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// Waits until so much is free and holds it.
    pub(crate) async fn hold(&self, wanted: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, self.all);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(wanted).await.ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn bodies_wait_for_each_other_and_one_that_is_too_large_waits_for_all() {
        let bodies = Bodies::new(10);
        let first = bodies.hold(6).await;
        let second = bodies.hold(100);
        let waited = tokio::time::timeout(Duration::from_millis(20), second).await;
        assert!(waited.is_err());
        assert!(
            tokio::time::timeout(Duration::from_secs(5), bodies.hold(4))
                .await
                .is_ok()
        );
        drop(first);
        assert!(
            tokio::time::timeout(Duration::from_secs(5), bodies.hold(100))
                .await
                .is_ok()
        );
    }
}
