//! The room's tables in the store's database. Statements run on SQLite and PostgreSQL; "null" numbers are -1 there, so that both
//! order them alike.

use crate::error::{Result, RoomError};
use hilum_store::Db;
use sqlx::{AnyConnection, AssertSqlSafe, Executor};

/// Version of the tables below.
const VERSION: &str = "2";

const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS room_studies (study_uid TEXT PRIMARY KEY, patient_id TEXT NOT NULL, patient_folded TEXT NOT NULL, \
     study_date TEXT NOT NULL, received BIGINT NOT NULL, day TEXT NOT NULL, age DOUBLE PRECISION NOT NULL, \
     n_objects BIGINT NOT NULL, state TEXT NOT NULL, uncertainty DOUBLE PRECISION NOT NULL, \
     priority DOUBLE PRECISION NOT NULL, reading TEXT NOT NULL, revision BIGINT NOT NULL, signed BIGINT NOT NULL, \
     has_prior BIGINT NOT NULL, findings TEXT NOT NULL, search TEXT NOT NULL, changed BIGINT NOT NULL)",
    // Each order of the list has an index that also holds what rows are chosen by, so that a page is found in the index alone.
    "CREATE INDEX IF NOT EXISTS room_list_priority ON room_studies (priority, received, study_uid, state, signed, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_list_day ON room_studies (day, received, study_uid, state, signed, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_list_received ON room_studies (received, study_uid, state, signed, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_list_patient ON room_studies (patient_folded, received, study_uid, state, signed, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_list_age ON room_studies (age, received, study_uid, state, signed, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_list_uncertainty ON room_studies (uncertainty, received, study_uid, state, signed, has_prior)",
    // With the findings, so that rows are counted in it too.
    "CREATE INDEX IF NOT EXISTS room_list_state ON room_studies (state, signed, received, study_uid, findings, has_prior)",
    "CREATE INDEX IF NOT EXISTS room_by_patient_id ON room_studies (patient_id, day)",
    "CREATE TABLE IF NOT EXISTS room_items (study_uid TEXT PRIMARY KEY, item TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS room_edits (study_uid TEXT NOT NULL, revision BIGINT NOT NULL, at BIGINT NOT NULL, \
     name TEXT NOT NULL, op TEXT NOT NULL, target TEXT NOT NULL, context TEXT NOT NULL, PRIMARY KEY (study_uid, revision))",
    "CREATE TABLE IF NOT EXISTS room_signatures (study_uid TEXT NOT NULL, revision BIGINT NOT NULL, at BIGINT NOT NULL, \
     name TEXT NOT NULL, reading TEXT NOT NULL, PRIMARY KEY (study_uid, revision, at))",
    // Signatures whose objects are not stored and sent yet.
    "CREATE TABLE IF NOT EXISTS room_unfinished (study_uid TEXT NOT NULL, revision BIGINT NOT NULL, at BIGINT NOT NULL, \
     PRIMARY KEY (study_uid, revision, at))",
    "CREATE TABLE IF NOT EXISTS room_users (name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, \
     created BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS room_sessions (token TEXT PRIMARY KEY, name TEXT NOT NULL, created BIGINT NOT NULL, \
     expires BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS room_seen (at BIGINT NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL, \
     study_uid TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS room_seen_by_study ON room_seen (study_uid, at)",
    "CREATE INDEX IF NOT EXISTS room_seen_by_time ON room_seen (at)",
];

/// Indexes of earlier versions that the ones above take the place of.
const FORMER: &[&str] = &[
    "DROP INDEX IF EXISTS room_by_priority",
    "DROP INDEX IF EXISTS room_by_day",
    "DROP INDEX IF EXISTS room_by_patient",
    "DROP INDEX IF EXISTS room_by_state",
    "DROP INDEX IF EXISTS room_by_age",
    "DROP INDEX IF EXISTS room_by_uncertainty",
];

const META: &str =
    "CREATE TABLE IF NOT EXISTS room_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)";

