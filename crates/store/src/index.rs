//! Writing to the index: one object in, or objects out, each in one transaction.

use crate::db::Db;
use crate::error::{Result, StoreError};
use crate::files::Files;
use crate::keys::{self, Key, Level, Matching};
use crate::queue::{self, NewJob};
use crate::record::Record;
use crate::uid::Uid;
use crate::{outbox, sweep};
use dicom_dictionary_std::tags;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, Transaction};
use std::collections::BTreeSet;
use std::path::PathBuf;

pub(crate) type Tx<'a> = Transaction<'a, Any>;

/// What is known about an object that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Uid,
    /// SOP Instance UID.
    pub instance: Uid,
    /// SOP Class UID.
    pub sop_class: String,
    /// Transfer syntax of the stored data set.
    pub transfer_syntax: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of transfer syntax and data set.
    pub sha256: String,
    /// Application entity that sent it.
    pub source: String,
}

pub(crate) const LOCATED: &str = "i.study_uid, i.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.file_size, i.sha256, i.source";

impl Located {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self> {
        let uid = |i: usize, name| Uid::new(row.try_get::<&str, _>(i)?, name);
        let size: i64 = row.try_get(5)?;
        Ok(Located {
            study: uid(0, "StudyInstanceUID")?,
            series: uid(1, "SeriesInstanceUID")?,
            instance: uid(2, "SOPInstanceUID")?,
            sop_class: row.try_get(3)?,
            transfer_syntax: row.try_get(4)?,
            size: size.unsigned_abs(),
            sha256: row.try_get(6)?,
            source: row.try_get(7)?,
        })
    }

    /// Where the file lies, relative to the store's folder.
    pub fn relative(&self) -> PathBuf {
        Files::relative(&self.study, &self.series, &self.instance)
    }
}

/// The object with this SOP Instance UID, if it is stored.
pub(crate) async fn locate(db: &Db, instance: &Uid) -> Result<Option<Located>> {
    let sql = format!("SELECT {LOCATED} FROM instances i WHERE i.sop_uid = $1");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(instance.as_str())
        .fetch_optional(&db.read)
        .await?;
    row.as_ref().map(Located::from_row).transpose()
}

/// Objects of a study that have pixels, in order of series and instance number, on a connection that is at hand.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn images_of(on: &mut AnyConnection, study: &str) -> Result<Vec<Located>> {
    let sql = format!(
        "SELECT {LOCATED} FROM instances i WHERE i.study_uid = $1 AND i.image_rows <> '' ORDER BY i.series_uid, i.sort, i.sop_uid"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(study)
        .fetch_all(on)
        .await?;
    rows.iter().map(Located::from_row).collect()
}

