//! RadGraph's documents, one a line or a file of all.

use super::{Answer, Document, Work, problem, text_of};
use crate::error::TextError;
use crate::facts::radgraph;
use crate::stream::{LineError, Problem};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::Read;

pub(super) fn object(mut object: Map<String, Value>, line: u64) -> Answer {
    let Some(id) = object
        .remove("id")
        .filter(|id| id.is_string() || id.is_number())
    else {
        return Err(LineError {
            line,
            id: None,
            kind: Problem::MissingId,
            message: "`id` is missing or neither text nor number".to_owned(),
        });
    };
    document(id, Value::Object(object), line)
}

fn document(id: Value, document: Value, line: u64) -> Answer {
    let graph = serde_json::from_value::<radgraph::Document>(document)
        .map_err(|e| TextError::Document {
            format: "RadGraph JSON",
            reason: e.to_string(),
        })
        .and_then(|d| d.to_graph());
    match graph {
        Ok(graph) => Ok(Document {
            line,
            id,
            patient: None,
            order: None,
            graph,
            notes: Vec::new(),
        }),
        Err(error) => Err(problem(line, Some(text_of(&id)), &error)),
    }
}

/// Calls `work` for each entry of `{"id": {"text", "entities"}, ...}`, read one at a time.
pub(super) fn file(reader: impl Read, work: Work) -> Result<(), TextError> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut line = 0;
    let mut failed = None;
    let mut entry = |id: String, told: Value| -> Result<(), ()> {
        line += 1;
        work(document(json!(id), told, line)).map_err(|e| failed = Some(e))
    };
    let seed = EachEntry { work: &mut entry };
    let read = seed
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(|e| TextError::Document {
            format: "RadGraph JSON",
            reason: e.to_string(),
        }),
    }
}

/// Calls `work` for each entry of a JSON object.
struct EachEntry<'a, F> {
    work: &'a mut F,
}

impl<'de, F: FnMut(String, Value) -> Result<(), ()>> DeserializeSeed<'de> for EachEntry<'_, F> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, Value) -> Result<(), ()>> Visitor<'de> for EachEntry<'_, F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of RadGraph documents by id")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, document)) = map.next_entry()? {
            (self.work)(id, document).map_err(|()| A::Error::custom("the output failed"))?;
        }
        Ok(())
    }
}
