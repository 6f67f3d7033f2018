//! The database: SQLite in the store's folder, or PostgreSQL by URL. Statements are written for both; what differs
//! is in this file.

use crate::error::{Result, StoreError};
use crate::keys::{self, Level, Matching};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, AssertSqlSafe, Executor};
use std::path::Path;
use std::time::Duration;

/// Name of the SQLite file in the store's folder.
pub(crate) const FILE: &str = "index.sqlite";

/// Version of the tables below.
const VERSION: i64 = 2;

/// What makes tables of version 1 such of version 2.
const FROM_1: &[&str] = &["ALTER TABLE outbox ADD COLUMN lost BIGINT NOT NULL DEFAULT 0"];

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file in the store's folder.
    Sqlite,
    /// A server that several processes may share.
    Postgres,
}

/// Connections to the database. What builds on the store keeps its own tables here, under names of its own.
#[derive(Debug, Clone)]
pub struct Db {
    pub(crate) kind: Kind,
    /// For searches.
    pub(crate) read: AnyPool,
    /// For what is received. SQLite does not flush these commits one by one: the object's file was flushed before,
    /// and after a power cut the index is mended from the files.
    pub(crate) receive: AnyPool,
    /// For the queue and what is to be sent: every commit is flushed.
    pub(crate) work: AnyPool,
}

