//! Reading of parity fixtures, for the tests of this crate and of others, which include this file.
//!
//! Every value that a test reads is noted in its thread, so that [`nothing_left`] can say which reference values no test has looked at.
#![allow(dead_code, clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Index;
use std::path::PathBuf;

thread_local! {
    /// Leaves that were read: hash of the file's name, number in the file.
    static READ: RefCell<HashSet<(u64, usize)>> = RefCell::default();
}

static MISSING: Value = Value::Leaf(serde_json::Value::Null, (0, 0));

/// JSON that remembers what was read of it; its methods are those of `serde_json::Value`.
#[derive(Debug)]
pub enum Value {
    Leaf(serde_json::Value, (u64, usize)),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// `file` names the fixture for [`nothing_left`].
    pub fn parse(file: &str, text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        file.hash(&mut hasher);
        Self::noted(serde_json::from_str(text).unwrap(), hasher.finish(), &mut 0)
    }

    fn noted(value: serde_json::Value, file: u64, next: &mut usize) -> Self {
        match value {
            serde_json::Value::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|v| Self::noted(v, file, next))
                    .collect(),
            ),
            serde_json::Value::Object(map) => Value::Map(
                map.into_iter()
                    .map(|(k, v)| (k, Self::noted(v, file, next)))
                    .collect(),
            ),
            leaf => {
                *next += 1;
                Value::Leaf(leaf, (file, *next))
            }
        }
    }

    /// The leaf, which counts as read.
    fn leaf(&self) -> Option<&serde_json::Value> {
        let Value::Leaf(value, place) = self else {
            return None;
        };
        READ.with_borrow_mut(|read| read.insert(*place));
        Some(value)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&Vec<Value>> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        self.leaf()?.as_f64()
    }

    pub fn as_u64(&self) -> Option<u64> {
        self.leaf()?.as_u64()
    }

    pub fn as_str(&self) -> Option<&str> {
        self.leaf()?.as_str()
    }

    /// Whether a null stands here; a number that was only asked for this has not been read.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Leaf(serde_json::Value::Null, _)) && self.leaf().is_some()
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Value::Leaf(serde_json::Value::Number(_), _))
    }

    /// Paths of the leaves under a key `expected` (or `corpus`) that were not read. Indices are left out, cases have their name.
    fn unread(&self, path: &str, expected: bool, out: &mut Vec<String>) {
        match self {
            Value::Leaf(_, place) => {
                if expected && !READ.with_borrow(|read| read.contains(place)) {
                    out.push(path.to_owned());
                }
            }
            Value::List(items) => {
                for item in items {
                    let name = match item.get("name") {
                        Some(Value::Leaf(name, _)) => name.as_str().unwrap_or_default(),
                        _ => "",
                    };
                    item.unread(&format!("{path}[{name}]"), expected, out);
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    let inside = expected || key == "expected" || key == "corpus";
                    value.unread(&format!("{path}.{key}"), inside, out);
                }
            }
        }
    }
}

impl Index<&str> for Value {
    type Output = Value;
    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&MISSING)
    }
}

impl Index<String> for Value {
    type Output = Value;
    fn index(&self, key: String) -> &Value {
        &self[key.as_str()]
    }
}

impl Index<usize> for Value {
    type Output = Value;
    fn index(&self, at: usize) -> &Value {
        self.as_array()
            .and_then(|items| items.get(at))
            .unwrap_or(&MISSING)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<i32> for Value {
    fn eq(&self, other: &i32) -> bool {
        self.as_f64() == Some(f64::from(*other))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Leaf(value, _) => write!(f, "{value}"),
            Value::List(items) => write!(f, "a list of {}", items.len()),
            Value::Map(map) => write!(f, "{:?}", map.keys()),
        }
    }
}

/// Fails for every reference value of a fixture that this thread has not read, and for every exception that is none.
///
/// An exception is a part of a path (`cases[main].expected.f1`) and why nothing is compared with it.
#[track_caller]
pub fn nothing_left(fixture: &Value, exceptions: &[(&str, &str)]) {
    let mut left = Vec::new();
    fixture.unread("", false, &mut left);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for path in &left {
        if !exceptions.iter().any(|(part, _)| path.contains(part)) {
            *counts.entry(path.clone()).or_default() += 1;
        }
    }
    assert!(counts.is_empty(), "not compared: {counts:#?}");
    for (part, why) in exceptions {
        assert!(
            left.iter().any(|path| path.contains(part)),
            "{part} is read after all ({why})"
        );
    }
}

/// A fixture beside the tests.
pub fn fixture(name: &str) -> Value {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Value::parse(name, &text)
}

/// A file of the shared data, or None with a note on stderr.
pub fn shared(what: &str, relative: &str) -> Option<PathBuf> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {what} needs ../shared/{relative}, which is not here");
    None
}

/// A fixture of the parity pack, or None with a note on stderr.
pub fn pack(relative: &str) -> Option<Value> {
    let path = shared("this comparison", &format!("parity/{relative}"))?;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(Value::parse(relative, &text))
}

pub fn cases(fixture: &Value) -> &Vec<Value> {
    fixture["cases"].as_array().unwrap()
}

pub fn named<'a>(fixture: &'a Value, name: &str) -> &'a Value {
    cases(fixture).iter().find(|c| c["name"] == name).unwrap()
}

pub fn floats(v: &Value) -> Vec<f64> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

pub fn bytes(v: &Value) -> Vec<u8> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_u64().unwrap() as u8)
        .collect()
}

pub fn sizes(v: &Value) -> Vec<usize> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_u64().unwrap() as usize)
        .collect()
}

/// Rows of a matrix, one after another.
pub fn flat(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().flat_map(floats).collect()
}

pub fn f(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("not a number: {v}"))
}

#[track_caller]
pub fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance,
        "{what}: got {got}, reference {want}"
    );
}

#[track_caller]
pub fn all_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            (g - w).abs() <= tolerance,
            "{what}[{i}]: got {g}, reference {w}"
        );
    }
}

/// Rows of 0 and 1.
pub fn sets(v: &Value) -> Vec<Vec<bool>> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|row| sizes(row).iter().map(|x| *x == 1).collect())
        .collect()
}
