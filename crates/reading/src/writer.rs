//! Writes the files of one study: all of them or none.
//!
//! Every file is first written beside its final place under a temporary name and flushed to the disk.
//! Only when all of them stand are they renamed, `reading.json` last: where it exists, the folder is
//! complete. On an error the temporary files are removed. A kill leaves at most hidden `.hilum-*.part`
//! files, never half a file under a final name.

use crate::{ReadingError, evidence, names};
use hilum_core::{Masks, Reading};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

const READING: &str = "reading.json";
const PAGE: &str = "report.html";
const OVERLAY: &str = "overlay.png";

/// Masks of one image as PNG bytes: stored image's size, 0 or 255.
#[derive(Debug, Clone, Default)]
pub struct ImageMasks {
    /// Index into `images`.
    pub image: usize,
    /// Both lungs.
    pub lungs_png: Option<Vec<u8>>,
    /// Heart.
    pub heart_png: Option<Vec<u8>>,
}

/// An attribution map of one finding in one image.
#[derive(Debug, Clone, Default)]
pub struct MapFile {
    /// Index into `images`.
    pub image: usize,
    /// Finding.
    pub code: String,
    /// Name of the attribution, or `cam`.
    pub method: String,
    /// Grey PNG over the whole stored image.
    pub png: Vec<u8>,
}

/// What is written beside `reading.json`.
#[derive(Debug, Clone, Default)]
pub struct Artefacts {
    /// The page, from [`crate::html::render`].
    pub report_html: Option<String>,
    /// The image with its overlays drawn in, as PNG.
    pub overlay_png: Option<Vec<u8>>,
    /// Masks by image.
    pub masks: Vec<ImageMasks>,
    /// Maps that were judged.
    pub maps: Vec<MapFile>,
}

/// Writes `out/folder/{reading.json,report.html,overlay.png,image-N-lungs.png,image-N-heart.png,
/// image-N-map-FINDING-METHOD.png}` and
/// sets `images[].masks` and `explanations[].map` of `reading` to the files, relative to `out`. `N` counts from 0.
///
/// `folder` is a name from [`crate::folder_names`]. Files of an earlier reading in the same folder are
/// replaced, or removed when this reading has none; other files there are left alone.
///
/// # Errors
/// [`ReadingError::UnsafeFolder`], [`ReadingError::NoSuchImage`], [`ReadingError::Evidence`] before
/// anything is written; then [`ReadingError::DiskFull`], [`ReadingError::PermissionDenied`],
/// [`ReadingError::NotAFolder`] or [`ReadingError::Io`]. On an error `reading` keeps its old masks.
pub fn write_reading(
    out: &Path,
    folder: &str,
    reading: &mut Reading,
    artefacts: &Artefacts,
) -> Result<PathBuf, ReadingError> {
    if !names::is_safe(folder) {
        return Err(ReadingError::UnsafeFolder {
            name: folder.to_owned(),
        });
    }
    evidence::check(reading)?;
    let mut written = reading.clone();
    let mut files = mask_files(folder, &mut written, &artefacts.masks)?;
    files.extend(map_files(folder, &mut written, &artefacts.maps));
    if let Some(page) = &artefacts.report_html {
        files.push((PAGE.to_owned(), page.as_bytes()));
    }
    if let Some(overlay) = &artefacts.overlay_png {
        files.push((OVERLAY.to_owned(), overlay));
    }
    let mut json = serde_json::to_vec_pretty(&written)?;
    json.push(b'\n');
    files.push((READING.to_owned(), &json));

    let dir = out.join(folder);
    let made = make_folder(&dir)?;
    if let Err(error) = write_all(&dir, &files) {
        if made {
            // Only an empty folder goes; the error that is returned says more than this one would.
            let _ = fs::remove_dir(&dir);
        }
        return Err(error);
    }
    *reading = written;
    Ok(dir)
}

/// Names and bytes of the mask files; the reading's image records learn of them.
fn mask_files<'a>(
    folder: &str,
    reading: &mut Reading,
    masks: &'a [ImageMasks],
) -> Result<Vec<(String, &'a [u8])>, ReadingError> {
    let images = reading.images.len();
    let mut files = Vec::new();
    for record in &mut reading.images {
        record.masks = None;
    }
    for mask in masks {
        let record = reading
            .images
            .get_mut(mask.image)
            .ok_or(ReadingError::NoSuchImage {
                image: mask.image,
                images,
            })?;
        let mut add = |organ: &str, png: &'a Option<Vec<u8>>| {
            png.as_ref().map(|bytes| {
                let name = format!("image-{}-{organ}.png", mask.image);
                let path = format!("{folder}/{name}");
                files.push((name, bytes.as_slice()));
                path
            })
        };
        record.masks = Some(Masks {
            lungs: add("lungs", &mask.lungs_png),
            heart: add("heart", &mask.heart_png),
        });
    }
    Ok(files)
}

