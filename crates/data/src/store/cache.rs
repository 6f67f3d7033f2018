//! Decoded squares on disk, named by what they were made from.

use super::{StoreConfig, decode_square};
use crate::error::{DataError, Result};
use crate::pixels::{Arrays, PIPELINE_VERSION};
use crate::sample::{Pixels, Sample};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of squares. An entry's name is the hash of the file's content, the pipeline version, size,
/// fit, kernel and recipe, so a changed file or pipeline never meets an old entry.
pub(super) struct DiskCache {
    folder: PathBuf,
}

/// Stored width and height before the bytes of the square, little-endian.
const HEADER: usize = 16;

impl DiskCache {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| DataError::io(folder, e))?;
        Ok(DiskCache {
            folder: folder.to_owned(),
        })
    }

    /// The square image and the size it had before, from the cache or decoded and put there.
    pub(super) fn image(
        &self,
        s: &Sample,
        config: &StoreConfig,
        arrays: &Arrays,
    ) -> Result<(Vec<u8>, (usize, usize))> {
        let Pixels::File(path) = &s.pixels else {
            return decode_square(s, config, arrays);
        };
        let content = std::fs::read(path).map_err(|e| DataError::io(path, e))?;
        let entry = self.folder.join(name(&content, config));
        if let Some(found) = read(&entry, config.size) {
            return Ok(found);
        }
        let made = decode_square(s, config, arrays)?;
        self.write(&entry, &made.0, made.1)?;
        Ok(made)
    }

    /// Writes beside and renames, so that a killed run leaves no half entry.
    fn write(&self, entry: &Path, square: &[u8], size: (usize, usize)) -> Result<()> {
        let fail = |e| DataError::io(entry, e);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fail)?;
        file.write_all(&(size.0 as u64).to_le_bytes())
            .map_err(fail)?;
        file.write_all(&(size.1 as u64).to_le_bytes())
            .map_err(fail)?;
        file.write_all(square).map_err(fail)?;
        file.persist(entry).map_err(|e| fail(e.error))?;
        Ok(())
    }
}

fn name(content: &[u8], config: &StoreConfig) -> String {
    let mut hash = Sha256::new();
    hash.update(content);
    let StoreConfig {
        size,
        fit,
        kernel,
        recipe,
        ..
    } = config;
    hash.update(format!(
        "|{PIPELINE_VERSION}|{size}|{fit:?}|{}|{}",
        kernel.name(),
        recipe.name()
    ));
    format!("{:x}.square", hash.finalize())
}

fn read(entry: &Path, size: usize) -> Option<(Vec<u8>, (usize, usize))> {
    let bytes = std::fs::read(entry)
        .ok()
        .filter(|b| b.len() == HEADER + size * size)?;
    let number = |at: usize| Some(u64::from_le_bytes(bytes[at..at + 8].try_into().ok()?) as usize);
    let (width, height) = (number(0)?, number(8)?);
    (width > 0 && height > 0).then(|| (bytes[HEADER..].to_vec(), (width, height)))
}
