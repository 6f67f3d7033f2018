//! What goes out of a study: structured report, PDF, FHIR bundle, JSON.

use super::picture::{canvas, overlay};
use super::{last, signed_folder};
use crate::edits::{self, Edited, readers, rewrite};
use crate::error::{Result, RoomError};
use crate::list;
use crate::state::{Room, blocking};
use hilum_core::Reading;
use hilum_objects::{Kind, Options, Readers, Signature, files};
use serde_json::{Value, json};
use std::path::Path;

/// What goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Sr,
    Pdf,
    Fhir,
    Json,
}

impl std::str::FromStr for Format {
    type Err = RoomError;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "sr" => Format::Sr,
            "pdf" => Format::Pdf,
            "fhir" => Format::Fhir,
            "json" => Format::Json,
            _ => return Err(RoomError::NotFound("export of this kind")),
        })
    }
}

impl Format {
    /// Name on the disk, media type.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Format::Sr => ("sr.dcm", "application/dicom"),
            Format::Pdf => ("report.pdf", "application/pdf"),
            Format::Fhir => ("fhir.json", "application/fhir+json"),
            Format::Json => ("reading.json", "application/json"),
        }
    }
}

/// A reading ready to go out.
pub(super) struct Outgoing {
    /// The model's reading.
    pub(super) model: Reading,
    /// The reader's.
    pub(super) reading: Reading,
    /// Patient's Name in the objects.
    patient: Option<String>,
    edited: Edited,
    /// Who said what in it besides the models.
    pub(super) readers: Readers,
    pub(super) edits: Vec<edits::Edit>,
    pub(super) revision: i64,
}

/// The reading of a study as it stands.
///
/// # Errors
/// [`RoomError::NotRead`], [`RoomError::Deleted`].
pub(super) async fn outgoing(room: &Room, study: &str) -> Result<Outgoing> {
    let item = list::one(room, study).await?;
    // A picture without an identity goes by its file's name in the list.
    let patient = (!item.patient_id.is_empty()).then_some(item.patient_name);
    let model = room.reading(study).await?.ok_or(RoomError::NotRead)?;
    let edits = edits::list(room.db(), study).await?;
    let edited = Edited::of(&model, &edits);
    Ok(Outgoing {
        reading: rewrite(&model, &edited),
        patient,
        readers: readers(&model, &edited),
        revision: edits.last().map_or(0, |e| e.revision),
        model,
        edited,
        edits,
    })
}

/// SR, PDF and FHIR of a reading, into a folder; their names.
pub(super) fn objects(
    room: &Room,
    study: &str,
    folder: &Path,
    out: &Outgoing,
    signature: Option<&Signature>,
) -> Result<Vec<String>> {
    if let Some(overlay) = overlay(&out.reading)? {
        std::fs::write(folder.join("overlay.png"), overlay).map_err(RoomError::io("overlay"))?;
    }
    let options = Options {
        kinds: vec![Kind::Sr, Kind::Pdf, Kind::Fhir],
        segmenter: room.options().segmenter.clone(),
        signature: signature.cloned(),
        readers: out.readers.clone(),
        ..Options::default()
    };
    let written = files::write(&room.readings(), folder, &out.reading, &options)?;
    for note in &written.notes {
        tracing::debug!(study, note, "objects");
    }
    Ok(written.files)
}

/// The report as a PDF.
pub(super) fn pdf(out: &Outgoing, signature: Option<&Signature>) -> Result<Vec<u8>> {
    let canvas = canvas(&out.reading)?;
    Ok(hilum_objects::pdf::render(
        &out.reading,
        out.patient.as_deref(),
        canvas.as_ref(),
        signature,
    ))
}

/// The reading, the model's, and every edit.
pub(super) fn export_json(
    study: &str,
    out: &Outgoing,
    signature: Option<&Signature>,
) -> Result<Vec<u8>> {
    let value: Value = json!({
        "study_uid": study,
        "status": if signature.is_some() { "signed" } else { "preliminary" },
        "signed_by": signature.map(|s| &s.name),
        "notice": hilum_reading::RESEARCH_NOTICE,
        "revision": out.revision,
        "reading": crate::study::without_paths(out.reading.clone()),
        "model_reading": crate::study::without_paths(out.model.clone()),
        "edits": out.edits,
        "edited": out.edited,
    });
    let mut bytes =
        serde_json::to_vec_pretty(&value).map_err(|e| RoomError::Internal(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Bytes of an export: what was signed where the signature covers everything, else a preliminary one.
///
/// # Errors
/// [`RoomError::NotRead`]; what making objects gives.
pub(crate) async fn export(room: &Room, study: &str, format: Format) -> Result<(Vec<u8>, bool)> {
    let out = outgoing(room, study).await?;
    let kept = last(&mut *room.db().read().acquire().await?, study).await?;
    let model = list::hash(&out.model)?;
    if let Some(kept) = kept.filter(|k| k.covers(out.revision, &model)) {
        let folder = signed_folder(room, study, kept.revision, kept.at);
        let file = folder.join(format.names().0);
        let bytes = blocking(move || std::fs::read(file).map_err(RoomError::io("signed"))).await?;
        return Ok((bytes, true));
    }
    if format == Format::Json {
        return Ok((export_json(study, &out, None)?, false));
    }
    let (maker, id) = (room.clone(), study.to_owned());
    let bytes = blocking(move || {
        if format == Format::Pdf {
            return pdf(&out, None);
        }
        let part = tempfile::tempdir().map_err(RoomError::io("export"))?;
        objects(&maker, &id, part.path(), &out, None)?;
        let file = part.path().join(format.names().0);
        std::fs::read(file).map_err(RoomError::io("object"))
    })
    .await?;
    Ok((bytes, false))
}
