//! Saving and restoring the whole state of a training.

use crate::error::NnError;
use crate::optim::{Ema, Optimizer};
use crate::weights::WeightFile;
use crate::weights::file::Precision;
use hilum_kernels::{ParamInfo, Params};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Counters beside the tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Epochs finished.
    pub epoch: usize,
    /// Optimiser steps done.
    pub step: u64,
    /// Best validation score so far and its epoch.
    pub best: Option<(f64, usize)>,
    /// Updates of the moving average.
    pub ema_updates: u64,
    /// Whether the training had come to its end.
    pub finished: bool,
}

pub(super) fn save(
    path: &Path,
    infos: &[ParamInfo],
    params: &Params,
    optimizer: &Optimizer,
    ema: Option<&Ema>,
    progress: &Progress,
) -> Result<(), NnError> {
    let mut file = WeightFile::default();
    let mut put = |prefix: &str, values: &Params| {
        for (info, v) in infos.iter().zip(values) {
            file.tensors.insert(
                format!("{prefix}/{}", info.name),
                (info.shape.clone(), v.clone()),
            );
        }
    };
    put("p", params);
    put("m", &optimizer.m);
    put("v", &optimizer.v);
    if let Some(ema) = ema {
        put("e", &ema.params);
    }
    file.put("progress", progress)?;
    file.write(path, Precision::Single)
}

/// State read back: parameters, first and second moments, moving average.
pub(super) struct State {
    pub params: Params,
    pub m: Params,
    pub v: Params,
    pub ema: Params,
    pub progress: Progress,
}

pub(super) fn load(path: &Path, infos: &[ParamInfo]) -> Result<State, NnError> {
    let file = WeightFile::open(path)?;
    let get = |prefix: &str, needed: bool| -> Result<Params, NnError> {
        let mut out = Params::new();
        for info in infos {
            match file.tensors.get(&format!("{prefix}/{}", info.name)) {
                Some((shape, v)) if *shape == info.shape => out.push(v.clone()),
                None if !needed => return Ok(Params::new()),
                _ => {
                    return Err(NnError::Weights(format!(
                        "the checkpoint has no fitting {prefix}/{}",
                        info.name
                    )));
                }
            }
        }
        Ok(out)
    };
    Ok(State {
        params: get("p", true)?,
        m: get("m", true)?,
        v: get("v", false)?,
        ema: get("e", false)?,
        progress: file.get("progress")?,
    })
}
