//! A study as the viewer gets it: images, reading, edits, earlier studies.

use crate::edits::{self, Edit, Edited};
use crate::error::{Result, RoomError};
use crate::list::{self, Item, Prior};
use crate::pixels::Window;
use crate::sign::{self, Signed};
use crate::state::{Room, blocking};
use axum::body::Bytes;
use hilum_core::{ImageRecord, Laterality, Reading, SpacingKind, View};
use hilum_store::{Located, Uid};
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// Millimetres per pixel and where they hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ImageSpacing {
    /// Between rows.
    pub row_mm: f64,
    /// Between columns.
    pub col_mm: f64,
    /// `pixel`, `imager` (at the detector, lengths in the body are magnified) or `calibrated`.
    #[schema(value_type = String)]
    pub kind: SpacingKind,
}

/// A picture that lies over an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Overlay {
    /// Id within the image.
    pub id: String,
    /// `lungs`, `heart` or `map`.
    pub kind: &'static str,
    /// Finding that a map explains.
    pub finding: Option<String>,
    /// Attribution that made a map.
    pub method: Option<String>,
    /// Where it is.
    pub url: String,
}

/// One image.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Image {
    /// Index into `reading.images`, where there is a reading.
    pub index: usize,
    /// SOP Instance UID.
    pub sop_uid: Option<String>,
    /// Series Instance UID.
    pub series_uid: Option<String>,
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Bits of the numbers at `pixels_url`.
    pub bits: u32,
    /// Projection.
    #[schema(value_type = String)]
    pub view: View,
    /// Side.
    #[schema(value_type = Option<String>)]
    pub laterality: Option<Laterality>,
    /// Spacing, where the file tells.
    pub spacing: Option<ImageSpacing>,
    /// What is visible at first.
    pub window: Option<Window>,
    /// Whether the gate found the pixels inverted although the file does not say so, and the models saw them turned.
    pub inverted: bool,
    /// Where the pixels are.
    pub pixels_url: String,
    /// Where a small picture is.
    pub thumbnail_url: String,
    /// What lies over it.
    pub overlays: Vec<Overlay>,
    /// Why the pixels cannot be shown.
    pub error: Option<String>,
}

/// A study.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Study {
    /// Its row of the work list.
    pub item: Item,
    /// The model's reading (docs/reading.schema.json); null before the study was read.
    #[schema(value_type = Object)]
    pub reading: Option<Reading>,
    /// Stands for what the reading says: edits and signatures name the one that they were made of. Null without a reading.
    pub reading_hash: Option<String>,
    /// Images.
    pub images: Vec<Image>,
    /// The newest earlier study of the patient.
    pub prior: Option<Prior>,
    /// All earlier studies, the newest first.
    pub priors: Vec<Prior>,
    /// Edits, in order.
    pub edits: Vec<Edit>,
    /// The reading with the edits applied; empty before the study was read.
    pub edited: Edited,
    /// The last signature, whatever was changed since.
    pub signed: Option<Signed>,
}

/// Checks that a request was made of the reading that is there now, by the hash that came with it. Gives the hash.
///
/// # Errors
/// [`RoomError::ReadAgain`], also for a request that says of none.
pub(crate) fn same_reading(reading: &Reading, hash: Option<&str>) -> Result<String> {
    let now = list::hash(reading)?;
    match hash == Some(now.as_str()) {
        true => Ok(now),
        false => Err(RoomError::ReadAgain),
    }
}

/// A Study Instance UID that was given in a path.
pub(crate) fn uid(text: &str) -> Result<Uid> {
    Uid::new(text, "StudyInstanceUID").map_err(|_| RoomError::NotFound("study with this UID"))
}

/// Objects of a study that have pixels, in order.
pub(crate) async fn instances(room: &Room, study: &str) -> Result<Vec<Located>> {
    let mut on = room.db().read().acquire().await?;
    Ok(hilum_store::images_of(&mut on, study).await?)
}

