//! STOW-RS: storing (PS3.18, 10.5). Every object is on the disk and in the index before it is answered for.

use crate::account::Caller;
use crate::error::{Result, WebError};
use crate::metadata;
use crate::multipart::{self, Part};
use crate::qido::base_url;
use crate::state::WebState;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, Response, StatusCode, header};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_node::dataset::split_file;
use hilum_store::{Incoming, Ingested, Record, StoreError, Uid};
use std::collections::BTreeMap;

pub(crate) async fn store(
    state: State<WebState>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>> {
    store_all(state.0, &Caller::of(&extensions), None, &headers, body).await
}

pub(crate) async fn store_in_study(
    state: State<WebState>,
    Path(study): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>> {
    let study = Uid::new(&study, "StudyInstanceUID")?;
    let caller = Caller::of(&extensions);
    store_all(state.0, &caller, Some(study), &headers, body).await
}

/// What became of the parts.
#[derive(Default)]
struct Outcome {
    stored: Vec<InMemDicomObject>,
    failed: Vec<InMemDicomObject>,
    studies: Vec<String>,
}

async fn store_all(
    state: WebState,
    caller: &Caller,
    study: Option<Uid>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<Body>> {
    if !state.http.stow {
        return Err(WebError::Forbidden);
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let boundary = multipart::boundary(kind)?;
    let parts = multipart::parts(&body, &boundary)?;
    if parts.is_empty() {
        return Err(WebError::BadRequest("nothing to store".to_owned()));
    }
    let base = base_url(headers, state.is_secure());
    let mut outcome = Outcome::default();
    for part in &parts {
        let (uids, result) = store_one(&state, study.as_ref(), part).await;
        outcome.add(&base, uids, result);
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for study in outcome.studies.drain(..) {
        *counts.entry(study).or_default() += 1;
    }
    for (study, count) in &counts {
        let (user, from) = (&caller.user, caller.address);
        let message = hilum_node::audit::stored(user, from, &state.aet, study, *count);
        state.audit.write(&message);
        state.tell(caller, study, &format!("stored, {count} instances"));
    }
    outcome.studies = counts.into_keys().collect();
    let status = match (outcome.stored.len(), outcome.failed.len()) {
        (_, 0) => StatusCode::OK,
        (0, _) => StatusCode::CONFLICT,
        _ => StatusCode::ACCEPTED,
    };
    let mut answer = outcome.answer(&base);
    metadata::mark_unicode(&mut answer);
    let value = dicom_json::to_value(&answer).map_err(|e| WebError::Internal(e.to_string()))?;
    metadata::value_response(status, &value)
}

/// UIDs of an object that was read so far as that.
type Known = Option<(String, String, String, String)>;

async fn store_one(
    state: &WebState,
    study: Option<&Uid>,
    part: &Part<'_>,
) -> (Known, Result<Ingested, u16>) {
    let kind = part.kind.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "" | "application/dicom") {
        return (None, Err(0x0122));
    }
    let Some((data, transfer_syntax)) = split_file(part.data) else {
        return (None, Err(0xC000));
    };
    let incoming = Incoming {
        data,
        transfer_syntax: &transfer_syntax,
        sop_class: None,
        instance: None,
        source: "DICOMWEB",
    };
    let checked = tokio::task::block_in_place(|| state.store.check(&incoming));
    let record = match checked {
        Ok(record) => record,
        Err(error) => return (None, Err(reason(&error))),
    };
    let known = Some(uids(&record));
    if study.is_some_and(|s| *s != record.study) {
        return (known, Err(0xA900));
    }
    let job = state.rules.job(&record, incoming.source);
    let result = state.store.ingest(record, &incoming, job.as_ref()).await;
    (known, result.map_err(|e| reason(&e)))
}

fn uids(record: &Record) -> (String, String, String, String) {
    (
        record.sop_class.to_string(),
        record.instance.to_string(),
        record.study.to_string(),
        record.series.to_string(),
    )
}

/// Failure Reason (PS3.18, table I.2-2).
fn reason(error: &StoreError) -> u16 {
    match error {
        StoreError::Duplicate => 0x0111,
        StoreError::Mismatch { .. }
        | StoreError::MissingAttribute { .. }
        | StoreError::BadUid { .. } => 0xA900,
        StoreError::Dicom(_) | StoreError::Conflict { .. } => 0xC000,
        _ => 0xA700,
    }
}

impl Outcome {
    fn add(&mut self, base: &str, known: Known, result: Result<Ingested, u16>) {
        let mut item = InMemDicomObject::new_empty();
        if let Some((class, instance, _, _)) = &known {
            item.put(DataElement::new(
                tags::REFERENCED_SOP_CLASS_UID,
                VR::UI,
                class.as_str(),
            ));
            item.put(DataElement::new(
                tags::REFERENCED_SOP_INSTANCE_UID,
                VR::UI,
                instance.as_str(),
            ));
        }
        match (result, known) {
            (Ok(_), Some((_, instance, study, series))) => {
                let url = format!("{base}/studies/{study}/series/{series}/instances/{instance}");
                item.put(DataElement::new(tags::RETRIEVE_URL, VR::UR, url));
                self.stored.push(item);
                self.studies.push(study);
            }
            (Err(reason), _) => {
                item.put(DataElement::new(
                    tags::FAILURE_REASON,
                    VR::US,
                    PrimitiveValue::from(reason),
                ));
                self.failed.push(item);
            }
            (Ok(_), None) => {}
        }
    }

    fn answer(&mut self, base: &str) -> InMemDicomObject {
        let mut answer = InMemDicomObject::new_empty();
        if let [study] = self.studies.as_slice() {
            let url = format!("{base}/studies/{study}");
            answer.put(DataElement::new(tags::RETRIEVE_URL, VR::UR, url));
        }
        for (tag, items) in [
            (
                tags::REFERENCED_SOP_SEQUENCE,
                std::mem::take(&mut self.stored),
            ),
            (tags::FAILED_SOP_SEQUENCE, std::mem::take(&mut self.failed)),
        ] {
            if !items.is_empty() {
                answer.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
            }
        }
        answer
    }
}
