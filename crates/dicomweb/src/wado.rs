//! WADO-RS: objects, metadata, bulk data and frames (PS3.18, 10.4), and deleting, which the standard does not have and most
//! servers offer in this way.

use crate::error::{Result, WebError};
use crate::frames::{self, FrameData, Opened};
use crate::media::{self, Range, accepted, takes};
use crate::metadata;
use crate::qido::{base_url, tag};
use crate::state::WebState;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use hilum_node::audit;
use hilum_store::{Located, Target, Uid};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) type UidPath = Vec<(&'static str, String)>;

pub(crate) fn study_path(study: String) -> UidPath {
    vec![("StudyInstanceUID", study)]
}

pub(crate) fn series_path((study, series): (String, String)) -> UidPath {
    vec![("StudyInstanceUID", study), ("SeriesInstanceUID", series)]
}

pub(crate) fn instance_path((study, series, instance): (String, String, String)) -> UidPath {
    vec![
        ("StudyInstanceUID", study),
        ("SeriesInstanceUID", series),
        ("SOPInstanceUID", instance),
    ]
}

pub(crate) async fn study(
    state: State<WebState>,
    Path(study): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    objects(state.0, study_path(study), &headers).await
}

pub(crate) async fn series(
    state: State<WebState>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    objects(state.0, series_path(path), &headers).await
}

pub(crate) async fn instance(
    state: State<WebState>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    objects(state.0, instance_path(path), &headers).await
}

const DICOM: &str = "application/dicom";

/// Objects as they are stored: multipart, or one by itself when that is asked for.
async fn objects(state: WebState, path: UidPath, headers: &HeaderMap) -> Result<Response<Body>> {
    let ranges = accepted(headers);
    let wanted = ranges.iter().find(|r| takes(r, DICOM)).ok_or_else(|| {
        WebError::NotAcceptable("objects are given as application/dicom".to_owned())
    })?;
    let found = state.objects(&path).await?;
    check_syntax(wanted, &found)?;
    let files: Vec<PathBuf> = found.iter().map(|o| state.store.path(o)).collect();
    if let ([file], false, DICOM) = (files.as_slice(), wanted.multipart, wanted.kind.as_str()) {
        let bytes = tokio::fs::read(file)
            .await
            .map_err(|e| WebError::Internal(e.to_string()))?;
        return media::respond(DICOM, Body::from(bytes));
    }
    let boundary = media::boundary();
    let kind = media::multipart_type(&boundary, DICOM);
    let (sender, body) = media::streamed();
    tokio::spawn(async move {
        for file in files {
            let chunk = part(&boundary, &file).await;
            let failed = chunk.is_err();
            if sender.send(chunk).await.is_err() || failed {
                return;
            }
        }
        // The other side may be gone.
        let _ = sender
            .send(Ok(Bytes::from(format!("--{boundary}--\r\n"))))
            .await;
    });
    media::respond(&kind, body)
}

async fn part(boundary: &str, file: &std::path::Path) -> io::Result<Bytes> {
    let mut chunk = media::part_head(boundary, DICOM, None).into_bytes();
    chunk.extend(tokio::fs::read(file).await?);
    chunk.extend(b"\r\n");
    Ok(Bytes::from(chunk))
}

/// Objects are not converted: another transfer syntax than the stored one cannot be given.
fn check_syntax(wanted: &Range, found: &[Located]) -> Result<()> {
    match wanted.syntax.as_deref() {
        None | Some("*") => Ok(()),
        Some(syntax) if found.iter().all(|o| o.transfer_syntax == syntax) => Ok(()),
        Some(_) => Err(WebError::NotAcceptable(
            "objects are given in the transfer syntax that they are stored in".to_owned(),
        )),
    }
}

pub(crate) async fn study_metadata(
    state: State<WebState>,
    Path(study): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    all_metadata(state.0, study_path(study), &headers).await
}

pub(crate) async fn series_metadata(
    state: State<WebState>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    all_metadata(state.0, series_path(path), &headers).await
}

pub(crate) async fn instance_metadata(
    state: State<WebState>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    all_metadata(state.0, instance_path(path), &headers).await
}

async fn all_metadata(
    state: WebState,
    path: UidPath,
    headers: &HeaderMap,
) -> Result<Response<Body>> {
    let json = |r: &Range| takes(r, "application/dicom+json") || takes(r, "application/json");
    if !accepted(headers).iter().any(json) {
        return Err(WebError::NotAcceptable(
            "metadata are given as application/dicom+json".to_owned(),
        ));
    }
    let found = state.objects(&path).await?;
    let base = base_url(headers, state.is_secure());
    let made = blocking(move || {
        let one = |object: &Located| {
            metadata::json(
                metadata::head(&state.store.path(object))?,
                &url(&base, object),
            )
        };
        found.iter().map(one).collect::<Result<Vec<_>>>()
    });
    metadata::value_response(StatusCode::OK, &serde_json::Value::Array(made.await?))
}

/// The address of an object.
pub(crate) fn url(base: &str, object: &Located) -> String {
    format!(
        "{base}/studies/{}/series/{}/instances/{}",
        object.study, object.series, object.instance
    )
}

/// Runs work that reads files or decodes pixels where it holds up nobody else. A defect is an error of this request only.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let guarded = || hilum_image::guard::catch(work).unwrap_or_else(|e| Err(WebError::Internal(e)));
    tokio::task::spawn_blocking(guarded)
        .await
        .map_err(|e| WebError::Internal(e.to_string()))?
}

