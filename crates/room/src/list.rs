//! The work list: one row a study, kept in step with store, queue, readings and edits.

use crate::edits;
use crate::error::{Result, RoomError};
use crate::priority;
use crate::state::{Room, blocking};
use hilum_core::{PredictionSet, Reading};
use hilum_node::auto::READ;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

/// A finding that stands out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TopFinding {
    /// Taxonomy code.
    pub code: String,
    /// Name to show.
    pub name: String,
    /// Calibrated probability.
    pub probability: Option<f64>,
    /// Conformal answer.
    #[schema(value_type = String)]
    pub set: PredictionSet,
}

/// The gate in short.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GateItem {
    /// Whether the study could be analysed.
    pub analysable: bool,
    /// Codes of what the gate noticed.
    pub reasons: Vec<String>,
}

/// A row of the work list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Item {
    /// Study Instance UID.
    pub study_uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Patient's Name as it stands in the objects, or the name of the uploaded picture.
    pub patient_name: String,
    /// `YYYY-MM-DD`.
    pub study_date: Option<String>,
    /// When the first object came.
    pub received: String,
    /// Age in years.
    pub age: Option<f64>,
    /// `M`, `F` or `O`.
    pub sex: Option<String>,
    /// Modality.
    pub modality: String,
    /// Study Description.
    pub description: String,
    /// Images.
    pub n_images: i64,
    /// `waiting`, `reading`, `read` or `failed`.
    pub state: String,
    /// Why the last attempt to read failed.
    pub error: Option<String>,
    /// Whether the last edit and the reading of now are signed.
    pub signed: bool,
    /// The gate; null before the first reading.
    pub gate: Option<GateItem>,
    /// At most three findings: present first, then undecided, the most probable first.
    pub top: Vec<TopFinding>,
    /// Largest entropy in bits among the assessed findings.
    pub uncertainty: Option<f64>,
    /// Between 0 and 1, see docs/room.md.
    pub priority: Option<f64>,
    /// Why it is what it is.
    pub priority_reasons: Vec<String>,
    /// Number of the last edit.
    pub revision: i64,
    /// Whether an earlier study of the patient is there.
    pub has_prior: bool,
}

const COLUMNS: &str = "study_uid, patient_id, patient_name, study_date, received, age, sex, modality, description, n_images, state, error, \
     signed, analysable, gate_reasons, top, uncertainty, priority, priority_reasons, revision, has_prior";

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn number(value: f64) -> Option<f64> {
    (value >= 0.0).then_some(value)
}

fn item(row: &AnyRow) -> Result<Item> {
    let broken = |e: serde_json::Error| RoomError::Internal(format!("a row of the list: {e}"));
    let analysable: i64 = row.try_get(13)?;
    let gate = if analysable < 0 {
        None
    } else {
        Some(GateItem {
            analysable: analysable == 1,
            reasons: serde_json::from_str(row.try_get(14)?).map_err(broken)?,
        })
    };
    Ok(Item {
        study_uid: row.try_get(0)?,
        patient_id: row.try_get(1)?,
        patient_name: row.try_get(2)?,
        study_date: some(row.try_get(3)?),
        received: hilum_node::audit::date_time(row.try_get(4)?),
        age: number(row.try_get(5)?),
        sex: some(row.try_get(6)?),
        modality: row.try_get(7)?,
        description: row.try_get(8)?,
        n_images: row.try_get(9)?,
        state: row.try_get(10)?,
        error: some(row.try_get(11)?),
        signed: row.try_get::<i64, _>(12)? == 1,
        gate,
        top: serde_json::from_str(row.try_get(15)?).map_err(broken)?,
        uncertainty: number(row.try_get(16)?),
        priority: number(row.try_get(17)?),
        priority_reasons: serde_json::from_str(row.try_get(18)?).map_err(broken)?,
        revision: row.try_get(19)?,
        has_prior: row.try_get::<i64, _>(20)? == 1,
    })
}

/// What is asked of the work list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Part of a name, patient ID, description, accession number or UID.
    pub q: Option<String>,
    /// `waiting`, `reading`, `read`, `failed`, `signed` or `unsigned`.
    pub state: Option<String>,
    /// Code of a finding that is present or undecided.
    pub finding: Option<String>,
    /// `priority` (default), `date`, `received`, `patient`, `state`, `age` or `uncertainty`.
    pub sort: Option<String>,
    /// `asc` or `desc`.
    pub order: Option<String>,
    /// Rows passed over.
    pub offset: Option<i64>,
    /// Rows at most, up to 500; 50 by default.
    pub limit: Option<i64>,
}

