//! What is asked of the work list, as statements that indexes answer.

use super::row;
use crate::error::{Result, RoomError};
use crate::state::Room;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{AnyConnection, Row};

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page {
    /// Rows that fit what was asked.
    pub total: i64,
    /// Rows passed over.
    pub offset: i64,
    /// Rows.
    #[schema(value_type = Vec<super::Item>)]
    pub items: Vec<Box<RawValue>>,
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
    let (asked, order) = (conditions(query)?, order(query)?);
    let offset = query.offset.unwrap_or(0).max(0);
    let limit = query.limit.unwrap_or(50).clamp(1, MOST);
    // One connection for all of it: with many readers, waiting for another one costs more than a statement does.
    let mut on = room.db().read().acquire().await?;
    let counts = room.totals().states(count_states(&mut on)).await?;
    let total = match asked.clause.is_empty() {
        true => counts.waiting + counts.reading + counts.read + counts.failed,
        false => {
            let count = count_rows(&mut on, &asked);
            room.totals().rows(&asked.key(), count).await?
        }
    };
    let statement = statement(&asked, &order, limit, offset);
    let mut listed = sqlx::query(crate::db::own(statement));
    for value in &asked.values {
        listed = listed.bind(value.as_str());
    }
    let rows = listed.fetch_all(&mut *on).await?;
    Ok(Page {
        total,
        offset,
        items: rows.iter().map(row::sent).collect::<Result<_>>()?,
        counts,
    })
}

/// The texts of rows are fetched for those of the page alone; what is sorted and searched are short rows without them.
fn statement(asked: &Asked, order: &Order, limit: i64, offset: i64) -> String {
    format!(
        "SELECT i.item, s.has_prior FROM (SELECT has_prior, {} FROM room_studies{} ORDER BY {} LIMIT {limit} OFFSET {offset}) s \
         CROSS JOIN room_items i WHERE i.study_uid = s.study_uid ORDER BY {}",
        order.columns.join(", "),
        asked.clause,
        order.by(""),
        order.by("s.")
    )
}

async fn count_rows(on: &mut AnyConnection, asked: &Asked) -> Result<i64> {
    let sql = crate::db::own(format!("SELECT COUNT(*) FROM room_studies{}", asked.clause));
    let mut counted = sqlx::query_scalar::<_, i64>(sql);
    for value in &asked.values {
        counted = counted.bind(value.as_str());
    }
    Ok(counted.fetch_one(on).await?)
}

async fn count_states(on: &mut AnyConnection) -> Result<StateCounts> {
    let sql = "SELECT state, signed, COUNT(*) FROM room_studies GROUP BY state, signed";
    let mut counts = StateCounts::default();
    for row in sqlx::query(sql).fetch_all(on).await? {
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
    Ok(counts)
}

/// Which rows: a WHERE clause with marks, and the values for them.
struct Asked {
    clause: String,
    values: Vec<String>,
}

impl Asked {
    /// The question in one text.
    fn key(&self) -> String {
        format!("{}\0{}", self.clause, self.values.join("\0"))
    }
}

/// In which order.
struct Order {
    columns: Vec<&'static str>,
    way: &'static str,
}

impl Order {
    fn by(&self, table: &str) -> String {
        let all = self.columns.iter();
        let all: Vec<String> = all.map(|c| format!("{table}{c} {}", self.way)).collect();
        all.join(", ")
    }
}

/// Codes of findings as one text, in which each is found whole.
pub(super) fn findings_text<'a>(codes: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from("|");
    for code in codes {
        text.push_str(code);
        text.push('|');
    }
    text
}

fn conditions(query: &ListQuery) -> Result<Asked> {
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
            // Not `state = ...`: an index by state would be taken in place of one in the order of the page, and every row sorted.
            parts.push(format!("COALESCE(state, '') = '{state}'"));
        }
        Some(other) => {
            return Err(RoomError::BadRequest(format!(
                "state {other:?} is none of waiting, reading, read, failed, signed, unsigned"
            )));
        }
    }
    if let Some(code) = query.finding.as_deref().filter(|f| !f.is_empty()) {
        values.push(crate::db::containing(&findings_text([code])));
        parts.push(format!("findings LIKE ${} ESCAPE '!'", values.len()));
    }
    let all = parts.join(" AND ");
    let clause = if all.is_empty() {
        all
    } else {
        format!(" WHERE {all}")
    };
    Ok(Asked { clause, values })
}

fn order(query: &ListQuery) -> Result<Order> {
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
    let columns = columns.iter().chain(&["received", "study_uid"]);
    Ok(Order {
        columns: columns.copied().collect(),
        way,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_becomes_conditions_with_marks() {
        let query = ListQuery {
            q: Some("O'Hara 50%".into()),
            state: Some("read".into()),
            finding: Some("pneumonia' OR 1=1".into()),
            ..ListQuery::default()
        };
        let asked = conditions(&query).unwrap();
        assert!(!asked.clause.contains("Hara") && !asked.clause.contains("OR 1=1"));
        assert_eq!(
            asked.values,
            ["%o'hara%", "%50!%%", "%|pneumonia' OR 1=1|%"]
        );
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
    fn a_code_is_no_part_of_another() {
        let text = findings_text(["lung_opacity", "mass"]);
        assert!(text.contains(&findings_text(["mass"])));
        assert!(!text.contains(&findings_text(["opacity"])));
    }
}
