//! Five networks, five folds, two sets.

use super::NAME;
use super::cases::{self, CaseSet, SetName};
use super::compare::{self, MapScore};
use super::config::{Config, METHODS};
use super::profiles::{Layer, profiles};
use crate::blocks::cells::{Parts, fit, select};
use crate::blocks::classify::predict;
use crate::blocks::figures::{grey, overlay, png, tiles};
use crate::blocks::stored;
use crate::blocks::study::OUTCOME;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_image::Plane;
use hilum_kernels::{Graph, Params};
use hilum_nn::weights::atomic_write;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Pictures of the sheet.
const SHOWN: usize = 3;

/// What is known of one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetOutcome {
    /// Set.
    pub set: SetName,
    /// Patient of each case.
    pub patients: Vec<String>,
    /// Targets; null is "not labelled".
    pub targets: Vec<Vec<Option<f32>>>,
    /// Names of the networks.
    pub networks: Vec<String>,
    /// Logits of each network for each case that was in no fold it learned from, `[network][case][output]`.
    pub logits: Vec<Vec<Vec<f32>>>,
    /// Figures of the maps.
    pub maps: Vec<MapScore>,
    /// Activation profiles of each network of the first fold.
    pub layers: Vec<Vec<Layer>>,
    /// Images that the profiles stand on, one a patient.
    pub profiled: usize,
}

/// What training leaves for measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One a set.
    pub sets: Vec<SetOutcome>,
    /// Threshold of the votes.
    pub threshold: f64,
    /// Seeds of the folds.
    pub seeds: Vec<u64>,
    /// Hash of the images.
    pub data_hash: String,
    /// Hash of their split.
    pub split_hash: String,
}

/// Runs the study and writes its outcome and its sheets.
///
/// # Errors
/// Missing data, a class that is missing, [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    let (mut sets, mut used, mut paths) = (Vec::new(), Vec::<Sample>::new(), Vec::new());
    for name in SetName::ALL {
        let set = cases::load(ctx, config, name)?;
        let networks = networks(ctx, config, &set)?;
        let (outcome, sheet) = one(ctx, config, &set, &networks)?;
        paths.push(sheet);
        paths.extend(tables(ctx, &outcome)?);
        sets.push(outcome);
        used.extend(set.samples);
    }
    let outcome = Outcome {
        sets,
        threshold: config.threshold,
        seeds: (0..config.folds as u64).map(|f| ctx.seed + f).collect(),
        data_hash: data_hash(&used, ContentHash::Stated, None)?,
        split_hash: split_hash(&used),
    };
    paths.insert(0, stored::write(ctx, NAME, OUTCOME, &outcome)?);
    Ok(paths)
}

type Networks = Vec<(String, Graph, Vec<Params>)>;

fn stopped(ctx: &Context<'_>) -> Result<()> {
    match ctx.stop.load(Ordering::Relaxed) {
        true => Err(MethodError::Stopped),
        false => Ok(()),
    }
}

/// Every network of every fold; fold `f` is measured on, fold `f + 1` selects the epoch, the others are learned from.
fn networks(ctx: &Context<'_>, config: &Config, set: &CaseSet) -> Result<Networks> {
    let epochs = match set.name {
        SetName::Covid => config.covid_epochs,
        SetName::Paediatric => config.paediatric_epochs,
    };
    let mut all = Vec::new();
    for (name, backbone) in &config.networks {
        let training = config.training(backbone, set.name.codes().len(), epochs);
        let mut folds = Vec::new();
        for fold in 0..config.folds {
            stopped(ctx)?;
            let next = (fold + 1) % config.folds;
            let train_at = set.folds.at(|f| f != fold && f != next);
            let val_at = set.folds.at(|f| f == next);
            let samples: Vec<Sample> = train_at
                .iter()
                .chain(&val_at)
                .map(|&i| set.samples[i].clone())
                .collect();
            let (train, val) = (select(&set.data, &train_at), select(&set.data, &val_at));
            let parts = Parts {
                train: &train,
                val: &val,
                samples: &samples,
            };
            let own = Context {
                seed: ctx.seed + fold as u64,
                ..ctx.clone()
            };
            let run = format!("{}-{name}-fold{fold}", set.name.stem());
            eprintln!("{NAME}: {run}");
            folds.push(fit(&own, NAME, &run, &training, parts, None)?);
        }
        all.push((name.clone(), training.network.graph(), folds));
    }
    Ok(all)
}