/// Studies by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StateCounts {
    /// Not read yet.
    pub waiting: i64,
    /// Being read.
    pub reading: i64,
    /// Read.
    pub read: i64,
    /// Could not be read.
    pub failed: i64,
    /// Signed.
    pub signed: i64,
}

/// A page of the work list.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Page {
    /// Rows that fit what was asked.
    pub total: i64,
    /// Rows passed over.
    pub offset: i64,
    /// Rows.
    pub items: Vec<Item>,
    /// All studies by state.
    pub counts: StateCounts,
}

/// Most rows of a page.
const MOST: i64 = 500;

/// A page of the work list.
///
/// # Errors
/// [`RoomError::BadRequest`] for an unknown state or order; [`RoomError::Database`].
pub(crate) async fn page(room: &Room, query: &ListQuery) -> Result<Page> {
    let (conditions, values) = conditions(query)?;
    let order = order(query)?;
    let db = room.db();
    let offset = query.offset.unwrap_or(0).max(0);
    let limit = query.limit.unwrap_or(50).clamp(1, MOST);
    let counts = counts(room).await?;
    let total = match values.is_empty() && conditions.is_empty() {
        true => counts.waiting + counts.reading + counts.read + counts.failed,
        false => total(room, &conditions, &values).await?,
    };
    let rows = crate::db::own(format!(
        "SELECT {COLUMNS} FROM room_studies{conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    ));
    let mut listed = sqlx::query(rows);
    for value in &values {
        listed = listed.bind(value.as_str());
    }
    let rows = listed.fetch_all(db.read()).await?;
    Ok(Page {
        total,
        offset,
        items: rows.iter().map(item).collect::<Result<_>>()?,
        counts,
    })
}

async fn total(room: &Room, conditions: &str, values: &[String]) -> Result<i64> {
    let sql = crate::db::own(format!("SELECT COUNT(*) FROM room_studies{conditions}"));
    let mut counted = sqlx::query_scalar::<_, i64>(sql);
    for value in values {
        counted = counted.bind(value.as_str());
    }
    Ok(counted.fetch_one(room.db().read()).await?)
}

fn conditions(query: &ListQuery) -> Result<(String, Vec<String>)> {
    let (mut parts, mut values) = (Vec::new(), Vec::new());
    let text = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    if let Some(text) = text {
        for word in text.split_whitespace().take(8) {
            values.push(crate::db::containing(&word.to_lowercase()));
            parts.push(format!("search LIKE ${} ESCAPE '!'", values.len()));
        }
    }
    match query.state.as_deref().filter(|s| !s.is_empty()) {
        None => {}
        Some("signed") => parts.push("signed = 1".to_owned()),
        Some("unsigned") => parts.push("signed = 0".to_owned()),
        Some(state @ ("waiting" | "reading" | "read" | "failed")) => {
            parts.push(format!("state = '{state}'"));
        }
        Some(other) => {
            return Err(RoomError::BadRequest(format!(
                "state {other:?} is none of waiting, reading, read, failed, signed, unsigned"
            )));
        }
    }
    if let Some(code) = query.finding.as_deref().filter(|f| !f.is_empty()) {
        values.push(code.to_owned());
        parts.push(format!(
            "study_uid IN (SELECT study_uid FROM room_findings WHERE code = ${})",
            values.len()
        ));
    }
    let all = parts.join(" AND ");
    let clause = if all.is_empty() {
        all
    } else {
        format!(" WHERE {all}")
    };
    Ok((clause, values))
}

fn order(query: &ListQuery) -> Result<String> {
    let sort = query.sort.as_deref().filter(|s| !s.is_empty());
    let (columns, default): (&[&str], _) = match sort.unwrap_or("priority") {
        "priority" => (&["priority"], "DESC"),
        "date" => (&["day"], "DESC"),
        "received" => (&[], "DESC"),
        "patient" => (&["patient_folded"], "ASC"),
        "state" => (&["state", "signed"], "ASC"),
        "age" => (&["age"], "DESC"),
        "uncertainty" => (&["uncertainty"], "DESC"),
        other => {
            return Err(RoomError::BadRequest(format!(
                "sort {other:?} is none of priority, date, received, patient, state, age, uncertainty"
            )));
        }
    };
    let way = match query.order.as_deref().filter(|s| !s.is_empty()) {
        None => default,
        Some("asc") => "ASC",
        Some("desc") => "DESC",
        Some(other) => {
            return Err(RoomError::BadRequest(format!(
                "order {other:?} is neither asc nor desc"
            )));
        }
    };
    // The last two make the order whole, so that pages do not overlap; all in one direction, so that an index serves.
    let all = columns.iter().chain(&["received", "study_uid"]);
    let all: Vec<String> = all.map(|c| format!("{c} {way}")).collect();
    Ok(all.join(", "))
}

/// Counts of a moment ago: every page of the list shows them, and they change with the rows alone.
#[derive(Debug, Default)]
pub(crate) struct CountCache {
    kept: Mutex<Option<(Instant, StateCounts)>>,
}

/// How long counts are kept when nothing changes here; another process may change rows too.
const FRESH: Duration = Duration::from_secs(1);

impl CountCache {
    fn get(&self) -> Option<StateCounts> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH);
        fresh.map(|(_, counts)| counts.clone())
    }

    fn set(&self, counts: Option<StateCounts>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = counts.map(|c| (Instant::now(), c));
    }
}

