//! What the server and every client of one federation must agree on.

use super::algorithm::Algorithm;
use super::client::Client;
use super::config::{Config, Local, Skew, Study, network};
use crate::blocks::classes::ClassSet;
use crate::context::Context;
#[cfg(feature = "federation")]
use crate::error::{MethodError, Result};
use hilum_kernels::Graph;
use hilum_nn::backbones::Backbone;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One algorithm on one deal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Task and clients.
    pub study: Study,
    /// How the cases are dealt out.
    pub skew: Skew,
    /// Cases that every client has at least.
    pub least: usize,
    /// Seed of the deal, the start and the batches.
    pub seed: u64,
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Trunk.
    pub backbone: Backbone,
    /// What clients do.
    pub local: Local,
}

impl Setting {
    /// Of a configuration.
    pub fn new(
        config: &Config,
        study: &Study,
        (skew, seed): (Skew, u64),
        algorithm: Algorithm,
    ) -> Self {
        Setting {
            study: study.clone(),
            skew,
            least: config.least,
            seed,
            algorithm,
            backbone: config.backbone.clone(),
            local: config.local,
        }
    }

    /// The network.
    pub fn graph(&self) -> Graph {
        network(&self.backbone, self.study.task).graph()
    }

    /// Client number `client` with its cases.
    pub fn client<'a>(&self, ctx: &Context<'a>, client: usize, cases: Arc<ClassSet>) -> Client<'a> {
        let graph = self.graph();
        let start = graph.init_params(self.seed);
        let seed = self.seed ^ ((client as u64 + 1) << 40);
        Client::new(
            ctx,
            cases,
            &graph,
            start,
            (self.algorithm, self.local),
            seed,
        )
    }
}

/// What a client in another process is told: which one it is, and of what.
#[cfg(feature = "federation")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The method.
    pub method: String,
    /// Version of the server's program.
    pub version: String,
    /// Whether the run is tiny.
    pub tiny: bool,
    /// Number of the client.
    pub client: usize,
    /// What all agree on.
    pub setting: Setting,
}

/// What a client has for it: the server knows what it should be.
#[cfg(feature = "federation")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Cases.
    pub cases: usize,
    /// What they are.
    pub hash: String,
}

#[cfg(feature = "federation")]
impl Setup {
    /// For client number `client`.
    pub fn new(tiny: bool, client: usize, setting: &Setting) -> Self {
        Setup {
            method: "fedld".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tiny,
            client,
            setting: setting.clone(),
        }
    }

    /// As it is sent.
    ///
    /// # Errors
    /// None that a setting can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// As it came.
    ///
    /// # Errors
    /// No description, or one of another method or version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let setup: Setup = serde_json::from_slice(bytes)
            .map_err(|e| MethodError::Config(format!("no description of a run: {e}")))?;
        let own = Setup::new(setup.tiny, setup.client, &setup.setting);
        if setup == own {
            return Ok(setup);
        }
        Err(MethodError::Config(format!(
            "the server runs {} of version {}, this client {} of version {}",
            setup.method, setup.version, own.method, own.version
        )))
    }
}

#[cfg(feature = "federation")]
impl Welcome {
    /// As it is sent.
    ///
    /// # Errors
    /// None that it can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// Whether a client's own words say the same.
    ///
    /// # Errors
    /// Other cases, or no such words.
    pub fn check(&self, bytes: &[u8]) -> Result<()> {
        let told: Welcome = serde_json::from_slice(bytes)
            .map_err(|e| MethodError::Config(format!("it does not say what it holds: {e}")))?;
        if told == *self {
            return Ok(());
        }
        Err(MethodError::Config(format!(
            "its {} training cases are not the {} that the server's data folder gives it",
            told.cases, self.cases
        )))
    }
}

#[cfg(feature = "federation")]
fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| MethodError::Config(e.to_string()))
}
