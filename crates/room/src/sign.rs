//! Signing off, and what goes out of a study: structured report, PDF, FHIR bundle, JSON.

use crate::edits::{self, Edited, rewrite};
use crate::error::{Result, RoomError};
use crate::list;
use crate::state::{Room, blocking};
use hilum_core::{Point, Reading, Rect};
use hilum_image::{Kernel, Plane, draw, resize};
use hilum_objects::source::Moment;
use hilum_objects::{Kind, Options, Signature, files};
use hilum_store::Incoming;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row};
use std::path::{Path, PathBuf};

/// A signature as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Signed {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// Revision that was signed.
    pub revision: i64,
}

/// A signature as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) by: String,
    pub(crate) at: i64,
    pub(crate) revision: i64,
    /// Hash of the reading that was signed.
    pub(crate) reading: String,
}

impl Kept {
    pub(crate) fn told(&self) -> Signed {
        Signed {
            by: self.by.clone(),
            at: hilum_node::audit::date_time(self.at),
            revision: self.revision,
        }
    }
}

/// The last signature of a study.
pub(crate) async fn last(on: &mut AnyConnection, study: &str) -> Result<Option<Kept>> {
    let row = sqlx::query(
        "SELECT name, at, revision, reading FROM room_signatures WHERE study_uid = $1 ORDER BY at DESC LIMIT 1",
    )
    .bind(study)
    .fetch_optional(on)
    .await?;
    row.map(|row| {
        Ok(Kept {
            by: row.try_get(0)?,
            at: row.try_get(1)?,
            revision: row.try_get(2)?,
            reading: row.try_get(3)?,
        })
    })
    .transpose()
}

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
struct Outgoing {
    /// The model's reading.
    model: Reading,
    /// The reader's.
    reading: Reading,
    edited: Edited,
    edits: Vec<edits::Edit>,
    revision: i64,
}

async fn outgoing(room: &Room, study: &str) -> Result<Outgoing> {
    list::one(room, study).await?;
    let model = room.reading(study).await?.ok_or(RoomError::NotRead)?;
    let edits = edits::list(room.db(), study).await?;
    let edited = Edited::of(&model, &edits);
    Ok(Outgoing {
        reading: rewrite(&model, &edited),
        revision: edits.last().map_or(0, |e| e.revision),
        model,
        edited,
        edits,
    })
}

fn moment(ms: i64) -> Moment {
    let text = hilum_node::audit::date_time(ms);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    Moment {
        date: digits.get(..8).unwrap_or_default().to_owned(),
        time: digits.get(8..14).unwrap_or_default().to_owned(),
    }
}

fn signature(room: &Room, by: &str, at: i64) -> Signature {
    let organisation = room.options().organisation.clone();
    Signature {
        name: by.to_owned(),
        organisation: organisation.unwrap_or_else(|| "not stated".to_owned()),
        at: moment(at),
    }
}

