//! QIDO-RS: searching (PS3.18, 10.6).

use crate::error::{Result, WebError};
use crate::metadata;
use crate::state::WebState;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_store::{Found, Key, Level, Query, Uid, keys};
use std::collections::{BTreeSet, HashMap};

/// Most rows of one answer; a search without a limit gets them, and is told when there are more.
const MAX_ROWS: u32 = 5000;

/// What a query string asks for.
#[derive(Debug)]
struct Asked {
    query: Query,
    /// Fields that the index has and the answer does not carry unasked.
    include: Vec<&'static Key>,
    /// Fields that only the objects have.
    from_object: Vec<Tag>,
    all: bool,
}

pub(crate) async fn studies(
    state: State<WebState>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    search(state.0, Level::Study, Vec::new(), query.0, &headers).await
}

pub(crate) async fn series(
    state: State<WebState>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    search(state.0, Level::Series, Vec::new(), query.0, &headers).await
}

pub(crate) async fn instances(
    state: State<WebState>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    search(state.0, Level::Instance, Vec::new(), query.0, &headers).await
}

pub(crate) async fn series_of_study(
    state: State<WebState>,
    Path(study): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let path = vec![("StudyInstanceUID", study)];
    search(state.0, Level::Series, path, query.0, &headers).await
}

pub(crate) async fn instances_of_study(
    state: State<WebState>,
    Path(study): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let path = vec![("StudyInstanceUID", study)];
    search(state.0, Level::Instance, path, query.0, &headers).await
}

