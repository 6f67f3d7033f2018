//! What is to be sent. An entry is made in the transaction that ends the work it came from, so that it is neither
//! lost nor made twice, and is marked before the first byte goes out. One that was being sent when the process ended is
//! in doubt: the destination is asked before it is sent again.

use crate::db::Db;
use crate::error::Result;
use crate::index::Tx;
use sqlx::{AssertSqlSafe, Row};

/// An object that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutgoing {
    /// Name of the destination in the configuration.
    pub destination: String,
    /// SOP Instance UID; the same object goes to the same destination once.
    pub sop_uid: String,
    /// SOP Class UID.
    pub sop_class: String,
    /// The file.
    pub path: String,
}

/// An entry that is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What, where to.
    pub entry: NewOutgoing,
    /// The study it came from.
    pub subject: String,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// An earlier attempt ended without an answer: it may be there already.
    pub in_doubt: bool,
    owner: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The destination has it.
    Yes,
    /// It does not have it; it is tried again, not before this time.
    Retry(i64),
    /// It refuses it for good, or too many attempts failed.
    Dead,
}

pub(crate) async fn put(
    tx: &mut Tx<'_>,
    entry: &NewOutgoing,
    subject: &str,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO outbox (destination, sop_uid, sop_class, subject, path, state, due, created, changed) \
         VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $6, $6) ON CONFLICT (destination, sop_uid) DO NOTHING",
    )
    .bind(entry.destination.as_str())
    .bind(entry.sop_uid.as_str())
    .bind(entry.sop_class.as_str())
    .bind(subject)
    .bind(entry.path.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes the entry that is due longest.
pub(crate) async fn lease(db: &Db, worker: &str, now: i64, until: i64) -> Result<Option<Outgoing>> {
    let owner = format!("{worker}/{}", crate::random_token());
    let mut tx = db.work.begin_with(db.begin()).await?;
    let sql = format!(
        "SELECT destination, sop_uid, sop_class, path, subject, attempts, state FROM outbox \
         WHERE (state = 'waiting' AND due <= $1) OR (state = 'sending' AND lease_until < $1) ORDER BY due LIMIT 1{}",
        db.skip_locked()
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(now)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let attempts: i64 = row.try_get(5)?;
    let outgoing = Outgoing {
        entry: NewOutgoing {
            destination: row.try_get(0)?,
            sop_uid: row.try_get(1)?,
            sop_class: row.try_get(2)?,
            path: row.try_get(3)?,
        },
        subject: row.try_get(4)?,
        attempt: attempts + 1,
        in_doubt: row.try_get::<&str, _>(6)? == "sending",
        owner,
    };
    sqlx::query(
        "UPDATE outbox SET state = 'sending', owner = $1, lease_until = $2, attempts = attempts + 1, changed = $3 \
         WHERE destination = $4 AND sop_uid = $5",
    )
    .bind(outgoing.owner.as_str())
    .bind(until)
    .bind(now)
    .bind(outgoing.entry.destination.as_str())
    .bind(outgoing.entry.sop_uid.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(outgoing))
}

/// Says how the attempt ended. False when the lease was lost.
pub(crate) async fn finish(
    db: &Db,
    outgoing: &Outgoing,
    sent: &Sent,
    error: &str,
    now: i64,
) -> Result<bool> {
    let (state, due) = match sent {
        Sent::Yes => ("sent", now),
        Sent::Retry(due) => ("waiting", *due),
        Sent::Dead => ("dead", now),
    };
    let done = sqlx::query(
        "UPDATE outbox SET state = $1, due = $2, error = $3, changed = $4 \
         WHERE destination = $5 AND sop_uid = $6 AND state = 'sending' AND owner = $7",
    )
    .bind(state)
    .bind(due)
    .bind(error)
    .bind(now)
    .bind(outgoing.entry.destination.as_str())
    .bind(outgoing.entry.sop_uid.as_str())
    .bind(outgoing.owner.as_str())
    .execute(&db.work)
    .await?;
    Ok(done.rows_affected() == 1)
}
