//! How a row of the work list is made: of the index, the queue, the reading, edits and signatures.

use super::question::findings_text;
use super::row::{GateItem, Item, TopFinding};
use crate::edits;
use crate::error::{Result, RoomError};
use crate::priority;
use crate::state::{Room, blocking};
use hilum_core::{PredictionSet, Reading};
use hilum_node::auto::READ;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A row under construction: what the list is sorted and searched by, and what it shows.
pub(super) struct Fresh {
    pub(super) item: Item,
    /// Study date, else the day on which it came.
    pub(super) day: String,
    pub(super) received: i64,
    pub(super) n_objects: i64,
    /// Hash of the reading; empty before there is one.
    pub(super) reading: String,
    /// Codes of findings that are present or undecided, see [`findings_text`].
    pub(super) findings: String,
    pub(super) search: String,
}

/// What the list says of a reading.
#[derive(Default)]
struct Summary {
    gate: Option<GateItem>,
    top: Vec<TopFinding>,
    findings: Vec<String>,
    uncertainty: Option<f64>,
    priority: Option<f64>,
    priority_reasons: Vec<String>,
    hash: String,
}

impl Summary {
    fn of(reading: &Reading) -> Result<Self> {
        let priority = priority::priority(reading);
        let mut top: Vec<TopFinding> = [PredictionSet::Present, PredictionSet::Undecided]
            .into_iter()
            .flat_map(|set| {
                priority::of_set(reading, set)
                    .into_iter()
                    .map(move |f| (f, set))
            })
            .map(|(finding, set)| TopFinding {
                code: finding.code.clone(),
                name: finding.name.clone(),
                probability: finding.probability,
                set,
            })
            .collect();
        let findings = top.iter().map(|f| f.code.clone()).collect();
        top.truncate(3);
        Ok(Summary {
            gate: Some(gate(reading)),
            top,
            findings,
            uncertainty: priority::uncertainty(reading),
            priority: Some(priority.value),
            priority_reasons: priority.reasons,
            hash: hash(reading)?,
        })
    }
}

fn gate(reading: &Reading) -> GateItem {
    let mut reasons: Vec<String> = Vec::new();
    for reason in &reading.gate.reasons {
        if !reasons.contains(&reason.code) {
            reasons.push(reason.code.clone());
        }
    }
    GateItem {
        analysable: reading.gate.analysable,
        reasons,
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

/// What the index says of a study.
struct Indexed {
    patient_id: String,
    patient_name: String,
    /// `YYYY-MM-DD`, as the next; empty when unknown.
    birth_date: String,
    study_date: String,
    sex: String,
    description: String,
    modalities: String,
    accession: String,
    n_objects: i64,
    n_images: i64,
    received: i64,
}

impl Indexed {
    fn of(row: &AnyRow) -> Result<Self> {
        let text = |i: usize| row.try_get::<String, _>(i);
        let iso = |t: &str| hilum_dicom::meta::iso_date(t).unwrap_or_default();
        Ok(Indexed {
            patient_id: text(0)?,
            patient_name: text(1)?,
            birth_date: iso(&text(2)?),
            sex: text(3)?,
            study_date: iso(&text(4)?),
            description: text(5)?,
            modalities: text(6)?,
            n_objects: row.try_get(7)?,
            received: row.try_get(8)?,
            accession: text(9)?,
            n_images: row.try_get(10)?,
        })
    }

    /// What a search looks at.
    fn search(&self, study: &str) -> String {
        let parts = [
            &self.patient_name,
            &self.patient_id,
            &self.description,
            &self.accession,
            study,
        ];
        parts
            .map(|t: &str| t.replace('^', " ").to_lowercase())
            .join("\n")
    }
}

/// The row of a study as everything stands; `None` when its objects are gone.
pub(super) async fn gather(room: &Room, study: &str) -> Result<Option<Fresh>> {
    let reading = room.reading(study).await?;
    let summary = match &reading {
        Some(reading) => Summary::of(reading)?,
        None => Summary::default(),
    };
    let (indexed, (state, error), revision, signature) = {
        let mut on = room.db().read().acquire().await?;
        let Some(indexed) = indexed(&mut on, study).await? else {
            return Ok(None);
        };
        let state = state(&mut on, study).await?;
        let revision = edits::revision(&mut on, study).await?;
        (
            indexed,
            state,
            revision,
            crate::sign::last(&mut on, study).await?,
        )
    };
    let age = match age(&indexed.birth_date, &indexed.study_date) {
        Some(age) => Some(age),
        None => age_in_file(room, study).await?,
    };
    let received = hilum_node::audit::date_time(indexed.received);
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok(Some(Fresh {
        day: some(&indexed.study_date).unwrap_or_else(|| received[..10].to_owned()),
        received: indexed.received,
        n_objects: indexed.n_objects,
        findings: findings_text(summary.findings.iter().map(String::as_str)),
        search: indexed.search(study),
        item: Item {
            study_uid: study.to_owned(),
            study_date: some(&indexed.study_date),
            received,
            age,
            sex: some(&indexed.sex),
            modality: modality(&indexed.modalities),
            patient_id: indexed.patient_id,
            patient_name: indexed.patient_name,
            description: indexed.description,
            n_images: indexed.n_images,
            state: state.to_owned(),
            error: some(&error),
            signed: signature.is_some_and(|s| s.covers(revision, &summary.hash)),
            gate: summary.gate,
            top: summary.top,
            uncertainty: summary.uncertainty,
            priority: summary.priority,
            priority_reasons: summary.priority_reasons,
            revision,
            has_prior: false,
        },
        reading: summary.hash,
    }))
}

async fn indexed(on: &mut AnyConnection, study: &str) -> Result<Option<Indexed>> {
    let row = sqlx::query(
        "SELECT patient_id, patient_name, birth_date, sex, study_date, study_description, modalities, n_instances, received, \
         accession, (SELECT COUNT(*) FROM instances i WHERE i.study_uid = $1 AND i.image_rows <> '') \
         FROM studies WHERE study_uid = $1",
    )
    .bind(study)
    .fetch_optional(on)
    .await?;
    row.as_ref().map(Indexed::of).transpose()
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

async fn state(on: &mut AnyConnection, study: &str) -> Result<(&'static str, String)> {
    let row =
        sqlx::query("SELECT state, error, lease_until FROM jobs WHERE kind = $1 AND subject = $2")
            .bind(READ)
            .bind(study)
            .fetch_optional(on)
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
    fn reports_do_not_make_the_modality() {
        assert_eq!(modality("CR\\SR"), "CR");
        assert_eq!(modality("DOC\\OT\\SR"), "OT");
        assert_eq!(modality("SR"), "SR");
    }
}