/// Signs a study: its objects are written, and the SR and the PDF stored beside the images, before the signature counts.
///
/// # Errors
/// [`RoomError::Conflict`] when there are edits that the signer has not seen; [`RoomError::NotRead`]; what making objects gives.
pub(crate) async fn sign(room: &Room, study: &str, base: i64, by: &str) -> Result<Signed> {
    let out = outgoing(room, study).await?;
    if base != out.revision {
        let since: Vec<_> = out.edits.iter().filter(|e| e.id > base).collect();
        return Err(RoomError::Conflict {
            revision: out.revision,
            edits: serde_json::to_value(since).map_err(|e| RoomError::Internal(e.to_string()))?,
        });
    }
    let at = hilum_store::now();
    let signature = signature(room, by, at);
    let (model, revision) = (list::hash(&out.model)?, out.revision);
    let folder = room.folder(study).join("signed");
    let (maker, json) = (room.clone(), export_json(study, &out, Some(&signature))?);
    let (reading, id) = (out.reading, study.to_owned());
    let made = blocking(move || {
        std::fs::create_dir_all(&folder).map_err(RoomError::io("signed"))?;
        let part = tempfile::tempdir_in(&folder).map_err(RoomError::io("signed"))?;
        let files = objects(&maker, &id, part.path(), &reading, Some(signature.clone()))?;
        let pdf = pdf(&reading, Some(&signature))?;
        std::fs::write(part.path().join("report.pdf"), pdf).map_err(RoomError::io("signed"))?;
        std::fs::write(part.path().join("reading.json"), json).map_err(RoomError::io("signed"))?;
        let name = folder.join(format!("{revision}-{at}"));
        std::fs::rename(part.keep(), &name).map_err(RoomError::io("signed"))?;
        Ok(files)
    })
    .await?;
    for (name, bytes) in &made {
        if matches!(name.as_str(), "sr.dcm" | "pdf.dcm") {
            keep(room, bytes).await?;
        }
    }
    let db = room.db();
    let mut tx = db.keep().begin_with(db.begin()).await?;
    let now: i64 = sqlx::query_scalar(
        "SELECT COALESCE(MAX(revision), 0) FROM room_edits WHERE study_uid = $1",
    )
    .bind(study)
    .fetch_one(&mut *tx)
    .await?;
    if now != revision {
        drop(tx);
        let edits = edits::list(db, study).await?;
        let since: Vec<_> = edits.iter().filter(|e| e.id > base).collect();
        return Err(RoomError::Conflict {
            revision: now,
            edits: serde_json::to_value(since).map_err(|e| RoomError::Internal(e.to_string()))?,
        });
    }
    sqlx::query(
        "INSERT INTO room_signatures (study_uid, revision, at, name, reading) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(study)
    .bind(revision)
    .bind(at)
    .bind(by)
    .bind(model)
    .execute(&mut *tx)
    .await?;
    let detail = format!("revision {revision}");
    crate::audit::in_transaction(&mut tx, by, "signed", study, &detail).await?;
    tx.commit().await?;
    room.log().dicom(by, "signed", study, &detail);
    Ok(Signed {
        by: by.to_owned(),
        at: hilum_node::audit::date_time(at),
        revision,
    })
}

/// Stores an object that was made of a study, with no work on it.
async fn keep(room: &Room, bytes: &[u8]) -> Result<()> {
    let wrong = |e: &dyn std::fmt::Display| RoomError::Internal(e.to_string());
    let parsed = hilum_dicom::object::parse(bytes).map_err(|e| wrong(&e))?;
    let start = crate::upload::data_start(bytes).ok_or_else(|| wrong(&"no data set"))?;
    let incoming = Incoming {
        data: bytes.get(start..).unwrap_or_default(),
        transfer_syntax: &parsed.transfer_syntax,
        sop_class: None,
        instance: None,
        source: "HILUM",
    };
    let record = room.store().check(&incoming)?;
    room.store().ingest(record, &incoming, None).await?;
    Ok(())
}

/// SR, PDF and FHIR of a reading; names and bytes.
fn objects(
    room: &Room,
    study: &str,
    folder: &Path,
    reading: &Reading,
    signature: Option<Signature>,
) -> Result<Vec<(String, Vec<u8>)>> {
    if let Some(overlay) = overlay(reading)? {
        std::fs::write(folder.join("overlay.png"), overlay).map_err(RoomError::io("overlay"))?;
    }
    let options = Options {
        kinds: vec![Kind::Sr, Kind::Pdf, Kind::Fhir],
        at: signature.as_ref().map(|s| s.at.clone()),
        segmenter: room.options().segmenter.clone(),
        signature,
        ..Options::default()
    };
    let written = files::write(&room.readings(), folder, reading, &options)?;
    for note in &written.notes {
        tracing::debug!(study, note, "objects");
    }
    written
        .files
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).map_err(RoomError::io("object"))?;
            Ok((name, bytes))
        })
        .collect()
}

fn pdf(reading: &Reading, signature: Option<&Signature>) -> Result<Vec<u8>> {
    let canvas = canvas(reading)?;
    Ok(hilum_objects::pdf::render(
        reading,
        canvas.as_ref(),
        signature,
    ))
}

/// Longest side of the picture in documents.
const SHOWN: usize = 1024;

fn overlay(reading: &Reading) -> Result<Option<Vec<u8>>> {
    let encode = |c: &Plane<draw::Rgb>| {
        draw::encode_rgb_png(c).map_err(|e| RoomError::Internal(e.to_string()))
    };
    canvas(reading)?.as_ref().map(encode).transpose()
}

