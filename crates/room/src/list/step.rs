//! Keeping the rows in step with what they tell of.

use super::fresh::{Fresh, gather};
use crate::error::Result;
use crate::state::Room;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

/// Brings the row of a study in step with everything, and tells open pages.
///
/// # Errors
/// [`RoomError::Database`], [`RoomError::Io`].
pub(crate) async fn refresh(room: &Room, study: &str) -> Result<()> {
    let _one_at_a_time = room.refreshing().lock().await;
    let Some(fresh) = gather(room, study).await? else {
        return forget(room, study).await;
    };
    let db = room.db();
    let mut tx = db.write().begin_with(db.begin()).await?;
    let before = sqlx::query(
        "SELECT state, revision, reading, signed FROM room_studies WHERE study_uid = $1",
    )
    .bind(study)
    .fetch_optional(&mut *tx)
    .await?;
    let changed = match &before {
        None => true,
        Some(row) => differs(row, &fresh)?,
    };
    put(&mut tx, &fresh).await?;
    relate(&mut tx, &fresh).await?;
    tx.commit().await?;
    room.totals().changed();
    if changed {
        let item = &fresh.item;
        room.events().worklist(study, &item.state, item.revision);
    }
    Ok(())
}

/// Whether open pages want to know.
fn differs(before: &AnyRow, fresh: &Fresh) -> Result<bool> {
    Ok(before.try_get::<&str, _>(0)? != fresh.item.state
        || before.try_get::<i64, _>(1)? != fresh.item.revision
        || before.try_get::<&str, _>(2)? != fresh.reading
        || before.try_get::<i64, _>(3)? != i64::from(fresh.item.signed))
}

async fn forget(room: &Room, study: &str) -> Result<()> {
    let db = room.db();
    let mut tx = db.write().begin_with(db.begin()).await?;
    let patient: Option<String> =
        sqlx::query_scalar("SELECT patient_id FROM room_studies WHERE study_uid = $1")
            .bind(study)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(patient) = patient else {
        return Ok(());
    };
    for sql in [
        "DELETE FROM room_studies WHERE study_uid = $1",
        "DELETE FROM room_items WHERE study_uid = $1",
    ] {
        sqlx::query(sql).bind(study).execute(&mut *tx).await?;
    }
    sqlx::query(
        "UPDATE room_studies SET has_prior = CASE WHEN EXISTS (SELECT 1 FROM room_studies p WHERE p.patient_id = room_studies.patient_id \
         AND p.study_uid <> room_studies.study_uid AND (p.day < room_studies.day OR (p.day = room_studies.day \
         AND p.received < room_studies.received))) THEN 1 ELSE 0 END WHERE patient_id = $1 AND patient_id <> '' AND has_prior = 1",
    )
    .bind(patient)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    room.totals().changed();
    room.events().worklist(study, "deleted", 0);
    room.events().deleted(study);
    Ok(())
}

