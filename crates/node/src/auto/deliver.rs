//! Sends what the outbox holds.
//!
//! An object goes out once. When the process ended while one was being sent, or the connection broke before the answer, nobody
//! knows whether it arrived: the destination is asked (C-FIND or QIDO-RS at the level of instances), and only one that does
//! not have it gets it again, with the same UID.

use crate::audit;
use crate::auto::worker::{Work, wait_ms};
use crate::command::status;
use crate::config::{Address, Entity, SendConfig, WebService};
use crate::error::{NodeError, Result};
use crate::scu::{Item, Proposed, Remote, Sender};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_store::{Lane, Outgoing, Sent};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tracing::{debug, error, info, warn};

/// How one entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent now.
    Sent,
    /// It had arrived before.
    WasThere,
    /// It is tried again.
    Later,
    /// It is put aside.
    PutAside,
}

/// How long a sender may be silent before its object is in doubt and another may take it. One at work says so in time.
const LEASE_MS: i64 = 60_000;

/// Attempts in a row that may end without a word: more than that, and the object itself may be what ends the process.
const LOST: i64 = 5;

/// How often files are looked for that every destination has by now, and how long they are left alone.
const PRUNE: Duration = Duration::from_secs(120);

/// Sends until `stop`. Blocks its thread. Each destination has a sender of its own, so that one that is slow or does not
/// answer holds up nobody else's results.
pub fn deliver(work: &Work, runtime: &Handle, stop: &AtomicBool) {
    let names: Vec<&str> = work
        .config
        .destination
        .iter()
        .map(|d| d.name.as_str())
        .collect();
    std::thread::scope(|scope| {
        for name in &names {
            let start = std::thread::Builder::new().name(format!("sender-{name}"));
            if let Err(error) =
                start.spawn_scoped(scope, || send_of(work, runtime, stop, Lane::To(name)))
            {
                // What it would have sent waits in the outbox for the next start.
                error!(%error, destination = name, "no thread for a destination");
            }
        }
        // What is for destinations that the configuration no longer has, and the tidying up.
        let mut pruned: Option<Instant> = None;
        while !stop.load(Ordering::SeqCst) {
            send_next(work, runtime, Lane::Beside(&names));
            if pruned.is_none_or(|at| at.elapsed() >= PRUNE) {
                pruned = Some(Instant::now());
                if let Err(error) = runtime.block_on(work.store.prune_outbox(PRUNE)) {
                    warn!(kind = error.kind(), "outbox not tidied up");
                }
            }
        }
    });
}

fn send_of(work: &Work, runtime: &Handle, stop: &AtomicBool, lane: Lane<'_>) {
    while !stop.load(Ordering::SeqCst) {
        send_next(work, runtime, lane);
    }
}