/// Makes the tables that are missing.
///
/// # Errors
/// [`RoomError::Database`]; [`RoomError::Setup`] for tables of another version.
pub(crate) async fn migrate(db: &Db) -> Result<()> {
    let mut tx = db.keep().begin_with(db.begin()).await?;
    if db.kind() == hilum_store::DatabaseKind::Postgres {
        // Two processes that start at once must not both make the tables.
        tx.execute("SELECT CAST(pg_advisory_xact_lock(72174159) AS TEXT)")
            .await?;
    }
    tx.execute(META).await?;
    if version(&mut tx).await?.as_deref() == Some("1") {
        // Its work list had other columns. The list is made again from what it tells of; edits and signatures stay.
        for sql in [
            "DROP TABLE IF EXISTS room_studies",
            "DROP TABLE IF EXISTS room_findings",
            "DELETE FROM room_meta WHERE name = 'version'",
        ] {
            tx.execute(sql).await?;
        }
    }
    for table in TABLES.iter().chain(FORMER) {
        tx.execute(*table).await?;
    }
    sqlx::query(
        "INSERT INTO room_meta (name, value) VALUES ('version', $1) ON CONFLICT (name) DO NOTHING",
    )
    .bind(VERSION)
    .execute(&mut *tx)
    .await?;
    let found = version(&mut tx).await?.unwrap_or_default();
    tx.commit().await?;
    if found == VERSION {
        // Whoever deletes a study, what readers said of it goes too. The work list's rows go when the list is brought into step.
        for table in ["room_edits", "room_signatures"] {
            db.goes_with_studies(table).await?;
        }
        return Ok(());
    }
    Err(RoomError::Setup(format!(
        "the room's tables have version {found}, this program knows {VERSION}"
    )))
}

async fn version(on: &mut AnyConnection) -> Result<Option<String>> {
    Ok(
        sqlx::query_scalar("SELECT value FROM room_meta WHERE name = 'version'")
            .fetch_optional(on)
            .await?,
    )
}

/// A random text of the database's own, made once: what stays secret over restarts is derived from it.
///
/// # Errors
/// [`RoomError::Database`], [`RoomError::Internal`] when the system gives no randomness.
pub(crate) async fn secret(db: &Db) -> Result<String> {
    let fresh = crate::access::token()?;
    sqlx::query(
        "INSERT INTO room_meta (name, value) VALUES ('secret', $1) ON CONFLICT (name) DO NOTHING",
    )
    .bind(fresh)
    .execute(db.keep())
    .await?;
    let secret = sqlx::query_scalar("SELECT value FROM room_meta WHERE name = 'secret'")
        .fetch_one(db.keep())
        .await?;
    Ok(secret)
}

/// `value` of `LIKE ... ESCAPE '!'` that finds `text` anywhere. No text of the database holds control characters, and PostgreSQL
/// refuses some.
pub(crate) fn containing(text: &str) -> String {
    let mut like = String::from("%");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '%' | '_' | '!') {
            like.push('!');
        }
        like.push(c);
    }
    like.push('%');
    like
}

/// A statement that was put together from constants of this crate.
pub(crate) fn own(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(containing("a%b_!\0"), "%a!%b!_!!%");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_list_of_the_first_version_is_made_again_and_edits_stay() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::of_store(dir.path(), None).await.unwrap();
        migrate(&db).await.unwrap();
        for sql in [
            "DROP TABLE room_studies",
            "DROP TABLE room_items",
            "CREATE TABLE room_studies (study_uid TEXT PRIMARY KEY, top TEXT NOT NULL)",
            "CREATE TABLE room_findings (study_uid TEXT NOT NULL, code TEXT NOT NULL)",
            "INSERT INTO room_studies VALUES ('1.2', '[]')",
            "INSERT INTO room_edits VALUES ('1.2', 1, 0, 'ada', '{}', '', '{}')",
            "UPDATE room_meta SET value = '1' WHERE name = 'version'",
        ] {
            sqlx::query(sql).execute(db.keep()).await.unwrap();
        }
        migrate(&db).await.unwrap();
        for (sql, expected) in [
            ("SELECT COUNT(*) FROM room_studies", 0i64),
            ("SELECT COUNT(*) FROM room_items", 0),
            ("SELECT COUNT(*) FROM room_edits", 1),
        ] {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(db.read()).await.unwrap();
            assert_eq!(found, expected, "{sql}");
        }
        sqlx::query("UPDATE room_meta SET value = '99' WHERE name = 'version'")
            .execute(db.keep())
            .await
            .unwrap();
        assert!(matches!(migrate(&db).await, Err(RoomError::Setup(_))));
    }
}