async fn put(tx: &mut Transaction<'_, Any>, fresh: &Fresh) -> Result<()> {
    let item = &fresh.item;
    sqlx::query(
        "INSERT INTO room_studies (study_uid, patient_id, patient_folded, study_date, received, day, age, n_objects, state, \
         uncertainty, priority, reading, revision, signed, has_prior, findings, search, changed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, CASE WHEN $2 <> '' AND EXISTS (SELECT 1 FROM \
         room_studies p WHERE p.patient_id = $2 AND p.study_uid <> $1 AND (p.day < $6 OR (p.day = $6 AND p.received < $5))) \
         THEN 1 ELSE 0 END, $15, $16, $17) \
         ON CONFLICT (study_uid) DO UPDATE SET patient_id = excluded.patient_id, patient_folded = excluded.patient_folded, \
         study_date = excluded.study_date, received = excluded.received, day = excluded.day, age = excluded.age, \
         n_objects = excluded.n_objects, state = excluded.state, uncertainty = excluded.uncertainty, \
         priority = excluded.priority, reading = excluded.reading, revision = excluded.revision, signed = excluded.signed, \
         has_prior = excluded.has_prior, findings = excluded.findings, search = excluded.search, changed = excluded.changed",
    )
    .bind(item.study_uid.as_str())
    .bind(item.patient_id.as_str())
    .bind(item.patient_name.to_lowercase())
    .bind(item.study_date.as_deref().unwrap_or_default())
    .bind(fresh.received)
    .bind(fresh.day.as_str())
    .bind(item.age.unwrap_or(-1.0))
    .bind(fresh.n_objects)
    .bind(item.state.as_str())
    .bind(item.uncertainty.unwrap_or(-1.0))
    .bind(item.priority.unwrap_or(-1.0))
    .bind(fresh.reading.as_str())
    .bind(item.revision)
    .bind(i64::from(item.signed))
    .bind(fresh.findings.as_str())
    .bind(fresh.search.as_str())
    .bind(hilum_store::now())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO room_items (study_uid, item) VALUES ($1, $2) ON CONFLICT (study_uid) DO UPDATE SET item = excluded.item",
    )
    .bind(item.study_uid.as_str())
    .bind(item.kept()?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Later studies of the patient have a prior now.
async fn relate(tx: &mut Transaction<'_, Any>, fresh: &Fresh) -> Result<()> {
    let item = &fresh.item;
    if item.patient_id.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE room_studies SET has_prior = 1 WHERE patient_id = $1 AND has_prior = 0 AND study_uid <> $2 \
         AND (day > $3 OR (day = $3 AND received > $4))",
    )
    .bind(item.patient_id.as_str())
    .bind(item.study_uid.as_str())
    .bind(fresh.day.as_str())
    .bind(fresh.received)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Studies whose rows are not in step: after a kill, and what other processes did.
async fn out_of_step(room: &Room) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for sql in [
        "SELECT s.study_uid FROM studies s LEFT JOIN room_studies r ON r.study_uid = s.study_uid \
         LEFT JOIN jobs j ON j.subject = s.study_uid AND j.kind = 'read' \
         WHERE r.study_uid IS NULL OR r.n_objects <> s.n_instances OR (j.changed IS NOT NULL AND j.changed >= r.changed)",
        "SELECT r.study_uid FROM room_studies r LEFT JOIN studies s ON s.study_uid = r.study_uid WHERE s.study_uid IS NULL",
        "SELECT r.study_uid FROM room_studies r WHERE r.revision <> \
         (SELECT COALESCE(MAX(e.revision), 0) FROM room_edits e WHERE e.study_uid = r.study_uid)",
        // Its worker is gone.
        "SELECT r.study_uid FROM room_studies r WHERE r.state = 'reading'",
    ] {
        for row in sqlx::query(sql).fetch_all(room.db().read()).await? {
            found.insert(row.try_get(0)?);
        }
    }
    Ok(found)
}

/// How often the list is compared with a database that other processes change too.
const COMPARE: Duration = Duration::from_secs(5);

/// How often signed objects that could not be stored or sent are tried again; the first time at once, for those of a process that ended.
const FINISH: Duration = Duration::from_secs(60);

/// Keeps the work list in step until the room stops, and does what signatures left to be done.
pub(crate) async fn keep_in_step(room: Room) {
    let mut changes = room.store().changes();
    let mut stopped = room.stopped();
    let shared = room.db().kind() == hilum_store::DatabaseKind::Postgres;
    compare(&room).await;
    let mut ticks = tokio::time::interval(COMPARE);
    let mut again = tokio::time::interval(FINISH);
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(study) => {
                    let mut studies = BTreeSet::from([study]);
                    while let Ok(study) = changes.try_recv() {
                        studies.insert(study);
                    }
                    for study in studies {
                        update(&room, &study).await;
                    }
                }
                Err(RecvError::Lagged(_)) => compare(&room).await,
                Err(RecvError::Closed) => return,
            },
            _ = ticks.tick(), if shared => compare(&room).await,
            _ = again.tick() => crate::sign::finish_all(&room).await,
            _ = stopped.changed() => return,
        }
    }
}

async fn compare(room: &Room) {
    match out_of_step(room).await {
        Ok(studies) => {
            for study in studies {
                update(room, &study).await;
            }
        }
        Err(error) => warn!(%error, "work list not compared"),
    }
}

async fn update(room: &Room, study: &str) {
    if let Err(error) = refresh(room, study).await {
        warn!(%error, "row of the work list not written");
    }
}