/// Names and bytes of the map files; the findings' explanations learn of them.
fn map_files<'a>(
    folder: &str,
    reading: &mut Reading,
    maps: &'a [MapFile],
) -> Vec<(String, &'a [u8])> {
    let mut files = Vec::new();
    for explanation in reading
        .findings
        .iter_mut()
        .flat_map(|f| &mut f.explanations)
    {
        explanation.map = None;
    }
    for map in maps {
        let finding = reading.findings.iter_mut().find(|f| f.code == map.code);
        let explanation = finding.and_then(|f| {
            f.explanations
                .iter_mut()
                .find(|e| e.image == map.image && e.method == map.method)
        });
        // A map whose finding another image answers for has no place in the reading.
        if let Some(explanation) = explanation {
            let method = map.method.replace('+', "p");
            let name = format!("image-{}-map-{}-{method}.png", map.image, map.code);
            explanation.map = Some(format!("{folder}/{name}"));
            files.push((name, map.png.as_slice()));
        }
    }
    files
}

/// Makes the folder where it is missing; true when it was made.
fn make_folder(dir: &Path) -> Result<bool, ReadingError> {
    if dir.is_dir() {
        return Ok(false);
    }
    fs::create_dir_all(dir).map_err(|source| {
        // `create_dir_all` says "exists" for a file in the way.
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            ReadingError::NotAFolder {
                path: dir.to_owned(),
                source,
            }
        } else {
            ReadingError::from_io(dir, source)
        }
    })?;
    Ok(true)
}

fn write_all(dir: &Path, files: &[(String, &[u8])]) -> Result<(), ReadingError> {
    let staged: Vec<(PathBuf, NamedTempFile)> = files
        .iter()
        .map(|(name, bytes)| {
            let path = dir.join(name);
            stage(dir, bytes)
                .map(|file| (path.clone(), file))
                .map_err(|e| ReadingError::from_io(&path, e))
        })
        .collect::<Result<_, _>>()?;
    if let Some((target, _)) = staged.iter().find(|(path, _)| path.is_dir()) {
        let source = std::io::ErrorKind::IsADirectory.into();
        return Err(ReadingError::from_io(target, source));
    }
    remove_old(dir, files)?;
    let mut renamed: Vec<PathBuf> = Vec::new();
    for (path, file) in staged {
        if let Err(error) = file.persist(&path) {
            for done in &renamed {
                // The error that is returned says more than one about clearing up.
                let _ = fs::remove_file(done);
            }
            return Err(ReadingError::from_io(&path, error.error));
        }
        renamed.push(path);
    }
    sync_folder(dir).map_err(|e| ReadingError::from_io(dir, e))
}

/// Writes `bytes` to a temporary file in `dir` and flushes it to the disk.
fn stage(dir: &Path, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hilum-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; results follow the user's umask as any file does.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Removes an earlier `reading.json`, which would vouch for a mixture, and files this reading lacks.
fn remove_old(dir: &Path, files: &[(String, &[u8])]) -> Result<(), ReadingError> {
    let entries = fs::read_dir(dir).map_err(|e| ReadingError::from_io(dir, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| ReadingError::from_io(dir, e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let stale = is_ours(&name) && !files.iter().any(|(new, _)| *new == name);
        if name == READING || stale {
            fs::remove_file(entry.path()).map_err(|e| ReadingError::from_io(&entry.path(), e))?;
        }
    }
    Ok(())
}

/// Whether a file of this name is one that [`write_reading`] writes.
fn is_ours(name: &str) -> bool {
    let mask = || {
        let rest = name.strip_prefix("image-")?;
        let number = rest
            .strip_suffix("-lungs.png")
            .or_else(|| rest.strip_suffix("-heart.png"))
            .or_else(|| Some(rest.strip_suffix(".png")?.split_once("-map-")?.0))?;
        number.bytes().all(|b| b.is_ascii_digit()).then_some(())
    };
    matches!(name, READING | PAGE | OVERLAY) || mask().is_some()
}

#[cfg(unix)]
fn sync_folder(dir: &Path) -> std::io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_dir: &Path) -> std::io::Result<()> {
    Ok(())
}