/// Adds an object that is not there yet, and the job it gives rise to.
pub(crate) async fn insert(
    db: &Db,
    record: &Record,
    source: &str,
    job: Option<&NewJob>,
    now: i64,
) -> Result<()> {
    let mut tx = db.receive.begin_with(db.begin()).await?;
    add(db, &mut tx, record, source, job, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Adds an object within a transaction.
async fn add(
    db: &Db,
    tx: &mut Tx<'_>,
    record: &Record,
    source: &str,
    job: Option<&NewJob>,
    now: i64,
) -> Result<()> {
    study(tx, record, now).await?;
    let new_series = series(tx, record).await?;
    instance(tx, record, source, now).await?;
    counted(tx, record, new_series).await?;
    if let Some(job) = job {
        // What went out from here and came back is no news of the study.
        if !outbox::is_own(tx, &record.instance).await? {
            queue::request(db, tx, job).await?;
        }
    }
    Ok(())
}

/// Notes that the file of an object is about to be replaced. The note goes with [`Swap::done`].
pub(crate) async fn swapping(db: &Db, instance: &Uid) -> Result<()> {
    sqlx::query("INSERT INTO swaps (sop_uid) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(instance.as_str())
        .execute(&db.work)
        .await?;
    Ok(())
}

/// A transaction in which the row of an object became that of another with the same UID. Dropped, nothing changed.
pub(crate) struct Swap {
    tx: Tx<'static>,
    instance: Uid,
    /// The file that the old object leaves, when the new one lies elsewhere; it is noted in `deletions`.
    pub(crate) left: Option<PathBuf>,
}

impl Swap {
    /// The new file is there: from now on the row says so.
    pub(crate) async fn done(mut self) -> Result<()> {
        sqlx::query("DELETE FROM swaps WHERE sop_uid = $1")
            .bind(self.instance.as_str())
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        Ok(())
    }
}

/// Begins to put an object into another's place. Conflicts show here, before a file is touched.
pub(crate) async fn swap(
    db: &Db,
    old: &Located,
    record: &Record,
    source: &str,
    job: Option<&NewJob>,
    now: i64,
) -> Result<Swap> {
    let mut tx = db.work.begin_with(db.begin()).await?;
    let elsewhere =
        old.relative() != Files::relative(&record.study, &record.series, &record.instance);
    match elsewhere {
        true => drop_row(&mut tx, old).await?,
        false => forget(&mut tx, old).await?,
    }
    add(db, &mut tx, record, source, job, now).await?;
    Ok(Swap {
        tx,
        instance: record.instance.clone(),
        left: elsewhere.then(|| old.relative()),
    })
}

/// Objects whose file was being replaced when the last process ended.
pub(crate) async fn swaps(db: &Db) -> Result<Vec<Uid>> {
    let rows = sqlx::query("SELECT sop_uid FROM swaps")
        .fetch_all(&db.work)
        .await?;
    rows.iter()
        .map(|r| Uid::new(r.try_get::<&str, _>(0)?, "SOPInstanceUID"))
        .collect()
}

/// File and row of a replaced object agree.
pub(crate) async fn swapped(db: &Db, instance: &Uid) -> Result<()> {
    sqlx::query("DELETE FROM swaps WHERE sop_uid = $1")
        .bind(instance.as_str())
        .execute(&db.work)
        .await?;
    Ok(())
}

/// Columns and values of the attributes of a level.
fn attributes(level: Level, record: &Record) -> (Vec<String>, Vec<String>) {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for key in keys::stored(level) {
        columns.push(key.column.to_owned());
        values.push(record.value(key.tag).to_owned());
        if key.matching == Matching::Name {
            columns.push(format!("{}_folded", key.column));
            values.push(fold(record.value(key.tag)));
        }
    }
    (columns, values)
}

/// Text as it is compared without regard to case.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn insert_sql(table: &str, columns: &[String], rest: &[&str]) -> String {
    let count = columns.len() + rest.len();
    let names: Vec<&str> = columns
        .iter()
        .map(String::as_str)
        .chain(rest.iter().copied())
        .collect();
    let marks: Vec<String> = (1..=count).map(|i| format!("${i}")).collect();
    format!(
        "INSERT INTO {table} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
        names.join(", "),
        marks.join(", ")
    )
}

async fn study(tx: &mut Tx<'_>, record: &Record, now: i64) -> Result<()> {
    let (columns, values) = attributes(Level::Study, record);
    let sql = insert_sql("studies", &columns, &["received"]);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = query.bind(value);
    }
    if query.bind(now).execute(&mut **tx).await?.rows_affected() == 1 {
        return Ok(());
    }
    let patient: String = sqlx::query_scalar("SELECT patient_id FROM studies WHERE study_uid = $1")
        .bind(record.study.as_str())
        .fetch_one(&mut **tx)
        .await?;
    if patient == record.value(tags::PATIENT_ID) {
        Ok(())
    } else {
        Err(StoreError::Conflict {
            level: "study",
            parent: "patient",
        })
    }
}

async fn series(tx: &mut Tx<'_>, record: &Record) -> Result<bool> {
    let (columns, values) = attributes(Level::Series, record);
    let sql = insert_sql("series", &columns, &["study_uid"]);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = query.bind(value);
    }
    let query = query.bind(record.study.as_str());
    if query.execute(&mut **tx).await?.rows_affected() == 1 {
        return Ok(true);
    }
    let study: String = sqlx::query_scalar("SELECT study_uid FROM series WHERE series_uid = $1")
        .bind(record.series.as_str())
        .fetch_one(&mut **tx)
        .await?;
    if study == record.study.as_str() {
        Ok(false)
    } else {
        Err(StoreError::Conflict {
            level: "series",
            parent: "study",
        })
    }
}

