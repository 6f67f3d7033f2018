//! Phrases with boxes, as grounded reports have them: `"phrases": [{"text", "boxes"}, ...]` in a line.
//!
//! A box is `[x, y, width, height]` or RadFact's `{"x_min","y_min","x_max","y_max"}`, relative to the image, from 0 to 1;
//! `boxes` is null, absent or empty where a phrase has none.

use crate::stream::{LineError, Problem, Row};
use hilum_core::Rect;
use serde_json::Value;

/// A phrase of a grounded report.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundedPhrase {
    /// What it says.
    pub text: String,
    /// Where, relative to the image.
    pub boxes: Vec<Rect>,
}

/// Rounding that a box may stand out of the image by.
const SLACK: f64 = 1e-6;

/// The phrases of a row; `None` where it has none.
///
/// # Errors
/// A list that is none of phrases, or a box that is none within the image; the phrase is named.
pub(super) fn phrases_of(row: &Row, line: u64) -> Result<Option<Vec<GroundedPhrase>>, LineError> {
    let given = match row.fields.get("phrases") {
        None | Some(Value::Null) => return Ok(None),
        Some(given) => given,
    };
    let fail = |message: String| LineError {
        line,
        id: Some(row.id.clone()),
        kind: Problem::MissingText,
        message,
    };
    let list = given
        .as_array()
        .filter(|l| !l.is_empty())
        .ok_or_else(|| fail("`phrases` is no list of phrases".to_owned()))?;
    let one = |(i, value): (usize, &Value)| {
        phrase(value).map_err(|reason| fail(format!("phrase {}: {reason}", i + 1)))
    };
    list.iter()
        .enumerate()
        .map(one)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn phrase(value: &Value) -> Result<GroundedPhrase, String> {
    let text = value.get("text").and_then(Value::as_str);
    let text = text.ok_or("no `text`")?.to_owned();
    let boxes = match value.get("boxes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(rect).collect::<Option<_>>().ok_or(
            "a box is neither [x, y, width, height] nor {x_min, y_min, x_max, y_max} from 0 to 1",
        )?,
        Some(_) => return Err("`boxes` is no list".to_owned()),
    };
    Ok(GroundedPhrase { text, boxes })
}

fn rect(value: &Value) -> Option<Rect> {
    let [x, y, w, h] = match value {
        Value::Array(sides) => {
            let sides: Vec<f64> = sides.iter().map(Value::as_f64).collect::<Option<_>>()?;
            <[f64; 4]>::try_from(sides).ok()?
        }
        other => {
            let side = |name: &str| other.get(name)?.as_f64();
            let (x, y) = (side("x_min")?, side("y_min")?);
            [x, y, side("x_max")? - x, side("y_max")? - y]
        }
    };
    let inside = |from: f64, size: f64| from >= -SLACK && size > 0.0 && from + size <= 1.0 + SLACK;
    (inside(x, w) && inside(y, h)).then_some(Rect { x, y, w, h })
}

/// The phrases as one text, for the scores of texts.
pub(super) fn joined(phrases: &[GroundedPhrase]) -> String {
    let texts: Vec<&str> = phrases.iter().map(|p| p.text.trim()).collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(phrases: Value) -> Result<Option<Vec<GroundedPhrase>>, LineError> {
        let Value::Object(fields) = json!({ "id": "a", "phrases": phrases }) else {
            unreachable!("an object")
        };
        let row = Row {
            id: "a".to_owned(),
            fields,
        };
        phrases_of(&row, 7)
    }

    #[test]
    fn boxes_in_either_form_and_none() {
        let found = read(json!([
            {"text": "Left effusion.", "boxes": [[0.5, 0.25, 0.25, 0.5], {"x_min": 0.0, "y_min": 0.0, "x_max": 1.0, "y_max": 0.5}]},
            {"text": "No edema.", "boxes": null},
            {"text": "Clear."}
        ]))
        .unwrap()
        .unwrap();
        assert_eq!(joined(&found), "Left effusion. No edema. Clear.");
        let whole = Rect {
            x: 0.0,
            y: 0.0,
            w: 1.0,
            h: 0.5,
        };
        assert_eq!(found[0].boxes[1], whole);
        assert!(found[1].boxes.is_empty() && found[2].boxes.is_empty());
        assert_eq!(read(Value::Null).unwrap(), None);
    }

    #[test]
    fn what_is_no_phrase_is_named_with_its_line() {
        for wrong in [
            json!("text"),
            json!([]),
            json!([{"boxes": []}]),
            json!([{"text": "x", "boxes": [[0, 0, 512, 512]]}]),
            json!([{"text": "x", "boxes": [[0.5, 0.5, 0.0, 0.1]]}]),
            json!([{"text": "x", "boxes": "none"}]),
        ] {
            let error = read(wrong).unwrap_err();
            assert_eq!((error.line, error.kind), (7, Problem::MissingText));
        }
    }
}
