//! Cohorts of phantom nodules: drawn, measured by the pipeline as a user's CT would be.

use super::Config;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_chestct::surroundings::measure;
use hilum_chestct::vessels::VesselOptions;
use hilum_chestct::{AirwayOptions, Features, Structures, SurroundingOptions};
use hilum_phantom::block::{Block, BlockPlan, BlockTruth, block};
use hilum_phantom::random::{Draws, Purpose};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// One nodule with what was planted and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Class.
    pub malignant: bool,
    /// Planted.
    pub truth: BlockTruth,
    /// Measured.
    pub features: Features,
}

/// Draws and measures a cohort. Without an effect both classes are drawn alike.
pub fn cohort(ctx: &Context<'_>, config: &Config, effect: bool) -> Result<Vec<Case>> {
    (0..2 * config.nodules)
        .into_par_iter()
        .map(|n| {
            if ctx.stop.load(Ordering::Relaxed) {
                return Err(MethodError::Stopped);
            }
            let malignant = n % 2 == 1;
            let number = 2 * n as u64 + u64::from(effect);
            let (b, features) = drawn(config, malignant && effect, effect, ctx.seed, number)?;
            Ok(Case {
                malignant,
                truth: b.truth,
                features,
            })
        })
        .collect()
}

fn drawn(
    config: &Config,
    malignant: bool,
    effect: bool,
    seed: u64,
    number: u64,
) -> Result<(Block, Features)> {
    // A plan that finds no room is drawn anew.
    for attempt in 0..20 {
        let mut d = Draws::new(seed, Purpose::Block, number, 100 + attempt);
        let plan = plan(config, malignant, effect, &mut d);
        if let Ok(b) = block(&plan, seed, number * 32 + attempt) {
            let features = features(&b)?;
            return Ok((b, features));
        }
    }
    Err(MethodError::Config(format!(
        "no room for what was planned round nodule {number}"
    )))
}

fn plan(config: &Config, malignant: bool, effect: bool, d: &mut Draws) -> BlockPlan {
    // Without an effect each nodule is of either kind with even odds, whatever its label.
    let class = if effect {
        usize::from(malignant)
    } else {
        d.below(2)
    };
    let count = |d: &mut Draws, share: f64| {
        if d.chance(share) {
            1 + usize::from(d.chance(0.3))
        } else {
            0
        }
    };
    let exponential =
        |d: &mut Draws, mean: f64, most: f64| (-mean * (1.0 - d.unit()).ln()).min(most);
    let airways = count(d, config.airway[class]).min(2);
    let vessels = count(d, config.vessel[class]);
    let bronchus = if airways > 0 {
        d.range(8.0, 14.0)
    } else {
        d.normal(config.bronchus_mm[class], 5.0).clamp(6.0, 25.0)
    };
    BlockPlan {
        half: [config.half; 3],
        spacing: config.spacing,
        noise: config.noise,
        radius: d.range(3.5, 8.0),
        pleura: exponential(d, config.pleura_mm[class], 25.0),
        bronchus,
        airways_touching: airways,
        airways_projecting: usize::from(airways == 0 && d.chance(0.1)),
        vessels_touching: vessels,
        vessels_projecting: usize::from(d.chance(0.2)),
        vessel: d.range(2.0, 8.0),
        passing: 3,
    }
}

/// What the pipeline measures of a block: it finds lungs, airways and vessels by itself, from the CT, the nodule's mask and a seed.
pub fn features(b: &Block) -> Result<Features> {
    let structures = Structures::of(
        &b.ct,
        &b.nodule,
        Some(b.seed),
        &AirwayOptions::default(),
        &VesselOptions::default(),
    )?;
    first(measure(
        &b.ct,
        &b.nodule,
        &structures,
        &SurroundingOptions::default(),
    )?)
}

/// What is measured when the structures are known: the geometry alone.
pub fn exact_features(b: &Block, options: &SurroundingOptions) -> Result<Features> {
    let structures = Structures {
        lungs: b.lungs.clone(),
        airways: Ok(hilum_chestct::Airways {
            mask: b.airways.clone(),
            threshold: 0.0,
            leaked: false,
        }),
        vessels: b.vessels.clone(),
    };
    first(measure(&b.ct, &b.nodule, &structures, options)?)
}

fn first(rows: Vec<Features>) -> Result<Features> {
    rows.into_iter().next().ok_or(MethodError::TooFew {
        what: "nodules of a block".into(),
        found: 0,
        needed: 1,
    })
}
