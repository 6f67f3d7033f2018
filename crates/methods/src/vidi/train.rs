//! Networks of every seed, their groups, and the sheets of the first.

use super::cases::{self, CaseSet, SetName};
use super::config::Config;
use super::groups::{SeedOutcome, of_network};
use super::{NAME, sheet};
use crate::blocks::cells::{Parts, fit};
use crate::blocks::stored;
use crate::blocks::study::OUTCOME;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// What is known of one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetOutcome {
    /// Set.
    pub set: SetName,
    /// Patient of each test picture.
    pub test_patients: Vec<String>,
    /// Whether each test picture shows what the network answers.
    pub test_labels: Vec<bool>,
    /// Patient of each explained picture.
    pub patients: Vec<String>,
    /// Hidden severity of each.
    pub severity: Option<Vec<f64>>,
    /// Hidden subtype of each.
    pub subtype: Option<Vec<usize>>,
    /// One a seed.
    pub seeds: Vec<SeedOutcome>,
}

/// What training leaves for measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One a set.
    pub sets: Vec<SetOutcome>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the real images learned from.
    pub data_hash: String,
    /// Hash of their split.
    pub split_hash: String,
}

/// Runs the study and writes its outcome and a sheet of each set's groups.
///
/// # Errors
/// Missing data, a class that is missing, [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    let (mut sets, mut used, mut paths) = (Vec::new(), Vec::<Sample>::new(), Vec::new());
    for name in SetName::ALL {
        let set = cases::load(ctx, config, name)?;
        let mut outcome = SetOutcome {
            set: name,
            test_patients: set.test.patients.clone(),
            test_labels: set.test.targets.iter().map(|t| t[0] >= 0.5).collect(),
            patients: set.explained.patients.clone(),
            severity: set.severity.clone(),
            subtype: set.subtype.clone(),
            seeds: Vec::new(),
        };
        for s in 0..config.seeds as u64 {
            let own = Context {
                seed: ctx.seed + s,
                ..ctx.clone()
            };
            let (seed, maps) = one(&own, config, &set, s)?;
            if s == 0 {
                paths.extend(sheet::write(ctx, config, &set, &seed, &maps)?);
            }
            outcome.seeds.push(seed);
        }
        sets.push(outcome);
        if name != SetName::Phantom {
            used.extend(set.samples);
        }
    }
    let outcome = Outcome {
        sets,
        seeds: (0..config.seeds as u64).map(|s| ctx.seed + s).collect(),
        data_hash: data_hash(&used, ContentHash::Stated, None)?,
        split_hash: split_hash(&used),
    };
    paths.insert(0, stored::write(ctx, NAME, OUTCOME, &outcome)?);
    Ok(paths)
}

fn one(
    ctx: &Context<'_>,
    config: &Config,
    set: &CaseSet,
    number: u64,
) -> Result<(SeedOutcome, super::groups::Maps)> {
    if ctx.stop.load(Ordering::Relaxed) {
        return Err(MethodError::Stopped);
    }
    let epochs = match set.name {
        SetName::Covid => config.covid_epochs,
        SetName::Phantom => config.phantom_epochs,
        SetName::Paediatric => config.epochs,
    };
    let name = format!("{}-network{number}", set.name.stem());
    eprintln!("{NAME}: {name}");
    let parts = Parts {
        train: &set.train,
        val: &set.val,
        samples: &set.samples,
    };
    let params = fit(ctx, NAME, &name, &config.training(epochs), parts, None)?;
    of_network(config, set, &params, ctx.seed)
}
