//! What goes with a study: everything that was made of it, asked for it or is to be sent of it. One transaction takes the rows
//! and notes the files, so that a kill between the two leaves nothing behind for good.

use crate::db::{Db, is_table};
use crate::error::{Result, StoreError};
use crate::index::Tx;
use crate::uid::Uid;
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// Notes a file or folder, relative to the store's folder, that is to go when the transaction is done.
pub(crate) async fn note(tx: &mut Tx<'_>, path: &Path) -> Result<()> {
    sqlx::query("INSERT INTO deletions (path) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(path.to_string_lossy().into_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes everything about a study but its objects: jobs, what is to be sent, rows of what builds on the store, its reading.
/// Returns the files and folders that are to go, which are noted.
pub(crate) async fn study(tx: &mut Tx<'_>, study: &Uid) -> Result<Vec<PathBuf>> {
    let uid = study.as_str();
    let mut paths = vec![reading(study)];
    let rows = sqlx::query("SELECT DISTINCT path FROM outbox WHERE subject = $1")
        .bind(uid)
        .fetch_all(&mut **tx)
        .await?;
    for row in &rows {
        paths.push(PathBuf::from(row.try_get::<String, _>(0)?));
    }
    let tables = sqlx::query("SELECT name FROM study_tables")
        .fetch_all(&mut **tx)
        .await?;
    let mut statements = vec![
        "DELETE FROM jobs WHERE subject = $1".to_owned(),
        "DELETE FROM outbox WHERE subject = $1".to_owned(),
    ];
    for table in &tables {
        let name: String = table.try_get(0)?;
        if is_table(&name) {
            statements.push(format!("DELETE FROM {name} WHERE study_uid = $1"));
        }
    }
    for sql in statements {
        sqlx::query(AssertSqlSafe(sql))
            .bind(uid)
            .execute(&mut **tx)
            .await?;
    }
    for path in &paths {
        note(tx, path).await?;
    }
    Ok(paths)
}

/// The folder of a study's reading, relative to the store's folder.
pub(crate) fn reading(study: &Uid) -> PathBuf {
    Path::new("readings").join(study.as_str())
}

/// Whether any object of a study is stored.
pub(crate) async fn is_there(tx: &mut Tx<'_>, study: &Uid) -> Result<bool> {
    let row = sqlx::query("SELECT study_uid FROM studies WHERE study_uid = $1")
        .bind(study.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Whether anybody has or wants a job on a study; one that is to be fetched is not stored yet.
pub(crate) async fn has_jobs(tx: &mut Tx<'_>, study: &Uid) -> Result<bool> {
    let row = sqlx::query("SELECT kind FROM jobs WHERE subject = $1 LIMIT 1")
        .bind(study.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Files of what is still to be sent, or was put aside and may be tried again.
pub(crate) async fn unsent(db: &Db) -> Result<HashSet<PathBuf>> {
    let rows = sqlx::query("SELECT DISTINCT path FROM outbox WHERE state <> 'sent'")
        .fetch_all(&db.work)
        .await?;
    rows.iter()
        .map(|row| Ok(PathBuf::from(row.try_get::<String, _>(0)?)))
        .collect()
}

/// A path of the store's own: a row that somebody changed must not lead out of the folder.
pub(crate) fn is_inside(relative: &Path) -> bool {
    let mut parts = relative.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The path, when it is the store's own.
pub(crate) fn inside(relative: &Path) -> Result<&Path> {
    match is_inside(relative) {
        true => Ok(relative),
        false => Err(StoreError::Query {
            reason: "a path that leads out of the store's folder".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_within_the_folder_are_the_stores_own() {
        assert!(is_inside(Path::new("outbox/1.2.dcm")));
        for bad in ["", "/etc/passwd", "../x", "outbox/../../x"] {
            assert!(!is_inside(Path::new(bad)), "{bad}");
        }
    }
}