impl Db {
    /// Opens `url`, or the SQLite file at `file` when there is none.
    pub(crate) async fn open(url: Option<&str>, file: &Path) -> Result<Self> {
        install_default_drivers();
        let db = match url {
            Some(url) => Db::postgres(url).await?,
            None => Db::sqlite(file).await?,
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn postgres(url: &str) -> Result<Self> {
        Db::postgres_within(url, Duration::from_secs(30)).await
    }

    async fn postgres_within(url: &str, patience: Duration) -> Result<Self> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Query {
                reason: "a database URL starts with postgres://".to_owned(),
            });
        }
        let pool = AnyPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(patience)
            .connect(url)
            .await?;
        Ok(Db {
            kind: Kind::Postgres,
            read: pool.clone(),
            receive: pool.clone(),
            work: pool,
        })
    }

    async fn sqlite(file: &Path) -> Result<Self> {
        let url = format!("sqlite://{}?mode=rwc", escape(file));
        Ok(Db {
            kind: Kind::Sqlite,
            receive: sqlite_pool(&url, 1, "NORMAL").await?,
            work: sqlite_pool(&url, 1, "FULL").await?,
            read: sqlite_pool(&url, 4, "NORMAL").await?,
        })
    }

    /// Opens the database of the store at `root` without opening the store: for what concerns rows alone, also while another
    /// process has the store open.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Database`], [`StoreError::Version`].
    pub async fn of_store(root: &Path, url: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(|e| StoreError::io(root, e))?;
        Db::open(url, &root.join(FILE)).await
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Connections for searches.
    pub fn read(&self) -> &AnyPool {
        &self.read
    }

    /// Connections for rows that can be made again: commits need not be on the disk when they return.
    pub fn write(&self) -> &AnyPool {
        &self.receive
    }

    /// Connections for rows that must not be lost: every commit is flushed.
    pub fn keep(&self) -> &AnyPool {
        &self.work
    }

    /// How a transaction that will write begins: SQLite must not find out half way that another one writes too.
    pub fn begin(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        }
    }

    /// Milliseconds since 1970 by the database's clock, as part of a statement. Leases and waiting times are compared by this
    /// clock alone: the machines that share a queue need not agree on the time.
    pub(crate) fn clock(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "CAST(ROUND(unixepoch('now', 'subsec') * 1000) AS INTEGER)",
            Kind::Postgres => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// What the database says the time is, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn time(&self) -> Result<i64> {
        let sql = format!("SELECT {}", self.clock());
        Ok(sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.read)
            .await?)
    }

    /// Looks at a database by URL without making or changing anything there: what it says the time is, in milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// [`StoreError::Query`] for another kind of URL, [`StoreError::Database`] when it does not answer.
    pub async fn probe(url: &str) -> Result<i64> {
        install_default_drivers();
        let db = Db::postgres_within(url, Duration::from_secs(5)).await?;
        let time = db.time().await;
        db.close().await;
        time
    }

    /// Rows of a table that have a `study_uid` and go when the study is deleted, whoever deletes it.
    ///
    /// # Errors
    /// [`StoreError::Query`] for a name that is none, [`StoreError::Database`].
    pub async fn goes_with_studies(&self, table: &str) -> Result<()> {
        if !is_table(table) {
            return Err(StoreError::Query {
                reason: format!("{table:?} is no name of a table"),
            });
        }
        sqlx::query("INSERT INTO study_tables (name) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(table)
            .execute(&self.work)
            .await?;
        Ok(())
    }

    /// What a SELECT of rows to be changed ends with.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "",
            Kind::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    async fn migrate(&self) -> Result<()> {
        let mut tx = self.work.begin_with(self.begin()).await?;
        if self.kind == Kind::Postgres {
            // Two processes that start at once must not both make the tables.
            tx.execute("SELECT CAST(pg_advisory_xact_lock(72174158) AS TEXT)")
                .await?;
        }
        for statement in schema() {
            tx.execute(AssertSqlSafe(statement)).await?;
        }
        sqlx::query("INSERT INTO hilum_meta (name, value) VALUES ('version', $1) ON CONFLICT (name) DO NOTHING")
            .bind(VERSION)
            .execute(&mut *tx)
            .await?;
        let mut found: i64 =
            sqlx::query_scalar("SELECT value FROM hilum_meta WHERE name = 'version'")
                .fetch_one(&mut *tx)
                .await?;
        if found == 1 {
            for statement in FROM_1 {
                tx.execute(*statement).await?;
            }
            tx.execute("UPDATE hilum_meta SET value = 2 WHERE name = 'version'")
                .await?;
            found = 2;
        }
        tx.commit().await?;
        if found == VERSION {
            Ok(())
        } else {
            Err(StoreError::Version {
                found,
                known: VERSION,
            })
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.read.close().await;
        self.receive.close().await;
        self.work.close().await;
    }
}

/// Names that may be put into a statement.
pub(crate) fn is_table(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

async fn sqlite_pool(url: &str, connections: u32, synchronous: &'static str) -> Result<AnyPool> {
    let pragmas = match synchronous {
        "FULL" => {
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000; PRAGMA foreign_keys=ON;"
        }
        _ => {
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=30000; PRAGMA foreign_keys=ON;"
        }
    };
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(pragmas).await?;
                Ok(())
            })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

/// A path as part of a URL.
fn escape(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The statements that make what is missing.
fn schema() -> Vec<String> {
    let mut statements = vec![
        "CREATE TABLE IF NOT EXISTS hilum_meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL)"
            .to_owned(),
        format!(
            "CREATE TABLE IF NOT EXISTS studies ({}, modalities TEXT NOT NULL DEFAULT '', n_series BIGINT NOT NULL DEFAULT 0, \
             n_instances BIGINT NOT NULL DEFAULT 0, received BIGINT NOT NULL, PRIMARY KEY (study_uid))",
            columns(Level::Study)
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS series ({}, study_uid TEXT NOT NULL REFERENCES studies (study_uid), \
             series_instances BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (series_uid))",
            columns(Level::Series)
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS instances ({}, series_uid TEXT NOT NULL REFERENCES series (series_uid), \
             study_uid TEXT NOT NULL, transfer_syntax TEXT NOT NULL, file_size BIGINT NOT NULL, sha256 TEXT NOT NULL, \
             sort BIGINT NOT NULL, received BIGINT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (sop_uid))",
            columns(Level::Instance)
        ),
    ];
    statements.extend(OTHERS.iter().map(|s| (*s).to_owned()));
    statements
}

/// Columns of the attributes of a level. Names are searched in a second column without regard to case.
fn columns(level: Level) -> String {
    let mut text = String::new();
    for key in keys::stored(level) {
        let separator = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!(
            "{separator}{} TEXT NOT NULL DEFAULT ''",
            key.column
        ));
        if key.matching == Matching::Name {
            text.push_str(&format!(", {}_folded TEXT NOT NULL DEFAULT ''", key.column));
        }
    }
    text
}

const OTHERS: &[&str] = &[
    "CREATE INDEX IF NOT EXISTS studies_by_date ON studies (study_date, study_time, study_uid)",
    "CREATE INDEX IF NOT EXISTS studies_by_patient ON studies (patient_id)",
    "CREATE INDEX IF NOT EXISTS studies_by_accession ON studies (accession)",
    "CREATE INDEX IF NOT EXISTS studies_by_name ON studies (patient_name_folded)",
    "CREATE INDEX IF NOT EXISTS series_by_study ON series (study_uid)",
    "CREATE INDEX IF NOT EXISTS instances_by_series ON instances (series_uid, sort, sop_uid)",
    "CREATE INDEX IF NOT EXISTS instances_by_study ON instances (study_uid)",
    // Files that are to go after their rows went: a kill between the two must not bring an object back.
    "CREATE TABLE IF NOT EXISTS deletions (path TEXT PRIMARY KEY)",
    // Objects whose file is being replaced: after a kill, the row follows the file.
    "CREATE TABLE IF NOT EXISTS swaps (sop_uid TEXT PRIMARY KEY)",
    // Tables of what builds on the store whose rows go with their study.
    "CREATE TABLE IF NOT EXISTS study_tables (name TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS jobs (kind TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, due BIGINT NOT NULL, \
     attempts BIGINT NOT NULL DEFAULT 0, again BIGINT NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', \
     lease_until BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', created BIGINT NOT NULL, \
     changed BIGINT NOT NULL, PRIMARY KEY (kind, subject))",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, due)",
    "CREATE TABLE IF NOT EXISTS outbox (destination TEXT NOT NULL, sop_uid TEXT NOT NULL, sop_class TEXT NOT NULL, \
     subject TEXT NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, due BIGINT NOT NULL, attempts BIGINT NOT NULL DEFAULT 0, \
     owner TEXT NOT NULL DEFAULT '', lease_until BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', \
     created BIGINT NOT NULL, changed BIGINT NOT NULL, lost BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (destination, sop_uid))",
    "CREATE INDEX IF NOT EXISTS outbox_by_state ON outbox (state, due)",
    "CREATE INDEX IF NOT EXISTS outbox_by_object ON outbox (sop_uid)",
    "CREATE INDEX IF NOT EXISTS outbox_by_subject ON outbox (subject)",
    "CREATE INDEX IF NOT EXISTS outbox_by_path ON outbox (path)",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_to_be_sent_is_flushed_and_what_is_received_need_not_be() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(None, &dir.path().join("i ü.sqlite"))
            .await
            .unwrap();
        let asked = |pool: AnyPool, pragma: &'static str| async move {
            let row = sqlx::query(pragma).fetch_one(&pool).await.unwrap();
            sqlx::Row::try_get::<i64, _>(&row, 0).unwrap()
        };
        assert_eq!(asked(db.work.clone(), "PRAGMA synchronous").await, 2);
        assert_eq!(asked(db.receive.clone(), "PRAGMA synchronous").await, 1);
        assert_eq!(asked(db.receive.clone(), "PRAGMA foreign_keys").await, 1);
        db.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tables_of_the_first_version_are_brought_up_and_keep_their_rows() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let db = Db::open(None, &file).await.unwrap();
        for sql in [
            "INSERT INTO outbox (destination, sop_uid, sop_class, subject, path, state, due, created, changed) \
             VALUES ('pacs', '1.2', '1.3', '1.4', 'outbox/1.2.dcm', 'dead', 0, 0, 0)",
            "ALTER TABLE outbox DROP COLUMN lost",
            "UPDATE hilum_meta SET value = 1 WHERE name = 'version'",
        ] {
            db.work.execute(sql).await.unwrap();
        }
        db.close().await;
        let db = Db::open(None, &file).await.unwrap();
        let lost: i64 = sqlx::query_scalar("SELECT lost FROM outbox WHERE sop_uid = '1.2'")
            .fetch_one(&db.read)
            .await
            .unwrap();
        assert_eq!(lost, 0);
        db.close().await;
        // A second opening finds nothing to do.
        Db::open(None, &file).await.unwrap().close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_databases_clock_is_in_milliseconds() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(None, &dir.path().join(FILE)).await.unwrap();
        let apart = (db.time().await.unwrap() - crate::now()).abs();
        assert!(apart < 5000, "{apart}");
        assert!(db.goes_with_studies("room_edits; --").await.is_err());
        db.close().await;
    }

    #[test]
    fn a_path_becomes_a_safe_part_of_a_url() {
        assert_eq!(
            escape(Path::new("/a b/ü?.sqlite")),
            "/a%20b/%C3%BC%3F.sqlite"
        );
    }
}