/// The first image with the regions and lines that stand now: the picture that the model's reading came with would show what a
/// reader took away.
fn canvas(reading: &Reading) -> Result<Option<Plane<draw::Rgb>>> {
    let internal = |e: hilum_image::ImageError| RoomError::Internal(e.to_string());
    let has_regions = |n: usize| {
        let mut all = reading.findings.iter().flat_map(|f| &f.regions);
        all.any(|r| r.image == n)
    };
    let at = (0..reading.images.len())
        .find(|&n| has_regions(n))
        .unwrap_or(0);
    let Some(record) = reading.images.get(at) else {
        return Ok(None);
    };
    let loaded = hilum_dicom::load(Path::new(&record.path), hilum_dicom::Recipe::default())?;
    let mut levels = loaded.pixels.to_u8();
    if record.inverted {
        levels.data.iter_mut().for_each(|v| *v = 255 - *v);
    }
    let longest = levels.width.max(levels.height);
    if longest > SHOWN {
        let side = |n: usize| (n * SHOWN).div_ceil(longest).max(1);
        levels = resize::resize_u8(
            &levels,
            side(levels.width),
            side(levels.height),
            Kernel::PilBox,
        )
        .map_err(internal)?;
    }
    let scale = levels.width as f64 / f64::from(record.width.max(1));
    let mut canvas = draw::canvas(&levels.to_gray());
    paint(&mut canvas, reading, at, scale);
    Ok(Some(canvas))
}

fn paint(canvas: &mut Plane<draw::Rgb>, reading: &Reading, image: usize, scale: f64) {
    let pen = (canvas.width.max(canvas.height) / 400).max(1);
    let to = |p: Point| Point {
        x: p.x * scale,
        y: p.y * scale,
    };
    let lines = reading.measurements.iter().flat_map(|m| &m.lines);
    for line in lines.filter(|l| l.image == image) {
        let line = hilum_core::Line {
            from: to(line.line.from),
            to: to(line.line.to),
        };
        draw::draw_line(canvas, line, draw::PALETTE[3], pen);
    }
    let with = |f: &&hilum_core::Finding| f.regions.iter().any(|r| r.image == image);
    for (number, finding) in reading.findings.iter().filter(with).enumerate() {
        let colour = draw::PALETTE[[0, 2, 6, 4][number % 4]];
        for region in finding.regions.iter().filter(|r| r.image == image) {
            let r = region.rect;
            let rect = Rect {
                x: r.x * scale,
                y: r.y * scale,
                w: r.w * scale,
                h: r.h * scale,
            };
            if region.outline.is_empty() {
                draw::draw_rect(canvas, rect, colour, pen);
            } else {
                let points: Vec<Point> = region.outline.iter().copied().map(to).collect();
                draw::draw_polygon(canvas, &points, colour, pen);
            }
            let (x, y) = (rect.x as i64 + 2, rect.y as i64 + 2);
            draw::draw_text(canvas, x, y, &finding.name, colour, pen);
        }
    }
    let notice = "Hilum: research use only";
    draw::draw_text(canvas, 2, 2, notice, [255; 3], pen.min(2));
}

fn export_json(study: &str, out: &Outgoing, signature: Option<&Signature>) -> Result<Vec<u8>> {
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
    let covers = |k: &Kept| k.revision == out.revision && k.reading == model;
    if let Some(kept) = kept.filter(covers) {
        let folder = signed_folder(room, study, &kept);
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
            return pdf(&out.reading, None);
        }
        let part = tempfile::tempdir().map_err(RoomError::io("export"))?;
        let files = objects(&maker, &id, part.path(), &out.reading, None)?;
        let file = files.into_iter().find(|(n, _)| n == format.names().0);
        file.map(|(_, bytes)| bytes)
            .ok_or_else(|| RoomError::Internal("the object was not made".to_owned()))
    })
    .await?;
    Ok((bytes, false))
}

fn signed_folder(room: &Room, study: &str, kept: &Kept) -> PathBuf {
    let name = format!("{}-{}", kept.revision, kept.at);
    room.folder(study).join("signed").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_and_times() {
        let at = moment(951_782_461_000);
        assert_eq!((&*at.date, &*at.time), ("20000229", "000101"));
    }
}
