//! Data and training of the ChestX-ray8 baseline.

use super::config::{CODES, Config, SETS};
use crate::blocks::classify::{ClassifyData, ClassifyTask, classify_data};
use crate::blocks::pictures::{Lungs, trained_segmenter};
use crate::blocks::run::{Trained, train};
use crate::blocks::warm;
use crate::context::Context;
use crate::error::Result;
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

/// Trains one member under `name`.
pub fn member(
    ctx: &Context<'_>,
    name: &str,
    config: &Config,
    prepared: &Prepared,
) -> Result<Trained> {
    let network = config.network();
    let [train_data, val_data, _] = &prepared.data;
    let task = ClassifyTask::new(
        config.classify.clone(),
        config.contract(),
        network.graph(),
        train_data,
        val_data,
        ctx.seed,
    )?;
    let used: Vec<&Sample> = prepared.samples[0]
        .iter()
        .chain(&prepared.samples[1])
        .collect();
    train(
        ctx,
        name,
        &network,
        &task,
        &config.train,
        config,
        &used,
        config
            .start
            .as_deref()
            .map(|model| warm::trunk(ctx, model, &network))
            .transpose()?,
    )
}

/// Trains all members, each from its own seed.
pub fn members(ctx: &Context<'_>, config: &Config, prepared: &Prepared) -> Result<Vec<Trained>> {
    let one = |m: usize| {
        let own = Context {
            seed: ctx.seed + m as u64,
            ..ctx.clone()
        };
        member(&own, "chestx_ray8", config, prepared)
    };
    (0..config.members).map(one).collect()
}
