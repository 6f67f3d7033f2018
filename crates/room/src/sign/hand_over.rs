//! What follows a signature: SR and PDF are stored beside the images, and put into the outbox for the destinations.
//!
//! A report that is verified and final must not be anywhere before the signature counts. So all of this comes after it, and what is
//! still to be done is a row that is written together with the signature: when the process ends in between, the next one goes on.

use super::signed_folder;
use crate::error::{Result, RoomError};
use crate::state::{Room, blocking};
use hilum_node::auto;
use hilum_store::{Incoming, NewOutgoing, Uid};
use sqlx::{AnyConnection, Row};
use std::path::Path;

/// What is stored and sent: name in the configuration, file.
const OBJECTS: [(&str, &str); 2] = [("sr", "sr.dcm"), ("pdf", "pdf.dcm")];

/// Remembers that objects of a signature are to be handed over.
pub(super) async fn begin(
    on: &mut AnyConnection,
    study: &str,
    revision: i64,
    at: i64,
) -> Result<()> {
    sqlx::query("INSERT INTO room_unfinished (study_uid, revision, at) VALUES ($1, $2, $3)")
        .bind(study)
        .bind(revision)
        .bind(at)
        .execute(on)
        .await?;
    Ok(())
}

/// Hands over what is left of all signatures.
pub(crate) async fn finish_all(room: &Room) {
    let left = match unfinished(room).await {
        Ok(left) => left,
        Err(error) => {
            tracing::warn!(%error, "signed objects not looked for");
            return;
        }
    };
    for (study, revision, at) in left {
        if let Err(error) = finish(room, &study, revision, at).await {
            tracing::warn!(%error, "signed objects not handed over yet");
        }
    }
}

pub(super) async fn unfinished(room: &Room) -> Result<Vec<(String, i64, i64)>> {
    let rows = sqlx::query("SELECT study_uid, revision, at FROM room_unfinished ORDER BY at")
        .fetch_all(room.db().read())
        .await?;
    let of = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    rows.iter().map(of).collect()
}

/// Stores the objects of a signature and puts them into the outbox. Doing it twice is doing it once.
///
/// # Errors
/// What the store gives; the rest is then done later.
pub(super) async fn finish(room: &Room, study: &str, revision: i64, at: i64) -> Result<()> {
    // A study that was deleted since must not come back as one of reports alone.
    if !crate::study::instances(room, study).await?.is_empty() {
        let mut results = Vec::new();
        for (name, file) in OBJECTS {
            let path = signed_folder(room, study, revision, at).join(file);
            let Some(bytes) = blocking(move || read(&path)).await? else {
                // Somebody took the file away; trying again would not bring it back.
                tracing::warn!(name, "a signed object is gone");
                continue;
            };
            let object = keep(room, &bytes).await?;
            if room.config().signed.send.iter().any(|s| s == name) {
                results.push(object);
            }
        }
        send(room, study, results).await?;
    }
    let done = "DELETE FROM room_unfinished WHERE study_uid = $1 AND revision = $2 AND at = $3";
    sqlx::query(done)
        .bind(study)
        .bind(revision)
        .bind(at)
        .execute(room.db().keep())
        .await?;
    Ok(())
}

/// A file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RoomError::io("signed")(e)),
    }
}

/// Puts objects into the outbox, for the destinations that the configuration names, else those of the rules.
async fn send(room: &Room, study: &str, objects: Vec<NewOutgoing>) -> Result<()> {
    let to = match room.config().signed.to.as_slice() {
        [] => auto::destinations(room.store(), room.config(), study).await?,
        named => named.to_vec(),
    };
    let each = |name: &String| {
        let to = |object: &NewOutgoing| NewOutgoing {
            destination: name.clone(),
            ..object.clone()
        };
        objects.iter().map(to).collect::<Vec<_>>()
    };
    let results: Vec<NewOutgoing> = to.iter().flat_map(each).collect();
    Ok(room.store().send(study, &results).await?)
}

/// Stores an object that was made of a study, with no work on it. Gives it as something to be sent, to nobody yet.
async fn keep(room: &Room, bytes: &[u8]) -> Result<NewOutgoing> {
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
    let uid: Uid = record.instance.clone();
    room.store().ingest(record, &incoming, None).await?;
    let located = room.store().locate(&uid).await?;
    let located = located.ok_or_else(|| wrong(&"an object that was stored is gone"))?;
    let path = located.relative();
    Ok(NewOutgoing {
        destination: String::new(),
        sop_uid: uid.to_string(),
        sop_class: located.sop_class.clone(),
        path: path.to_string_lossy().into_owned(),
    })
}