fn one(
    ctx: &Context<'_>,
    config: &Config,
    set: &CaseSet,
    networks: &Networks,
) -> Result<(SetOutcome, PathBuf)> {
    let held_out = held_out(set, config.folds);
    let images: Vec<(&Plane<u8>, usize)> = held_out
        .iter()
        .filter_map(|&i| {
            Some((
                &set.data.pictures[i].plane,
                set.name.group(&set.samples[i])?,
            ))
        })
        .collect();
    let contract = config.contract();
    let (mut logits, mut layers) = (Vec::new(), Vec::new());
    for (_, graph, folds) in networks {
        stopped(ctx)?;
        logits.push(out_of_fold(config, set, graph, folds)?);
        layers.push(profiles(
            graph,
            &folds[0],
            &contract,
            &images,
            set.name.groups().len(),
            (config.permutations, ctx.seed),
        )?);
    }
    let (maps, pictures) = compare::run(config, set, networks, (ctx.seed, SHOWN), || stopped(ctx))?;
    let sheet = sheet(ctx, set, networks, &pictures)?;
    let known = |row: &Vec<f32>| -> Vec<Option<f32>> {
        row.iter().map(|t| (!t.is_nan()).then_some(*t)).collect()
    };
    let outcome = SetOutcome {
        set: set.name,
        patients: set.data.patients.clone(),
        targets: set.data.targets.iter().map(known).collect(),
        networks: networks.iter().map(|(n, _, _)| n.clone()).collect(),
        logits,
        maps,
        layers,
        profiled: images.len(),
    };
    Ok((outcome, sheet))
}

/// One image of each patient whom the networks of the first fold did not learn from: patients are what may be permuted.
fn held_out(set: &CaseSet, folds: usize) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    set.folds
        .at(|f| f == 0 || f == 1 % folds)
        .into_iter()
        .filter(|&i| seen.insert(set.data.patients[i].clone()))
        .collect()
}

fn out_of_fold(
    config: &Config,
    set: &CaseSet,
    graph: &Graph,
    folds: &[Params],
) -> Result<Vec<Vec<f32>>> {
    let mut out = vec![Vec::new(); set.samples.len()];
    for (fold, params) in folds.iter().enumerate() {
        let at = set.folds.at(|f| f == fold);
        let said = predict(graph, params, &config.contract(), &select(&set.data, &at))?;
        for (i, z) in at.into_iter().zip(said) {
            out[i] = z.into_iter().map(|v| v as f32).collect();
        }
    }
    Ok(out)
}

/// A row a picture and network: the radiograph, then the six maps over it.
fn sheet(
    ctx: &Context<'_>,
    set: &CaseSet,
    networks: &Networks,
    pictures: &[Vec<Vec<Vec<f32>>>],
) -> Result<PathBuf> {
    let mut canvases = Vec::new();
    for (picture, of_networks) in set.explained.iter().zip(pictures) {
        for maps in of_networks {
            canvases.push(grey(&picture.plane));
            for map in maps {
                canvases.push(overlay(&picture.plane, map)?);
            }
        }
    }
    let folder = ctx.run_folder(NAME);
    let path = folder.join(format!("{}_maps.png", set.name.stem()));
    let names: Vec<&str> = networks.iter().map(|(n, _, _)| n.as_str()).collect();
    let columns: Vec<String> = METHODS.iter().map(ToString::to_string).collect();
    let legend = format!(
        "columns: radiograph, {}; rows, for each of {} pictures: {}\n",
        columns.join(", "),
        pictures.len(),
        names.join(", ")
    );
    stored::write_text(&path.with_extension("txt"), &legend)?;
    atomic_write(&path, &png(&tiles(&canvases, METHODS.len() + 1, 2)?)?)?;
    Ok(path)
}

/// Every figure of every map, and every layer's profile, as CSV.
fn tables(ctx: &Context<'_>, outcome: &SetOutcome) -> Result<Vec<PathBuf>> {
    use std::fmt::Write as _;
    let folder = ctx.run_folder(NAME);
    let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
    let mut maps = String::from(
        "network,method,patient,deletion,moved_deletion,insertion,moved_insertion,lung_mass,lung_area,lung_hit,lesion_mass,lesion_area,lesion_hit,random_head,random_all,gap\n",
    );
    for m in &outcome.maps {
        let place = |p: &Option<compare::Place>| match p {
            Some(p) => format!("{:.4},{:.4},{}", p.mass, p.area, u8::from(p.hit)),
            None => ",,".to_owned(),
        };
        let _ = writeln!(
            maps,
            "{},{},{},{:.4},{:.4},{:.4},{:.4},{},{},{},{},{}",
            m.network,
            m.method,
            m.patient,
            m.deletion[0],
            m.deletion[1],
            m.insertion[0],
            m.insertion[1],
            place(&m.lungs),
            place(&m.lesion),
            number(m.random_head),
            number(m.random_all),
            number(m.gap)
        );
    }
    let mut layers = String::from("network,layer,units,dead,between_groups,p,correlations\n");
    for (network, of) in outcome.networks.iter().zip(&outcome.layers) {
        for l in of {
            let c: Vec<String> = l.correlations.iter().map(|c| number(*c)).collect();
            let _ = writeln!(
                layers,
                "{network},{},{},{},{:.4},{:.4},{}",
                l.name,
                l.units,
                l.dead,
                l.between,
                l.p,
                c.join(" ")
            );
        }
    }
    let stem = outcome.set.stem();
    let paths = [
        folder.join(format!("{stem}_maps.csv")),
        folder.join(format!("{stem}_profiles.csv")),
    ];
    stored::write_text(&paths[0], &maps)?;
    stored::write_text(&paths[1], &layers)?;
    Ok(paths.to_vec())
}
