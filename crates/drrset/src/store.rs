//! Making a set CT by CT, so that it can be stopped at any time.

use crate::classes::CLASSES;
use crate::error::SetError;
use crate::inputs::CtInput;
use crate::rows::{BoxRow, LabelRow, PhraseRow, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// All that is written of one CT.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it was made from: bytes of the CT, and what else decides about it.
    pub made_from: String,
    /// Pictures.
    pub rows: Vec<Row>,
    /// Boxes.
    pub boxes: Vec<BoxRow>,
    /// Labels.
    pub labels: Option<LabelRow>,
    /// Phrases.
    pub phrases: Vec<PhraseRow>,
}

/// A CT that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub ct: String,
    /// Its file or folder.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// CTs made by this run.
    pub made: usize,
    /// CTs that were there.
    pub kept: usize,
    /// Pictures in the manifest.
    pub images: usize,
    /// CTs without a report, where reports were given.
    pub without_report: usize,
    /// CTs that could not be used.
    pub failures: Vec<Failure>,
}

/// A set under way.
pub struct Builder<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Its name, that of its manifest.
    pub name: &'a str,
    /// Files that the set always has beside the manifest: name and bytes.
    pub beside: Vec<(String, Vec<u8>)>,
}

impl Builder<'_> {
    /// Makes what is missing and writes the tables. One CT at a time: a CT may need a gigabyte, and its projection uses all cores.
    ///
    /// # Errors
    /// [`SetError::Bad`] when the folder holds a set with other settings; [`SetError::Io`] when it cannot be
    /// written. What is wrong with a single CT is in the summary and in `errors.csv`.
    pub fn build<S: Serialize>(
        &self,
        settings: &S,
        cts: &[CtInput],
        made_from: impl Fn(&CtInput) -> Result<String, SetError>,
        make: impl Fn(&CtInput) -> Result<Part, SetError>,
        mut done: impl FnMut(),
    ) -> Result<Summary, SetError> {
        for name in ["images", "manifests", "parts"] {
            let path = self.folder.join(name);
            std::fs::create_dir_all(&path).map_err(|e| SetError::io(&path, e))?;
        }
        self.claim(settings)?;
        let (mut parts, mut failures) = (Vec::new(), Vec::new());
        let (mut made, mut kept) = (0, 0);
        for ct in cts {
            match self.part(ct, &made_from, &make) {
                Ok((part, new)) => {
                    made += usize::from(new);
                    kept += usize::from(!new);
                    parts.push(part);
                }
                Err(Trouble::Ct(error)) => failures.push(Failure {
                    ct: ct.name.clone(),
                    path: ct.path.clone(),
                    reason: error.to_string(),
                }),
                Err(Trouble::Set(error)) => return Err(error),
            }
            done();
        }
        let images = self.assemble(&parts, &failures)?;
        Ok(Summary {
            made,
            kept,
            images,
            without_report: 0,
            failures,
        })
    }

    fn part(
        &self,
        ct: &CtInput,
        made_from: &impl Fn(&CtInput) -> Result<String, SetError>,
        make: &impl Fn(&CtInput) -> Result<Part, SetError>,
    ) -> Result<(Part, bool), Trouble> {
        let path = self.folder.join("parts").join(format!("{}.json", ct.name));
        let key = made_from(ct).map_err(Trouble::of)?;
        if let Some(part) = read_part(&path).filter(|p| p.made_from == key) {
            return Ok((part, false));
        }
        let mut part = make(ct).map_err(Trouble::of)?;
        part.made_from = key;
        let bytes = serde_json::to_vec(&part)
            .map_err(|e| Trouble::Set(SetError::bad(&path, e.to_string())))?;
        write_bytes(&path, &bytes).map_err(Trouble::Set)?;
        Ok((part, true))
    }

    /// The folder belongs to one set.
    fn claim<S: Serialize>(&self, settings: &S) -> Result<(), SetError> {
        let path = self.folder.join("set.json");
        let bytes =
            serde_json::to_vec_pretty(settings).map_err(|e| SetError::bad(&path, e.to_string()))?;
        match std::fs::read(&path) {
            Ok(held) if held != bytes => Err(SetError::bad(
                self.folder,
                "holds a set with other settings (set.json); take another folder",
            )),
            Ok(_) => Ok(()),
            Err(_) => write_bytes(&path, &bytes),
        }
    }

    fn assemble(&self, parts: &[Part], failures: &[Failure]) -> Result<usize, SetError> {
        let rows: Vec<&Row> = parts.iter().flat_map(|p| &p.rows).collect();
        let boxes: Vec<&BoxRow> = parts.iter().flat_map(|p| &p.boxes).collect();
        let manifest = table(&rows, &Row::default())?;
        let empty = BoxRow {
            path: String::new(),
            split: String::new(),
            label: String::new(),
            x: 0.0,
            y: 0.0,
            w: 0.0,
            h: 0.0,
            box_source: String::new(),
        };
        let boxes = table(&boxes, &empty)?;
        let write = |name: &str, bytes: &[u8]| write_bytes(&self.folder.join(name), bytes);
        write(&format!("manifests/{}_boxes.csv", self.name), &boxes)?;
        write(&format!("manifests/{}.csv", self.name), &manifest)?;
        write("manifest_boxes.csv", &boxes)?;
        if parts.iter().any(|p| p.labels.is_some()) {
            write("labels.csv", &labels(parts)?)?;
        }
        let mut phrases = Vec::new();
        for phrase in parts.iter().flat_map(|p| &p.phrases) {
            serde_json::to_writer(&mut phrases, phrase)
                .map_err(|e| SetError::bad(self.folder, e.to_string()))?;
            phrases.push(b'\n');
        }
        if !phrases.is_empty() {
            write("phrases.jsonl", &phrases)?;
        }
        for (name, bytes) in &self.beside {
            write(name, bytes)?;
        }
        write("errors.csv", &errors(failures)?)?;
        write("manifest.csv", &manifest)?;
        Ok(rows.len())
    }
}

