//! What several layouts share.

use crate::error::{DataError, Result};
use crate::labels::{Labels, Vocabulary};
use crate::sample::{Pixels, Sample};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

const IMAGE_ENDINGS: &[&str] = &["png", "jpg", "jpeg", "tif", "tiff", "dcm", "dicom", "img"];

/// Lower case file ending.
pub(super) fn ending(path: &Path) -> String {
    path.extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase()
}

/// File name without its ending.
pub(super) fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|s| s.to_str()).unwrap_or("")
}

/// Path below the root with forward slashes, for ids.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// Every file below `root`, sorted; an unreadable folder is an error.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name() {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(root).to_owned();
            DataError::Format {
                path,
                reason: e.to_string(),
            }
        })?;
        if entry.file_type().is_file() {
            all.push(entry.into_path());
        }
    }
    Ok(all)
}

/// Image files below `root` by what `key` makes of their path.
pub(super) fn images_by(
    root: &Path,
    key: impl Fn(&Path) -> String,
) -> Result<BTreeMap<String, PathBuf>> {
    let is_image = |p: &PathBuf| IMAGE_ENDINGS.contains(&ending(p).as_str());
    Ok(files(root)?
        .into_iter()
        .filter(is_image)
        .map(|p| (key(&p), p))
        .collect())
}

/// The first file in `root` (not below) whose name starts with `start` and ends with `.csv` or `.csv.gz`.
pub(super) fn table(root: &Path, set: &'static str, start: &str) -> Result<PathBuf> {
    optional_table(root, start, "")?.ok_or_else(|| missing(root, set, format!("{start}*.csv")))
}

/// As [`table`], with a part that the name must contain; `None` when there is none.
pub(super) fn optional_table(root: &Path, start: &str, part: &str) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(root).map_err(|e| DataError::io(root, e))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| DataError::io(root, e))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let is_csv = name.ends_with(".csv") || name.ends_with(".csv.gz");
        if name.starts_with(start) && name.contains(part) && is_csv {
            found.push(path);
        }
    }
    Ok(found.into_iter().min())
}

pub(super) fn missing(root: &Path, set: &'static str, what: impl Into<String>) -> DataError {
    DataError::Layout {
        root: root.into(),
        set,
        what: what.into(),
    }
}

/// A sample with labels from the set's words.
pub(super) fn labelled(
    set: &'static str,
    root: &Path,
    path: PathBuf,
    words: Vec<String>,
) -> Sample {
    let mut sample = Sample::new(set, relative(root, &path), Pixels::File(path));
    sample.labels = words_to_labels(set, &words);
    sample.raw_labels = words;
    sample
}

pub(super) fn words_to_labels(set: &str, words: &[String]) -> Labels {
    Vocabulary::of(set)
        .map(|v| v.read(words))
        .unwrap_or_default()
}

pub(super) fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
