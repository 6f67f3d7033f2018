//! Where data, models, runs and results are when the command line does not say.

use anyhow::Result;
use hilum_pipeline::Store;
use std::path::{Path, PathBuf};

/// Folder of the user's own models: `--models`, else `$HILUM_MODELS`.
pub fn models(given: Option<&Path>) -> Option<PathBuf> {
    given
        .map(Path::to_owned)
        .or_else(|| from_environment("HILUM_MODELS"))
}

/// The embedded models and the user's own.
pub fn store(given: Option<&Path>) -> Result<Store> {
    Ok(Store::open(models(given).as_deref())?)
}

/// The data root, the folder that holds `manifests/`: `--data`, else `$HILUM_DATA`, else `data` or
/// `../shared/data` from here. The last guess is named when none is there, so that the error names a path.
pub fn data(given: Option<&Path>) -> PathBuf {
    let guesses = ["data", "../shared/data"].map(PathBuf::from);
    let fits = |path: &&PathBuf| path.join("manifests").is_dir();
    given
        .map(Path::to_owned)
        .or_else(|| from_environment("HILUM_DATA"))
        .or_else(|| guesses.iter().find(fits).cloned())
        .unwrap_or_else(|| PathBuf::from("data"))
}

fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}
