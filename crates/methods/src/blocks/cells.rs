//! The many small trainings of one study: folds, conditions, families.
//!
//! Each has a folder of its own under the study's run folder. Once it has ended only its best weights, curves and identity
//! stay, so that a study of a hundred trainings does not fill the disk, and asking again costs nothing.

use super::classify::{ClassifyConfig, ClassifyData, ClassifyTask};
use super::exclusive::ExclusiveTask;
use super::run::train;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::splits::k_folds;
use hilum_data::{Sample, Split};
use hilum_kernels::Params;
use hilum_nn::train::{RunInfo, Task, TrainConfig};
use hilum_nn::weights::WeightFile;
use hilum_nn::{InputContract, Network};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that one training is told, but its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Network.
    pub network: Network,
    /// What its pictures look like.
    pub contract: InputContract,
    /// Batches, loss and augmentation.
    pub classify: ClassifyConfig,
    /// The loop.
    pub train: TrainConfig,
    /// Softmax over exclusive classes instead of one sigmoid an output.
    pub exclusive: bool,
    /// What was done to the pictures, or anything else that makes this training another one.
    pub variant: String,
}

/// Data of one training.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// Learned from.
    pub train: &'a ClassifyData,
    /// Selects the epoch.
    pub val: &'a ClassifyData,
    /// Samples of both, for the identity of the run.
    pub samples: &'a [Sample],
}

/// Trains under `study/trainings/name`, or reads what an earlier call of the same training left there.
///
/// # Errors
/// [`MethodError::Stopped`]; a folder of another training; data that cannot be learned from.
pub fn fit(
    ctx: &Context<'_>,
    study: &str,
    name: &str,
    training: &Training,
    parts: Parts<'_>,
    start: Option<Params>,
) -> Result<Params> {
    let own = Context {
        runs: ctx.run_folder(study).join("trainings"),
        ..ctx.clone()
    };
    let folder = own.run_folder(name);
    let graph = training.network.graph();
    if let Some(params) = finished(&folder, name, training, parts.samples, &graph)? {
        return Ok(params);
    }
    let (config, contract) = (training.classify.clone(), training.contract.clone());
    let task: Box<dyn Task + '_> = match training.exclusive {
        true => Box::new(ExclusiveTask::new(
            config,
            contract,
            graph,
            parts.train,
            parts.val,
            ctx.seed,
        )?),
        false => Box::new(ClassifyTask::new(
            config,
            contract,
            graph,
            parts.train,
            parts.val,
            ctx.seed,
        )?),
    };
    let samples: Vec<&Sample> = parts.samples.iter().collect();
    let trained = train(
        &own,
        name,
        &training.network,
        task.as_ref(),
        &training.train,
        training,
        &samples,
        start,
    )?;
    clear(&folder)?;
    Ok(trained.params)
}

const DONE: &str = "done";

/// The weights of a training that has ended; `None` when there is none of just this identity.
fn finished(
    folder: &Path,
    name: &str,
    training: &Training,
    samples: &[Sample],
    graph: &hilum_kernels::Graph,
) -> Result<Option<Params>> {
    if !folder.join(DONE).is_file() {
        return Ok(None);
    }
    let expected = identity(name, training, samples)?;
    let there = std::fs::read(folder.join("run.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<RunInfo>(&text).ok());
    match there {
        // An older version's weights may differ; everything else is compared by the loop itself.
        Some(there) if there == expected => {
            let file = WeightFile::open(&folder.join("best.safetensors"))?;
            Ok(Some(file.params_for(graph)?))
        }
        _ => {
            let path = folder.join(DONE);
            std::fs::remove_file(&path).map_err(|source| MethodError::Io { path, source })?;
            Ok(None)
        }
    }
}

fn identity(name: &str, training: &Training, samples: &[Sample]) -> Result<RunInfo> {
    Ok(RunInfo {
        name: name.to_owned(),
        config: serde_json::to_value(training).map_err(|e| MethodError::Config(e.to_string()))?,
        data_hash: data_hash(samples, ContentHash::Stated, None)?,
        split_hash: split_hash(samples),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn clear(folder: &Path) -> Result<()> {
    let io = |path: &Path, source| MethodError::Io {
        path: path.to_owned(),
        source,
    };
    let done = folder.join(DONE);
    std::fs::write(&done, b"").map_err(|e| io(&done, e))?;
    let checkpoint = folder.join("checkpoint.safetensors");
    std::fs::remove_file(&checkpoint).map_err(|e| io(&checkpoint, e))
}

/// Folds by patient over the samples that are not of the test split; `strata` gives a sample's class.
#[derive(Debug, Clone)]
pub struct Folds {
    /// Number of folds.
    pub k: usize,
    /// Fold of each sample; `None` for those of the test split.
    pub of: Vec<Option<usize>>,
}

impl Folds {
    /// Deals patients to folds.
    ///
    /// # Errors
    /// Fewer patients than folds.
    pub fn new(
        samples: &[Sample],
        strata: impl Fn(&Sample) -> u32,
        k: usize,
        seed: u64,
    ) -> Result<Self> {
        let own: Vec<usize> = (0..samples.len())
            .filter(|&i| samples[i].split != Some(Split::Test))
            .collect();
        let part: Vec<Sample> = own.iter().map(|&i| samples[i].clone()).collect();
        let classes: Vec<u32> = part.iter().map(&strata).collect();
        let dealt = k_folds(&part, &classes, k, seed)?;
        let mut of = vec![None; samples.len()];
        for (i, fold) in own.into_iter().zip(dealt) {
            of[i] = Some(fold);
        }
        Ok(Folds { k, of })
    }

    /// Indices of the samples whose fold `keep` accepts.
    pub fn at(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.of.len())
            .filter(|&i| self.of[i].is_some_and(&keep))
            .collect()
    }
}

/// These pictures of a set.
pub fn select(data: &ClassifyData, at: &[usize]) -> ClassifyData {
    ClassifyData {
        pictures: at.iter().map(|&i| data.pictures[i].clone()).collect(),
        targets: at.iter().map(|&i| data.targets[i].clone()).collect(),
        patients: at.iter().map(|&i| data.patients[i].clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_data::Pixels;

    #[test]
    fn folds_keep_patients_together_and_leave_the_test_split_out() {
        let samples: Vec<Sample> = (0..60)
            .map(|i| {
                let mut s = Sample::new("x", i.to_string(), Pixels::File(i.to_string().into()));
                s.patient = Some(format!("p{}", i / 2));
                s.split = Some(match i / 2 % 5 {
                    0 => Split::Test,
                    1 => Split::Val,
                    _ => Split::Train,
                });
                s
            })
            .collect();
        let folds = Folds::new(&samples, |_| 0, 4, 1).unwrap();
        for (i, s) in samples.iter().enumerate() {
            assert_eq!(folds.of[i].is_none(), s.split == Some(Split::Test));
            assert_eq!(folds.of[i], folds.of[i / 2 * 2]);
        }
        let all: usize = (0..4).map(|f| folds.at(|g| g == f).len()).sum();
        assert_eq!(all, 48);
        assert!(Folds::new(&samples, |_| 0, 90, 1).is_err());
    }
}