/// An image and where it lies.
pub(crate) struct Found {
    pub(crate) object: Located,
    pub(crate) path: PathBuf,
    pub(crate) record: Option<ImageRecord>,
}

impl Found {
    /// Stands for the content.
    pub(crate) fn key(&self) -> &str {
        &self.object.sha256
    }
}

/// Images in the reading's order, else in the store's. A reading may be older than the objects of now: those that it does not list follow.
pub(crate) async fn images(
    room: &Room,
    study: &str,
    reading: Option<&Reading>,
) -> Result<Vec<Option<Found>>> {
    Ok(arranged(room, instances(room, study).await?, reading))
}

fn arranged(room: &Room, objects: Vec<Located>, reading: Option<&Reading>) -> Vec<Option<Found>> {
    let mut objects: Vec<Option<Located>> = objects.into_iter().map(Some).collect();
    let mut found = Vec::new();
    let path = |object: &Located| room.store().path(object);
    for record in reading.iter().flat_map(|r| &r.images) {
        let stem = Path::new(&record.path).file_stem().and_then(|s| s.to_str());
        let of = |o: &&mut Option<Located>| {
            o.as_ref()
                .is_some_and(|o| Some(o.instance.as_str()) == stem)
        };
        let object = objects.iter_mut().find(of).and_then(Option::take);
        // An image that was deleted leaves its place empty, so that indices stay those of the reading.
        found.push(object.map(|object| Found {
            path: path(&object),
            object,
            record: Some(record.clone()),
        }));
    }
    for object in objects.into_iter().flatten() {
        found.push(Some(Found {
            path: path(&object),
            object,
            record: None,
        }));
    }
    found
}

/// One image by its index.
///
/// # Errors
/// [`RoomError::Deleted`], [`RoomError::NotFound`].
pub(crate) async fn image(room: &Room, study: &str, index: usize) -> Result<Found> {
    let reading = room.reading(study).await?;
    let found = images(room, study, reading.as_ref()).await?;
    if found.is_empty() {
        let mut on = room.db().read().acquire().await?;
        return Err(list::missing(&mut on, study).await?);
    }
    found
        .into_iter()
        .nth(index)
        .flatten()
        .ok_or(RoomError::NotFound("image with this index"))
}

/// The whole study.
///
/// # Errors
/// [`RoomError::Deleted`], [`RoomError::NotFound`].
pub(crate) async fn study(room: &Room, study: &str) -> Result<Study> {
    let rows = rows(room, study).await?;
    let (mut item, edits, priors) = (rows.item, rows.edits, rows.priors);
    let reading = room.reading(study).await?;
    let reading_hash = reading.as_ref().map(list::hash).transpose()?;
    // The row of the list follows a moment later; what is shown here is of one moment.
    item.revision = edits.last().map_or(0, |e| e.revision);
    let signed = rows.signed.as_ref().zip(reading_hash.as_deref());
    item.signed = signed.is_some_and(|(kept, hash)| kept.covers(item.revision, hash));
    let edited = match &reading {
        Some(reading) => Edited::of(reading, &edits),
        None => Edited::default(),
    };
    let found = arranged(room, rows.images, reading.as_ref());
    let images = described(room, study, found, reading.as_ref()).await?;
    Ok(Study {
        item,
        reading_hash,
        reading: reading.map(without_paths),
        images,
        prior: priors.first().cloned(),
        priors,
        edits,
        edited,
        signed: rows.signed.map(|s| s.told()),
    })
}

/// What the database says of a study.
struct Rows {
    item: Item,
    edits: Vec<Edit>,
    priors: Vec<Prior>,
    images: Vec<Located>,
    signed: Option<sign::Kept>,
}

/// All of it on one connection: many readers wait for one once, not five times.
async fn rows(room: &Room, study: &str) -> Result<Rows> {
    let mut on = room.db().read().acquire().await?;
    Ok(Rows {
        item: list::one_on(&mut on, study).await?,
        edits: edits::list_on(&mut on, study).await?,
        priors: list::priors_on(&mut on, study).await?,
        images: hilum_store::images_of(&mut on, study).await?,
        signed: sign::last(&mut on, study).await?,
    })
}

