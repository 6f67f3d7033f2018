//! DICOM JSON (PS3.18, annex F) of stored objects. Large binary values stay where they are and get an address.

use crate::error::{Result, WebError};
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use dicom_core::header::HasLength;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, OpenFileOptions};
use hilum_dicom::object;
use serde_json::{Value, json};
use std::path::Path;

/// Largest binary value that stands in the JSON itself.
const INLINE: usize = 1024;

/// A stored object without its pixel data.
pub(crate) fn head(path: &Path) -> Result<InMemDicomObject> {
    let quick = hilum_image::guard::catch(|| {
        OpenFileOptions::new()
            .read_until(tags::PIXEL_DATA)
            .open_file(path)
    });
    if let Ok(Ok(file)) = quick {
        return Ok(file.into_inner());
    }
    let mut data = whole(path)?.data;
    data.remove_element(tags::PIXEL_DATA);
    Ok(data)
}

/// A stored object, all of it.
pub(crate) fn whole(path: &Path) -> Result<object::Object> {
    let bytes = std::fs::read(path).map_err(|e| WebError::Internal(e.to_string()))?;
    Ok(object::parse(&bytes)?)
}

/// The JSON of one object at the address `url`.
pub(crate) fn json(mut data: InMemDicomObject, url: &str) -> Result<Value> {
    let has_pixels = data.get(tags::ROWS).is_some() && data.get(tags::BITS_ALLOCATED).is_some();
    let mut large = Vec::new();
    for element in &data {
        let binary = matches!(
            element.vr(),
            VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV | VR::UN
        );
        let length = element.header().length().get().unwrap_or(u32::MAX) as usize;
        if binary && length > INLINE {
            large.push((element.header().tag, element.vr()));
        }
    }
    for (tag, _) in &large {
        data.remove_element(*tag);
    }
    mark_unicode(&mut data);
    let mut value = dicom_json::to_value(&data).map_err(|e| WebError::Internal(e.to_string()))?;
    numbers(&mut value);
    if has_pixels && !large.iter().any(|(tag, _)| *tag == tags::PIXEL_DATA) {
        large.push((tags::PIXEL_DATA, VR::OW));
    }
    if let Value::Object(map) = &mut value {
        for (tag, vr) in large {
            let name = name(tag);
            let uri = format!("{url}/bulkdata/{name}");
            map.insert(name, json!({ "vr": vr.to_string(), "BulkDataURI": uri }));
        }
    }
    Ok(value)
}

fn name(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.group(), tag.element())
}

/// Says that all texts are UTF-8, as they are in JSON.
pub(crate) fn mark_unicode(object: &mut InMemDicomObject) {
    use dicom_core::DataElement;
    object.put(DataElement::new(
        tags::SPECIFIC_CHARACTER_SET,
        VR::CS,
        "ISO_IR 192",
    ));
}

/// IS and DS as numbers, which every reader of DICOM JSON knows; strings are the newer form.
fn numbers(value: &mut Value) {
    let Value::Object(map) = value else { return };
    for element in map.values_mut() {
        let vr = element
            .get("vr")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let Some(Value::Array(values)) = element.get_mut("Value") else {
            continue;
        };
        // A list that was made from one text is written as one text.
        if matches!(vr.as_str(), "IS" | "DS") {
            *values = values.iter().flat_map(parts).collect();
        }
        for value in values {
            match (vr.as_str(), &*value) {
                ("SQ", _) => numbers(value),
                ("IS", Value::String(text)) => {
                    if let Ok(number) = text.trim().parse::<i64>() {
                        *value = number.into();
                    }
                }
                ("DS", Value::String(text)) => {
                    let number = text
                        .trim()
                        .parse::<f64>()
                        .ok()
                        .and_then(serde_json::Number::from_f64);
                    if let Some(number) = number {
                        *value = Value::Number(number);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The values of a text with several, each on its own.
fn parts(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => text.split('\\').map(|t| t.trim().into()).collect(),
        other => vec![other.clone()],
    }
}

/// A response of DICOM JSON.
pub(crate) fn json_response(rows: &[InMemDicomObject]) -> Result<Response<Body>> {
    let mut values = Vec::with_capacity(rows.len());
    for row in rows {
        let mut value = dicom_json::to_value(row).map_err(|e| WebError::Internal(e.to_string()))?;
        numbers(&mut value);
        values.push(value);
    }
    value_response(StatusCode::OK, &Value::Array(values))
}

/// A response of JSON that is made already.
pub(crate) fn value_response(status: StatusCode, value: &Value) -> Result<Response<Body>> {
    let bytes = serde_json::to_vec(value).map_err(|e| WebError::Internal(e.to_string()))?;
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/dicom+json")
        .body(Body::from(bytes))
        .map_err(|e| WebError::Internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue};

    #[test]
    fn numbers_are_numbers_and_large_values_have_an_address() {
        let data = InMemDicomObject::from_element_iter([
            DataElement::new(tags::INSTANCE_NUMBER, VR::IS, "7"),
            DataElement::new(tags::PIXEL_SPACING, VR::DS, "0.5\\0.25"),
            DataElement::new(
                tags::ICC_PROFILE,
                VR::OB,
                PrimitiveValue::from(vec![0u8; 2000]),
            ),
        ]);
        let value = json(data, "http://x/i").unwrap();
        assert_eq!(value["00200013"]["Value"][0], 7);
        assert_eq!(value["00280030"]["Value"], serde_json::json!([0.5, 0.25]));
        assert_eq!(
            value["00282000"]["BulkDataURI"],
            "http://x/i/bulkdata/00282000"
        );
        assert_eq!(value["00080005"]["Value"][0], "ISO_IR 192");
    }
}
