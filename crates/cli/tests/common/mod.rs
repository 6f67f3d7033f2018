//! Runs the binary and reads what it wrote.

#![allow(dead_code)] // every test file uses its own part

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program, with nothing of the caller's settings.
pub fn hilum() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
    command
        .env_remove("HILUM_MODELS")
        .env_remove("HILUM_DATA")
        .stdin(Stdio::null());
    command
}

/// Runs with these arguments.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    hilum().args(args).output().expect("the program starts")
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn sample(name: &str) -> PathBuf {
    repository().join("samples").join(name)
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every line of stdout as JSON; anything else there fails the test.
pub fn json_lines(output: &Output) -> Vec<Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
    stdout(output).lines().map(parse).collect()
}

/// A reading without the one field that differs between two runs.
pub fn timeless(mut reading: Value) -> Value {
    if let Some(ms) = reading.pointer_mut("/provenance/elapsed_ms") {
        *ms = Value::from(0);
    }
    reading
}

/// All files below a folder, relative to it, sorted.
pub fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path)
            } else {
                found.push(path.strip_prefix(root).expect("below").to_owned())
            }
        }
    }
    found.sort();
    found
}