/// Where files lie on the server is no business of a page: the name of the file is enough.
pub(crate) fn without_paths(mut reading: Reading) -> Reading {
    for image in &mut reading.images {
        let name = Path::new(&image.path).file_name();
        image.path = name.map_or(String::new(), |n| n.to_string_lossy().into_owned());
    }
    reading
}

async fn described(
    room: &Room,
    study: &str,
    found: Vec<Option<Found>>,
    reading: Option<&Reading>,
) -> Result<Vec<Image>> {
    let mut out = Vec::new();
    for (index, found) in found.into_iter().enumerate() {
        let base = format!("/api/studies/{study}/images/{index}");
        let Some(found) = found else {
            out.push(gone(index, &base, reading));
            continue;
        };
        let overlays = overlays(&base, index, reading);
        let room = room.clone();
        let turn = turn(&room, &found).await;
        let image = blocking(move || {
            let _turn = turn;
            Ok(describe(&room, index, &base, &found, overlays))
        });
        out.push(image.await?);
    }
    Ok(out)
}

fn gone(index: usize, base: &str, reading: Option<&Reading>) -> Image {
    let record = reading.and_then(|r| r.images.get(index));
    Image {
        index,
        sop_uid: None,
        series_uid: None,
        columns: record.map_or(0, |r| r.width as usize),
        rows: record.map_or(0, |r| r.height as usize),
        bits: 0,
        view: record.map_or(View::Unknown, |r| r.view),
        laterality: None,
        spacing: None,
        window: None,
        inverted: false,
        pixels_url: format!("{base}/pixels"),
        thumbnail_url: format!("{base}/thumbnail"),
        overlays: Vec::new(),
        error: Some("the image is not in the store any more".to_owned()),
    }
}

fn describe(room: &Room, index: usize, base: &str, found: &Found, overlays: Vec<Overlay>) -> Image {
    let version = found.key().get(..12).unwrap_or_default();
    let picture = room.pictures().get(found.key(), &found.path);
    let meta = picture.as_ref().ok().map(|p| &p.meta);
    let record = found.record.as_ref();
    let spacing = record
        .and_then(|r| r.spacing)
        .or_else(|| meta.and_then(|m| m.spacing));
    Image {
        index,
        sop_uid: Some(found.object.instance.to_string()),
        series_uid: Some(found.object.series.to_string()),
        columns: picture.as_ref().map_or(0, |p| p.columns),
        rows: picture.as_ref().map_or(0, |p| p.rows),
        bits: picture.as_ref().map_or(0, |p| p.bits),
        view: record
            .map(|r| r.view)
            .or_else(|| meta.map(|m| m.view))
            .unwrap_or_default(),
        laterality: record
            .and_then(|r| r.laterality)
            .or_else(|| meta.and_then(|m| m.laterality)),
        spacing: spacing.map(|s| ImageSpacing {
            row_mm: s.row_mm,
            col_mm: s.column_mm,
            kind: s.kind,
        }),
        window: picture.as_ref().ok().map(|p| p.window),
        inverted: record.is_some_and(|r| r.inverted),
        pixels_url: format!("{base}/pixels?v={version}"),
        thumbnail_url: format!("{base}/thumbnail?v={version}"),
        overlays,
        error: picture.err().map(|e| e.message()),
    }
}

fn overlays(base: &str, index: usize, reading: Option<&Reading>) -> Vec<Overlay> {
    let files = overlay_files(index, reading);
    let url = |id: &str| format!("{base}/overlays/{id}");
    files
        .into_iter()
        .map(|f| Overlay {
            url: url(&f.id),
            kind: f.kind,
            finding: f.finding,
            method: f.method,
            id: f.id,
        })
        .collect()
}

struct OverlayFile {
    id: String,
    kind: &'static str,
    finding: Option<String>,
    method: Option<String>,
    /// Relative to the folder of all readings.
    file: String,
}

