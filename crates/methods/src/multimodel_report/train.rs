//! One network an abnormality, each on its own bands.

use super::config::{Abnormality, Band, Config};
use crate::blocks::classify::{ClassifyData, ClassifyTask, classify_data};
use crate::blocks::pictures::{Lungs, Picture};
use crate::blocks::run::train;
use crate::context::Context;
use crate::error::Result;
use hilum_data::{Sample, Split};
use hilum_image::Plane;
use hilum_kernels::Params;
use std::path::PathBuf;

/// Sets that label all the abnormalities.
const SETS: [&str; 2] = ["nih14", "nih14_64px"];

/// Whole images with one target an abnormality.
pub struct Data {
    /// Samples of train, val and test.
    pub samples: [Vec<Sample>; 3],
    /// Their pictures.
    pub data: [ClassifyData; 3],
}

/// Loads the three splits.
pub fn prepare(ctx: &Context<'_>, config: &Config) -> Result<Data> {
    config.validate()?;
    let all = ctx.samples("multimodel_report", &SETS)?;
    let of = |split: Split, tiny: usize| {
        let own = all
            .iter()
            .filter(|s| s.split == Some(split))
            .cloned()
            .collect();
        ctx.limit(own, tiny)
    };
    let samples = [
        of(Split::Train, 64),
        of(Split::Val, 64),
        of(Split::Test, 64),
    ];
    let codes: Vec<&str> = config
        .abnormalities
        .iter()
        .map(|a| a.code.as_str())
        .collect();
    let contract = config.contract();
    let load = |s: &[Sample]| classify_data(s, &codes, &contract, Lungs::None);
    let data = [load(&samples[0])?, load(&samples[1])?, load(&samples[2])?];
    Ok(Data { samples, data })
}

/// The pictures cut to `bands`, with the target of abnormality `k` alone.
pub fn banded(config: &Config, data: &ClassifyData, k: usize, bands: &[Band]) -> ClassifyData {
    let rows = config.rows(bands);
    let cut = |p: &Picture| {
        let plane = Plane::from_fn(p.plane.width, rows.len(), |x, y| {
            p.plane.row(rows.start + y)[x]
        });
        Picture { plane, ..p.clone() }
    };
    ClassifyData {
        pictures: data.pictures.iter().map(cut).collect(),
        targets: data.targets.iter().map(|t| vec![t[k]]).collect(),
        patients: data.patients.clone(),
    }
}

/// A trained network of one abnormality.
pub struct One {
    /// Weights.
    pub params: Params,
    /// Bands that it sees.
    pub bands: Vec<Band>,
    /// Its best weights on disk.
    pub path: PathBuf,
    /// Hashes of data and split.
    pub hashes: (String, String),
}

/// What a run depends on: its own entry and nothing of the others, so that adding one changes no other.
#[derive(serde::Serialize)]
struct OneConfig<'a> {
    entry: &'a Abnormality,
    whole: bool,
    size: usize,
    backbone: &'a hilum_nn::backbones::Backbone,
    classify: &'a crate::blocks::classify::ClassifyConfig,
    train: &'a hilum_nn::train::TrainConfig,
}

/// Trains the network of abnormality `k` on its bands, or on the whole image for the comparison.
pub fn one(
    ctx: &Context<'_>,
    config: &Config,
    data: &Data,
    k: usize,
    on_bands: bool,
) -> Result<One> {
    let entry = &config.abnormalities[k];
    let whole = [Band::Upper, Band::Middle, Band::Lower];
    let bands: &[Band] = if on_bands { &entry.bands } else { &whole };
    let own = |d: &ClassifyData| banded(config, d, k, bands);
    let (train_data, val_data) = (own(&data.data[0]), own(&data.data[1]));
    let network = config.network();
    let task = ClassifyTask::new(
        config.classify.clone(),
        config.band_contract(bands),
        network.graph(),
        &train_data,
        &val_data,
        ctx.seed,
    )?;
    let kind = if on_bands { "" } else { "-whole" };
    let name = format!("multimodel_report-{}{kind}", entry.code);
    let identity = OneConfig {
        entry,
        whole: !on_bands,
        size: config.size,
        backbone: &config.backbone,
        classify: &config.classify,
        train: &config.train,
    };
    let used: Vec<&Sample> = data.samples[0].iter().chain(&data.samples[1]).collect();
    let trained = train(
        ctx,
        &name,
        &network,
        &task,
        &config.train,
        &identity,
        &used,
        None,
    )?;
    Ok(One {
        params: trained.params,
        bands: bands.to_vec(),
        path: ctx.run_folder(&name).join("best.safetensors"),
        hashes: (trained.info.data_hash, trained.info.split_hash),
    })
}
