//! Who saw, changed, signed and exported what: rows in the database, and audit messages of DICOM beside them where that standard has one.

use crate::error::Result;
use hilum_node::audit::{self, Audit, Outcome};
use hilum_store::Db;
use serde::Serialize;
use sqlx::{Any, Row, Transaction};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{error, warn};

/// What happened.
#[derive(Debug, Clone)]
struct Seen {
    at: i64,
    by: String,
    action: &'static str,
    study: String,
    detail: String,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SeenRow {
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// `viewed`, `uploaded`, `edited`, `signed`, `exported`, `compared`, `read_again`, `deleted`, `labels_exported`, `logged_in`,
    /// `login_failed`, `logged_out`, `dicomweb`, `audit_viewed`.
    pub action: String,
    /// Study; null where it is about none.
    pub study_uid: Option<String>,
    /// More, in words.
    pub detail: String,
}

/// Takes what happened; rows are written together, a moment later.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    sender: mpsc::UnboundedSender<Seen>,
    dicom: Audit,
    aet: String,
}

/// Most rows of one transaction.
const TOGETHER: usize = 500;

impl Log {
    /// Starts the writer; it ends when the last `Log` is dropped, after everything is written.
    pub(crate) fn start(db: Db, dicom: Audit, aet: &str) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut rows = Vec::new();
            while receiver.recv_many(&mut rows, TOGETHER).await > 0 {
                keep(&db, &rows, || receiver.is_closed()).await;
                rows.clear();
            }
        });
        let log = Log {
            sender,
            dicom,
            aet: aet.to_owned(),
        };
        (log, task)
    }

    /// A row alone: its message of DICOM is written elsewhere.
    pub(crate) fn row(&self, by: &str, action: &'static str, study: &str, detail: &str) {
        let seen = Seen {
            at: hilum_store::now(),
            by: by.to_owned(),
            action,
            study: study.to_owned(),
            detail: detail.to_owned(),
        };
        // The writer ends after all that could send.
        let _ = self.sender.send(seen);
    }

    /// Notes what happened.
    pub(crate) fn note(&self, by: &str, action: &'static str, study: &str, detail: &str) {
        self.row(by, action, study, detail);
        if study.is_empty() {
            return;
        }
        let message = match action {
            "deleted" => {
                let count = detail.split(' ').next().and_then(|n| n.parse().ok());
                audit::deleted(&self.aet, by, study, count.unwrap_or(0))
            }
            _ => audit::read(
                &self.aet,
                by,
                study,
                Outcome::Success,
                &format!("{action} {detail}"),
            ),
        };
        self.dicom.write(&message);
    }

    /// A message of DICOM alone: the row is part of another transaction.
    pub(crate) fn dicom(&self, by: &str, action: &str, study: &str, detail: &str) {
        let words = format!("{action} {detail}");
        self.dicom
            .write(&audit::read(&self.aet, by, study, Outcome::Success, &words));
    }
}

/// Longest pause between two attempts to write rows.
const PAUSE: Duration = Duration::from_secs(10);
/// Attempts that are made when the room ends.
const AT_THE_END: u32 = 10;

/// Writes rows, as often as it takes: a database that restarts must not cost what was seen meanwhile. Only when the room `ends`
/// and the database stays away, rows are given up, and that is said.
async fn keep(db: &Db, rows: &[Seen], ends: impl Fn() -> bool) {
    let (mut pause, mut last) = (Duration::from_millis(100), 0);
    while let Err(error) = write(db, rows).await {
        warn!(%error, rows = rows.len(), "audit rows not written yet");
        last += u32::from(ends());
        if last > AT_THE_END {
            error!(
                rows = rows.len(),
                "audit rows lost: the database stays away"
            );
            return;
        }
        tokio::time::sleep(pause).await;
        pause = match ends() {
            true => Duration::from_millis(100),
            false => (pause * 2).min(PAUSE),
        };
    }
}

const INSERT: &str =
    "INSERT INTO room_seen (at, name, action, study_uid, detail) VALUES ($1, $2, $3, $4, $5)";

async fn write(db: &Db, rows: &[Seen]) -> Result<()> {
    let mut tx = db.write().begin_with(db.begin()).await?;
    for row in rows {
        sqlx::query(INSERT)
            .bind(row.at)
            .bind(row.by.as_str())
            .bind(row.action)
            .bind(row.study.as_str())
            .bind(row.detail.as_str())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A row that must be there when, and only when, what it tells of is.
pub(crate) async fn in_transaction(
    tx: &mut Transaction<'_, Any>,
    by: &str,
    action: &str,
    study: &str,
    detail: &str,
) -> Result<()> {
    sqlx::query(INSERT)
        .bind(hilum_store::now())
        .bind(by)
        .bind(action)
        .bind(study)
        .bind(detail)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The last rows, the newest first; of one study or all.
pub(crate) async fn list(db: &Db, study: Option<&str>, limit: i64) -> Result<Vec<SeenRow>> {
    let rows = match study {
        Some(study) => {
            sqlx::query("SELECT at, name, action, study_uid, detail FROM room_seen WHERE study_uid = $1 ORDER BY at DESC LIMIT $2")
                .bind(study)
                .bind(limit)
                .fetch_all(db.read())
                .await?
        }
        None => {
            sqlx::query("SELECT at, name, action, study_uid, detail FROM room_seen ORDER BY at DESC LIMIT $1")
                .bind(limit)
                .fetch_all(db.read())
                .await?
        }
    };
    rows.iter()
        .map(|row| {
            let study: String = row.try_get(3)?;
            Ok(SeenRow {
                at: audit::date_time(row.try_get(0)?),
                by: row.try_get(1)?,
                action: row.try_get(2)?,
                study_uid: (!study.is_empty()).then_some(study),
                detail: row.try_get(4)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_wait_for_a_database_that_is_away() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::of_store(dir.path(), None).await.unwrap();
        crate::db::migrate(&db).await.unwrap();
        let run = async |sql: &'static str| {
            sqlx::query(sql).execute(db.keep()).await.unwrap();
        };
        run("ALTER TABLE room_seen RENAME TO away").await;
        let (log, task) = Log::start(db.clone(), Audit::none(), "HILUM");
        log.note("ada", "viewed", "1.2", "");
        tokio::time::sleep(Duration::from_millis(300)).await;
        run("ALTER TABLE away RENAME TO room_seen").await;
        drop(log);
        task.await.unwrap();
        let rows = list(&db, Some("1.2"), 10).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].by.as_str(), rows[0].action.as_str()),
            ("ada", "viewed")
        );
    }
}