pub(crate) async fn instances_of_series(
    state: State<WebState>,
    Path((study, series)): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response> {
    let path = vec![("StudyInstanceUID", study), ("SeriesInstanceUID", series)];
    search(state.0, Level::Instance, path, query.0, &headers).await
}

async fn search(
    state: WebState,
    level: Level,
    path: Vec<(&'static str, String)>,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Response> {
    let mut asked = parse(level, query.as_deref().unwrap_or_default())?;
    let above: BTreeSet<&str> = path.iter().map(|(name, _)| *name).collect();
    for (name, value) in &path {
        Uid::new(value, name)?;
        let key = keys::by_name(name).ok_or(WebError::NotFound)?;
        asked.query = asked.query.with(key, value.clone());
    }
    let limit = asked.query.limit;
    // One more shows whether there are more.
    asked.query.limit = limit + 1;
    let mut found = state.store.find(&asked.query).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    if found.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let base = base_url(headers, state.is_secure());
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        rows.push(answer(&state, &asked, level, &above, row, &base).await?);
    }
    let mut response = metadata::json_response(&rows)?;
    if more {
        let text = "299 hilum \"there are more results; ask again with offset and limit\"";
        if let Ok(value) = text.parse() {
            response.headers_mut().insert(header::WARNING, value);
        }
    }
    Ok(response)
}

/// Scheme and host that the other side used, for links in answers.
pub(crate) fn base_url(headers: &HeaderMap, secure: bool) -> String {
    let get = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let host = get("x-forwarded-host")
        .or_else(|| get("host"))
        .unwrap_or("localhost");
    let own = if secure { "https" } else { "http" };
    let scheme = get("x-forwarded-proto").unwrap_or(own);
    format!("{scheme}://{host}/dicom-web")
}

fn parse(level: Level, query: &str) -> Result<Asked> {
    let mut asked = Asked {
        query: Query {
            limit: MAX_ROWS,
            ..Query::all(level)
        },
        include: Vec::new(),
        from_object: Vec::new(),
        all: false,
    };
    for (name, value) in pairs(query)? {
        match name.as_str() {
            "limit" => asked.query.limit = number(&name, &value)?.min(MAX_ROWS),
            "offset" => asked.query.offset = number(&name, &value)?,
            "fuzzymatching" => asked.query.fuzzy = value.eq_ignore_ascii_case("true"),
            "includefield" => {
                for field in value.split(',').map(str::trim).filter(|f| !f.is_empty()) {
                    include(&mut asked, level, field)?;
                }
            }
            _ => {
                let key = keys::by_name(&name).ok_or_else(|| {
                    WebError::BadRequest(format!("{name} is no attribute that can be searched by"))
                })?;
                asked.query = asked.query.with(key, value.replace(',', "\\"));
            }
        }
    }
    Ok(asked)
}

fn include(asked: &mut Asked, level: Level, field: &str) -> Result<()> {
    if field == "all" {
        asked.all = true;
        return Ok(());
    }
    match keys::by_name(field).filter(|k| k.level <= level) {
        Some(key) => asked.include.push(key),
        None => asked.from_object.push(tag(field)?),
    }
    Ok(())
}

/// A tag by keyword or by eight hexadecimal digits.
pub(crate) fn tag(name: &str) -> Result<Tag> {
    use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
    let wrong = || WebError::BadRequest(format!("{name} is no attribute"));
    if name.len() == 8
        && let Ok(number) = u32::from_str_radix(name, 16)
    {
        return Ok(Tag((number >> 16) as u16, (number & 0xFFFF) as u16));
    }
    let entry = dicom_dictionary_std::StandardDataDictionary.by_name(name);
    entry.map(|e| e.tag()).ok_or_else(wrong)
}

fn number(name: &str, value: &str) -> Result<u32> {
    value
        .parse()
        .map_err(|_| WebError::BadRequest(format!("{name} is no whole number")))
}

/// Names and values of a query string.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    let parts = query.split('&').filter(|p| !p.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String> {
    let wrong = || WebError::BadRequest("the query string is not URL-encoded UTF-8".to_owned());
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| (b? as char).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (high, low) = (high.ok_or_else(wrong)?, low.ok_or_else(wrong)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

async fn answer(
    state: &WebState,
    asked: &Asked,
    level: Level,
    above: &BTreeSet<&str>,
    row: &Found,
    base: &str,
) -> Result<InMemDicomObject> {
    let searched = |key: &Key| asked.query.conditions.iter().any(|(k, _)| k.tag == key.tag);
    // Attributes of higher levels come along when the path does not fix them (PS3.18, table 10.6.3-2).
    let relational = above.is_empty();
    let mut object = row.object(|key| {
        let own = key.level == level || (level == Level::Study && key.level == Level::Patient);
        let here = (own || relational) && (key.always || asked.all);
        let uid = key.matching == hilum_store::Matching::Uid && key.level <= level;
        here || uid || searched(key) || asked.include.iter().any(|k| k.tag == key.tag)
    });
    if !asked.from_object.is_empty() {
        from_object(state, asked, row, level, &mut object).await?;
    }
    object.put(DataElement::new(
        tags::RETRIEVE_URL,
        VR::UR,
        url(base, level, row),
    ));
    object.put(DataElement::new(
        tags::INSTANCE_AVAILABILITY,
        VR::CS,
        "ONLINE",
    ));
    object.put(DataElement::new(
        tags::RETRIEVE_AE_TITLE,
        VR::AE,
        state.aet.as_ref(),
    ));
    metadata::mark_unicode(&mut object);
    Ok(object)
}

/// Fields that the index does not hold, from the first object of the row.
async fn from_object(
    state: &WebState,
    asked: &Asked,
    row: &Found,
    level: Level,
    object: &mut InMemDicomObject,
) -> Result<()> {
    let mut path = vec![(
        "StudyInstanceUID",
        row.value(tags::STUDY_INSTANCE_UID).to_owned(),
    )];
    if level >= Level::Series {
        path.push((
            "SeriesInstanceUID",
            row.value(tags::SERIES_INSTANCE_UID).to_owned(),
        ));
    }
    if level >= Level::Instance {
        path.push((
            "SOPInstanceUID",
            row.value(tags::SOP_INSTANCE_UID).to_owned(),
        ));
    }
    let objects = state.objects(&path).await?;
    let first = metadata::head(&state.store.path(&objects[0]))?;
    for tag in &asked.from_object {
        if let Some(element) = first.get(*tag) {
            object.put(element.clone());
        }
    }
    Ok(())
}

fn url(base: &str, level: Level, row: &Found) -> String {
    let mut url = format!("{base}/studies/{}", row.value(tags::STUDY_INSTANCE_UID));
    if level >= Level::Series {
        url.push_str(&format!("/series/{}", row.value(tags::SERIES_INSTANCE_UID)));
    }
    if level >= Level::Instance {
        url.push_str(&format!("/instances/{}", row.value(tags::SOP_INSTANCE_UID)));
    }
    url
}

/// Query parameters by name, for services that know all of theirs.
pub(crate) fn parameters(query: Option<&str>, known: &[&str]) -> Result<HashMap<String, String>> {
    let mut map = HashMap::new();
    for (name, value) in pairs(query.unwrap_or_default())? {
        if !known.contains(&name.as_str()) {
            return Err(WebError::BadRequest(format!(
                "parameter {name} is not supported"
            )));
        }
        map.insert(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_strings_are_decoded_and_unknown_names_refused() {
        let asked = parse(
            Level::Study,
            "PatientName=D%C3%B6%20e*&limit=5&offset=2&00100020=A+B&fuzzymatching=true",
        )
        .unwrap();
        assert_eq!(
            (asked.query.limit, asked.query.offset, asked.query.fuzzy),
            (5, 2, true)
        );
        assert_eq!(asked.query.conditions[0].1, "Dö e*");
        assert_eq!(
            (
                asked.query.conditions[1].0.keyword,
                asked.query.conditions[1].1.as_str()
            ),
            ("PatientID", "A B")
        );
        for bad in [
            "Foo=1",
            "limit=x",
            "PatientID=%zz",
            "PatientID=%ff",
            "includefield=Nothing",
        ] {
            assert!(parse(Level::Study, bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse(Level::Study, "includefield=all,PatientComments")
                .unwrap()
                .from_object,
            [tags::PATIENT_COMMENTS]
        );
    }
}
