//! What is to be sent. An entry is made in the transaction that ends the work it came from, so that it is neither
//! lost nor made twice, and is marked before the first byte goes out. One that was being sent when the process ended is
//! in doubt: the destination is asked before it is sent again.

use crate::db::Db;
use crate::error::Result;
use crate::index::Tx;
use crate::uid::Uid;
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashSet;

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
    /// How many attempts before this one ended without a word, one after the other: whoever sent was gone.
    pub lost: i64,
    /// Milliseconds since it was to be sent for the first time, or since a person asked for it to be tried again.
    pub age_ms: i64,
    owner: String,
}

/// Which entries a sender takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane<'a> {
    /// Those of every destination.
    Any,
    /// Those of one destination.
    To(&'a str),
    /// Those of destinations other than these.
    Beside(&'a [&'a str]),
}

impl Lane<'_> {
    /// The names that the condition on the destination has places for.
    fn names(&self) -> &[&str] {
        match self {
            Lane::Any => &[],
            Lane::To(name) => std::slice::from_ref(name),
            Lane::Beside(names) => names,
        }
    }

    fn condition(&self) -> String {
        let places: Vec<_> = (1..=self.names().len()).map(|n| format!("${n}")).collect();
        match self {
            Lane::To(_) => " AND destination = $1".to_owned(),
            Lane::Beside(_) if !places.is_empty() => {
                format!(" AND destination NOT IN ({})", places.join(", "))
            }
            _ => String::new(),
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The destination has it.
    Yes,
    /// It does not have it; it is tried again, not before so many milliseconds from now.
    Retry(i64),
    /// It refuses it for good, or it was tried for too long.
    Dead,
}

/// Puts an entry into the outbox. One that was put aside is tried again: the study was read once more.
pub(crate) async fn put(
    db: &Db,
    tx: &mut Tx<'_>,
    entry: &NewOutgoing,
    subject: &str,
) -> Result<()> {
    let now = db.clock();
    // Attempts are kept: an earlier one may have arrived, so the destination is asked first.
    let sql = format!(
        "INSERT INTO outbox (destination, sop_uid, sop_class, subject, path, state, due, created, changed) \
         VALUES ($1, $2, $3, $4, $5, 'waiting', {now}, {now}, {now}) ON CONFLICT (destination, sop_uid) DO UPDATE SET \
         state = 'waiting', due = excluded.due, created = excluded.created, changed = excluded.changed, lost = 0, \
         path = excluded.path WHERE outbox.state = 'dead'"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(entry.destination.as_str())
        .bind(entry.sop_uid.as_str())
        .bind(entry.sop_class.as_str())
        .bind(subject)
        .bind(entry.path.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether an object is one that goes or went out from here.
pub(crate) async fn is_own(tx: &mut Tx<'_>, instance: &Uid) -> Result<bool> {
    let row = sqlx::query("SELECT sop_uid FROM outbox WHERE sop_uid = $1 LIMIT 1")
        .bind(instance.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// UIDs of the objects of a study that go or went out from here.
pub(crate) async fn of_study(db: &Db, study: &str) -> Result<HashSet<String>> {
    let rows = sqlx::query("SELECT DISTINCT sop_uid FROM outbox WHERE subject = $1")
        .bind(study)
        .fetch_all(&db.read)
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Takes the entry that is due longest, or one whose sender fell silent for `lease_ms`.
pub(crate) async fn lease(
    db: &Db,
    worker: &str,
    lane: Lane<'_>,
    lease_ms: i64,
) -> Result<Option<Outgoing>> {
    let owner = format!("{worker}/{}", crate::random_token());
    let now = db.clock();
    let mut tx = db.work.begin_with(db.begin()).await?;
    let sql = format!(
        "SELECT destination, sop_uid, sop_class, path, subject, attempts, state, lost, {now} - created FROM outbox \
         WHERE ((state = 'waiting' AND due <= {now}) OR (state = 'sending' AND lease_until < {now})){} ORDER BY due LIMIT 1{}",
        lane.condition(),
        db.skip_locked()
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for name in lane.names() {
        query = query.bind(*name);
    }
    let row = query.fetch_optional(&mut *tx).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let (attempts, lost): (i64, i64) = (row.try_get(5)?, row.try_get(7)?);
    let in_doubt = row.try_get::<&str, _>(6)? == "sending";
    let outgoing = Outgoing {
        entry: NewOutgoing {
            destination: row.try_get(0)?,
            sop_uid: row.try_get(1)?,
            sop_class: row.try_get(2)?,
            path: row.try_get(3)?,
        },
        subject: row.try_get(4)?,
        attempt: attempts + 1,
        in_doubt,
        lost: if in_doubt { lost + 1 } else { 0 },
        age_ms: row.try_get(8)?,
        owner,
    };
    let sql = format!(
        "UPDATE outbox SET state = 'sending', owner = $1, lease_until = {now} + $2, attempts = attempts + 1, lost = $3, \
         changed = {now} WHERE destination = $4 AND sop_uid = $5"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(outgoing.owner.as_str())
        .bind(lease_ms)
        .bind(outgoing.lost)
        .bind(outgoing.entry.destination.as_str())
        .bind(outgoing.entry.sop_uid.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Some(outgoing))
}

/// Says that the sender is still at it. False when the lease was lost, or the entry is gone.
pub(crate) async fn heartbeat(db: &Db, outgoing: &Outgoing, lease_ms: i64) -> Result<bool> {
    let sql = format!(
        "UPDATE outbox SET lease_until = {} + $1 WHERE destination = $2 AND sop_uid = $3 AND state = 'sending' AND owner = $4",
        db.clock()
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(lease_ms)
        .bind(outgoing.entry.destination.as_str())
        .bind(outgoing.entry.sop_uid.as_str())
        .bind(outgoing.owner.as_str())
        .execute(&db.work)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Says how the attempt ended. False when the lease was lost.
pub(crate) async fn finish(db: &Db, outgoing: &Outgoing, sent: &Sent, error: &str) -> Result<bool> {
    let (state, wait) = match sent {
        Sent::Yes => ("sent", 0),
        Sent::Retry(wait) => ("waiting", *wait),
        Sent::Dead => ("dead", 0),
    };
    let now = db.clock();
    let sql = format!(
        "UPDATE outbox SET state = $1, due = {now} + $2, error = $3, changed = {now}, lost = 0 \
         WHERE destination = $4 AND sop_uid = $5 AND state = 'sending' AND owner = $6"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(state)
        .bind(wait)
        .bind(error)
        .bind(outgoing.entry.destination.as_str())
        .bind(outgoing.entry.sop_uid.as_str())
        .bind(outgoing.owner.as_str())
        .execute(&db.work)
        .await?;
    Ok(done.rows_affected() == 1)
}
