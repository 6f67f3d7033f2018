//! Looking at the queue and the outbox from outside, and trying again what was put aside. Rows alone: also while another
//! process has the store open.

use crate::db::Db;
use crate::error::Result;
use serde::Serialize;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Work {
    /// A job.
    Job {
        /// What is done, e.g. `read`.
        kind: String,
    },
    /// An object that is to be sent.
    Send {
        /// Name of the destination.
        destination: String,
        /// Its SOP Instance UID.
        sop_uid: String,
    },
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// To be done, or to be done again.
    Waiting,
    /// Under way.
    Working,
    /// Done or sent.
    Done,
    /// Put aside for a person to look at.
    Dead,
}

impl EntryState {
    fn of(text: &str) -> Self {
        match text {
            "waiting" => EntryState::Waiting,
            "leased" | "sending" => EntryState::Working,
            "done" | "sent" => EntryState::Done,
            _ => EntryState::Dead,
        }
    }

    /// The words for it in the two tables.
    fn words(self) -> &'static str {
        match self {
            EntryState::Waiting => "'waiting'",
            EntryState::Working => "'leased', 'sending'",
            EntryState::Done => "'done', 'sent'",
            EntryState::Dead => "'dead'",
        }
    }
}

/// A job, or an object that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    #[serde(flatten)]
    pub work: Work,
    /// Study Instance UID.
    pub study: String,
    /// Where it stands.
    pub state: EntryState,
    /// Attempts so far.
    pub attempts: i64,
    /// When it is due, in milliseconds since 1970 by the database's clock.
    pub due: i64,
    /// When it changed last, likewise.
    pub changed: i64,
    /// Why the last attempt failed; empty when none did.
    pub error: String,
}

/// Which entries are meant. What is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// States.
    pub states: Vec<EntryState>,
    /// Of this study.
    pub study: Option<String>,
    /// To this destination; no jobs then.
    pub destination: Option<String>,
    /// Of this kind; nothing that is to be sent then.
    pub kind: Option<String>,
}

impl Chosen {
    /// Condition and values for a table whose second choice is by `column`.
    fn condition<'a>(&'a self, column: &str, second: Option<&'a str>) -> (String, Vec<&'a str>) {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        if !self.states.is_empty() {
            let words: Vec<&str> = self.states.iter().map(|s| s.words()).collect();
            parts.push(format!("state IN ({})", words.join(", ")));
        }
        for (column, value) in [("subject", self.study.as_deref()), (column, second)] {
            if let Some(value) = value {
                values.push(value);
                parts.push(format!("{column} = ${}", values.len()));
            }
        }
        if parts.is_empty() {
            parts.push("1 = 1".to_owned());
        }
        (parts.join(" AND "), values)
    }

    fn jobs(&self) -> Option<(String, Vec<&str>)> {
        let wanted = self.destination.is_none();
        wanted.then(|| self.condition("kind", self.kind.as_deref()))
    }

    fn outgoing(&self) -> Option<(String, Vec<&str>)> {
        let wanted = self.kind.is_none();
        wanted.then(|| self.condition("destination", self.destination.as_deref()))
    }
}

impl Db {
    /// Jobs and what is to be sent, those that are due first first.
    ///
    /// # Errors
    /// [`crate::StoreError::Database`].
    pub async fn entries(&self, chosen: &Chosen) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let tables = [
            ("jobs", "kind, ''", chosen.jobs()),
            ("outbox", "destination, sop_uid", chosen.outgoing()),
        ];
        for (table, names, condition) in tables {
            let Some((condition, values)) = condition else {
                continue;
            };
            let sql = format!(
                "SELECT subject, state, attempts, due, changed, error, {names} FROM {table} WHERE {condition} \
                 ORDER BY due, subject"
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in values {
                query = query.bind(value.to_owned());
            }
            for row in query.fetch_all(&self.read).await? {
                let (first, second): (String, String) = (row.try_get(6)?, row.try_get(7)?);
                entries.push(Entry {
                    work: match table {
                        "jobs" => Work::Job { kind: first },
                        _ => Work::Send {
                            destination: first,
                            sop_uid: second,
                        },
                    },
                    study: row.try_get(0)?,
                    state: EntryState::of(row.try_get::<&str, _>(1)?),
                    attempts: row.try_get(2)?,
                    due: row.try_get(3)?,
                    changed: row.try_get(4)?,
                    error: row.try_get(5)?,
                });
            }
        }
        Ok(entries)
    }

    /// Makes entries that wait or were put aside due at once, with all their attempts and their time before them. States of
    /// `chosen` other than these two are passed over. Returns how many there were.
    ///
    /// # Errors
    /// [`crate::StoreError::Database`].
    pub async fn retry(&self, chosen: &Chosen) -> Result<u64> {
        let mut chosen = chosen.clone();
        let open = |s: &EntryState| matches!(s, EntryState::Waiting | EntryState::Dead);
        chosen.states.retain(open);
        if chosen.states.is_empty() {
            chosen.states.push(EntryState::Dead);
        }
        let now = self.clock();
        let mut tx = self.work.begin_with(self.begin()).await?;
        let mut count = 0;
        if let Some((condition, values)) = chosen.jobs() {
            let sql = format!(
                "UPDATE jobs SET state = 'waiting', attempts = 0, due = {now}, changed = {now} WHERE {condition}"
            );
            count += update(&mut tx, sql, &values).await?;
        }
        if let Some((condition, values)) = chosen.outgoing() {
            // Attempts are kept: an earlier one may have arrived, so the destination is asked first.
            let sql = format!(
                "UPDATE outbox SET state = 'waiting', lost = 0, due = {now}, created = {now}, changed = {now} \
                 WHERE {condition}"
            );
            count += update(&mut tx, sql, &values).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}

async fn update(tx: &mut Transaction<'_, Any>, sql: String, values: &[&str]) -> Result<u64> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = query.bind((*value).to_owned());
    }
    Ok(query.execute(&mut **tx).await?.rows_affected())
}
