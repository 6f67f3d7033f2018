//! C-FIND in the patient root and study root models (PS3.4, annex C).

use crate::audit;
use crate::command::{Command, status};
use crate::dataset;
use crate::error::Result;
use crate::message::Message;
use crate::scp::accept::Context;
use crate::scp::association::{Session, identifier};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_store::{Level, Query, keys};
use tracing::debug;

/// Most answers of one search.
const MAX_ANSWERS: u32 = 10_000;

/// Answers a search.
pub(crate) fn find(session: &mut Session<'_>, context: &Context, message: &Message) -> Result<()> {
    let (id, command) = (message.context, &message.command);
    let asked = match identifier(context, &message.data) {
        Ok(asked) => asked,
        Err(error) => {
            debug!(%error, "search refused");
            return session.respond(
                id,
                command,
                status::CANNOT_UNDERSTAND,
                "identifier not readable",
            );
        }
    };
    let query = match query(&asked, is_patient_root(&context.sop_class)) {
        Ok(query) => query,
        Err(comment) => return session.respond(id, command, status::DOES_NOT_MATCH, &comment),
    };
    let shared = session.shared;
    let found = match shared.runtime.block_on(shared.store.find(&query)) {
        Ok(found) => found,
        Err(hilum_store::StoreError::Query { reason }) => {
            return session.respond(id, command, status::DOES_NOT_MATCH, &reason);
        }
        Err(error) => {
            debug!(%error, "search failed");
            return session.respond(id, command, status::OUT_OF_RESOURCES, "index");
        }
    };
    shared.count(|t| t.searches += 1);
    shared.audit.write(&audit::query(
        &session.association.calling,
        session.from,
        &shared.config.node.aet,
        &context.sop_class,
        query.level.name(),
    ));
    let pending = Command::response(command, status::PENDING).with_data_set();
    for row in found {
        let mut answer = answer(&asked, &query, &row);
        answer.put(DataElement::new(
            tags::RETRIEVE_AE_TITLE,
            VR::AE,
            shared.config.node.aet.as_str(),
        ));
        dataset::mark_unicode(&mut answer);
        let bytes = dataset::encode(&answer, &context.transfer_syntax)?;
        session.send(id, &pending, Some(&bytes))?;
    }
    session.respond(id, command, status::SUCCESS, "")
}

/// Whether the model has patients at its top.
pub(crate) fn is_patient_root(sop_class: &str) -> bool {
    sop_class == uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND
        || sop_class == uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE
}

/// The level that is asked for.
pub(crate) fn level(asked: &InMemDicomObject, patient_root: bool) -> Result<Level, String> {
    let text = text(asked, tags::QUERY_RETRIEVE_LEVEL).unwrap_or_default();
    match text.as_str() {
        "PATIENT" if patient_root => Ok(Level::Patient),
        "STUDY" => Ok(Level::Study),
        "SERIES" => Ok(Level::Series),
        "IMAGE" => Ok(Level::Instance),
        _ => Err("query/retrieve level missing or not of this model".to_owned()),
    }
}

/// Text of an element, trimmed; `None` when missing or empty.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = object.get(tag)?.to_str().ok()?;
    let text = text.trim_matches([' ', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The search that an identifier asks for. Keys of lower levels and unknown keys are no conditions.
pub(crate) fn query(asked: &InMemDicomObject, patient_root: bool) -> Result<Query, String> {
    let level = level(asked, patient_root)?;
    let mut query = Query {
        limit: MAX_ANSWERS,
        ..Query::all(level)
    };
    for element in asked {
        let Some(key) = keys::by_tag(element.header().tag) else {
            continue;
        };
        let modalities = key.tag == tags::MODALITIES_IN_STUDY;
        if key.level > level || (key.matching == hilum_store::Matching::Derived && !modalities) {
            continue;
        }
        if let Some(value) = text(asked, key.tag) {
            query = query.with(key, value);
        }
    }
    Ok(query)
}

/// One answer: the attributes that were asked for and are known, and those that were asked for and are not, empty.
fn answer(asked: &InMemDicomObject, query: &Query, row: &hilum_store::Found) -> InMemDicomObject {
    let mut answer = InMemDicomObject::new_empty();
    for element in asked {
        let tag = element.header().tag;
        if tag.group() == 0 || tag == tags::SPECIFIC_CHARACTER_SET {
            continue;
        }
        match keys::by_tag(tag).filter(|k| k.level <= query.level) {
            Some(key) => answer.put(row.element(key)),
            None => answer.put(DataElement::new(
                tag,
                element.vr(),
                dicom_core::PrimitiveValue::Empty,
            )),
        };
    }
    // The unique keys identify the answer, whether they were asked for or not.
    let unique = [
        (Level::Patient, tags::PATIENT_ID),
        (Level::Study, tags::STUDY_INSTANCE_UID),
        (Level::Series, tags::SERIES_INSTANCE_UID),
        (Level::Instance, tags::SOP_INSTANCE_UID),
    ];
    for (level, tag) in unique {
        if let Some(key) = keys::by_tag(tag).filter(|_| level <= query.level) {
            answer.put(row.element(key));
        }
    }
    answer.put(DataElement::new(
        tags::QUERY_RETRIEVE_LEVEL,
        VR::CS,
        query.level.name(),
    ));
    answer
}
