//! One training from a task to its best weights.

use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::Params;
use hilum_nn::Network;
use hilum_nn::train::{RunInfo, Task, TrainConfig, fit};
use serde::Serialize;

/// The outcome of a training with what identifies it.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Best weights.
    pub params: Params,
    /// Validation score of the best epoch, and the epoch.
    pub best: Option<(f64, usize)>,
    /// Identity of the run.
    pub info: RunInfo,
}

/// Trains `network` on `task` in the run folder of `name`; `start` are weights to begin with.
///
/// # Errors
/// [`MethodError::Stopped`] when the user stopped it; the same call goes on.
#[allow(clippy::too_many_arguments)] // One training is described by just these.
pub fn train(
    ctx: &Context<'_>,
    name: &str,
    network: &Network,
    task: &dyn Task,
    settings: &TrainConfig,
    config: &impl Serialize,
    samples: &[&Sample],
    start: Option<Params>,
) -> Result<Trained> {
    let graph = network.graph();
    let settings = TrainConfig {
        seed: ctx.seed,
        ..settings.clone()
    };
    let params = match start {
        Some(params) => params,
        None => graph.init_params(ctx.seed),
    };
    let mut engine = crate::engine::open(&ctx.device, graph.clone(), params)?;
    let samples: Vec<Sample> = samples.iter().map(|s| (*s).clone()).collect();
    let info = RunInfo {
        name: name.to_owned(),
        config: serde_json::to_value(config).map_err(|e| MethodError::Config(e.to_string()))?,
        data_hash: data_hash(&samples, ContentHash::Stated, None)?,
        split_hash: split_hash(&samples),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let folder = ctx.run_folder(name);
    let outcome = fit(
        engine.as_mut(),
        &graph,
        task,
        &settings,
        &info,
        &folder,
        ctx.stop,
    )?;
    if !outcome.finished {
        return Err(MethodError::Stopped);
    }
    Ok(Trained {
        params: outcome.params,
        best: outcome.best,
        info,
    })
}
