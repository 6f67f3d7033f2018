//! Rows of the work list. What a page shows of a study is kept as the JSON that it is sent as: a page of the list is then fifty texts put
//! side by side, and not a thousand values taken out of the database and written down again.

use crate::error::{Result, RoomError};
use crate::state::Room;
use hilum_core::PredictionSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GateItem {
    /// Whether the study could be analysed.
    pub analysable: bool,
    /// Codes of what the gate noticed.
    pub reasons: Vec<String>,
}

/// A row of the work list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    #[serde(default)]
    pub has_prior: bool,
}

/// The one value of a row that other studies change.
const PRIOR: &str = "has_prior";

fn broken(e: serde_json::Error) -> RoomError {
    RoomError::Internal(format!("a row of the list: {e}"))
}

impl Item {
    /// As it is kept: everything but whether there is a prior.
    pub(super) fn kept(&self) -> Result<String> {
        let mut value = serde_json::to_value(self).map_err(broken)?;
        if let Some(object) = value.as_object_mut() {
            object.remove(PRIOR);
        }
        Ok(value.to_string())
    }

    /// The row of `item, has_prior`.
    fn of(row: &AnyRow) -> Result<Self> {
        let mut item: Item = serde_json::from_str(row.try_get(0)?).map_err(broken)?;
        item.has_prior = has_prior(row)?;
        Ok(item)
    }
}

fn has_prior(row: &AnyRow) -> Result<bool> {
    Ok(row.try_get::<i64, _>(1)? == 1)
}

/// The row of `item, has_prior` as it is sent.
pub(super) fn sent(row: &AnyRow) -> Result<Box<RawValue>> {
    spliced(row.try_get(0)?, has_prior(row)?)
}

fn spliced(item: &str, has_prior: bool) -> Result<Box<RawValue>> {
    let open = item
        .strip_suffix('}')
        .ok_or_else(|| RoomError::Internal("a row of the list is no object".to_owned()))?;
    let value = Value::Bool(has_prior);
    RawValue::from_string(format!("{open},\"{PRIOR}\":{value}}}")).map_err(broken)
}

/// The row of a study.
///
/// # Errors
/// [`RoomError::Deleted`], [`RoomError::NotFound`], [`RoomError::Database`].
pub(crate) async fn one(room: &Room, study: &str) -> Result<Item> {
    one_on(&mut *room.db().read().acquire().await?, study).await
}

/// The same on a connection that is at hand.
pub(crate) async fn one_on(on: &mut AnyConnection, study: &str) -> Result<Item> {
    let row = sqlx::query(
        "SELECT i.item, s.has_prior FROM room_studies s JOIN room_items i ON i.study_uid = s.study_uid WHERE s.study_uid = $1",
    )
    .bind(study)
    .fetch_optional(&mut *on)
    .await?;
    match row {
        Some(row) => Item::of(&row),
        None => Err(missing(on, study).await?),
    }
}

/// The error for a study that is not there: whether it was deleted or never there.
pub(crate) async fn missing(on: &mut AnyConnection, study: &str) -> Result<RoomError> {
    let sql = "SELECT COUNT(*) FROM room_seen WHERE study_uid = $1";
    let known: i64 = sqlx::query_scalar(sql).bind(study).fetch_one(on).await?;
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
pub(crate) async fn priors_on(on: &mut AnyConnection, study: &str) -> Result<Vec<Prior>> {
    let rows = sqlx::query(
        "SELECT p.study_uid, p.study_date, p.received FROM room_studies s JOIN room_studies p ON p.patient_id = s.patient_id \
         WHERE s.study_uid = $1 AND s.patient_id <> '' AND p.study_uid <> s.study_uid \
         AND (p.day < s.day OR (p.day = s.day AND p.received < s.received)) ORDER BY p.day DESC, p.received DESC LIMIT 50",
    )
    .bind(study)
    .fetch_all(on)
    .await?;
    rows.iter()
        .map(|row| {
            let date: String = row.try_get(1)?;
            Ok(Prior {
                study_uid: row.try_get(0)?,
                study_date: (!date.is_empty()).then_some(date),
                received: hilum_node::audit::date_time(row.try_get(2)?),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_what_is_sent_are_the_same_row() {
        let item = Item {
            study_uid: "1.2".to_owned(),
            patient_id: String::new(),
            patient_name: "</script>\"}".to_owned(),
            study_date: None,
            received: "2026-05-01T10:00:00Z".to_owned(),
            age: Some(56.0),
            sex: None,
            modality: "CR".to_owned(),
            description: String::new(),
            n_images: 1,
            state: "read".to_owned(),
            error: None,
            signed: false,
            gate: Some(GateItem {
                analysable: true,
                reasons: vec!["a".to_owned()],
            }),
            top: Vec::new(),
            uncertainty: Some(0.1 + 0.2),
            priority: None,
            priority_reasons: Vec::new(),
            revision: 3,
            has_prior: true,
        };
        let kept = item.kept().unwrap();
        assert!(!kept.contains(PRIOR));
        let sent: Item = serde_json::from_str(spliced(&kept, true).unwrap().get()).unwrap();
        assert_eq!(sent, item);
        assert!(spliced("[]", true).is_err());
    }
}