/// Pictures that are decoded at a time: each can take two gigabytes, and more than there are cores are no faster.
static DECODERS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));

/// Waits until a picture may be decoded. What is given back is held while that lasts, by every server of the process.
pub async fn decoder() -> Option<SemaphorePermit<'static>> {
    // It is never closed.
    DECODERS.acquire().await.ok()
}

/// [`blocking`] for work that decodes pixels.
pub(crate) async fn decoding<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let _turn = decoder().await;
    blocking(work).await
}

pub(crate) async fn bulk(
    state: State<WebState>,
    Path((study, series, instance, name)): Path<(String, String, String, String)>,
) -> Result<Response<Body>> {
    let tag = tag(&name)?;
    let found = state
        .objects(&instance_path((study, series, instance)))
        .await?;
    let path = state.store.path(&found[0]);
    let bytes = blocking(move || {
        let object = metadata::whole(&path)?;
        let element = object.data.get(tag).ok_or(WebError::NotFound)?;
        if let dicom_core::DicomValue::PixelSequence(sequence) = element.value() {
            return Ok(sequence.fragments().concat());
        }
        let bytes = element.to_bytes().map_err(|_| WebError::NotFound)?;
        Ok(bytes.into_owned())
    });
    media::multipart("application/octet-stream", &[bytes.await?])
}

pub(crate) async fn frames(
    state: State<WebState>,
    Path((study, series, instance, list)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let numbers = frames::numbers(&list)?;
    let found = state
        .objects(&instance_path((study, series, instance)))
        .await?;
    let object = found[0].clone();
    let form = form(&accepted(&headers), &object.transfer_syntax)?;
    let path = state.store.path(&object);
    let open = move || {
        let opened = match form {
            Form::Stored => Opened::as_stored(&path, &object.transfer_syntax)?,
            Form::Decoded => Opened::to_decode(&path)?,
        };
        opened.check(&numbers)?;
        let first = numbers.first().copied().unwrap_or(0);
        Ok((opened.frame(first)?, Arc::new(opened), numbers))
    };
    let (first, opened, numbers) = decoding(open).await?;
    streamed_frames(first, opened, numbers)
}

/// Frames one after the other, each made when the one before was taken: the answer is never in memory as a whole.
fn streamed_frames(
    first: FrameData,
    opened: Arc<Opened>,
    numbers: Vec<usize>,
) -> Result<Response<Body>> {
    let (boundary, kind) = (media::boundary(), first.kind.clone());
    let (sender, body) = media::streamed();
    let answer = media::respond(&media::multipart_type(&boundary, &kind), body)?;
    tokio::spawn(async move {
        let part = |bytes: &[u8]| {
            let mut chunk = media::part_head(&boundary, &kind, None).into_bytes();
            chunk.extend(bytes);
            chunk.extend(b"\r\n");
            Ok(Bytes::from(chunk))
        };
        let mut next = Ok(first);
        for n in 1..=numbers.len() {
            // Too late for a status: an answer that breaks off says that it failed.
            let chunk = next.map_err(|e: WebError| io::Error::other(e.to_string()));
            let chunk = chunk.and_then(|f: FrameData| part(&f.bytes));
            let failed = chunk.is_err();
            if sender.send(chunk).await.is_err() || failed {
                return;
            }
            let Some(&frame) = numbers.get(n) else { break };
            let opened = Arc::clone(&opened);
            next = decoding(move || opened.frame(frame)).await;
        }
        // The other side may be gone.
        let end = Bytes::from(format!("--{boundary}--\r\n"));
        let _ = sender.send(Ok(end)).await;
    });
    Ok(answer)
}

/// How frames are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Stored,
    Decoded,
}

