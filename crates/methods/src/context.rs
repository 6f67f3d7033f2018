//! Where a method finds its data and leaves its results.

use crate::error::{MethodError, Result};
use hilum_data::{Manifest, Sample};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Folders, seed and size of a run.
#[derive(Clone)]
pub struct Context<'a> {
    /// Data root: the folder that holds `manifests/`.
    pub data: PathBuf,
    /// Folder for run folders.
    pub runs: PathBuf,
    /// Folder for result files.
    pub results: PathBuf,
    /// Folder of trained models, `models/`.
    pub models: PathBuf,
    /// What trains: `cpu`, or a device that this build knows (see [`crate::engine`]).
    pub device: String,
    /// Seed.
    pub seed: u64,
    /// A few images and steps only, to see that everything works.
    pub tiny: bool,
    /// How federated methods reach their clients.
    pub federation: Federation,
    /// Set when the user wants to stop.
    pub stop: &'a AtomicBool,
}

/// How federated methods reach their clients. It decides nothing of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federation {
    /// Where clients are.
    pub clients: ClientsAt,
    /// What clients at addresses ask for.
    pub secret: Option<String>,
    /// How long a client in another process may take for an answer.
    pub patience: Duration,
    /// Bytes that the server may hold of states, updates and messages.
    pub memory: u64,
}

/// Where the clients of a federation are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientsAt {
    /// In this process.
    InProcess,
    /// In processes that this one starts and ends, on loopback.
    Processes {
        /// Program that serves a client.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// At addresses `HOST:PORT`; the first ones are taken where more are given than needed.
    Addresses(Vec<String>),
}

impl Default for Federation {
    fn default() -> Self {
        Federation {
            clients: ClientsAt::InProcess,
            secret: None,
            patience: Duration::from_secs(3600),
            memory: 1 << 30,
        }
    }
}

impl Context<'_> {
    /// The samples of the named sets, in the order of their manifests.
    pub fn samples(&self, what: &str, sets: &[&str]) -> Result<Vec<Sample>> {
        let folder = self.data.join("manifests");
        for set in sets {
            let path = folder.join(format!("{set}.csv"));
            if !path.is_file() {
                return Err(MethodError::NoData {
                    what: what.to_owned(),
                    path,
                });
            }
        }
        Ok(Manifest::of_sets(&self.data, sets)?.samples)
    }

    /// The run folder of `name` at this seed and size.
    pub fn run_folder(&self, name: &str) -> PathBuf {
        let size = if self.tiny { "-tiny" } else { "" };
        self.runs.join(format!("{name}-seed{}{size}", self.seed))
    }

    /// At most `n` items when the run is tiny.
    pub fn limit<T>(&self, mut items: Vec<T>, n: usize) -> Vec<T> {
        if self.tiny && items.len() > n {
            // Every k-th item keeps all sets and classes in.
            let step = items.len() / n;
            let mut at = 0;
            items.retain(|_| {
                at += 1;
                (at - 1) % step == 0 && (at - 1) / step < n
            });
        }
        items
    }

    /// Path of a trained model's weights.
    pub fn model_path(&self, name: &str) -> PathBuf {
        model_path(&self.models, name)
    }
}

/// Path of a trained model's weights under `folder`.
pub fn model_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.safetensors"))
}