async fn counts(room: &Room) -> Result<StateCounts> {
    if let Some(counts) = room.counts().get() {
        return Ok(counts);
    }
    let sql = "SELECT state, signed, COUNT(*) FROM room_studies GROUP BY state, signed";
    let rows = sqlx::query(sql).fetch_all(room.db().read()).await?;
    let mut counts = StateCounts::default();
    for row in rows {
        let (state, signed, count): (String, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        match state.as_str() {
            "waiting" => counts.waiting += count,
            "reading" => counts.reading += count,
            "read" => counts.read += count,
            _ => counts.failed += count,
        }
        if signed == 1 {
            counts.signed += count;
        }
    }
    room.counts().set(Some(counts.clone()));
    Ok(counts)
}

/// The row of a study.
///
/// # Errors
/// [`RoomError::Deleted`], [`RoomError::NotFound`], [`RoomError::Database`].
pub(crate) async fn one(room: &Room, study: &str) -> Result<Item> {
    let sql = crate::db::own(format!(
        "SELECT {COLUMNS} FROM room_studies WHERE study_uid = $1"
    ));
    let row = sqlx::query(sql)
        .bind(study)
        .fetch_optional(room.db().read())
        .await?;
    match row {
        Some(row) => item(&row),
        None => Err(missing(room, study).await?),
    }
}

/// The error for a study that is not there: whether it was deleted or never there.
pub(crate) async fn missing(room: &Room, study: &str) -> Result<RoomError> {
    let sql = "SELECT COUNT(*) FROM room_seen WHERE study_uid = $1";
    let known: i64 = sqlx::query_scalar(sql)
        .bind(study)
        .fetch_one(room.db().read())
        .await?;
    Ok(match known {
        0 => RoomError::NotFound("study with this UID"),
        _ => RoomError::Deleted,
    })
}

/// An earlier study of the same patient.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Prior {
    /// Study Instance UID.
    pub study_uid: String,
    /// `YYYY-MM-DD`.
    pub study_date: Option<String>,
    /// When the first object came.
    pub received: String,
}

/// Earlier studies of the same patient, the newest first. Studies without a patient ID have none.
pub(crate) async fn priors(room: &Room, study: &str) -> Result<Vec<Prior>> {
    let rows = sqlx::query(
        "SELECT p.study_uid, p.study_date, p.received FROM room_studies s JOIN room_studies p ON p.patient_id = s.patient_id \
         WHERE s.study_uid = $1 AND s.patient_id <> '' AND p.study_uid <> s.study_uid \
         AND (p.day < s.day OR (p.day = s.day AND p.received < s.received)) ORDER BY p.day DESC, p.received DESC LIMIT 50",
    )
    .bind(study)
    .fetch_all(room.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Prior {
                study_uid: row.try_get(0)?,
                study_date: some(row.try_get(1)?),
                received: hilum_node::audit::date_time(row.try_get(2)?),
            })
        })
        .collect()
}