/// The first form that the other side takes (PS3.18, 8.7.3.3): compressed only when its type or `*` is asked for.
fn form(ranges: &[Range], transfer_syntax: &str) -> Result<Form> {
    const NATIVE: &str = "1.2.840.10008.1.2.1";
    let kind = frames::media_type(transfer_syntax);
    for range in ranges {
        let any = takes(range, "application/octet-stream");
        match range.syntax.as_deref() {
            Some("*") if any || takes(range, kind) => return Ok(Form::Stored),
            Some(syntax) if syntax == transfer_syntax && (any || takes(range, kind)) => {
                return Ok(Form::Stored);
            }
            Some(NATIVE) | None if any => return Ok(Form::Decoded),
            None if range.kind == kind => return Ok(Form::Stored),
            _ => {}
        }
    }
    Err(WebError::NotAcceptable(format!(
        "frames are given as application/octet-stream or, as stored, {kind}"
    )))
}

pub(crate) async fn delete_study(
    state: State<WebState>,
    Path(study): Path<String>,
) -> Result<StatusCode> {
    let uid = Uid::new(&study, "StudyInstanceUID")?;
    delete(state.0, &study_path(study), Target::Study(uid)).await
}

pub(crate) async fn delete_series(
    state: State<WebState>,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode> {
    let uid = Uid::new(&path.1, "SeriesInstanceUID")?;
    delete(state.0, &series_path(path), Target::Series(uid)).await
}

pub(crate) async fn delete_instance(
    state: State<WebState>,
    Path(path): Path<(String, String, String)>,
) -> Result<StatusCode> {
    let uid = Uid::new(&path.2, "SOPInstanceUID")?;
    delete(state.0, &instance_path(path), Target::Instance(uid)).await
}

async fn delete(state: WebState, path: &UidPath, target: Target) -> Result<StatusCode> {
    if !state.http.delete {
        return Err(WebError::Forbidden);
    }
    // The path must be right as a whole, not only its last part.
    state.objects(path).await?;
    let count = state.store.delete(&target).await?;
    state
        .audit
        .write(&audit::deleted(&state.aet, "DICOMweb", &path[0].1, count));
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(accept: &str) -> Vec<Range> {
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().unwrap());
        accepted(&headers)
    }

    #[test]
    fn frames_are_decoded_unless_the_stored_form_is_asked_for() {
        const J2K: &str = "1.2.840.10008.1.2.4.90";
        let of = |accept| form(&ranges(accept), J2K).ok();
        assert_eq!(of("*/*"), Some(Form::Decoded));
        assert_eq!(
            of("multipart/related; type=\"application/octet-stream\""),
            Some(Form::Decoded)
        );
        assert_eq!(
            of("multipart/related; type=\"application/octet-stream\"; transfer-syntax=*"),
            Some(Form::Stored)
        );
        assert_eq!(
            of("multipart/related; type=\"image/jp2\""),
            Some(Form::Stored)
        );
        assert_eq!(
            of("multipart/related; type=\"image/jp2\"; transfer-syntax=1.2.840.10008.1.2.4.91"),
            None
        );
        assert_eq!(
            of(
                "multipart/related; type=\"image/jls\", multipart/related; type=\"application/octet-stream\"; transfer-syntax=1.2.840.10008.1.2.1"
            ),
            Some(Form::Decoded)
        );
        assert_eq!(of("text/html"), None);
    }
}
