//! Files that come in over the web: written to the disk as they come, checked by the reader's own front door, and stored as DICOM objects.

use crate::error::{Result, RoomError};
use crate::state::{Room, blocking};
use crate::wrap;
use axum::extract::Multipart;
use axum::extract::multipart::Field;
use hilum_dicom::{FileKind, Limits, LoadedImage, Recipe, load_bytes, object};
use hilum_store::{Incoming, Ingested, StoreError, Uid};
use serde::Serialize;
use std::path::Path;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Most files of one request.
pub(crate) const MOST: usize = 2000;
/// Longest name that is shown of a file.
const NAME: usize = 200;
/// What stands as the sender of what came over the web.
const SOURCE: &str = "WEB";

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Uploaded {
    /// Its name.
    pub name: String,
    /// `stored`, `known` (the very same is stored already) or `refused`.
    pub status: &'static str,
    /// Study that it belongs to.
    pub study_uid: Option<String>,
    /// Kind of the refusal, for programs.
    pub kind: Option<String>,
    /// Why it was refused, for persons.
    pub message: Option<String>,
}

/// What became of the files of a request.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct UploadAnswer {
    /// In their order.
    pub files: Vec<Uploaded>,
}

/// Describes the body of an upload, of which no value is ever made: its parts are read while they come.
pub(crate) enum UploadForm {}

impl PartialSchema for UploadForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        ObjectBuilder::new()
            .description(Some("Files, each a part named `file`."))
            .property(
                "file",
                file.to_array_builder()
                    .description(Some("DICOM, PNG, JPEG or TIFF.")),
            )
            .required("file")
            .into()
    }
}

impl ToSchema for UploadForm {}

/// Removes what an ended process left half received.
pub(crate) fn clear(root: &Path) -> Result<()> {
    let folder = root.join("room").join("incoming");
    for entry in std::fs::read_dir(&folder).map_err(RoomError::io("incoming"))? {
        let path = entry.map_err(RoomError::io("incoming"))?.path();
        std::fs::remove_file(&path).map_err(RoomError::io("incoming"))?;
    }
    Ok(())
}

/// Takes all files of a request.
///
/// # Errors
/// [`RoomError::BadRequest`] for a broken request; what is wrong with a file stands in its line.
pub(crate) async fn receive(room: &Room, mut form: Multipart, by: &str) -> Result<UploadAnswer> {
    let mut files = Vec::new();
    loop {
        let field = form.next_field().await;
        let Some(field) = field.map_err(|e| RoomError::BadRequest(e.body_text()))? else {
            break;
        };
        if field.name() != Some("file") {
            continue;
        }
        let name = shown(field.file_name().unwrap_or("unnamed"));
        if files.len() >= MOST {
            let error = RoomError::TooLarge(format!("more than {MOST} files in one request"));
            files.push(refused(name, &error));
            break;
        }
        let taken = match part(room, field).await {
            Ok(file) => take(room, file, &name, by).await,
            Err(error @ RoomError::BadRequest(_)) => return Err(error),
            Err(error) => Err(error),
        };
        files.push(match taken {
            Ok(uploaded) => uploaded,
            Err(error) => refused(name, &error),
        });
    }
    if files.is_empty() {
        return Err(RoomError::BadRequest(
            "no file came; send them as parts named `file`".to_owned(),
        ));
    }
    Ok(UploadAnswer { files })
}

fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = last.chars().filter(|c| !c.is_control());
    plain.take(NAME).collect()
}

fn refused(name: String, error: &RoomError) -> Uploaded {
    tracing::debug!(%error, "upload refused");
    Uploaded {
        name,
        status: "refused",
        study_uid: None,
        kind: Some(error.kind().to_owned()),
        message: Some(match error {
            RoomError::Store(error) => words(error),
            error => error.message(),
        }),
    }
}

/// Why the store does not take an object, for persons.
fn words(error: &StoreError) -> String {
    match error {
        StoreError::Duplicate => {
            "another image with the same identifier (SOP Instance UID) is stored already".to_owned()
        }
        StoreError::Io { .. } | StoreError::Database(_) => {
            "the server failed to store this; its log says why".to_owned()
        }
        other => other.to_string(),
    }
}

