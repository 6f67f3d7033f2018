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
    /// Not before so many milliseconds from now, by the database's clock.
    pub wait_ms: i64,
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
    /// It is tried again, not before so many milliseconds from now.
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
pub(crate) async fn request(db: &Db, tx: &mut Tx<'_>, job: &NewJob) -> Result<()> {
    let now = db.clock();
    let sql = format!(
        "INSERT INTO jobs (kind, subject, state, due, created, changed) VALUES ($1, $2, 'waiting', {now} + $3, {now}, {now}) \
         ON CONFLICT (kind, subject) DO UPDATE SET due = excluded.due, changed = excluded.changed, \
         again = CASE WHEN jobs.state = 'leased' THEN 1 ELSE 0 END, \
         attempts = CASE WHEN jobs.state IN ('done', 'dead') THEN 0 ELSE jobs.attempts END, \
         state = CASE WHEN jobs.state = 'leased' THEN 'leased' ELSE 'waiting' END"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(job.kind.as_str())
        .bind(job.subject.as_str())
        .bind(job.wait_ms)
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

/// Takes the job that is due longest, or one whose worker fell silent for `lease_ms`.
pub(crate) async fn lease(
    db: &Db,
    kind: &str,
    worker: &str,
    lease_ms: i64,
) -> Result<Option<Lease>> {
    let owner = format!("{worker}/{}", crate::random_token());
    let now = db.clock();
    let sql = format!(
        "UPDATE jobs SET state = 'leased', owner = $1, lease_until = {now} + $2, attempts = attempts + 1, changed = {now} \
         WHERE kind = $3 AND subject = (SELECT subject FROM jobs WHERE kind = $3 AND ((state = 'waiting' AND due <= {now}) \
         OR (state = 'leased' AND lease_until < {now})) ORDER BY due LIMIT 1{}) RETURNING subject, attempts",
        db.skip_locked()
    );
    // All rows are taken, there is at most one: a statement that is left half way would keep its transaction open.
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(owner.as_str())
        .bind(lease_ms)
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
pub(crate) async fn heartbeat(db: &Db, lease: &Lease, lease_ms: i64) -> Result<bool> {
    let sql = format!(
        "UPDATE jobs SET lease_until = {} + $1 WHERE kind = $2 AND subject = $3 AND state = 'leased' AND owner = $4",
        db.clock()
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(lease_ms)
        .bind(lease.kind.as_str())
        .bind(lease.subject.as_str())
        .bind(lease.owner.as_str())
        .execute(&db.work)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The job is done: its results are put into the outbox in the same transaction. False when the lease was lost, and
/// then nothing is put there.
pub(crate) async fn complete(db: &Db, lease: &Lease, results: &[NewOutgoing]) -> Result<bool> {
    let mut tx = db.work.begin_with(db.begin()).await?;
    let sql = format!(
        "UPDATE jobs SET state = CASE WHEN again = 1 THEN 'waiting' ELSE 'done' END, again = 0, attempts = 0, error = '', \
         changed = {} WHERE kind = $1 AND subject = $2 AND state = 'leased' AND owner = $3",
        db.clock()
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(lease.kind.as_str())
        .bind(lease.subject.as_str())
        .bind(lease.owner.as_str())
        .execute(&mut *tx)
        .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    for result in results {
        outbox::put(db, &mut tx, result, &lease.subject).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// The job was not done. What came meanwhile gives it as many attempts as a new job.
pub(crate) async fn fail(db: &Db, lease: &Lease, error: &str, failure: &Failure) -> Result<bool> {
    let (state, wait) = match failure {
        Failure::Retry(wait) => ("waiting", *wait),
        Failure::Dead => ("dead", 0),
    };
    let now = db.clock();
    let sql = format!(
        "UPDATE jobs SET state = CASE WHEN again = 1 THEN 'waiting' ELSE $1 END, \
         attempts = CASE WHEN again = 1 THEN 0 ELSE attempts END, again = 0, due = {now} + $2, error = $3, \
         changed = {now} WHERE kind = $4 AND subject = $5 AND state = 'leased' AND owner = $6"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(state)
        .bind(wait)
        .bind(error)
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
