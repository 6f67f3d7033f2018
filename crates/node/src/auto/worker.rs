//! Reads studies of the queue, one after the other.

use crate::audit::{self, Audit, Outcome};
use crate::auto::{PRIOR, READ, Rules, SEARCH, fetch, priors};
use crate::config::Config;
use crate::scu::Retries;
use crate::web::WebClient;
use dicom_dictionary_std::tags;
use hilum_store::{Failure, Found, Lease, Level, NewOutgoing, Query, Store, StoreError, Uid, keys};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{debug, info, warn};

/// The files of a study that are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyFiles {
    /// Study Instance UID.
    pub study: String,
    /// Files, in order of series and instance number.
    pub files: Vec<PathBuf>,
    /// Names of the destinations of the results.
    pub send_to: Vec<String>,
}

/// Reads a study. The network knows nothing of how.
pub trait Reader: Send + Sync {
    /// Reads a study, keeps the reading, and returns the objects that are to be sent (the same ones whenever the same files
    /// are read), each once: destinations are filled in by the caller.
    ///
    /// # Errors
    /// In words, for the queue; never with values of a data set.
    fn read(&self, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String>;
}

/// What a worker works with.
#[derive(Debug, Clone)]
pub struct Work {
    /// Its name, in leases and in the audit log.
    pub worker: String,
    /// The store.
    pub store: Store,
    /// The configuration.
    pub config: Config,
    /// The audit log.
    pub audit: Audit,
    /// What speaks to destinations that are DICOMweb servers.
    pub web: Arc<dyn WebClient>,
}

/// Works until `stop`. Blocks its thread.
pub fn work(work: &Work, reader: &dyn Reader, runtime: &tokio::runtime::Handle, stop: &AtomicBool) {
    let lease_ms = i64::try_from(work.config.read.lease_s * 1000).unwrap_or(i64::MAX);
    while !stop.load(Ordering::SeqCst) {
        match runtime.block_on(next(work, lease_ms)) {
            Ok(Some(lease)) => one(work, reader, runtime, &lease, lease_ms),
            Ok(None) => std::thread::sleep(IDLE),
            Err(error) => {
                // A database that restarts, for one.
                warn!(kind = error.kind(), "queue not reached");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// The job that is to be done next: studies before searches for priors, and those before priors.
async fn next(work: &Work, lease_ms: i64) -> Result<Option<Lease>, StoreError> {
    let kinds: &[&str] = match work.config.priors.are_wanted() {
        true => &[READ, SEARCH, PRIOR],
        false => &[READ],
    };
    for kind in kinds {
        let lease = work.store.lease(kind, &work.worker, lease_ms).await?;
        if lease.is_some() {
            return Ok(lease);
        }
    }
    Ok(None)
}

/// How long a worker without work waits.
const IDLE: Duration = Duration::from_millis(200);

fn one(
    work: &Work,
    reader: &dyn Reader,
    runtime: &tokio::runtime::Handle,
    lease: &Lease,
    lease_ms: i64,
) {
    if lease.attempt > work.config.read.attempts {
        // Whoever had it before never came to say how it went: the job itself may be what ends the process.
        let error = format!(
            "given up: {} attempts, the last of which ended without a word",
            lease.attempt - 1
        );
        if let Err(error) = runtime.block_on(failed(work, lease, &error)) {
            warn!(kind = error.kind(), "queue not reached");
        }
        return;
    }
    let beat = heartbeat(work, runtime, lease, lease_ms);
    let result = match lease.kind.as_str() {
        SEARCH => priors::search(work, runtime, &lease.subject).map(|()| Vec::new()),
        PRIOR => fetch::fetch(work, runtime, &lease.subject)
            .and_then(|()| study(work, reader, runtime, &lease.subject, true)),
        _ => ask_for_priors(work, runtime, &lease.subject)
            .and_then(|()| study(work, reader, runtime, &lease.subject, false)),
    };
    beat.abort();
    let ended = match result {
        Ok(results) => runtime.block_on(done(work, lease, &results)),
        Err(error) => runtime.block_on(failed(work, lease, &error)),
    };
    if let Err(error) = ended {
        // The lease runs out and the study is read again.
        warn!(kind = error.kind(), "queue not reached");
    }
}

/// Nothing of this holds up the study but a database that is not there, which would hold it up anyway.
fn ask_for_priors(
    work: &Work,
    runtime: &tokio::runtime::Handle,
    study: &str,
) -> Result<(), String> {
    let asked = runtime.block_on(priors::request(work, study));
    asked.map_err(|e| e.kind().to_owned())
}

/// Reads a study of the store.
fn study(
    work: &Work,
    reader: &dyn Reader,
    runtime: &tokio::runtime::Handle,
    study: &str,
    prior: bool,
) -> Result<Vec<NewOutgoing>, String> {
    let files = runtime.block_on(files(work, study, prior));
    read(reader, &files.map_err(|e| e.kind().to_owned())?)
}

fn read(reader: &dyn Reader, study: &StudyFiles) -> Result<Vec<NewOutgoing>, String> {
    if study.files.is_empty() {
        return Ok(Vec::new());
    }
    let objects = hilum_image::guard::catch(|| reader.read(study)).unwrap_or_else(Err)?;
    let each = |object: &NewOutgoing| {
        let to = |name: &String| NewOutgoing {
            destination: name.clone(),
            ..object.clone()
        };
        study.send_to.iter().map(to).collect::<Vec<_>>()
    };
    Ok(objects.iter().flat_map(each).collect())
}

fn heartbeat(
    work: &Work,
    runtime: &tokio::runtime::Handle,
    lease: &Lease,
    lease_ms: i64,
) -> tokio::task::AbortHandle {
    let (store, lease) = (work.store.clone(), lease.clone());
    let pause = Duration::from_millis(lease_ms.unsigned_abs() / 3);
    let task = async move {
        loop {
            tokio::time::sleep(pause).await;
            // Not reached is tried again; a lost lease shows at the end.
            if let Ok(false) = store.heartbeat(&lease, lease_ms).await {
                return;
            }
        }
    };
    runtime.spawn(task).abort_handle()
}

/// The files that the rules want read, and where the results go.
async fn files(work: &Work, study: &str, prior: bool) -> Result<StudyFiles, StoreError> {
    let send = !prior || work.config.priors.send;
    let rules = Rules::new(&work.config);
    let own = work.store.own_objects(study).await?;
    let mut wanted = StudyFiles {
        study: study.to_owned(),
        files: Vec::new(),
        send_to: Vec::new(),
    };
    let mut send_to = BTreeSet::new();
    for found in rows(work, study).await? {
        if own.contains(found.value(tags::SOP_INSTANCE_UID)) {
            continue;
        }
        let uid = Uid::new(found.value(tags::SOP_INSTANCE_UID), "SOPInstanceUID")?;
        let Some(object) = work.store.locate(&uid).await? else {
            continue;
        };
        let source = Some(object.source.as_str()).filter(|_| !prior);
        if let Some(rule) = rules.decide(&found, source) {
            wanted.files.push(work.store.path(&object));
            send_to.extend(rule.send_to.iter().filter(|_| send).cloned());
        }
    }
    wanted.send_to = send_to.into_iter().collect();
    Ok(wanted)
}

async fn rows(work: &Work, study: &str) -> Result<Vec<Found>, StoreError> {
    let mut query = Query::all(Level::Instance);
    if let Some(key) = keys::by_tag(tags::STUDY_INSTANCE_UID) {
        query = query.with(key, study);
    }
    query.limit = 10_000;
    work.store.find(&query).await
}

async fn done(work: &Work, lease: &Lease, results: &[NewOutgoing]) -> Result<(), StoreError> {
    if !work.store.complete(lease, results).await? {
        let study = Uid::new(&lease.subject, "StudyInstanceUID")?;
        match work.store.sweep(&study, results).await? {
            true => info!("a study was deleted while it was read; its reading is gone too"),
            false => warn!("a study was read, but another worker has it by now"),
        }
        return Ok(());
    }
    let what = match lease.kind.as_str() {
        // What was asked and answered is in the log already.
        SEARCH => return Ok(()),
        PRIOR => "prior read",
        _ => "read",
    };
    info!(results = results.len(), what, "study read");
    let detail = format!("{what}, {} objects to be sent", results.len());
    work.audit.write(&audit::read(
        &work.config.node.aet,
        &work.worker,
        &lease.subject,
        Outcome::Success,
        &detail,
    ));
    Ok(())
}

async fn failed(work: &Work, lease: &Lease, error: &str) -> Result<(), StoreError> {
    let read = &work.config.read;
    let (failure, outcome) = if lease.attempt >= read.attempts {
        (Failure::Dead, Outcome::Serious)
    } else {
        (
            Failure::Retry(wait_ms(read.backoff_s, lease.attempt)),
            Outcome::Minor,
        )
    };
    let what = lease.kind.as_str();
    warn!(attempt = lease.attempt, kind = what, "job not done");
    debug!(error, "job not done");
    if !work.store.fail(lease, error, &failure).await? {
        let study = Uid::new(&lease.subject, "StudyInstanceUID")?;
        work.store.sweep(&study, &[]).await?;
        return Ok(());
    }
    work.audit.write(&audit::read(
        &work.config.node.aet,
        &work.worker,
        &lease.subject,
        outcome,
        &format!("{what}: {error}"),
    ));
    Ok(())
}

/// Milliseconds between attempt `n` (from 1) and the next one.
pub(crate) fn wait_ms(backoff_s: u64, n: i64) -> i64 {
    let retries = Retries {
        count: u32::MAX,
        wait: Duration::from_secs(backoff_s),
    };
    let wait = retries.wait_before(u32::try_from(n - 1).unwrap_or(0));
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2)
}
