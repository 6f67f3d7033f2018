//! Searching the index: what C-FIND and QIDO-RS ask.

use crate::db::Db;
use crate::error::{Result, StoreError};
use crate::index::{Located, column, fold};
use crate::keys::{KEYS, Key, Level, Matching};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;

/// A search.
#[derive(Debug, Clone)]
pub struct Query {
    /// What is listed.
    pub level: Level,
    /// Conditions; all must hold. An empty value matches everything.
    pub conditions: Vec<(&'static Key, String)>,
    /// Names match when every word of the condition begins a word of the name.
    pub fuzzy: bool,
    /// Most rows.
    pub limit: u32,
    /// Rows that are passed over.
    pub offset: u32,
}

impl Query {
    /// All of a level, up to 1000 rows.
    pub fn all(level: Level) -> Self {
        Query {
            level,
            conditions: Vec::new(),
            fuzzy: false,
            limit: 1000,
            offset: 0,
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn with(mut self, key: &'static Key, value: impl Into<String>) -> Self {
        self.conditions.push((key, value.into()));
        self
    }
}

/// One answer: the values of its level and those above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    values: BTreeMap<Tag, String>,
}

impl Found {
    /// Value of an attribute, empty when there is none.
    pub fn value(&self, tag: Tag) -> &str {
        self.values.get(&tag).map_or("", String::as_str)
    }

    /// The element of a key, without a value when there is none.
    pub fn element(&self, key: &Key) -> DataElement<dicom_object::mem::InMemDicomObject> {
        element(key, self.value(key.tag))
    }

