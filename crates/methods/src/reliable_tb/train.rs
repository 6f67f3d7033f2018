//! Data and training of the shipped model.

use super::config::{CODES, Config, SET};
use crate::blocks::classify::{ClassifyData, ClassifyTask, classify_data};
use crate::blocks::pictures::Lungs;
use crate::blocks::run::{Trained, train};
use crate::context::Context;
use crate::error::Result;
use hilum_data::{Sample, Split};
use hilum_nn::InputContract;
use hilum_nn::backbones::Backbone;
use hilum_nn::train::TrainConfig;

/// Samples of train, val and test with their pictures and targets.
pub struct Prepared {
    /// Samples.
    pub samples: [Vec<Sample>; 3],
    /// Pictures and targets.
    pub data: [ClassifyData; 3],
}

/// Samples of the three splits.
pub fn samples(ctx: &Context<'_>) -> Result<[Vec<Sample>; 3]> {
    let all = ctx.samples("reliable_tb", &[SET])?;
    let of = |split: Split, tiny: usize| {
        let own = all
            .iter()
            .filter(|s| s.split == Some(split))
            .cloned()
            .collect();
        ctx.limit(own, tiny)
    };
    Ok([
        of(Split::Train, 48),
        of(Split::Val, 32),
        of(Split::Test, 32),
    ])
}

/// Pictures of the three splits under `contract`.
pub fn load(
    samples: [Vec<Sample>; 3],
    contract: &InputContract,
    lungs: Lungs<'_>,
) -> Result<Prepared> {
    let of = |s: &[Sample]| classify_data(s, &CODES, contract, lungs);
    let data = [of(&samples[0])?, of(&samples[1])?, of(&samples[2])?];
    Ok(Prepared { samples, data })
}

/// The shipped model's pictures.
pub fn prepare(ctx: &Context<'_>, config: &Config) -> Result<Prepared> {
    load(samples(ctx)?, &config.contract(), Lungs::None)
}

/// Trains one network under `name`.
pub fn one(
    ctx: &Context<'_>,
    name: &str,
    config: &Config,
    backbone: &Backbone,
    contract: &InputContract,
    settings: &TrainConfig,
    prepared: &Prepared,
) -> Result<Trained> {
    let network = config.network(backbone);
    let [train_data, val_data, _] = &prepared.data;
    let task = ClassifyTask::new(
        config.classify.clone(),
        contract.clone(),
        network.graph(),
        train_data,
        val_data,
        ctx.seed,
    )?;
    let used: Vec<&Sample> = prepared.samples[0]
        .iter()
        .chain(&prepared.samples[1])
        .collect();
    train(ctx, name, &network, &task, settings, config, &used, None)
}

/// Trains the members of the shipped model.
pub fn members(ctx: &Context<'_>, config: &Config, prepared: &Prepared) -> Result<Vec<Trained>> {
    let member = |m: usize| {
        let own = Context {
            seed: ctx.seed + m as u64,
            ..ctx.clone()
        };
        let contract = config.contract();
        one(
            &own,
            "reliable_tb",
            config,
            &config.backbone,
            &contract,
            &config.train,
            prepared,
        )
    };
    (0..config.members).map(member).collect()
}