/// A row under construction.
struct Fresh {
    patient_id: String,
    patient_name: String,
    patient_folded: String,
    study_date: String,
    received: i64,
    day: String,
    age: f64,
    sex: String,
    modality: String,
    description: String,
    n_images: i64,
    n_objects: i64,
    state: &'static str,
    error: String,
    summary: Summary,
    revision: i64,
    signed: bool,
    search: String,
}

/// What the list says of a reading.
struct Summary {
    analysable: i64,
    gate_reasons: String,
    top: String,
    uncertainty: f64,
    priority: f64,
    priority_reasons: String,
    reading: String,
    findings: Vec<(String, &'static str)>,
}

impl Summary {
    fn none() -> Self {
        Summary {
            analysable: -1,
            gate_reasons: "[]".to_owned(),
            top: "[]".to_owned(),
            uncertainty: -1.0,
            priority: -1.0,
            priority_reasons: "[]".to_owned(),
            reading: String::new(),
            findings: Vec::new(),
        }
    }

    fn of(reading: &Reading) -> Result<Self> {
        let json = |v: &dyn erased::Json| v.text();
        let priority = priority::priority(reading);
        let mut codes: Vec<&str> = Vec::new();
        for reason in &reading.gate.reasons {
            if !codes.contains(&reason.code.as_str()) {
                codes.push(&reason.code);
            }
        }
        let mut top = Vec::new();
        let mut findings = Vec::new();
        for (set, word) in [
            (PredictionSet::Present, "present"),
            (PredictionSet::Undecided, "undecided"),
        ] {
            for finding in priority::of_set(reading, set) {
                findings.push((finding.code.clone(), word));
                top.push(TopFinding {
                    code: finding.code.clone(),
                    name: finding.name.clone(),
                    probability: finding.probability,
                    set,
                });
            }
        }
        top.truncate(3);
        Ok(Summary {
            analysable: i64::from(reading.gate.analysable),
            gate_reasons: json(&codes)?,
            top: json(&top)?,
            uncertainty: priority::uncertainty(reading).unwrap_or(-1.0),
            priority: priority.value,
            priority_reasons: json(&priority.reasons)?,
            reading: hash(reading)?,
            findings,
        })
    }
}

mod erased {
    use crate::error::{Result, RoomError};

    pub(super) trait Json {
        fn text(&self) -> Result<String>;
    }

