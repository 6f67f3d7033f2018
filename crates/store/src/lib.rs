//! Received DICOM objects on disk and in an index, the queue of work on them, and what is to be sent.
//!
//! [`Store::ingest`] takes an encoded data set and returns when its file is flushed to the disk and its row committed:
//! only then may it be acknowledged. [`Store::find`] answers the searches of C-FIND and QIDO-RS, [`Store::lease`] hands
//! out work, [`Store::lease_outgoing`] what is to be sent.
//!
//! The index is an SQLite file in the store's folder, or a PostgreSQL database by URL.

mod db;
pub mod error;
mod files;
mod index;
pub mod keys;
mod manage;
mod outbox;
mod query;
mod queue;
mod record;
mod same;
mod store;
mod sweep;
mod uid;

pub use crate::db::{Db, Kind as DatabaseKind};
pub use crate::error::{Result, StoreError};
pub use crate::index::{Located, Target, images_of};
pub use crate::keys::{Key, Level, Matching};
pub use crate::manage::{Chosen, Entry, EntryState, Work};
pub use crate::outbox::{Lane, NewOutgoing, Outgoing, Sent};
pub use crate::query::{Found, Query};
pub use crate::queue::{Counts, Failure, JobState, Lease, NewJob};
pub use crate::record::{Incoming, Record};
pub use crate::store::{
    Duplicates, Ingested, Options, Recovered, Store, parse_data_set, part10_head,
};
pub use crate::uid::Uid;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// A token that no other process or call has: process, time and a count.
pub(crate) fn random_token() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos());
    format!("{}-{nanos:x}-{count}", std::process::id())
}