/// Who is at fault: one CT, or the folder that is written to.
enum Trouble {
    Ct(SetError),
    Set(SetError),
}

impl Trouble {
    /// A full disk is not the CT's fault.
    fn of(error: SetError) -> Self {
        let full = matches!(&error, SetError::Io { source, .. }
            if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::ReadOnlyFilesystem));
        if full {
            Trouble::Set(error)
        } else {
            Trouble::Ct(error)
        }
    }
}

fn read_part(path: &Path) -> Option<Part> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Written beside and renamed: what is there is whole.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), SetError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let beside = PathBuf::from(name);
    std::fs::write(&beside, bytes).map_err(|e| SetError::io(&beside, e))?;
    std::fs::rename(&beside, path).map_err(|e| SetError::io(path, e))
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn refused(e: impl std::fmt::Display) -> SetError {
    SetError::bad(Path::new("table"), e.to_string())
}

/// CSV with a header, which is there without rows too.
fn table<T: Serialize>(rows: &[&T], like: &T) -> Result<Vec<u8>, SetError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.serialize(row).map_err(refused)?;
    }
    if !rows.is_empty() {
        return csv.into_inner().map_err(refused);
    }
    csv.serialize(like).map_err(refused)?;
    let bytes = csv.into_inner().map_err(refused)?;
    let end = bytes.iter().position(|b| *b == b'\n').map_or(0, |n| n + 1);
    Ok(bytes[..end].to_vec())
}

fn labels(parts: &[Part]) -> Result<Vec<u8>, SetError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let header = std::iter::once("ct").chain(CLASSES.iter().map(|c| c.name));
    csv.write_record(header).map_err(refused)?;
    for row in parts.iter().filter_map(|p| p.labels.as_ref()) {
        let values = row
            .values
            .iter()
            .map(|v| v.map_or_else(String::new, |v| v.to_string()));
        csv.write_record(std::iter::once(row.ct.clone()).chain(values))
            .map_err(refused)?;
    }
    csv.into_inner().map_err(refused)
}

fn errors(failures: &[Failure]) -> Result<Vec<u8>, SetError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["ct", "path", "reason"])
        .map_err(refused)?;
    for f in failures {
        csv.write_record([f.ct.as_str(), &f.path.display().to_string(), &f.reason])
            .map_err(refused)?;
    }
    csv.into_inner().map_err(refused)
}