/// Writes one part to the disk. A part that breaks off leaves nothing.
async fn part(room: &Room, mut field: Field<'_>) -> Result<NamedTempFile> {
    let folder = room.store().root().join("room").join("incoming");
    let limit = room.store().max_object();
    let part = NamedTempFile::new_in(folder).map_err(RoomError::io("upload"))?;
    let copy = part.reopen().map_err(RoomError::io("upload"))?;
    let mut out = tokio::io::BufWriter::new(tokio::fs::File::from_std(copy));
    let (mut size, mut failed) = (0u64, None);
    loop {
        let chunk = field.chunk().await;
        let Some(chunk) = chunk.map_err(|e| RoomError::BadRequest(e.body_text()))? else {
            break;
        };
        size += chunk.len() as u64;
        if size > limit {
            let text = format!("the file is over the limit of {limit} bytes");
            failed = failed.or(Some(RoomError::TooLarge(text)));
        }
        if failed.is_none()
            && let Err(error) = out.write_all(&chunk).await
        {
            // The rest is read and left, so that the other files of the request get their turn.
            failed = Some(RoomError::io("upload")(error));
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    out.flush().await.map_err(RoomError::io("upload"))?;
    Ok(part)
}

async fn take(room: &Room, file: NamedTempFile, name: &str, by: &str) -> Result<Uploaded> {
    let _turn = room.uploads().acquire().await;
    let path = file.path().to_owned();
    let bytes = blocking(move || std::fs::read(path).map_err(RoomError::io("upload"))).await?;
    drop(file);
    let uploaded = store_bytes(room, bytes, name).await?;
    if let Some(study) = &uploaded.study_uid {
        room.log().note(by, "uploaded", study, uploaded.status);
    }
    Ok(uploaded)
}

impl Room {
    /// Stores a file's bytes as an upload would, e.g. a sample.
    ///
    /// # Errors
    /// Why the file is refused.
    pub async fn add_file(&self, bytes: Vec<u8>, name: &str) -> Result<Uploaded> {
        store_bytes(self, bytes, &shown(name)).await
    }
}

async fn store_bytes(room: &Room, bytes: Vec<u8>, name: &str) -> Result<Uploaded> {
    let limits = Limits {
        max_file_bytes: room.store().max_object(),
        ..Limits::default()
    };
    let file_name = name.to_owned();
    let (bytes, loaded) = blocking(move || {
        let loaded = load_bytes(&bytes, Path::new(&file_name), Recipe::default(), 0, &limits)?;
        Ok((bytes, loaded))
    })
    .await?;
    if let Some(known) = known_picture(room, &loaded, name).await? {
        return Ok(known);
    }
    let file_name = name.to_owned();
    let made = blocking(move || prepared(bytes, &loaded, &file_name));
    let (bytes, start, syntax) = made.await?;
    let incoming = Incoming {
        data: bytes.get(start..).unwrap_or_default(),
        transfer_syntax: &syntax,
        sop_class: None,
        instance: None,
        source: SOURCE,
    };
    let record = tokio::task::block_in_place(|| room.store().check(&incoming))?;
    let study = record.study.to_string();
    let job = room.rules().job(&record, SOURCE);
    let ingested = room.store().ingest(record, &incoming, job.as_ref()).await?;
    // Whoever asks for the study next finds it.
    crate::list::refresh(room, &study).await?;
    Ok(Uploaded {
        name: name.to_owned(),
        status: match ingested {
            Ingested::Stored | Ingested::Replaced => "stored",
            Ingested::Known | Ingested::Kept => "known",
        },
        study_uid: Some(study),
        kind: None,
        message: None,
    })
}

/// The answer for a picture that is stored already, whatever its file is called now: its identifier is made from its content.
async fn known_picture(room: &Room, loaded: &LoadedImage, name: &str) -> Result<Option<Uploaded>> {
    if loaded.kind == FileKind::Dicom {
        return Ok(None);
    }
    let instance = Uid::new(&wrap::instance(&loaded.sha256), "SOPInstanceUID")?;
    let found = room.store().locate(&instance).await?;
    Ok(found.map(|object| Uploaded {
        name: name.to_owned(),
        status: "known",
        study_uid: Some(object.study.to_string()),
        kind: None,
        message: None,
    }))
}

/// A DICOM file, where its data set starts, and its transfer syntax.
fn prepared(bytes: Vec<u8>, loaded: &LoadedImage, name: &str) -> Result<(Vec<u8>, usize, String)> {
    let bytes = match loaded.kind {
        FileKind::Dicom => bytes,
        FileKind::Png | FileKind::Jpeg | FileKind::Tiff => wrap::wrap(&bytes, loaded, name)?,
    };
    let parsed = object::parse(&bytes).map_err(|e| {
        RoomError::Image(hilum_dicom::LoadError::Dicom {
            path: name.into(),
            source: e,
        })
    })?;
    let syntax = parsed.transfer_syntax.clone();
    match data_start(&bytes) {
        Some(start) => Ok((bytes, start, syntax)),
        None => Err(RoomError::BadRequest(
            "the DICOM file's meta information is broken".to_owned(),
        )),
    }
}

/// Where the data set starts: behind the file meta information by its group length, or at the first byte of a bare data set.
pub(crate) fn data_start(bytes: &[u8]) -> Option<usize> {
    let meta = match bytes.get(128..132) {
        Some(b"DICM") => 132,
        _ if bytes.starts_with(b"DICM") => 4,
        _ => return Some(0),
    };
    if bytes.get(meta..meta + 4)? != [2, 0, 0, 0] {
        // A preamble with no meta information behind it.
        return Some(meta);
    }
    let length = bytes.get(meta + 8..meta + 12)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let start = length.checked_add(meta + 12)?;
    (start < bytes.len()).then_some(start)
}

/// The answer when the disk was full for some file.
pub(crate) fn disk_full(answer: &UploadAnswer) -> bool {
    let full = |f: &Uploaded| f.kind.as_deref() == Some("disk_full");
    answer.files.iter().any(full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_shown_without_their_folders() {
        assert_eq!(shown("C:\\a\\b.dcm"), "b.dcm");
        assert_eq!(shown("../../<script>.png"), "<script>.png");
        assert_eq!(shown("a\nb"), "ab");
    }

    proptest! {
        #[test]
        fn the_start_of_a_data_set_lies_within_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), prefix in any::<bool>()) {
            let mut bytes = bytes;
            if prefix && bytes.len() > 140 {
                bytes[128..132].copy_from_slice(b"DICM");
                bytes[132..136].copy_from_slice(&[2, 0, 0, 0]);
            }
            if let Some(start) = data_start(&bytes) {
                prop_assert!(start <= bytes.len());
            }
        }
    }
}
