//! Edits in the database: rows that are added and never changed.

use super::apply::active;
use super::op::{Context, Edit, Op};
use crate::error::{Result, RoomError};
use hilum_store::Db;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// An edit that is to be kept.
pub(crate) struct NewEdit<'a> {
    pub(crate) study: &'a str,
    pub(crate) base: i64,
    pub(crate) op: &'a Op,
    pub(crate) context: &'a Context,
    pub(crate) by: &'a str,
}

const COLUMNS: &str = "SELECT revision, at, name, op, target, context FROM room_edits";

fn edit(row: &AnyRow) -> Result<Edit> {
    let broken = |e: serde_json::Error| RoomError::Internal(format!("a kept edit: {e}"));
    let id: i64 = row.try_get(0)?;
    Ok(Edit {
        id,
        revision: id,
        at: hilum_node::audit::date_time(row.try_get(1)?),
        by: row.try_get(2)?,
        op: serde_json::from_str(row.try_get(3)?).map_err(broken)?,
        undone_by: None,
        target: row.try_get(4)?,
        context: serde_json::from_str(row.try_get(5)?).map_err(broken)?,
    })
}

fn with_state(mut edits: Vec<Edit>) -> Vec<Edit> {
    let state = active(&edits);
    for edit in &mut edits {
        edit.undone_by = state.get(&edit.id).copied().flatten();
    }
    edits
}

/// All edits of a study, in order.
pub(crate) async fn list(db: &Db, study: &str) -> Result<Vec<Edit>> {
    list_on(&mut *db.read().acquire().await?, study).await
}

/// The same on a connection that is at hand.
pub(crate) async fn list_on(on: &mut AnyConnection, study: &str) -> Result<Vec<Edit>> {
    let sql = crate::db::own(format!("{COLUMNS} WHERE study_uid = $1 ORDER BY revision"));
    let rows = sqlx::query(sql).bind(study).fetch_all(on).await?;
    Ok(with_state(rows.iter().map(edit).collect::<Result<_>>()?))
}

/// Edits of all studies, by study.
pub(crate) async fn list_all(db: &Db) -> Result<Vec<(String, Vec<Edit>)>> {
    let studies = sqlx::query("SELECT DISTINCT study_uid FROM room_edits ORDER BY study_uid")
        .fetch_all(db.read())
        .await?;
    let mut all = Vec::new();
    for row in studies {
        let study: String = row.try_get(0)?;
        let edits = list(db, &study).await?;
        all.push((study, edits));
    }
    Ok(all)
}

/// Revision of a study: the number of its last edit.
pub(crate) async fn revision(on: &mut AnyConnection, study: &str) -> Result<i64> {
    let sql = "SELECT COALESCE(MAX(revision), 0) FROM room_edits WHERE study_uid = $1";
    Ok(sqlx::query_scalar(sql).bind(study).fetch_one(on).await?)
}

/// Keeps an edit, unless somebody else touched the same since the revision that it is based on. `check` sees the edits that are there.
///
/// # Errors
/// [`RoomError::Conflict`] with the edits since; those of `check`.
pub(crate) async fn add(
    db: &Db,
    new: &NewEdit<'_>,
    check: impl Fn(&[Edit]) -> Result<()>,
) -> Result<Edit> {
    let mut tries = 0;
    loop {
        match attempt(db, new, &check).await {
            // On PostgreSQL two may take the same number; the second one looks again.
            Err(RoomError::Database(error))
                if tries < 5
                    && error
                        .as_database_error()
                        .is_some_and(|e| e.is_unique_violation()) =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

async fn attempt(
    db: &Db,
    new: &NewEdit<'_>,
    check: &impl Fn(&[Edit]) -> Result<()>,
) -> Result<Edit> {
    let mut tx = db.keep().begin_with(db.begin()).await?;
    let edits = list_on(&mut tx, new.study).await?;
    let revision = edits.last().map_or(0, |e| e.id);
    let of = |id: i64| edits.iter().find(|e| e.id == id).map(|e| e.target.clone());
    let target = new.op.target(of);
    conflicts(&edits, new.base, &target, new.op)?;
    check(&edits)?;
    let at = hilum_store::now();
    let internal = |e: serde_json::Error| RoomError::Internal(e.to_string());
    sqlx::query(
        "INSERT INTO room_edits (study_uid, revision, at, name, op, target, context) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.study)
    .bind(revision + 1)
    .bind(at)
    .bind(new.by)
    .bind(serde_json::to_string(new.op).map_err(internal)?)
    .bind(target.as_str())
    .bind(serde_json::to_string(new.context).map_err(internal)?)
    .execute(&mut *tx)
    .await?;
    crate::audit::in_transaction(&mut tx, new.by, "edited", new.study, new.op.name()).await?;
    tx.commit().await?;
    Ok(Edit {
        id: revision + 1,
        revision: revision + 1,
        at: hilum_node::audit::date_time(at),
        by: new.by.to_owned(),
        op: new.op.clone(),
        undone_by: None,
        target,
        context: new.context.clone(),
    })
}

fn conflicts(edits: &[Edit], base: i64, target: &str, op: &Op) -> Result<()> {
    let revision = edits.last().map_or(0, |e| e.id);
    if base > revision || base < 0 {
        return Err(RoomError::BadRequest(format!(
            "base_revision {base} is not one of this study's, which is at {revision}"
        )));
    }
    let since: Vec<&Edit> = edits.iter().filter(|e| e.id > base).collect();
    let undone_twice =
        |e: &&&Edit| matches!((&e.op, op), (Op::Undo { edit: a }, Op::Undo { edit: b }) if a == b);
    let clash = since
        .iter()
        .any(|e| !target.is_empty() && e.target == target || undone_twice(&e));
    if !clash {
        return Ok(());
    }
    Err(RoomError::Conflict {
        revision,
        edits: serde_json::to_value(&since).map_err(|e| RoomError::Internal(e.to_string()))?,
    })
}

/// Removes all that readers said of a study that is deleted.
pub(crate) async fn delete(db: &Db, study: &str) -> Result<()> {
    for sql in [
        "DELETE FROM room_edits WHERE study_uid = $1",
        "DELETE FROM room_signatures WHERE study_uid = $1",
        "DELETE FROM room_unfinished WHERE study_uid = $1",
    ] {
        sqlx::query(sql).bind(study).execute(db.keep()).await?;
    }
    Ok(())
}