    impl<T: serde::Serialize> Json for T {
        fn text(&self) -> Result<String> {
            serde_json::to_string(self).map_err(|e| RoomError::Internal(e.to_string()))
        }
    }
}

/// Hash of a reading without what differs from run to run: equal when the program said the same.
pub(crate) fn hash(reading: &Reading) -> Result<String> {
    let mut same = reading.clone();
    same.provenance.elapsed_ms = 0;
    for image in &mut same.images {
        image.path = String::new();
    }
    let text = serde_json::to_string(&same).map_err(|e| RoomError::Internal(e.to_string()))?;
    Ok(crate::access::digest(&[&text]))
}

/// Brings the row of a study in step with everything, and tells open pages.
///
/// # Errors
/// [`RoomError::Database`], [`RoomError::Io`].
pub(crate) async fn refresh(room: &Room, study: &str) -> Result<()> {
    let _one_at_a_time = room.refreshing().lock().await;
    let Some(fresh) = gather(room, study).await? else {
        return forget(room, study).await;
    };
    let db = room.db();
    let mut tx = db.write().begin_with(db.begin()).await?;
    let before = sqlx::query(
        "SELECT state, revision, reading, signed FROM room_studies WHERE study_uid = $1",
    )
    .bind(study)
    .fetch_optional(&mut *tx)
    .await?;
    let same_reading = match &before {
        Some(row) => row.try_get::<String, _>(2)? == fresh.summary.reading,
        None => false,
    };
    put(&mut tx, study, &fresh).await?;
    if !same_reading {
        put_findings(&mut tx, study, &fresh.summary.findings).await?;
    }
    relate(&mut tx, study, &fresh).await?;
    tx.commit().await?;
    room.counts().set(None);
    let changed = match &before {
        None => true,
        Some(row) => {
            !same_reading
                || row.try_get::<String, _>(0)? != fresh.state
                || row.try_get::<i64, _>(1)? != fresh.revision
                || row.try_get::<i64, _>(3)? != i64::from(fresh.signed)
        }
    };
    if changed {
        room.events().worklist(study, fresh.state, fresh.revision);
    }
    Ok(())
}

async fn forget(room: &Room, study: &str) -> Result<()> {
    let db = room.db();
    let mut tx = db.write().begin_with(db.begin()).await?;
    let patient: Option<String> =
        sqlx::query_scalar("SELECT patient_id FROM room_studies WHERE study_uid = $1")
            .bind(study)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(patient) = patient else {
        return Ok(());
    };
    for sql in [
        "DELETE FROM room_studies WHERE study_uid = $1",
        "DELETE FROM room_findings WHERE study_uid = $1",
    ] {
        sqlx::query(sql).bind(study).execute(&mut *tx).await?;
    }
    sqlx::query(
        "UPDATE room_studies SET has_prior = CASE WHEN EXISTS (SELECT 1 FROM room_studies p WHERE p.patient_id = room_studies.patient_id \
         AND p.study_uid <> room_studies.study_uid AND (p.day < room_studies.day OR (p.day = room_studies.day \
         AND p.received < room_studies.received))) THEN 1 ELSE 0 END WHERE patient_id = $1 AND patient_id <> '' AND has_prior = 1",
    )
    .bind(patient)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    room.counts().set(None);
    room.events().worklist(study, "deleted", 0);
    room.events().deleted(study);
    Ok(())
}

async fn gather(room: &Room, study: &str) -> Result<Option<Fresh>> {
    let read = room.db().read();
    let row = sqlx::query(
        "SELECT patient_id, patient_name, birth_date, sex, study_date, study_description, modalities, n_instances, received, \
         accession FROM studies WHERE study_uid = $1",
    )
    .bind(study)
    .fetch_optional(read)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text = |i: usize| row.try_get::<String, _>(i);
    let iso = |t: &str| hilum_dicom::meta::iso_date(t).unwrap_or_default();
    let received: i64 = row.try_get(8)?;
    let study_date = iso(&text(4)?);
    let received_day = hilum_node::audit::date_time(received)[..10].to_owned();
    let day = if study_date.is_empty() {
        received_day
    } else {
        study_date.clone()
    };
    let images: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM instances WHERE study_uid = $1 AND image_rows <> ''",
    )
    .bind(study)
    .fetch_one(read)
    .await?;
    let (state, error) = state(room, study).await?;
    let reading = room.reading(study).await?;
    let summary = match &reading {
        Some(reading) => Summary::of(reading)?,
        None => Summary::none(),
    };
    let revision = edits::revision(room.db(), study).await?;
    let signed = crate::sign::last(room, study)
        .await?
        .is_some_and(|s| s.revision == revision && s.reading == summary.reading);
    let age = match age(&iso(&text(2)?), &study_date) {
        Some(age) => Some(age),
        None => age_in_file(room, study).await?,
    };
    let (patient_id, patient_name, description) = (text(0)?, text(1)?, text(5)?);
    let search = [
        &patient_name,
        &patient_id,
        &description,
        &text(9)?,
        &study.to_owned(),
    ];
    let search = search
        .map(|t| t.replace('^', " ").to_lowercase())
        .join("\n");
    Ok(Some(Fresh {
        patient_folded: patient_name.to_lowercase(),
        patient_id,
        patient_name,
        study_date,
        received,
        day,
        age: age.unwrap_or(-1.0),
        sex: text(3)?,
        modality: modality(&text(6)?),
        description,
        n_images: images,
        n_objects: row.try_get(7)?,
        state,
        error,
        summary,
        revision,
        signed,
        search,
    }))
}

/// The modality of the images: reports and segmentations that came out of them do not count.
fn modality(all: &str) -> String {
    let mut images = all
        .split('\\')
        .filter(|m| !matches!(*m, "SR" | "DOC" | "PR" | "SEG" | "KO"));
    images
        .next()
        .unwrap_or(all.split('\\').next().unwrap_or_default())
        .to_owned()
}

async fn state(room: &Room, study: &str) -> Result<(&'static str, String)> {
    let row =
        sqlx::query("SELECT state, error, lease_until FROM jobs WHERE kind = $1 AND subject = $2")
            .bind(READ)
            .bind(study)
            .fetch_optional(room.db().read())
            .await?;
    let Some(row) = row else {
        let why = "no rule of the configuration has this study read";
        return Ok(("waiting", why.to_owned()));
    };
    let error: String = row.try_get(1)?;
    Ok(match row.try_get::<String, _>(0)?.as_str() {
        "leased" if row.try_get::<i64, _>(2)? >= hilum_store::now() => ("reading", String::new()),
        "done" => ("read", String::new()),
        "dead" => ("failed", error),
        _ => ("waiting", error),
    })
}

