//! The entries of a file that is one JSON value.

use super::lines::plain_text;
use super::{Batch, Entry, PATIENT_COLUMNS, SideKind, problem};
use crate::stream::{LineError, Problem};
use serde_json::Value;

/// Entries of a JSON value: a list or `annotations` of `{image_id, caption}`, a dictionary of id to texts,
/// a list of texts, or lists of texts under `refs` and `hyps`.
pub(super) fn entries(value: Value, kind: SideKind) -> Result<Batch, String> {
    const FORMS: &str = "expected a list of {id or image_id, caption or text}, {\"annotations\": [...]}, \
                         {id: [texts]}, a list of texts, or {\"refs\": [...], \"hyps\": [...]}";
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut object) => {
            let lists = match kind {
                SideKind::Reference => ["annotations", "refs", "references"],
                SideKind::Hypothesis => ["annotations", "hyps", "hypotheses"],
            };
            let held = lists
                .into_iter()
                .find(|key| object.get(*key).is_some_and(Value::is_array));
            match held.and_then(|key| object.remove(key)) {
                Some(Value::Array(list)) => list,
                _ => return dictionary(object, FORMS),
            }
        }
        _ => return Err(FORMS.to_owned()),
    };
    Ok(of_list(list, kind))
}

fn of_list(list: Vec<Value>, kind: SideKind) -> Batch {
    let mut out: Vec<Result<Entry, LineError>> = Vec::with_capacity(list.len());
    let mut places = std::collections::HashMap::new();
    for (at, value) in list.into_iter().enumerate() {
        let line = at as u64 + 1;
        let mut patient = None;
        let (id, texts) = match &value {
            Value::Object(o) => {
                // In annotations `id` numbers the caption.
                let keys = [
                    "image_id",
                    "id",
                    "study_id",
                    "report_id",
                    "uid",
                    "sample_id",
                ];
                let id = keys.iter().find_map(|key| o.get(*key)).and_then(id_text);
                let named = PATIENT_COLUMNS.iter().find_map(|key| o.get(*key));
                patient = named.and_then(plain_text);
                let text = ["caption", "text", "report"]
                    .iter()
                    .find_map(|key| o.get(*key));
                (id, text.and_then(texts))
            }
            other => (Some(line.to_string()), texts(other)),
        };
        let Some(id) = id else {
            out.push(Err(problem(
                line,
                None,
                Problem::MissingId,
                "the entry has no id".to_owned(),
            )));
            continue;
        };
        let Some(texts) = texts else {
            out.push(Err(problem(
                line,
                Some(id),
                Problem::MissingText,
                "the entry has no text".to_owned(),
            )));
            continue;
        };
        // Several captions of one image are its references.
        if kind == SideKind::Reference
            && let Some(&before) = places.get(&id)
            && let Some(Ok(entry)) = out.get_mut::<usize>(before)
        {
            let entry: &mut Entry = entry;
            entry.texts.extend(texts);
            continue;
        }
        places.insert(id.clone(), out.len());
        out.push(Ok(Entry {
            id,
            line,
            texts,
            labels: None,
            phrases: None,
            patient,
        }));
    }
    out
}

fn dictionary(object: serde_json::Map<String, Value>, forms: &str) -> Result<Batch, String> {
    let mut out = Vec::with_capacity(object.len());
    for (at, (id, value)) in object.into_iter().enumerate() {
        let texts = texts(&value).ok_or_else(|| format!("`{id}` holds no texts; {forms}"))?;
        out.push(Ok(Entry {
            id,
            line: at as u64 + 1,
            texts,
            labels: None,
            phrases: None,
            patient: None,
        }));
    }
    Ok(out)
}

fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// A text, a list of texts, or a list of `{caption}`.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() => list
            .iter()
            .map(|v| {
                v.as_str()
                    .or_else(|| v.get("caption").and_then(Value::as_str))
                    .map(str::to_owned)
            })
            .collect(),
        _ => None,
    }
}
