//! Sends what the outbox holds.
//!
//! An object goes out once. When the process ended while one was being sent, or the connection broke before the answer, nobody
//! knows whether it arrived: the destination is asked (C-FIND or QIDO-RS at the level of instances), and only one that does
//! not have it gets it again, with the same UID.

use crate::audit;
use crate::auto::worker::{Work, due};
use crate::config::{Address, Entity, WebService};
use crate::error::{NodeError, Result};
use crate::scu::{Item, Proposed, Remote, Sender};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_store::{Outgoing, Sent};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{debug, info, warn};

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

/// Seconds that sending one object may take before it is in doubt.
const LEASE_MS: i64 = 300_000;

/// Sends until `stop`. Blocks its thread.
pub fn deliver(work: &Work, runtime: &tokio::runtime::Handle, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        match runtime.block_on(work.store.lease_outgoing(&work.worker, LEASE_MS)) {
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
}

fn one(work: &Work, runtime: &tokio::runtime::Handle, out: &Outgoing) -> Delivery {
    let result = attempt(work, out);
    let (delivery, sent, error) = match result {
        Ok(delivery) => (delivery, Sent::Yes, String::new()),
        Err(error) => {
            let again = out.attempt < work.config.read.attempts && may_work_later(&error);
            let text = error.to_string();
            warn!(
                destination = out.entry.destination,
                attempt = out.attempt,
                kind = error.kind(),
                "result not sent"
            );
            debug!(error = text, "result not sent");
            match again {
                true => (
                    Delivery::Later,
                    Sent::Retry(due(work.config.read.backoff_s, out.attempt)),
                    text,
                ),
                false => (Delivery::PutAside, Sent::Dead, text),
            }
        }
    };
    if let Err(error) = runtime.block_on(work.store.finish_outgoing(out, &sent, &error)) {
        warn!(kind = error.kind(), "outbox not reached");
    }
    account(work, out, delivery);
    delivery
}

/// A destination that refuses once may be set up by the next attempt; what is wrong with the object itself stays wrong.
fn may_work_later(error: &NodeError) -> bool {
    error.is_transient()
        || matches!(
            error,
            NodeError::Rejected { .. } | NodeError::NotAccepted { .. }
        )
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
    match &destination.at {
        Address::Dicom(entity) => by_dicom(work, entity, out, &file, ask, begin),
        Address::Web(service) => by_web(work, service, out, &file, ask, begin),
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
    let mut result = Ok(());
    Sender::new(&remote).send(&[item], |_, _, how| {
        if let Err(error) = how {
            result = Err(copy(error));
        }
    });
    result.map(|()| Delivery::Sent)
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

/// The error of an item, which the sender keeps.
fn copy(error: &NodeError) -> NodeError {
    match error {
        NodeError::Status { status, comment } => NodeError::Status {
            status: *status,
            comment: comment.clone(),
        },
        NodeError::NotAccepted { what } => NodeError::NotAccepted { what: what.clone() },
        NodeError::Rejected { reason, transient } => NodeError::Rejected {
            reason: reason.clone(),
            transient: *transient,
        },
        NodeError::DataSet(text) => NodeError::DataSet(text.clone()),
        other if other.is_transient() => NodeError::Io(std::io::Error::other(other.to_string())),
        other => NodeError::DataSet(other.to_string()),
    }
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