fn overlay_files(index: usize, reading: Option<&Reading>) -> Vec<OverlayFile> {
    let mut files = Vec::new();
    let Some(reading) = reading else {
        return files;
    };
    let masks = reading.images.get(index).and_then(|i| i.masks.as_ref());
    let masks = masks.map(|m| [("lungs", &m.lungs), ("heart", &m.heart)]);
    for (kind, file) in masks.into_iter().flatten() {
        if let Some(file) = file {
            files.push(OverlayFile {
                id: kind.to_owned(),
                kind,
                finding: None,
                method: None,
                file: file.clone(),
            });
        }
    }
    for finding in &reading.findings {
        for e in finding.explanations.iter().filter(|e| e.image == index) {
            if let Some(file) = &e.map {
                let method = e.method.replace('+', "p");
                files.push(OverlayFile {
                    id: format!("map-{}-{method}", finding.code),
                    kind: "map",
                    finding: Some(finding.code.clone()),
                    method: Some(e.method.clone()),
                    file: file.clone(),
                });
            }
        }
    }
    files
}

/// The file of an overlay: one that the reading lists, so no path of a request ever names a file.
///
/// # Errors
/// [`RoomError::NotFound`].
pub(crate) async fn overlay(room: &Room, study: &str, index: usize, id: &str) -> Result<PathBuf> {
    let Some(reading) = room.reading(study).await? else {
        list::one(room, study).await?;
        return Err(RoomError::NotRead);
    };
    let files = overlay_files(index, Some(&reading));
    let file = files
        .into_iter()
        .find(|f| f.id == id)
        .ok_or(RoomError::NotFound("overlay with this id"))?
        .file;
    let plain = Path::new(&file)
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    match plain {
        true => Ok(room.readings().join(file)),
        false => Err(RoomError::NotFound("overlay with this id")),
    }
}

/// Where the small picture of an image is kept.
pub(crate) fn thumbnail_file(room: &Room, found: &Found, size: usize) -> PathBuf {
    let name = format!("{}-{size}.png", found.object.instance);
    room.store()
        .root()
        .join("room")
        .join("thumbnails")
        .join(name)
}

/// The small picture of an image, made once.
///
/// # Errors
/// As [`hilum_dicom::load`].
pub(crate) async fn thumbnail(room: &Room, found: Found, size: usize) -> Result<Vec<u8>> {
    let file = thumbnail_file(room, &found, size);
    if let Ok(bytes) = tokio::fs::read(&file).await {
        return Ok(bytes);
    }
    let turn = hilum_dicomweb::decoder().await;
    blocking(move || {
        let _turn = turn;
        let bytes = crate::pixels::thumbnail(&found.path, size)?;
        // A picture that cannot be kept is made again the next time.
        let folder = file.parent().unwrap_or(Path::new("."));
        let kept = tempfile::NamedTempFile::new_in(folder)
            .and_then(|mut part| {
                std::io::Write::write_all(&mut part, &bytes)?;
                Ok(part)
            })
            .map(|part| part.persist(&file).map(drop));
        if let Err(error) = kept {
            tracing::debug!(%error, "thumbnail not kept");
        }
        Ok(bytes)
    })
    .await
}

/// Pixels of an image, both sides halved so often.
///
/// # Errors
/// As [`hilum_dicom::load`].
pub(crate) async fn pixels(room: &Room, found: Found, level: u32) -> Result<Bytes> {
    let (room, turn) = (room.clone(), turn(room, &found).await);
    blocking(move || {
        let _turn = turn;
        let picture = room.pictures().get(found.key(), &found.path)?;
        Ok(picture.halved(level))
    })
    .await
}

/// The turn to decode an image; none is needed for one that is at hand.
async fn turn(room: &Room, found: &Found) -> Option<tokio::sync::SemaphorePermit<'static>> {
    match room.pictures().find(found.key()) {
        Some(_) => None,
        None => hilum_dicomweb::decoder().await,
    }
}