/// Whole years between two days.
fn age(birth: &str, day: &str) -> Option<f64> {
    let parse = |t: &str| {
        let parts: Vec<i32> = t.split('-').filter_map(|p| p.parse().ok()).collect();
        <[i32; 3]>::try_from(parts).ok()
    };
    let ([y0, m0, d0], [y1, m1, d1]) = (parse(birth)?, parse(day)?);
    let years = y1 - y0 - i32::from((m1, d1) < (m0, d0));
    (0..=130).contains(&years).then(|| f64::from(years))
}

/// Patient's Age of the first image.
async fn age_in_file(room: &Room, study: &str) -> Result<Option<f64>> {
    let Some(object) = crate::study::instances(room, study)
        .await?
        .into_iter()
        .next()
    else {
        return Ok(None);
    };
    let path = room.store().path(&object);
    blocking(move || Ok(crate::pixels::head(&path).and_then(|meta| meta.age_years))).await
}

async fn put(tx: &mut Transaction<'_, Any>, study: &str, f: &Fresh) -> Result<()> {
    sqlx::query(
        "INSERT INTO room_studies (study_uid, patient_id, patient_name, patient_folded, study_date, received, day, age, sex, modality, \
         description, n_images, n_objects, state, error, analysable, gate_reasons, top, uncertainty, priority, priority_reasons, \
         reading, revision, signed, has_prior, search, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
         $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, CASE WHEN $2 <> '' AND EXISTS (SELECT 1 FROM room_studies p WHERE \
         p.patient_id = $2 AND p.study_uid <> $1 AND (p.day < $7 OR (p.day = $7 AND p.received < $6))) THEN 1 ELSE 0 END, $25, $26) \
         ON CONFLICT (study_uid) DO UPDATE SET patient_id = excluded.patient_id, patient_name = excluded.patient_name, \
         patient_folded = excluded.patient_folded, study_date = excluded.study_date, received = excluded.received, \
         day = excluded.day, age = excluded.age, sex = excluded.sex, modality = excluded.modality, \
         description = excluded.description, n_images = excluded.n_images, n_objects = excluded.n_objects, state = excluded.state, \
         error = excluded.error, analysable = excluded.analysable, gate_reasons = excluded.gate_reasons, top = excluded.top, \
         uncertainty = excluded.uncertainty, priority = excluded.priority, priority_reasons = excluded.priority_reasons, \
         reading = excluded.reading, revision = excluded.revision, signed = excluded.signed, has_prior = excluded.has_prior, \
         search = excluded.search, changed = excluded.changed",
    )
    .bind(study)
    .bind(f.patient_id.as_str())
    .bind(f.patient_name.as_str())
    .bind(f.patient_folded.as_str())
    .bind(f.study_date.as_str())
    .bind(f.received)
    .bind(f.day.as_str())
    .bind(f.age)
    .bind(f.sex.as_str())
    .bind(f.modality.as_str())
    .bind(f.description.as_str())
    .bind(f.n_images)
    .bind(f.n_objects)
    .bind(f.state)
    .bind(f.error.as_str())
    .bind(f.summary.analysable)
    .bind(f.summary.gate_reasons.as_str())
    .bind(f.summary.top.as_str())
    .bind(f.summary.uncertainty)
    .bind(f.summary.priority)
    .bind(f.summary.priority_reasons.as_str())
    .bind(f.summary.reading.as_str())
    .bind(f.revision)
    .bind(i64::from(f.signed))
    .bind(f.search.as_str())
    .bind(hilum_store::now())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn put_findings(
    tx: &mut Transaction<'_, Any>,
    study: &str,
    findings: &[(String, &'static str)],
) -> Result<()> {
    sqlx::query("DELETE FROM room_findings WHERE study_uid = $1")
        .bind(study)
        .execute(&mut **tx)
        .await?;
    for (code, answer) in findings {
        sqlx::query(
            "INSERT INTO room_findings (study_uid, code, answer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(study)
        .bind(code.as_str())
        .bind(*answer)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Later studies of the patient have a prior now.
async fn relate(tx: &mut Transaction<'_, Any>, study: &str, f: &Fresh) -> Result<()> {
    if f.patient_id.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE room_studies SET has_prior = 1 WHERE patient_id = $1 AND has_prior = 0 AND study_uid <> $2 \
         AND (day > $3 OR (day = $3 AND received > $4))",
    )
    .bind(f.patient_id.as_str())
    .bind(study)
    .bind(f.day.as_str())
    .bind(f.received)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Studies whose rows are not in step: after a kill, and what other processes did.
async fn out_of_step(room: &Room) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for sql in [
        "SELECT s.study_uid FROM studies s LEFT JOIN room_studies r ON r.study_uid = s.study_uid \
         LEFT JOIN jobs j ON j.subject = s.study_uid AND j.kind = 'read' \
         WHERE r.study_uid IS NULL OR r.n_objects <> s.n_instances OR (j.changed IS NOT NULL AND j.changed >= r.changed)",
        "SELECT r.study_uid FROM room_studies r LEFT JOIN studies s ON s.study_uid = r.study_uid WHERE s.study_uid IS NULL",
        "SELECT r.study_uid FROM room_studies r WHERE r.revision <> \
         (SELECT COALESCE(MAX(e.revision), 0) FROM room_edits e WHERE e.study_uid = r.study_uid)",
        // Its worker is gone.
        "SELECT r.study_uid FROM room_studies r WHERE r.state = 'reading'",
    ] {
        for row in sqlx::query(sql).fetch_all(room.db().read()).await? {
            found.insert(row.try_get(0)?);
        }
    }
    Ok(found)
}

/// How often the list is compared with a database that other processes change too.
const COMPARE: Duration = Duration::from_secs(5);

/// Keeps the work list in step until the room stops.
pub(crate) async fn keep_in_step(room: Room) {
    let mut changes = room.store().changes();
    let mut stopped = room.stopped();
    let shared = room.db().kind() == hilum_store::DatabaseKind::Postgres;
    compare(&room).await;
    let mut ticks = tokio::time::interval(COMPARE);
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(study) => {
                    let mut studies = BTreeSet::from([study]);
                    while let Ok(study) = changes.try_recv() {
                        studies.insert(study);
                    }
                    for study in studies {
                        update(&room, &study).await;
                    }
                }
                Err(RecvError::Lagged(_)) => compare(&room).await,
                Err(RecvError::Closed) => return,
            },
            _ = ticks.tick(), if shared => compare(&room).await,
            _ = stopped.changed() => return,
        }
    }
}

async fn compare(room: &Room) {
    match out_of_step(room).await {
        Ok(studies) => {
            for study in studies {
                update(room, &study).await;
            }
        }
        Err(error) => warn!(%error, "work list not compared"),
    }
}

async fn update(room: &Room, study: &str) {
    if let Err(error) = refresh(room, study).await {
        warn!(%error, "row of the work list not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_years() {
        assert_eq!(age("1970-05-02", "2026-05-01"), Some(55.0));
        assert_eq!(age("1970-05-01", "2026-05-01"), Some(56.0));
        assert_eq!(age("", "2026-05-01"), None);
        assert_eq!(age("2030-01-01", "2026-05-01"), None);
    }

    #[test]
    fn what_is_asked_becomes_conditions_with_marks() {
        let query = ListQuery {
            q: Some("O'Hara 50%".into()),
            state: Some("read".into()),
            finding: Some("pneumonia' OR 1=1".into()),
            ..ListQuery::default()
        };
        let (clause, values) = conditions(&query).unwrap();
        assert!(!clause.contains("Hara") && !clause.contains("OR 1=1"));
        assert_eq!(values, ["%o'hara%", "%50!%%", "pneumonia' OR 1=1"]);
        for (sort, order_) in [("x; DROP", ""), ("date", "up")] {
            let query = ListQuery {
                sort: Some(sort.into()),
                order: Some(order_.into()),
                ..ListQuery::default()
            };
            assert!(order(&query).is_err());
        }
    }

    #[test]
    fn reports_do_not_make_the_modality() {
        assert_eq!(modality("CR\\SR"), "CR");
        assert_eq!(modality("DOC\\OT\\SR"), "OT");
        assert_eq!(modality("SR"), "SR");
    }
}
