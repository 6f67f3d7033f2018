//! C-STORE: an object is answered with success only when it is on the disk and in the index.

use crate::auto::priors;
use crate::command::{element, status};
use crate::message::{Data, Message};
use crate::scp::accept::Context;
use crate::scp::association::Session;
use hilum_store::{Incoming, Ingested, StoreError};
use tracing::{debug, warn};

/// Stores the object of a message. Returns status and comment.
pub(crate) fn store(
    session: &mut Session<'_>,
    context: &Context,
    message: &Message,
) -> (u16, String) {
    let result = try_store(session, context, message);
    match result {
        Ok(outcome) => {
            session.shared.count(|t| match outcome {
                Ingested::Known | Ingested::Kept => t.known += 1,
                Ingested::Stored | Ingested::Replaced => t.stored += 1,
            });
            (status::SUCCESS, String::new())
        }
        Err(error) => {
            let kind = error.kind();
            warn!(
                calling = session.association.calling,
                kind, "object refused"
            );
            debug!(%error, "object refused");
            session
                .shared
                .count(|t| *t.refused.entry(kind.to_owned()).or_default() += 1);
            (status_of(&error), kind.replace('_', " "))
        }
    }
}

fn try_store(
    session: &mut Session<'_>,
    context: &Context,
    message: &Message,
) -> Result<Ingested, StoreError> {
    let held = match &message.data {
        Data::Whole(held) => held,
        Data::TooLong { bytes, limit } => {
            return Err(StoreError::TooLarge {
                bytes: *bytes,
                limit: *limit,
            });
        }
        Data::None => {
            return Err(StoreError::MissingAttribute {
                name: "SOPInstanceUID",
            });
        }
    };
    let command = &message.command;
    let announced = command.text(element::AFFECTED_SOP_CLASS_UID);
    if announced.is_some_and(|uid| uid != context.sop_class) {
        return Err(StoreError::Mismatch {
            name: "AffectedSOPClassUID",
        });
    }
    let shared = session.shared;
    let incoming = Incoming {
        data: held.bytes(),
        transfer_syntax: &context.transfer_syntax,
        sop_class: Some(&context.sop_class),
        instance: command.text(element::AFFECTED_SOP_INSTANCE_UID),
        source: &session.association.calling,
    };
    let record = shared.store.check(&incoming)?;
    let study = record.study.to_string();
    let fetched = shared.config.priors.are_wanted()
        && shared
            .runtime
            .block_on(priors::is_under_way(&shared.store, &study))?;
    let job = shared
        .rules
        .job(&record, incoming.source)
        .filter(|_| !fetched);
    let outcome = shared
        .runtime
        .block_on(shared.store.ingest(record, &incoming, job.as_ref()))?;
    *session.received.entry(study).or_default() += 1;
    Ok(outcome)
}

/// Status of an object that was refused (PS3.4, table B.2-1).
fn status_of(error: &StoreError) -> u16 {
    match error {
        StoreError::Duplicate => status::DUPLICATE_SOP_INSTANCE,
        StoreError::Mismatch { .. }
        | StoreError::MissingAttribute { .. }
        | StoreError::BadUid { .. } => status::DOES_NOT_MATCH,
        StoreError::Dicom(_) | StoreError::Conflict { .. } => status::CANNOT_UNDERSTAND,
        _ => status::OUT_OF_RESOURCES,
    }
}
