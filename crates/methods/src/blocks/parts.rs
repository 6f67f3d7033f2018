//! Studies of many small trainings: each finished part is kept in the run folder, so that a stopped study
//! goes on where it was.

use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_nn::NnError;
use hilum_nn::train::RunInfo;
use hilum_nn::weights::{atomic_write, sha256_hex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The parts of one study.
pub struct Parts<'a> {
    folder: PathBuf,
    stop: &'a AtomicBool,
}

impl<'a> Parts<'a> {
    /// Claims the run folder of `name` for this configuration, these data and this version of Hilum.
    ///
    /// # Errors
    /// [`NnError::OtherRun`] when the folder holds a study of another configuration or of other data.
    pub fn open(
        ctx: &Context<'a>,
        name: &str,
        config: &impl Serialize,
        [data_hash, split_hash]: [&str; 2],
    ) -> Result<Self> {
        let folder = ctx.run_folder(name);
        let info = RunInfo {
            name: name.to_owned(),
            config: serde_json::to_value(config).map_err(|e| MethodError::Config(e.to_string()))?,
            data_hash: data_hash.to_owned(),
            split_hash: split_hash.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        claim(&folder, &info)?;
        let parts = folder.join("parts");
        std::fs::create_dir_all(&parts).map_err(|source| MethodError::Io {
            path: parts.clone(),
            source,
        })?;
        Ok(Parts {
            folder: parts,
            stop: ctx.stop,
        })
    }

    /// The part called `key`: read back when it was finished, made otherwise.
    ///
    /// # Errors
    /// [`MethodError::Stopped`] before a part is begun, and what `make` fails with.
    pub fn get<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        // Keys are sentences; their hash is a file name on every system.
        let path = self
            .folder
            .join(format!("{}.json", &sha256_hex(key.as_bytes())[..20]));
        if path.is_file() {
            return read(&path);
        }
        self.check()?;
        let began = Instant::now();
        let made = make()?;
        let text = serde_json::to_string(&made)
            .map_err(|e| MethodError::Config(format!("{}: {e}", path.display())))?;
        atomic_write(&path, text.as_bytes())?;
        eprintln!("{key} ({:.0} s)", began.elapsed().as_secs_f64());
        // Read back, so that a study that went on and one in a single run see the same rounded numbers.
        read(&path)
    }

    /// Fails when the user asked to stop.
    ///
    /// # Errors
    /// [`MethodError::Stopped`].
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| MethodError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        MethodError::Config(format!(
            "{}: {e}; remove it and train again",
            path.display()
        ))
    })
}

fn claim(folder: &Path, info: &RunInfo) -> Result<()> {
    let path = folder.join("run.json");
    if path.is_file() {
        let there: RunInfo = read(&path)?;
        let what = [
            ("config", there.config != info.config),
            ("data", there.data_hash != info.data_hash),
            ("split", there.split_hash != info.split_hash),
            ("version", there.version != info.version),
        ];
        return match what.into_iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((what, _)) => Err(NnError::OtherRun {
                path: folder.to_owned(),
                what: what.to_owned(),
            }
            .into()),
        };
    }
    std::fs::create_dir_all(folder).map_err(|source| MethodError::Io {
        path: folder.to_owned(),
        source,
    })?;
    let text =
        serde_json::to_string_pretty(info).map_err(|e| MethodError::Config(e.to_string()))?;
    Ok(atomic_write(&path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::context;
    use std::cell::Cell;

    #[test]
    fn a_finished_part_is_not_made_again_and_a_stop_comes_between_parts() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let parts = Parts::open(&ctx, "study", &7, ["a", "b"]).unwrap();
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            Ok(vec![0.5_f64])
        };
        assert_eq!(parts.get("one", make).unwrap(), vec![0.5]);
        stop.store(true, Ordering::SeqCst);
        assert_eq!(parts.get("one", make).unwrap(), vec![0.5]);
        assert!(matches!(parts.get("two", make), Err(MethodError::Stopped)));
        assert_eq!(made.get(), 1);
    }

    #[test]
    fn another_configuration_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        Parts::open(&ctx, "study", &7, ["a", "b"]).unwrap();
        let told = |config: i32, hashes| {
            Parts::open(&ctx, "study", &config, hashes)
                .err()
                .map(|e| e.to_string())
        };
        assert_eq!(told(7, ["a", "b"]), None);
        assert!(told(8, ["a", "b"]).unwrap().contains("config"));
        assert!(told(7, ["c", "b"]).unwrap().contains("data"));
    }
}