    /// A data set of the keys that `wanted` accepts.
    pub fn object(&self, wanted: impl Fn(&Key) -> bool) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        for key in KEYS
            .iter()
            .filter(|k| self.values.contains_key(&k.tag) && wanted(k))
        {
            object.put(self.element(key));
        }
        object
    }
}

fn element(key: &Key, value: &str) -> DataElement<InMemDicomObject> {
    if value.is_empty() {
        return DataElement::new(key.tag, key.vr, PrimitiveValue::Empty);
    }
    if key.vr == VR::US {
        return match value.parse::<u16>() {
            Ok(number) => DataElement::new(key.tag, key.vr, PrimitiveValue::from(number)),
            Err(_) => DataElement::new(key.tag, key.vr, PrimitiveValue::Empty),
        };
    }
    let parts: Vec<String> = value.split('\\').map(str::to_owned).collect();
    DataElement::new(key.tag, key.vr, PrimitiveValue::Strs(parts.into()))
}

/// The statement under construction: conditions and the values for its marks.
#[derive(Default)]
struct Sql {
    conditions: Vec<String>,
    values: Vec<String>,
}

impl Sql {
    fn mark(&mut self, value: impl Into<String>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn condition(&mut self, key: &Key, value: &str, fuzzy: bool) -> Result<()> {
        let value = value.trim();
        if value.is_empty() || value.bytes().all(|b| b == b'*') {
            return Ok(());
        }
        let condition = match key.matching {
            Matching::Uid => self.list(&column(key), value),
            Matching::Text => self.any(&column(key), value),
            Matching::Number => self.number(key, value)?,
            Matching::Range => self.range(key, value)?,
            Matching::Name if fuzzy => self.words(key, value),
            Matching::Name => self.pattern(&format!("{}_folded", column(key)), &fold(value)),
            Matching::Derived if key.tag == tags::MODALITIES_IN_STUDY => {
                let inner = self.any("m.modality", value);
                format!(
                    "EXISTS (SELECT 1 FROM series m WHERE m.study_uid = s.study_uid AND {inner})"
                )
            }
            Matching::Derived => {
                return Err(StoreError::Query {
                    reason: format!("{} cannot be asked for", key.keyword),
                });
            }
        };
        self.conditions.push(condition);
        Ok(())
    }

    fn list(&mut self, column: &str, value: &str) -> String {
        let marks: Vec<String> = value
            .split(['\\', ','])
            .map(|v| self.mark(v.trim()))
            .collect();
        format!("{column} IN ({})", marks.join(", "))
    }

    /// Several values mean any of them.
    fn any(&mut self, column: &str, value: &str) -> String {
        let parts: Vec<String> = value.split('\\').map(|v| self.pattern(column, v)).collect();
        format!("({})", parts.join(" OR "))
    }

    fn pattern(&mut self, column: &str, value: &str) -> String {
        if !value.contains(['*', '?']) {
            let mark = self.mark(value);
            return format!("{column} = {mark}");
        }
        let mut like = String::with_capacity(value.len() + 4);
        for c in value.chars() {
            match c {
                '*' => like.push('%'),
                '?' => like.push('_'),
                '%' | '_' | '!' => like.extend(['!', c]),
                c => like.push(c),
            }
        }
        let mark = self.mark(like);
        format!("{column} LIKE {mark} ESCAPE '!'")
    }

    /// Every word asked for begins a word of the name.
    fn words(&mut self, key: &Key, value: &str) -> String {
        let name = format!("{}_folded", column(key));
        let words: Vec<String> = value
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .map(fold)
            .collect();
        let parts: Vec<String> = words
            .iter()
            .map(|word| {
                let first = self.pattern(&name, &format!("{word}*"));
                let rest: Vec<String> = ["^", " ", "=", "-"]
                    .iter()
                    .map(|s| self.pattern(&name, &format!("*{s}{word}*")))
                    .collect();
                format!("({first} OR {})", rest.join(" OR "))
            })
            .collect();
        if parts.is_empty() {
            return "1 = 1".to_owned();
        }
        parts.join(" AND ")
    }

    fn number(&mut self, key: &Key, value: &str) -> Result<String> {
        let number: i64 = value.parse().map_err(|_| StoreError::Query {
            reason: format!(
                "{} is asked for with something that is no number",
                key.keyword
            ),
        })?;
        let mark = self.mark(number.to_string());
        Ok(format!("{} = {mark}", column(key)))
    }

    /// A day or time, `from-`, `-to` or `from-to`. Values without the attribute match nothing.
    fn range(&mut self, key: &Key, value: &str) -> Result<String> {
        let column = column(key);
        let clean = |v: &str| v.replace([':', '.'], "");
        let good = |v: &str| v.bytes().all(|b| b.is_ascii_digit());
        let stripped = clean(value);
        let (from, to) = match stripped.split_once('-') {
            None => (stripped.as_str(), None),
            Some((from, to)) => (from, Some(to)),
        };
        if !good(from) || !to.is_none_or(good) || (from.is_empty() && to.is_none_or(str::is_empty))
        {
            return Err(StoreError::Query {
                reason: format!(
                    "{} is asked for with something that is no date or time",
                    key.keyword
                ),
            });
        }
        let Some(to) = to else {
            // A time of hours and minutes stands for all its seconds.
            return Ok(self.pattern(&column, &format!("{from}*")));
        };
        let mut parts = vec![format!("{column} <> ''")];
        if !from.is_empty() {
            let mark = self.mark(from);
            parts.push(format!("{column} >= {mark}"));
        }
        if !to.is_empty() {
            // `1015` as an end includes 10:15:59, as text it is less than `101559`.
            let mark = self.mark(format!("{to}~"));
            parts.push(format!("{column} < {mark}"));
        }
        Ok(parts.join(" AND "))
    }
}

/// Tables of a level, joined.
fn tables(level: Level) -> &'static str {
    match level {
        Level::Patient | Level::Study => "studies s",
        Level::Series => "series e JOIN studies s ON s.study_uid = e.study_uid",
        Level::Instance => {
            "instances i JOIN series e ON e.series_uid = i.series_uid JOIN studies s ON s.study_uid = i.study_uid"
        }
    }
}

fn order(level: Level) -> &'static str {
    match level {
        Level::Patient => "s.patient_id",
        Level::Study => "s.study_date DESC, s.study_time DESC, s.study_uid DESC",
        Level::Series => "e.study_uid, e.series_number, e.series_uid",
        Level::Instance => "i.series_uid, i.sort, i.sop_uid",
    }
}

/// Keys that a level's answers carry.
fn listed(level: Level) -> Vec<&'static Key> {
    KEYS.iter().filter(|k| k.level <= level).collect()
}

fn conditions(query: &Query) -> Result<Sql> {
    let mut sql = Sql::default();
    for (key, value) in &query.conditions {
        if key.level > query.level && key.tag != tags::MODALITIES_IN_STUDY {
            return Err(StoreError::Query {
                reason: format!("{} is below the level that is searched", key.keyword),
            });
        }
        sql.condition(key, value, query.fuzzy)?;
    }
    Ok(sql)
}

