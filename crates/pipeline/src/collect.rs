//! From paths to studies: folders are walked in sorted order, DICOM files are grouped by Study Instance UID,
//! any other image is a study of its own.

use crate::error::PipelineError;
use hilum_core::FailedPath;
use hilum_dicom::{DicomImage, Limits, object};
use hilum_nn::weights::sha256_hex;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Endings that are passed over in a walked folder; a file named on the command line is always looked at.
const NO_IMAGES: &[&str] = &[
    "md",
    "txt",
    "json",
    "jsonl",
    "csv",
    "tsv",
    "xml",
    "html",
    "htm",
    "pdf",
    "py",
    "rs",
    "sh",
    "toml",
    "yaml",
    "yml",
    "log",
    "zip",
    "gz",
    "tar",
    "safetensors",
    "npy",
    "npz",
    "onnx",
    "pth",
    "sha256",
    "part",
];

/// The files of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Study {
    /// Its id, when the files were looked at beforehand; null for a file that could not be read.
    pub id: Option<String>,
    /// Files in the order of the input.
    pub files: Vec<PathBuf>,
}

/// One thing to answer, in the order of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A study.
    Study(Study),
    /// A path that cannot even be listed.
    Failed(FailedPath),
}

/// What the paths hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Studies and failures.
    pub items: Vec<Item>,
    /// Files of walked folders that were passed over because of their ending or because they are hidden.
    pub passed_over: usize,
}

/// Finds the studies under `paths`. Ids are looked up when there are several files; a single file is left to
/// the reader, which has to open it anyway.
pub fn collect(paths: &[PathBuf], limits: &Limits) -> Collected {
    let mut found: Vec<Result<PathBuf, FailedPath>> = Vec::new();
    let mut passed_over = 0;
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found, &mut passed_over);
        } else {
            found.push(Ok(path.clone()));
        }
    }
    let several = found.len() > 1;
    let keys: Vec<Key> = found
        .par_iter()
        .map(|f| {
            f.as_ref()
                .ok()
                .filter(|_| several)
                .map_or(Key::Unknown, |path| key(path, limits))
        })
        .collect();
    Collected {
        items: group(found, keys),
        passed_over,
    }
}

fn walk(folder: &Path, found: &mut Vec<Result<PathBuf, FailedPath>>, passed_over: &mut usize) {
    // Hidden files are those of tools: the reader's own unfinished ones among them.
    let hidden =
        |e: &walkdir::DirEntry| e.depth() > 0 && e.file_name().to_string_lossy().starts_with('.');
    let shown = |e: &walkdir::DirEntry| !(hidden(e) && e.file_type().is_dir());
    for entry in WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(shown)
    {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if hidden(&entry) || is_no_image(entry.path()) => *passed_over += 1,
            Ok(entry) => found.push(Ok(entry.into_path())),
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let source = error
                    .into_io_error()
                    .unwrap_or_else(|| std::io::Error::other("the folder contains itself"));
                found.push(Err(PipelineError::Io {
                    path: path.clone(),
                    source,
                }
                .failed(&path)));
            }
        }
    }
}

fn is_no_image(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase());
    // A DICOMDIR is an index of images, not one of them.
    ending.is_some_and(|e| NO_IMAGES.contains(&e.as_str()))
        || path.file_name().is_some_and(|n| n == "DICOMDIR")
}

/// What a file belongs to.
enum Key {
    Dicom(String),
    Alone(String),
    Unknown,
}

/// Reads as much of a file as tells its study. Files that fail here fail again, with the reason, when read.
fn key(path: &Path, limits: &Limits) -> Key {
    let small =
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= limits.max_file_bytes);
    let Some(bytes) = small.then(|| std::fs::read(path).ok()).flatten() else {
        return Key::Unknown;
    };
    if hilum_dicom::is_raster(&bytes) {
        return Key::Alone(content_id(&sha256_hex(&bytes)));
    }
    if !object::looks_like_dicom(&bytes) {
        return Key::Unknown;
    }
    let uid = hilum_image::guard::catch(|| {
        DicomImage::from_bytes(&bytes, limits)
            .ok()
            .map(|i| i.meta.study_uid)
    });
    match uid {
        Ok(Some(Some(uid))) => Key::Dicom(uid),
        Ok(Some(None)) => Key::Alone(content_id(&sha256_hex(&bytes))),
        _ => Key::Unknown,
    }
}

/// Id of a study that its file does not name.
pub(crate) fn content_id(sha256: &str) -> String {
    format!("sha256-{}", &sha256[..sha256.len().min(16)])
}

fn group(found: Vec<Result<PathBuf, FailedPath>>, keys: Vec<Key>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    for (file, key) in found.into_iter().zip(keys) {
        let path = match file {
            Ok(path) => path,
            Err(failed) => {
                items.push(Item::Failed(failed));
                continue;
            }
        };
        if let Key::Dicom(uid) = &key
            && let Some(Item::Study(study)) = place.get(uid).and_then(|&at| items.get_mut(at))
        {
            study.files.push(path);
            continue;
        }
        let id = match key {
            Key::Dicom(uid) => {
                place.insert(uid.clone(), items.len());
                Some(uid)
            }
            Key::Alone(id) => Some(id),
            Key::Unknown => None,
        };
        items.push(Item::Study(Study {
            id,
            files: vec![path],
        }));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../samples/images")
            .join(name)
    }

    #[test]
    fn dicom_files_are_grouped_and_pictures_are_not() {
        let paths = [
            "adult-pa.dcm",
            "adult-pa.jpg",
            "adult-pa.jpg",
            "adult-pa.dcm",
        ]
        .map(sample);
        let items = collect(&paths, &Limits::default()).items;
        let files: Vec<usize> = items
            .iter()
            .map(|i| {
                if let Item::Study(s) = i {
                    s.files.len()
                } else {
                    0
                }
            })
            .collect();
        assert_eq!(files, [2, 1, 1]);
    }

    #[test]
    fn folders_are_walked_in_order_and_other_files_counted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.bin", "notes.txt", ".hidden.png"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        let found = collect(&[dir.path().to_owned()], &Limits::default());
        let names: Vec<String> = found
            .items
            .iter()
            .map(|i| match i {
                Item::Study(s) => s.files[0]
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
                Item::Failed(f) => f.path.clone(),
            })
            .collect();
        assert_eq!(names, ["a.bin", "b.png"]);
        assert_eq!(found.passed_over, 2);
    }
}
