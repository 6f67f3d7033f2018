//! Data and training of the ChestX-ray8 baseline.

use super::config::{CODES, Config, SETS};
use crate::blocks::classify::{ClassifyData, ClassifyTask, classify_data};
use crate::blocks::pictures::{Lungs, trained_segmenter};
use crate::blocks::run::{Trained, train};
use crate::blocks::warm;
use crate::context::Context;
use crate::error::Result;
use hilum_data::splits::k_folds;
use hilum_data::{Sample, Split};

/// Samples, pictures and targets of the three splits.
pub struct Prepared {
    /// Samples of train, val, test.
    pub samples: [Vec<Sample>; 3],
    /// Their pictures and targets.
    pub data: [ClassifyData; 3],
}

/// Loads the three splits.
pub fn prepare(ctx: &Context<'_>, config: &Config) -> Result<Prepared> {
    config.validate()?;
    let all = ctx.samples("chestx_ray8", &SETS)?;
    let of = |split: Split, tiny: usize| {
        let own = all
            .iter()
            .filter(|s| s.split == Some(split))
            .cloned()
            .collect();
        ctx.limit(own, tiny)
    };
    let samples = [
        of(Split::Train, 48),
        of(Split::Val, 32),
        of(Split::Test, 32),
    ];
    let contract = config.contract();
    let segmenter = contract
        .needs_lungs()
        .then(|| trained_segmenter(ctx))
        .transpose()?;
    let lungs = segmenter.as_ref().map_or(Lungs::None, Lungs::Found);
    let load = |s: &[Sample]| classify_data(s, &CODES, &contract, lungs);
    let data = [load(&samples[0])?, load(&samples[1])?, load(&samples[2])?];
    Ok(Prepared { samples, data })
}

/// Samples with their pictures and targets.
pub struct Pool {
    /// Samples.
    pub samples: Vec<Sample>,
    /// Pictures and targets, in the same order.
    pub data: ClassifyData,
}

impl Prepared {
    /// Train and val together, and the fold of each sample: by patient, balanced over sets and over whether there
    /// is a finding.
    pub fn folds(&self, k: usize, seed: u64) -> Result<(Pool, Vec<usize>)> {
        let samples: Vec<Sample> = self.samples[..2].concat();
        let data = self.data[0].joined(&self.data[1]);
        let stratum = |(s, t): (&Sample, &Vec<f32>)| {
            let set = SETS.iter().position(|set| *set == s.set).unwrap_or(0) as u32;
            2 * set + u32::from(t[CODES.len() - 1] >= 0.5)
        };
        let strata: Vec<u32> = samples.iter().zip(&data.targets).map(stratum).collect();
        let fold = if k > 1 {
            k_folds(&samples, &strata, k, seed)?
        } else {
            // A single network keeps the published split: it answers for val alone.
            (0..samples.len())
                .map(|i| usize::from(i < self.samples[0].len()))
                .collect()
        };
        Ok((Pool { samples, data }, fold))
    }
}

/// Trains one network under `name`, its epoch chosen on `val`.
pub fn member(
    ctx: &Context<'_>,
    name: &str,
    config: &Config,
    [train_data, val_data]: [&ClassifyData; 2],
    used: &[&Sample],
) -> Result<Trained> {
    let network = config.network();
    let task = ClassifyTask::new(
        config.classify.clone(),
        config.contract(),
        network.graph(),
        train_data,
        val_data,
        ctx.seed,
    )?;
    let start = config.start.as_deref();
    let start = start.map(|model| warm::trunk(ctx, model, &network));
    train(
        ctx,
        name,
        &network,
        &task,
        &config.train,
        config,
        used,
        start.transpose()?,
    )
}

/// Trains all members, each from its own seed and without its own fold.
pub fn members(ctx: &Context<'_>, config: &Config, prepared: &Prepared) -> Result<Vec<Trained>> {
    let (pool, fold) = prepared.folds(config.members, ctx.seed)?;
    let used: Vec<&Sample> = pool.samples.iter().collect();
    let one = |m: usize| {
        let own = Context {
            seed: ctx.seed + m as u64,
            ..ctx.clone()
        };
        let rest = pool.data.filter(|i| fold[i] != m);
        let left_out = pool.data.filter(|i| fold[i] == m);
        member(&own, "chestx_ray8-fold", config, [&rest, &left_out], &used)
    };
    (0..config.members).map(one).collect()
}