/// Sends one object, or waits a little when there is none.
fn send_next(work: &Work, runtime: &Handle, lane: Lane<'_>) {
    match runtime.block_on(work.store.lease_outgoing_of(&work.worker, lane, LEASE_MS)) {
        Ok(Some(out)) => {
            one(work, runtime, &out);
        }
        Ok(None) => std::thread::sleep(Duration::from_millis(200)),
        Err(error) => {
            warn!(kind = error.kind(), "outbox not reached");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn one(work: &Work, runtime: &Handle, out: &Outgoing) -> Delivery {
    let (delivery, sent, error) = match too_often(out) {
        Some(error) => (Delivery::PutAside, Sent::Dead, error),
        None => {
            let beat = heartbeat(work, runtime, out);
            let result = attempt(work, out);
            beat.abort();
            ended(&work.config.send, out, result)
        }
    };
    if !error.is_empty() {
        debug!(error, "result not sent");
    }
    match runtime.block_on(work.store.finish_outgoing(out, &sent, &error)) {
        Ok(true) => {}
        Ok(false) => {
            warn!("an object was sent that another worker has by now, or that was deleted")
        }
        Err(error) => warn!(kind = error.kind(), "outbox not reached"),
    }
    account(work, out, delivery);
    delivery
}

/// Why an object is not tried once more, of which nobody ever said how it went.
fn too_often(out: &Outgoing) -> Option<String> {
    (out.lost > LOST).then(|| {
        warn!(
            destination = out.entry.destination,
            attempt = out.attempt,
            "result put aside"
        );
        format!("given up: {} attempts ended without a word", out.lost)
    })
}

/// What an attempt comes to.
fn ended(send: &SendConfig, out: &Outgoing, result: Result<Delivery>) -> (Delivery, Sent, String) {
    let error = match result {
        Ok(delivery) => return (delivery, Sent::Yes, String::new()),
        Err(error) => error,
    };
    warn!(
        destination = out.entry.destination,
        attempt = out.attempt,
        kind = error.kind(),
        "result not sent"
    );
    let text = error.to_string();
    if error.may_pass() && out.age_ms < send.longest_ms() {
        let longest = i64::try_from(send.max_backoff_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let wait = wait_ms(send.backoff_s, out.attempt).min(longest);
        return (Delivery::Later, Sent::Retry(wait), text);
    }
    (Delivery::PutAside, Sent::Dead, text)
}

/// Says in time that the object is still being sent, however long that takes.
fn heartbeat(work: &Work, runtime: &Handle, out: &Outgoing) -> tokio::task::AbortHandle {
    let (store, out) = (work.store.clone(), out.clone());
    let pause = Duration::from_millis(LEASE_MS.unsigned_abs() / 4);
    let task = async move {
        loop {
            tokio::time::sleep(pause).await;
            // Not reached is tried again; a lost lease shows at the end.
            if let Ok(false) = store.heartbeat_outgoing(&out, LEASE_MS).await {
                return;
            }
        }
    };
    runtime.spawn(task).abort_handle()
}

fn attempt(work: &Work, out: &Outgoing) -> Result<Delivery> {
    let name = &out.entry.destination;
    let destination = work.config.find_destination(name).ok_or_else(|| {
        NodeError::Config(format!("destination {name:?} is not in the configuration"))
    })?;
    // After the first attempt nobody knows: its answer may have been lost on the way.
    let ask = out.in_doubt || out.attempt > 1;
    let file = work.store.root().join(Path::new(&out.entry.path));
    let begin = || {
        work.audit.write(&audit::sending(
            &work.config.node.aet,
            destination.user(),
            destination.host(),
            &out.subject,
        ));
    };
    let sent = match &destination.at {
        Address::Dicom(entity) => by_dicom(work, entity, out, &file, ask, begin),
        Address::Web(service) => by_web(work, service, out, &file, ask, begin),
    };
    match sent {
        // It has an object with this UID, which nobody else gives: the one of an attempt whose answer was lost.
        Err(NodeError::Status {
            status: status::DUPLICATE_SOP_INSTANCE,
            ..
        }) => Ok(Delivery::WasThere),
        other => other,
    }
}

fn by_dicom(
    work: &Work,
    entity: &Entity,
    out: &Outgoing,
    file: &Path,
    ask: bool,
    begin: impl Fn(),
) -> Result<Delivery> {
    let remote = Remote::new(entity, &work.config.node.aet)?;
    if ask && has(&remote, out)? {
        return Ok(Delivery::WasThere);
    }
    begin();
    let item = Item::of_file(file)?;
    Sender::new(&remote).send_one(&item)?;
    Ok(Delivery::Sent)
}

fn by_web(
    work: &Work,
    service: &WebService,
    out: &Outgoing,
    file: &Path,
    ask: bool,
    begin: impl Fn(),
) -> Result<Delivery> {
    let uid = &out.entry.sop_uid;
    if ask && work.web.has(service, &out.subject, uid)? == Some(true) {
        return Ok(Delivery::WasThere);
    }
    begin();
    work.web.store(service, file, uid)?;
    Ok(Delivery::Sent)
}

/// Whether the destination has the object. One that answers no searches cannot tell; the object is then sent again, which
/// for a store of DICOM objects is the same object once more.
fn has(remote: &Remote, out: &Outgoing) -> Result<bool> {
    const MODEL: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
    let mut session = match remote.associate(&[Proposed::service(MODEL)]) {
        // It takes no searches at all.
        Err(NodeError::Rejected {
            transient: false, ..
        }) => return Ok(false),
        other => other?,
    };
    let identifier = InMemDicomObject::from_element_iter([
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, out.entry.sop_uid.as_str()),
        DataElement::new(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "IMAGE"),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, out.subject.as_str()),
    ]);
    let mut found = false;
    let answer = session.find(MODEL, &identifier, |answer| {
        let uid = answer
            .get(tags::SOP_INSTANCE_UID)
            .and_then(|e| e.to_str().ok());
        found |= uid.is_some_and(|u| u.trim_end_matches(['\0', ' ']) == out.entry.sop_uid);
        true
    });
    match answer {
        Ok(()) => {
            // The answer is here; how the association ends changes nothing.
            let _ = session.release();
            Ok(found)
        }
        Err(NodeError::NotAccepted { .. } | NodeError::Status { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn account(work: &Work, out: &Outgoing, delivery: Delivery) {
    let done = matches!(delivery, Delivery::Sent | Delivery::WasThere);
    let aet = &work.config.node.aet;
    if done {
        info!(destination = out.entry.destination, "result sent");
    }
    if let Some(to) = work.config.find_destination(&out.entry.destination) {
        let studies = [out.subject.clone()];
        let numbers = (usize::from(done), usize::from(!done));
        work.audit.write(&audit::sent(
            aet,
            to.user(),
            to.host(),
            &studies,
            numbers.0,
            numbers.1,
        ));
    }
}