fn where_clause(sql: &Sql) -> String {
    if sql.conditions.is_empty() {
        return String::new();
    }
    format!(" WHERE {}", sql.conditions.join(" AND "))
}

/// Answers a search.
pub(crate) async fn find(db: &Db, query: &Query) -> Result<Vec<Found>> {
    let sql = conditions(query)?;
    let keys = listed(query.level);
    let columns: Vec<String> = keys
        .iter()
        .map(|k| match k.matching {
            Matching::Derived if k.tag != tags::MODALITIES_IN_STUDY => {
                format!("CAST({} AS TEXT)", column(k))
            }
            _ if query.level == Level::Patient => format!("MIN({})", column(k)),
            _ => column(k),
        })
        .collect();
    let group = if query.level == Level::Patient {
        " GROUP BY s.patient_id"
    } else {
        ""
    };
    let text = format!(
        "SELECT {} FROM {}{}{group} ORDER BY {} LIMIT {} OFFSET {}",
        columns.join(", "),
        tables(query.level),
        where_clause(&sql),
        order(query.level),
        query.limit,
        query.offset
    );
    let mut statement = sqlx::query(AssertSqlSafe(text));
    for value in sql.values {
        statement = statement.bind(value);
    }
    let rows = statement.fetch_all(&db.read).await?;
    rows.iter()
        .map(|row| {
            let mut found = Found::default();
            for (i, key) in keys.iter().enumerate() {
                found.values.insert(key.tag, row.try_get(i)?);
            }
            Ok(found)
        })
        .collect()
}

/// The stored objects that a search at any level stands for.
pub(crate) async fn objects(db: &Db, query: &Query) -> Result<Vec<Located>> {
    let sql = conditions(query)?;
    let text = format!(
        "SELECT {} FROM {}{} ORDER BY {} LIMIT {} OFFSET {}",
        crate::index::LOCATED,
        tables(Level::Instance),
        where_clause(&sql),
        order(Level::Instance),
        query.limit,
        query.offset
    );
    let mut statement = sqlx::query(AssertSqlSafe(text));
    for value in sql.values {
        statement = statement.bind(value);
    }
    let rows = statement.fetch_all(&db.read).await?;
    rows.iter().map(Located::from_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::by_name;

    fn sql(name: &str, value: &str, fuzzy: bool) -> (String, Vec<String>) {
        let mut sql = Sql::default();
        sql.condition(by_name(name).unwrap(), value, fuzzy).unwrap();
        (sql.conditions.join(" AND "), sql.values)
    }

    #[test]
    fn wildcards_become_like_and_its_own_signs_are_escaped() {
        let (text, values) = sql("PatientID", "A*_%?", false);
        assert_eq!(text, "(s.patient_id LIKE $1 ESCAPE '!')");
        assert_eq!(values, ["A%!_!%_"]);
        assert_eq!(sql("PatientID", "*", false).0, "");
        assert_eq!(sql("PatientName", "DOE^J*", false).1, ["doe^j%"]);
    }

    #[test]
    fn ranges_include_their_ends() {
        let (text, values) = sql("StudyDate", "20260101-20260131", false);
        assert_eq!(
            text,
            "s.study_date <> '' AND s.study_date >= $1 AND s.study_date < $2"
        );
        assert_eq!(values, ["20260101", "20260131~"]);
        assert_eq!(sql("StudyDate", "-20260131", false).1, ["20260131~"]);
        assert_eq!(sql("StudyTime", "10:15", false).1, ["1015%"]);
        let mut bad = Sql::default();
        let key = by_name("StudyDate").unwrap();
        assert!(bad.condition(key, "yesterday", false).is_err());
        assert!(bad.condition(key, "-", false).is_err());
    }

    #[test]
    fn lists_of_uids_and_numbers() {
        assert_eq!(
            sql("StudyInstanceUID", "1.2\\1.3", false).0,
            "s.study_uid IN ($1, $2)"
        );
        assert_eq!(sql("SeriesNumber", "003", false).1, ["3"]);
        let mut bad = Sql::default();
        assert!(bad.condition(by_name("Rows").unwrap(), "x", false).is_err());
    }
}
