//! What all requests share.

use crate::access::{Attempts, Oidc, Sessions};
use crate::audit::Log;
use crate::error::{Result, RoomError};
use crate::events::Hub;
use crate::list::Totals;
use crate::pixels::Pictures;
use hilum_core::{ModelRef, Reading};
use hilum_node::audit::Audit;
use hilum_node::auto::Rules;
use hilum_node::config::Config;
use hilum_store::{Db, Store};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, watch};

/// What the room is told about its surroundings.
#[derive(Debug, Clone, Default)]
pub struct RoomOptions {
    /// Shows samples, and says so.
    pub demo: bool,
    /// Methods with their claims, as JSON.
    pub methods: Value,
    /// Models with their cards, as JSON.
    pub models: Value,
    /// The model that outlines lungs and heart, for segmentations.
    pub segmenter: Option<ModelRef>,
    /// Folder of runs of trainings.
    pub runs: Option<PathBuf>,
    /// Organisation that persons sign for.
    pub organisation: Option<String>,
    /// Language of dates and numbers (BCP 47); that of each browser when null.
    pub locale: Option<String>,
    /// Names under which browsers may ask, besides those of this machine; empty for any where the room listens on more than loopback.
    pub hosts: Vec<String>,
    /// Whether the room listens on loopback alone.
    pub loopback: bool,
}

/// The reading room: store, sessions, events. Cheap to clone.
#[derive(Clone)]
pub struct Room {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    config: Config,
    rules: Rules,
    options: RoomOptions,
    sessions: Sessions,
    attempts: Attempts,
    oidc: Option<Oidc>,
    log: Log,
    events: Hub,
    pictures: Pictures,
    uploads: Semaphore,
    dicomweb_token: Option<String>,
    refreshing: Mutex<()>,
    totals: Totals,
    stop: watch::Sender<bool>,
}

/// Files that are checked at a time.
const UPLOADS: usize = 2;

impl Room {
    /// Makes the room's tables where they are missing and starts its audit log.
    ///
    /// # Errors
    /// [`RoomError::Setup`] when it should listen on more than loopback without accounts, or a token file that cannot be read;
    /// [`RoomError::Database`].
    pub async fn open(
        store: Store,
        config: Config,
        audit: Audit,
        options: RoomOptions,
    ) -> Result<(Self, tokio::task::JoinHandle<()>)> {
        let db = store.db().clone();
        crate::db::migrate(&db).await?;
        let oidc = config.oidc.as_ref().map(Oidc::new).transpose()?;
        let local = oidc.is_none() && crate::access::count(&db).await? == 0;
        if local && !options.loopback {
            return Err(RoomError::Setup(
                "without accounts the room listens on loopback only; add one with `hilum serve --add-user NAME --role admin`"
                    .to_owned(),
            ));
        }
        let secret = crate::db::secret(&db).await?;
        let dicomweb_token = config.http.token_file.as_deref().map(token).transpose()?;
        let (log, writer) = Log::start(db.clone(), audit, &config.node.aet);
        let (stop, stopped) = watch::channel(false);
        for folder in ["incoming", "thumbnails"] {
            let path = store.root().join("room").join(folder);
            std::fs::create_dir_all(&path).map_err(RoomError::io("folder of the room"))?;
        }
        crate::upload::clear(store.root())?;
        let room = Room {
            inner: Arc::new(Inner {
                rules: Rules::new(&config),
                config,
                options,
                sessions: Sessions::new(db, secret, local),
                attempts: Attempts::default(),
                oidc,
                log,
                events: Hub::new(stopped),
                pictures: Pictures::default(),
                uploads: Semaphore::new(UPLOADS),
                dicomweb_token,
                refreshing: Mutex::new(()),
                totals: Totals::default(),
                stop,
                store,
            }),
        };
        Ok((room, writer))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn db(&self) -> &Db {
        self.inner.store.db()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    pub(crate) fn options(&self) -> &RoomOptions {
        &self.inner.options
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// Who vouches for accounts, where somebody does.
    pub(crate) fn oidc(&self) -> Option<&Oidc> {
        self.inner.oidc.as_ref()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.inner.log
    }

    pub(crate) fn events(&self) -> &Hub {
        &self.inner.events
    }

    pub(crate) fn pictures(&self) -> &Pictures {
        &self.inner.pictures
    }

    pub(crate) fn uploads(&self) -> &Semaphore {
        &self.inner.uploads
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.inner.totals
    }

    /// Held while a row of the work list is made: an older state must not overwrite a newer one.
    pub(crate) fn refreshing(&self) -> &Mutex<()> {
        &self.inner.refreshing
    }

    /// Hash of the token that programs give for DICOMweb.
    pub(crate) fn dicomweb_token(&self) -> Option<&str> {
        self.inner.dicomweb_token.as_deref()
    }

    /// Ends what would stay open.
    pub(crate) fn stopping(&self) {
        // Nobody may be listening any more.
        let _ = self.inner.stop.send(true);
    }

    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stop.subscribe()
    }

    /// Folder of all readings.
    pub(crate) fn readings(&self) -> PathBuf {
        self.store().root().join("readings")
    }

    /// Folder of a study's reading.
    pub(crate) fn folder(&self, study: &str) -> PathBuf {
        self.readings().join(hilum_reading::folder_name(study))
    }

    /// The model's reading of a study, with paths as they are now; null when there is none.
    pub(crate) async fn reading(&self, study: &str) -> Result<Option<Reading>> {
        let path = self.folder(study).join("reading.json");
        let root = self.store().root().to_owned();
        blocking(move || read_file(&path, &root)).await
    }
}

fn read_file(path: &Path, root: &Path) -> Result<Option<Reading>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(RoomError::io("reading.json")(e)),
    };
    let mut reading: Reading = serde_json::from_slice(&bytes)
        .map_err(|e| RoomError::Internal(format!("reading.json: {e}")))?;
    for image in &mut reading.images {
        if let Some(path) = moved(&image.path, root) {
            image.path = path;
        }
    }
    Ok(Some(reading))
}

/// The store may have moved since the reading was written: an object's path below it stays what it was.
fn moved(path: &str, root: &Path) -> Option<String> {
    let parts: Vec<&str> = path.rsplitn(5, '/').collect();
    let [file, series, study, "instances", ..] = parts.as_slice() else {
        return None;
    };
    let path = root.join("instances").join(study).join(series).join(file);
    Some(path.to_string_lossy().into_owned())
}

/// Runs work that reads files or decodes pixels where it holds up nobody else. A defect is an error of this request only.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let guarded =
        || hilum_image::guard::catch(work).unwrap_or_else(|e| Err(RoomError::Internal(e)));
    tokio::task::spawn_blocking(guarded)
        .await
        .map_err(|e| RoomError::Internal(e.to_string()))?
}

fn token(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| RoomError::Setup(format!("http.token_file: {e}")))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < 16 {
        return Err(RoomError::Setup(
            "http.token_file: a token has at least 16 characters".to_owned(),
        ));
    }
    Ok(crate::access::digest(&[token]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_store() {
        let new = moved("/old/store/instances/1.2/1.3/1.4.dcm", Path::new("/new"));
        assert_eq!(new.as_deref(), Some("/new/instances/1.2/1.3/1.4.dcm"));
        assert_eq!(moved("chest.png", Path::new("/new")), None);
    }
}
