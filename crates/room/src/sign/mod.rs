//! Signing off. [`export`] says what goes out of a study, [`hand_over`] what becomes of it once it is signed.

mod export;
mod hand_over;
mod picture;
#[cfg(test)]
mod tests;

use crate::edits;
use crate::error::{Result, RoomError};
use crate::state::{Room, blocking};
use crate::study::same_reading;
pub(crate) use export::{Format, export};
use export::{export_json, objects, outgoing, pdf};
pub(crate) use hand_over::finish_all;
use hilum_objects::Signature;
use hilum_objects::source::Moment;
use serde::Serialize;
use sqlx::{AnyConnection, Row};
use std::path::PathBuf;

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

    /// Whether everything is signed: the last edit, and the reading of now.
    pub(crate) fn covers(&self, revision: i64, reading: &str) -> bool {
        self.revision == revision && self.reading == reading
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

fn signature(room: &Room, by: &str, at: i64) -> Signature {
    let organisation = room.options().organisation.clone();
    Signature {
        name: by.to_owned(),
        organisation: organisation.unwrap_or_else(|| "not stated".to_owned()),
        at: Moment::of_seconds(at.div_euclid(1000)),
    }
}

/// What a page shows of a study, and a signature is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) revision: i64,
    /// Hash of the reading.
    pub(crate) reading: Option<String>,
}

/// A signature that is ready and does not count yet: its objects are on the disk, and nowhere else.
#[derive(Debug)]
struct Prepared {
    study: String,
    kept: Kept,
}

/// Signs a study: its objects are written, the signature counts, and then SR and PDF are stored beside the images and sent.
///
/// # Errors
/// [`RoomError::Conflict`] when there are edits that the signer has not seen, [`RoomError::ReadAgain`] for a reading that the signer has not
/// seen; [`RoomError::NotRead`]; what making objects gives. Nothing is stored and nothing sent then.
pub(crate) async fn sign(room: &Room, study: &str, shown: &Shown, by: &str) -> Result<Signed> {
    let prepared = prepare(room, study, shown, by).await?;
    count(room, &prepared).await?;
    let Prepared { study, kept } = prepared;
    room.log().dicom(by, "signed", &study, &detail(&kept));
    // The signature counts. What could not be handed over, on a disk that is full for one, is tried again.
    if let Err(error) = hand_over::finish(room, &study, kept.revision, kept.at).await {
        tracing::warn!(%error, "signed objects not handed over yet");
    }
    Ok(kept.told())
}

fn detail(kept: &Kept) -> String {
    format!("revision {}", kept.revision)
}

/// Writes the objects of a signature.
async fn prepare(room: &Room, study: &str, shown: &Shown, by: &str) -> Result<Prepared> {
    let out = outgoing(room, study).await?;
    let reading = same_reading(&out.model, shown.reading.as_deref())?;
    if shown.revision != out.revision {
        return Err(since(shown.revision, out.revision, &out.edits));
    }
    let kept = Kept {
        by: by.to_owned(),
        at: hilum_store::now(),
        revision: out.revision,
        reading,
    };
    let signature = signature(room, by, kept.at);
    let json = export_json(study, &out, Some(&signature))?;
    let place = signed_folder(room, study, kept.revision, kept.at);
    let (room, id) = (room.clone(), study.to_owned());
    blocking(move || {
        let io = || RoomError::io("signed");
        let folder = room.folder(&id).join("signed");
        std::fs::create_dir_all(&folder).map_err(io())?;
        let part = tempfile::tempdir_in(&folder).map_err(io())?;
        objects(&room, &id, part.path(), &out, Some(&signature))?;
        let pdf = pdf(&out, Some(&signature))?;
        std::fs::write(part.path().join("report.pdf"), pdf).map_err(io())?;
        std::fs::write(part.path().join("reading.json"), json).map_err(io())?;
        std::fs::rename(part.keep(), &place).map_err(io())
    })
    .await?;
    Ok(Prepared {
        study: study.to_owned(),
        kept,
    })
}

/// The signature counts from here on, unless something was changed while its objects were written: then they are removed.
async fn count(room: &Room, prepared: &Prepared) -> Result<()> {
    let counted = counted(room, prepared).await;
    if counted.is_err() {
        let Prepared { study, kept } = prepared;
        let folder = signed_folder(room, study, kept.revision, kept.at);
        let removed =
            blocking(move || std::fs::remove_dir_all(folder).map_err(RoomError::io("signed")));
        if let Err(error) = removed.await {
            tracing::warn!(%error, "objects of a signature that does not count are left");
        }
    }
    counted
}

async fn counted(room: &Room, Prepared { study, kept }: &Prepared) -> Result<()> {
    let model = room.reading(study).await?.ok_or(RoomError::NotRead)?;
    same_reading(&model, Some(&kept.reading))?;
    let db = room.db();
    let mut tx = db.keep().begin_with(db.begin()).await?;
    let now = edits::revision(&mut tx, study).await?;
    if now != kept.revision {
        drop(tx);
        let edits = edits::list(db, study).await?;
        return Err(since(kept.revision, now, &edits));
    }
    sqlx::query(
        "INSERT INTO room_signatures (study_uid, revision, at, name, reading) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(study.as_str())
    .bind(kept.revision)
    .bind(kept.at)
    .bind(kept.by.as_str())
    .bind(kept.reading.as_str())
    .execute(&mut *tx)
    .await?;
    hand_over::begin(&mut tx, study, kept.revision, kept.at).await?;
    crate::audit::in_transaction(&mut tx, &kept.by, "signed", study, &detail(kept)).await?;
    tx.commit().await?;
    Ok(())
}

/// Somebody edited since `base`.
fn since(base: i64, revision: i64, edits: &[edits::Edit]) -> RoomError {
    let since: Vec<_> = edits.iter().filter(|e| e.id > base).collect();
    match serde_json::to_value(since) {
        Ok(edits) => RoomError::Conflict { revision, edits },
        Err(error) => RoomError::Internal(error.to_string()),
    }
}

/// Where the objects of a signature lie.
fn signed_folder(room: &Room, study: &str, revision: i64, at: i64) -> PathBuf {
    let name = format!("{revision}-{at}");
    room.folder(study).join("signed").join(name)
}
