//! Data and training of the lung and heart segmenter.

use super::config::{Config, SETS, STRUCTURES};
use crate::blocks::pictures::{Lungs, load_pictures};
use crate::blocks::run::{Trained, train};
use crate::blocks::segment::{SegmentData, SegmentTask};
use crate::context::Context;
use crate::error::Result;
use hilum_data::{Sample, Split};

/// Samples with at least one of the two structures, frontal, of all sets.
pub fn samples(ctx: &Context<'_>) -> Result<Vec<Sample>> {
    let all = ctx.samples("lungs_heart", &SETS)?;
    let masked = |s: &Sample| STRUCTURES.iter().any(|m| !s.mask_parts(m).is_empty());
    Ok(all.into_iter().filter(masked).collect())
}

/// The samples of one split.
pub fn of_split(samples: &[Sample], split: Split) -> Vec<Sample> {
    samples
        .iter()
        .filter(|s| s.split == Some(split))
        .cloned()
        .collect()
}

/// Pictures with masks of `samples`.
pub fn load(samples: &[Sample], config: &Config) -> Result<SegmentData> {
    let pictures = load_pictures(samples, &config.contract(), Lungs::None, &STRUCTURES)?;
    let group = |s: &Sample| SETS.iter().position(|name| *name == s.set).unwrap_or(0);
    Ok(SegmentData {
        pictures,
        groups: samples.iter().map(group).collect(),
    })
}

/// Trains, or goes on, and gives the best weights.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Trained> {
    config.validate()?;
    let all = samples(ctx)?;
    let train_samples = ctx.limit(of_split(&all, Split::Train), 12);
    let val_samples = ctx.limit(of_split(&all, Split::Val), 6);
    let (train_data, val_data) = (load(&train_samples, config)?, load(&val_samples, config)?);
    let network = config.network();
    let contract = config.contract();
    let task = SegmentTask::new(
        config.segment.clone(),
        contract,
        network.graph(),
        &train_data,
        &val_data,
        SETS.map(str::to_owned).to_vec(),
        STRUCTURES.map(str::to_owned).to_vec(),
        ctx.seed,
    )?;
    let used: Vec<&Sample> = train_samples.iter().chain(&val_samples).collect();
    train(
        ctx,
        "lungs_heart",
        &network,
        &task,
        &config.train,
        config,
        &used,
        None,
    )
}
