//! What a method without weights keeps in its run folder between training and measuring.

use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_nn::weights::atomic_write;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Writes `value` as JSON to the run folder of a method; gives its path.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(
    ctx: &Context<'_>,
    method: &str,
    file: &str,
    value: &impl Serialize,
) -> Result<PathBuf> {
    let path = ctx.run_folder(method).join(file);
    let text = serde_json::to_string(value)
        .map_err(|e| MethodError::Config(format!("{}: {e}", path.display())))?;
    write_text(&path, &text)?;
    Ok(path)
}

/// Writes a text, whole or not at all.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|source| MethodError::Io {
        path: folder.to_owned(),
        source,
    })?;
    Ok(atomic_write(path, text.as_bytes())?)
}

/// Reads back what [`write()`] wrote.
///
/// # Errors
/// [`MethodError::NoModel`] when the method was not trained; a file of another version.
pub fn read<T: DeserializeOwned>(ctx: &Context<'_>, method: &str, file: &str) -> Result<T> {
    let path = ctx.run_folder(method).join(file);
    if !path.is_file() {
        return Err(MethodError::NoModel(method.to_owned()));
    }
    let text = std::fs::read(&path).map_err(|source| MethodError::Io {
        path: path.clone(),
        source,
    })?;
    serde_json::from_slice(&text)
        .map_err(|e| MethodError::Config(format!("{}: {e}; train again", path.display())))
}