async fn instance(tx: &mut Tx<'_>, record: &Record, source: &str, now: i64) -> Result<()> {
    let (columns, values) = attributes(Level::Instance, record);
    let rest = [
        "series_uid",
        "study_uid",
        "transfer_syntax",
        "file_size",
        "sha256",
        "sort",
        "received",
        "source",
    ];
    let sql = insert_sql("instances", &columns, &rest);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = query.bind(value);
    }
    let number = record.value(tags::INSTANCE_NUMBER).parse::<i64>();
    let query = query
        .bind(record.series.as_str())
        .bind(record.study.as_str())
        .bind(record.transfer_syntax.as_str())
        .bind(i64::try_from(record.size).unwrap_or(i64::MAX))
        .bind(record.sha256.as_str())
        .bind(number.unwrap_or(i64::MAX))
        .bind(now)
        .bind(source);
    if query.execute(&mut **tx).await?.rows_affected() == 1 {
        Ok(())
    } else {
        // Another process stored it between the look-up and now.
        Err(StoreError::Duplicate)
    }
}

async fn counted(tx: &mut Tx<'_>, record: &Record, new_series: bool) -> Result<()> {
    sqlx::query("UPDATE series SET series_instances = series_instances + 1 WHERE series_uid = $1")
        .bind(record.series.as_str())
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE studies SET n_instances = n_instances + 1 WHERE study_uid = $1")
        .bind(record.study.as_str())
        .execute(&mut **tx)
        .await?;
    if new_series {
        collect_series(tx, record.study.as_str()).await?;
    }
    Ok(())
}

/// Modalities in Study and the number of its series.
async fn collect_series(tx: &mut Tx<'_>, study: &str) -> Result<()> {
    let rows = sqlx::query("SELECT modality FROM series WHERE study_uid = $1 ORDER BY modality")
        .bind(study)
        .fetch_all(&mut **tx)
        .await?;
    let mut modalities: Vec<String> = Vec::new();
    for row in &rows {
        let modality: String = row.try_get(0)?;
        if !modality.is_empty() && !modalities.contains(&modality) {
            modalities.push(modality);
        }
    }
    sqlx::query("UPDATE studies SET modalities = $1, n_series = $2 WHERE study_uid = $3")
        .bind(modalities.join("\\"))
        .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
        .bind(study)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A study with all its objects.
    Study(Uid),
    /// A series with all its objects.
    Series(Uid),
    /// One object.
    Instance(Uid),
}

/// What a deletion took.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// How many objects there were.
    pub(crate) objects: usize,
    /// Files and folders that are to go, relative to the store's folder; `deletions` lists them until they are gone.
    pub(crate) paths: Vec<PathBuf>,
}

