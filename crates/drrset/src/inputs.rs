//! The CTs of a folder: NIfTI files and folders of DICOM slices, at any depth.

use crate::error::SetError;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One CT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtInput {
    /// The file, or the folder with the slices.
    pub path: PathBuf,
    /// Its place under the folder with `_` for `/`, without the file ending: its name in the set.
    pub name: String,
    /// The last part of its place, without the file ending.
    pub stem: String,
    /// The first folder on the way to it; its name where it lies in the folder itself, less the study and
    /// series letters of CT-RATE's names (`train_1_a_1` is of the patient `train_1`).
    pub patient: String,
    /// Bytes of the file, or of all files of the folder: a change is noticed.
    pub bytes: u64,
}

/// The name without `.nii` or `.nii.gz`.
pub fn stem(name: &str) -> &str {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".nii").unwrap_or(name)
}

/// All CTs under a folder in the order of their names. `skip` tells which files are something else (label volumes).
///
/// # Errors
/// [`SetError::Io`]; [`SetError::Bad`] for a folder without CTs or two CTs with one name.
pub fn find(folder: &Path, skip: impl Fn(&Path) -> bool) -> Result<Vec<CtInput>, SetError> {
    let mut found = BTreeMap::new();
    walk(folder, &mut Vec::new(), &skip, &mut found)?;
    if found.is_empty() {
        return Err(SetError::bad(
            folder,
            "no CT in it: neither NIfTI files (.nii, .nii.gz) nor folders of DICOM slices",
        ));
    }
    Ok(found.into_values().collect())
}

fn walk(
    folder: &Path,
    way: &mut Vec<String>,
    skip: &impl Fn(&Path) -> bool,
    found: &mut BTreeMap<String, CtInput>,
) -> Result<(), SetError> {
    let io = |e| SetError::io(folder, e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        entries.push(entry.map_err(io)?.path());
    }
    entries.sort();
    let (mut slices, mut bytes) = (false, 0);
    for path in &entries {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(SetError::bad(path, "its name is not Unicode"));
        };
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            way.push(name.to_owned());
            walk(path, way, skip, found)?;
            way.pop();
        } else if is_nifti(name) {
            if !skip(path) {
                add(path, way, stem(name), size(path)?, found)?;
            }
        } else if is_dicom(path)? {
            slices = true;
            bytes += size(path)?;
        }
    }
    if slices {
        let own = folder.file_name().and_then(|n| n.to_str()).unwrap_or("ct");
        let (way, own) = match way.split_last() {
            Some((last, way)) => (way, last.as_str()),
            None => (&[][..], own),
        };
        add(folder, way, own, bytes, found)?;
    }
    Ok(())
}

fn add(
    path: &Path,
    way: &[String],
    own: &str,
    bytes: u64,
    found: &mut BTreeMap<String, CtInput>,
) -> Result<(), SetError> {
    let parts: Vec<&str> = way.iter().map(String::as_str).chain([own]).collect();
    let name = parts.join("_");
    let patient = way.first().map_or_else(|| ct_rate(own), String::clone);
    let ct = CtInput {
        path: path.to_owned(),
        name: name.clone(),
        stem: own.to_owned(),
        patient,
        bytes,
    };
    match found.insert(name, ct) {
        None => Ok(()),
        Some(other) => Err(SetError::bad(
            path,
            format!("would have the same name as {}", other.path.display()),
        )),
    }
}

/// `train_1_a_1` and `valid_9_b_2` without study and series; other names as they are.
fn ct_rate(name: &str) -> String {
    let parts: Vec<&str> = name.split('_').collect();
    let number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        [set @ ("train" | "valid"), patient, study, series]
            if number(patient) && number(series) && study.len() <= 2 =>
        {
            format!("{set}_{patient}")
        }
        _ => name.to_owned(),
    }
}

fn is_nifti(name: &str) -> bool {
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

fn size(path: &Path) -> Result<u64, SetError> {
    Ok(std::fs::metadata(path)
        .map_err(|e| SetError::io(path, e))?
        .len())
}

/// A file with the preamble of DICOM, or named like one.
fn is_dicom(path: &Path) -> Result<bool, SetError> {
    let named = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("dcm") || e.eq_ignore_ascii_case("dicom"));
    if named {
        return Ok(true);
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(132).read_to_end(&mut head))
        .map_err(|e| SetError::io(path, e))?;
    Ok(head.get(128..132) == Some(b"DICM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_found_with_their_patients() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        at("train_7_a_2.nii.gz", b"x");
        at("LIDC-0001/study/series/1.dcm", b"x");
        at("LIDC-0001/study/series/2.dcm", b"xy");
        at("skipped.nii", b"x");
        at("notes.txt", b"x");
        let found = find(dir.path(), |p| p.ends_with("skipped.nii")).unwrap();
        let names: Vec<(&str, &str, u64)> = found
            .iter()
            .map(|c| (c.name.as_str(), c.patient.as_str(), c.bytes))
            .collect();
        assert_eq!(
            names,
            [
                ("LIDC-0001_study_series", "LIDC-0001", 3),
                ("train_7_a_2", "train_7", 1)
            ]
        );
        at("train_7_a_2.nii", b"x");
        assert!(find(dir.path(), |_| false).is_err());
    }

    #[test]
    fn a_folder_without_cts_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(dir.path(), |_| false).unwrap_err().to_string();
        assert!(error.contains("no CT in it"), "{error}");
    }
}
