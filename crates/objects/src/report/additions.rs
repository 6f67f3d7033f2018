//! What a tree does not carry of its reading: places in its JSON and the values that belong there.

use crate::error::{ObjectError, Result};
use hilum_core::Reading;
use serde_json::Value;

/// A JSON pointer and the value there; null where the reading has nothing.
pub(crate) type Addition = (String, Option<Value>);

/// Where `back` differs from `reading`, wall time apart.
///
/// # Errors
/// A reading that is no JSON.
pub(crate) fn missing(reading: &Reading, back: &Reading) -> Result<Vec<Addition>> {
    let mut timeless = reading.clone();
    timeless.provenance.elapsed_ms = back.provenance.elapsed_ms;
    let mut found = Vec::new();
    let (whole, part) = (
        serde_json::to_value(&timeless)?,
        serde_json::to_value(back)?,
    );
    differences(&whole, &part, &mut String::new(), &mut found);
    Ok(found)
}

fn differences(whole: &Value, part: &Value, place: &mut String, found: &mut Vec<Addition>) {
    let mut below = |key: &str, whole: Option<&Value>, part: Option<&Value>| {
        let length = place.len();
        place.push('/');
        place.push_str(key);
        match (whole, part) {
            (Some(whole), Some(part)) => differences(whole, part, place, found),
            (whole, _) => found.push((place.clone(), whole.cloned())),
        }
        place.truncate(length);
    };
    match (whole, part) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                below(key, Some(value), b.get(key));
            }
            for key in b.keys().filter(|k| !a.contains_key(*k)) {
                below(key, None, b.get(key));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (x, y)) in a.iter().zip(b).enumerate() {
                below(&at.to_string(), Some(x), Some(y));
            }
        }
        _ if whole != part => found.push((place.clone(), Some(whole.clone()))),
        _ => {}
    }
}

/// The reading with the additions in it.
///
/// # Errors
/// [`ObjectError::Report`] for a place that is not there or a value that does not belong there.
pub(crate) fn apply(reading: Reading, additions: Vec<Addition>) -> Result<Reading> {
    if additions.is_empty() {
        return Ok(reading);
    }
    let mut json = serde_json::to_value(&reading)?;
    for (place, value) in additions {
        let wrong = || ObjectError::Report {
            reason: format!("an addition belongs to {place}, which is not there"),
        };
        let (holder, key) = place.rsplit_once('/').ok_or_else(wrong)?;
        match json.pointer_mut(holder).ok_or_else(wrong)? {
            Value::Object(map) => match value {
                Some(value) => drop(map.insert(key.to_owned(), value)),
                None => drop(map.remove(key)),
            },
            Value::Array(list) => {
                let slot = key.parse::<usize>().ok().and_then(|at| list.get_mut(at));
                *slot.ok_or_else(wrong)? = value.unwrap_or(Value::Null);
            }
            _ => return Err(wrong()),
        }
    }
    serde_json::from_value(json).map_err(|e| ObjectError::Report {
        reason: format!("its additions make no reading: {e}"),
    })
}

/// As words: the place, and behind a space the value.
pub(crate) fn words((place, value): &Addition) -> String {
    match value {
        Some(value) => format!("{place} {value}"),
        None => place.clone(),
    }
}

/// From words.
///
/// # Errors
/// [`ObjectError::Report`] for a value that is no JSON.
pub(crate) fn parse(words: &str) -> Result<Addition> {
    let Some((place, value)) = words.split_once(' ') else {
        return Ok((words.to_owned(), None));
    };
    let value = serde_json::from_str(value).map_err(|e| ObjectError::Report {
        reason: format!("the addition to {place} is no JSON: {e}"),
    })?;
    Ok((place.to_owned(), Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_reading::sample;

    #[test]
    fn what_is_missing_makes_the_reading_whole() {
        let whole = sample::reading();
        let mut part = whole.clone();
        part.findings[1].probability = None;
        part.findings[2].regions.clear();
        part.measurements.pop();
        part.images[0].masks = Some(hilum_core::Masks::default());
        let list = missing(&whole, &part).unwrap();
        assert_eq!(list.len(), 4, "{list:?}");
        let told: Vec<Addition> = list.iter().map(|a| parse(&words(a)).unwrap()).collect();
        assert_eq!(told, list);
        part.provenance.elapsed_ms = whole.provenance.elapsed_ms;
        assert_eq!(apply(part, told).unwrap(), whole);
    }

    #[test]
    fn places_that_are_not_there_are_refused() {
        let wrong = ("/findings/999/code".to_owned(), Some(Value::from("x")));
        assert!(apply(sample::reading(), vec![wrong]).is_err());
        let wrong = ("/findings/0/code".to_owned(), Some(Value::from(3)));
        assert!(apply(sample::reading(), vec![wrong]).is_err());
        assert!(parse("/findings {").is_err());
    }
}