/// Takes objects out of the index, and with the last object of a study all that was made of it. `made_of` says which files
/// were made of objects.
pub(crate) async fn delete(
    db: &Db,
    target: &Target,
    made_of: impl Fn(&[Located]) -> Result<Vec<PathBuf>>,
) -> Result<Deleted> {
    let (column, uid) = match target {
        Target::Study(uid) => ("study_uid", uid),
        Target::Series(uid) => ("series_uid", uid),
        Target::Instance(uid) => ("sop_uid", uid),
    };
    let mut tx = db.work.begin_with(db.begin()).await?;
    let sql = format!("SELECT {LOCATED} FROM instances i WHERE i.{column} = $1");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(uid.as_str())
        .fetch_all(&mut *tx)
        .await?;
    let found: Vec<Located> = rows.iter().map(Located::from_row).collect::<Result<_>>()?;
    let mut deleted = Deleted {
        objects: found.len(),
        paths: found.iter().map(Located::relative).collect(),
    };
    for object in &found {
        drop_row(&mut tx, object).await?;
    }
    for path in made_of(&found)? {
        sweep::note(&mut tx, &path).await?;
        deleted.paths.push(path);
    }
    let mut studies: BTreeSet<&Uid> = found.iter().map(|o| &o.study).collect();
    if let Target::Study(uid) = target {
        studies.insert(uid);
    }
    for study in studies {
        if !sweep::is_there(&mut tx, study).await? {
            deleted.paths.extend(sweep::study(&mut tx, study).await?);
        }
    }
    tx.commit().await?;
    Ok(deleted)
}

/// Takes what is left of a study when it was deleted: none of its objects is stored, and nobody has a job on it. Returns the
/// files and folders that are to go.
pub(crate) async fn sweep_study(db: &Db, study: &Uid) -> Result<Option<Vec<PathBuf>>> {
    let mut tx = db.work.begin_with(db.begin()).await?;
    if sweep::is_there(&mut tx, study).await? || sweep::has_jobs(&mut tx, study).await? {
        return Ok(None);
    }
    let paths = sweep::study(&mut tx, study).await?;
    tx.commit().await?;
    Ok(Some(paths))
}

/// Takes one object out of the index within a transaction and notes its file.
pub(crate) async fn drop_row(tx: &mut Tx<'_>, object: &Located) -> Result<()> {
    sweep::note(tx, &object.relative()).await?;
    forget(tx, object).await
}

/// Takes one object out of the index within a transaction.
pub(crate) async fn forget(tx: &mut Tx<'_>, object: &Located) -> Result<()> {
    let (study, series) = (object.study.as_str(), object.series.as_str());
    for (sql, uid) in [
        (
            "DELETE FROM instances WHERE sop_uid = $1",
            object.instance.as_str(),
        ),
        (
            "UPDATE series SET series_instances = series_instances - 1 WHERE series_uid = $1",
            series,
        ),
        (
            "DELETE FROM series WHERE series_uid = $1 AND series_instances = 0",
            series,
        ),
        (
            "UPDATE studies SET n_instances = n_instances - 1 WHERE study_uid = $1",
            study,
        ),
    ] {
        sqlx::query(sql).bind(uid).execute(&mut **tx).await?;
    }
    collect_series(tx, study).await?;
    sqlx::query("DELETE FROM studies WHERE study_uid = $1 AND n_instances = 0")
        .bind(study)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Files whose rows went but which may still be there.
pub(crate) async fn deletions(db: &Db) -> Result<Vec<PathBuf>> {
    let rows = sqlx::query("SELECT path FROM deletions")
        .fetch_all(&db.work)
        .await?;
    rows.iter()
        .map(|r| Ok(PathBuf::from(r.try_get::<String, _>(0)?)))
        .collect()
}

/// The file is gone.
pub(crate) async fn deleted(db: &Db, path: &std::path::Path) -> Result<()> {
    sqlx::query("DELETE FROM deletions WHERE path = $1")
        .bind(path.to_string_lossy().into_owned())
        .execute(&db.work)
        .await?;
    Ok(())
}

/// All objects of the index.
pub(crate) async fn all(db: &Db) -> Result<Vec<Located>> {
    let sql = format!("SELECT {LOCATED} FROM instances i");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&db.read).await?;
    rows.iter().map(Located::from_row).collect()
}

/// The column of a key with its table's alias (`s`, `e`, `i`).
pub(crate) fn column(key: &Key) -> String {
    let alias = match keys::table_level(key.level) {
        Level::Patient | Level::Study => "s",
        Level::Series => "e",
        Level::Instance => "i",
    };
    format!("{alias}.{}", key.column)
}
