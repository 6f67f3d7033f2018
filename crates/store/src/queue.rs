//! Work on what was received. A job belongs to one subject (a study), is leased to one worker at a time and comes
//! back when that worker falls silent. The same tables serve one process on SQLite and many on PostgreSQL.

use crate::db::{Db, Kind};
use crate::error::Result;
use crate::index::Tx;
use crate::outbox::{self, NewOutgoing};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row};

/// A job that is asked for. Asking again moves its time; while it is worked on, it is done once more afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What is to be done, e.g. `read`.
    pub kind: String,
    /// What it is done to, e.g. a Study Instance UID.
    pub subject: String,
    /// Not before this time, in milliseconds since 1970.
    pub due: i64,
}

/// A job in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is to be done.
    pub kind: String,
    /// What it is done to.
    pub subject: String,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// Says whose lease this is; one that ran out and was given to another cannot be used any more.
    owner: String,
}

/// How a job ended that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It is tried again, not before this time.
    Retry(i64),
    /// It is put aside for a person to look at.
    Dead,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// To be done.
    Waiting,
    /// In a worker's hands.
    Leased,
    /// Done.
    Done,
    /// Put aside after too many failures.
    Dead,
}

impl crate::Store {
    /// Where the job of this kind on this subject stands; `None` when nobody ever asked for it.
    ///
    /// # Errors
    /// [`crate::StoreError::Database`].
    pub async fn job_state(&self, kind: &str, subject: &str) -> Result<Option<JobState>> {
        let row = sqlx::query("SELECT state FROM jobs WHERE kind = $1 AND subject = $2")
            .bind(kind)
            .bind(subject)
            .fetch_optional(self.db().read())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(match row.try_get::<&str, _>(0)? {
            "waiting" => JobState::Waiting,
            "leased" => JobState::Leased,
            "done" => JobState::Done,
            _ => JobState::Dead,
        }))
    }
}

/// How many jobs are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// To be done.
    pub waiting: i64,
    /// In a worker's hands.
    pub leased: i64,
    /// Done.
    pub done: i64,
    /// Put aside after too many failures.
    pub dead: i64,
}

/// Asks for a job within a transaction.
pub(crate) async fn request(tx: &mut Tx<'_>, job: &NewJob, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO jobs (kind, subject, state, due, created, changed) VALUES ($1, $2, 'waiting', $3, $4, $4) \
         ON CONFLICT (kind, subject) DO UPDATE SET due = excluded.due, changed = excluded.changed, \
         again = CASE WHEN jobs.state = 'leased' THEN 1 ELSE 0 END, \
         attempts = CASE WHEN jobs.state IN ('done', 'dead') THEN 0 ELSE jobs.attempts END, \
         state = CASE WHEN jobs.state = 'leased' THEN 'leased' ELSE 'waiting' END",
    )
    .bind(job.kind.as_str())
    .bind(job.subject.as_str())
    .bind(job.due)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the leases of a process that is gone. An SQLite index belongs to one process, and that is the one that opens it; with
/// PostgreSQL others may be at work, and their leases run out by themselves.
pub(crate) async fn release(db: &Db) -> Result<()> {
    if db.kind == Kind::Postgres {
        return Ok(());
    }
    for sql in [
        "UPDATE jobs SET lease_until = 0 WHERE state = 'leased'",
        "UPDATE outbox SET lease_until = 0 WHERE state = 'sending'",
    ] {
        sqlx::query(sql).execute(&db.work).await?;
    }
    Ok(())
}

/// Takes the job that is due longest, or one whose worker fell silent.
pub(crate) async fn lease(
    db: &Db,
    kind: &str,
    worker: &str,
    now: i64,
    until: i64,
) -> Result<Option<Lease>> {
    let owner = format!("{worker}/{}", crate::random_token());
    let sql = format!(
        "UPDATE jobs SET state = 'leased', owner = $1, lease_until = $2, attempts = attempts + 1, changed = $3 \
         WHERE kind = $4 AND subject = (SELECT subject FROM jobs WHERE kind = $4 AND ((state = 'waiting' AND due <= $3) \
         OR (state = 'leased' AND lease_until < $3)) ORDER BY due LIMIT 1{}) RETURNING subject, attempts",
        db.skip_locked()
    );
    // All rows are taken, there is at most one: a statement that is left half way would keep its transaction open.
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(owner.as_str())
        .bind(until)
        .bind(now)
        .bind(kind)
        .fetch_all(&db.work)
        .await?;
    rows.first()
        .map(|row| {
            Ok(Lease {
                kind: kind.to_owned(),
                subject: row.try_get(0)?,
                attempt: row.try_get(1)?,
                owner,
            })
        })
        .transpose()
}

/// Says that the worker is still at it. False when the lease was lost.
pub(crate) async fn heartbeat(db: &Db, lease: &Lease, until: i64) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE jobs SET lease_until = $1 WHERE kind = $2 AND subject = $3 AND state = 'leased' AND owner = $4",
    )
    .bind(until)
    .bind(lease.kind.as_str())
    .bind(lease.subject.as_str())
    .bind(lease.owner.as_str())
    .execute(&db.work)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The job is done: its results are put into the outbox in the same transaction. False when the lease was lost, and
/// then nothing is put there.
pub(crate) async fn complete(
    db: &Db,
    lease: &Lease,
    results: &[NewOutgoing],
    now: i64,
) -> Result<bool> {
    let mut tx = db.work.begin_with(db.begin()).await?;
    let done = sqlx::query(
        "UPDATE jobs SET state = CASE WHEN again = 1 THEN 'waiting' ELSE 'done' END, again = 0, attempts = 0, error = '', \
         changed = $1 WHERE kind = $2 AND subject = $3 AND state = 'leased' AND owner = $4",
    )
    .bind(now)
    .bind(lease.kind.as_str())
    .bind(lease.subject.as_str())
    .bind(lease.owner.as_str())
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    for result in results {
        outbox::put(&mut tx, result, &lease.subject, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// The job was not done.
pub(crate) async fn fail(
    db: &Db,
    lease: &Lease,
    error: &str,
    failure: &Failure,
    now: i64,
) -> Result<bool> {
    let (state, due) = match failure {
        Failure::Retry(due) => ("waiting", *due),
        Failure::Dead => ("dead", now),
    };
    let done = sqlx::query(
        "UPDATE jobs SET state = CASE WHEN again = 1 THEN 'waiting' ELSE $1 END, again = 0, due = $2, error = $3, \
         changed = $4 WHERE kind = $5 AND subject = $6 AND state = 'leased' AND owner = $7",
    )
    .bind(state)
    .bind(due)
    .bind(error)
    .bind(now)
    .bind(lease.kind.as_str())
    .bind(lease.subject.as_str())
    .bind(lease.owner.as_str())
    .execute(&db.work)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Counts the rows of `table` by state.
pub(crate) async fn counts(db: &Db, table: &'static str) -> Result<Counts> {
    let sql = format!("SELECT state, COUNT(*) FROM {table} GROUP BY state");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&db.read).await?;
    let mut counts = Counts::default();
    for row in rows {
        let (state, count): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        match state.as_str() {
            "waiting" => counts.waiting += count,
            "leased" | "sending" => counts.leased += count,
            "done" | "sent" => counts.done += count,
            _ => counts.dead += count,
        }
    }
    Ok(counts)
}
