//! Trained on five conditions, tested on five: the paper's table.

use super::cases::{CaseSet, SetName};
use super::config::Config;
use crate::blocks::cells::{Folds, Parts, fit, select};
use crate::blocks::classify::{ClassifyData, predict};
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::scores::Score;
use hilum_audit::{Condition, Masking};
use hilum_data::Sample;
use hilum_kernels::Params;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Logits of one network on one version of the test split: `[case][output]`.
pub type Logits = Vec<Vec<f32>>;

/// What a set's networks said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Set.
    pub set: SetName,
    /// Patient of each test case.
    pub patients: Vec<String>,
    /// Targets of each test case; null is "not labelled".
    pub targets: Vec<Vec<Option<f32>>>,
    /// `[fold][trained on][tested on]`.
    pub logits: Vec<Vec<Vec<Logits>>>,
    /// Of the networks that saw whole images: `[fold][spread]` on images without the widened region.
    pub widened: Vec<Vec<Logits>>,
    /// Mean share of the picture that is hidden at each spread.
    pub hidden: Vec<f64>,
    /// Images learned from and validated on.
    pub learned: usize,
    /// Images left out for want of a region.
    pub left_out: usize,
}

impl Grid {
    /// What networks of whole images said of the labelled whole test images, by the folds' mean logit.
    pub fn scores(&self) -> Vec<Score> {
        let full = Condition::ALL
            .iter()
            .position(|c| *c == Condition::Full)
            .unwrap_or(0);
        let mut scores = Vec::new();
        for (k, code) in self.set.codes().iter().enumerate() {
            for (i, targets) in self.targets.iter().enumerate() {
                let Some(label) = targets[k] else { continue };
                let sum: f64 = self
                    .logits
                    .iter()
                    .map(|f| f64::from(f[full][full][i][k]))
                    .sum();
                scores.push(Score::of_logit(
                    format!("{}: {code}", self.set.name()),
                    self.patients[i].clone(),
                    label >= 0.5,
                    sum / self.logits.len() as f64,
                ));
            }
        }
        scores
    }
}

/// Pictures with the region hidden or shown alone; hidden pixels are black, as in the paper.
///
/// # Errors
/// A picture without a region.
pub fn masked(data: &ClassifyData, masking: Masking) -> Result<ClassifyData> {
    let mut out = data.clone();
    for picture in &mut out.pictures {
        let Some(Some(region)) = picture.masks.first() else {
            return Err(MethodError::Config("a picture has no region".to_owned()));
        };
        picture.plane = masking.apply(&picture.plane, region, 0)?;
    }
    Ok(out)
}

/// A set with its folds and the networks of its first fold that saw whole images and boxes without the region.
pub struct Trained {
    /// What was said.
    pub grid: Grid,
    /// Network of the first fold, by condition.
    pub first: Vec<Params>,
    /// Indices that the first fold learned from.
    pub learned: Vec<usize>,
}

/// Trains and asks all networks of a set.
///
/// # Errors
/// [`MethodError::Stopped`]; data that cannot be learned from.
pub fn run(ctx: &Context<'_>, config: &Config, set: &CaseSet) -> Result<Trained> {
    let folds = set.folds(config.folds, ctx.seed)?;
    let used = match set.name.is_control() {
        true => config.control_folds,
        false => config.folds,
    };
    let test = select(&set.data, &set.test());
    let versions: Vec<ClassifyData> = Condition::ALL
        .iter()
        .map(|&c| masked(&test, c.into()))
        .collect::<Result<_>>()?;
    let widened: Vec<ClassifyData> = config
        .spreads
        .iter()
        .map(|&spread| {
            let condition = Condition::NoRegion;
            masked(&test, Masking { condition, spread })
        })
        .collect::<Result<_>>()?;
    let hidden = config
        .spreads
        .iter()
        .map(|&spread| hidden_share(&test, spread))
        .collect::<Result<_>>()?;
    let mut grid = Grid {
        set: set.name,
        patients: test.patients.clone(),
        targets: test
            .targets
            .iter()
            .map(|row| row.iter().map(|t| (!t.is_nan()).then_some(*t)).collect())
            .collect(),
        logits: Vec::new(),
        widened: Vec::new(),
        hidden,
        learned: folds.at(|_| true).len(),
        left_out: set.left_out,
    };
    let mut first = Vec::new();
    for fold in 0..used {
        let nets = fold_networks(ctx, config, set, &folds, fold)?;
        let ask = |params: &Params, data: &ClassifyData| said(config, set, params, data);
        grid.logits.push(
            nets.iter()
                .map(|params| versions.iter().map(|v| ask(params, v)).collect())
                .collect::<Result<_>>()?,
        );
        grid.widened.push(
            widened
                .iter()
                .map(|v| ask(&nets[0], v))
                .collect::<Result<_>>()?,
        );
        if fold == 0 {
            first = nets;
        }
    }
    Ok(Trained {
        grid,
        first,
        learned: folds.at(|f| f != 0),
    })
}

/// One network a condition, of one fold.
fn fold_networks(
    ctx: &Context<'_>,
    config: &Config,
    set: &CaseSet,
    folds: &Folds,
    fold: usize,
) -> Result<Vec<Params>> {
    let (train, val) = (folds.at(|f| f != fold), folds.at(|f| f == fold));
    let samples: Vec<Sample> = train
        .iter()
        .chain(&val)
        .map(|&i| set.samples[i].clone())
        .collect();
    let own = Context {
        seed: ctx.seed + fold as u64,
        ..ctx.clone()
    };
    let parts = [select(&set.data, &train), select(&set.data, &val)];
    let epochs = match set.name {
        SetName::Paediatric => config.epochs,
        SetName::Planted | SetName::Phantom => config.control_epochs,
        _ => config.small_epochs,
    };
    Condition::ALL
        .iter()
        .map(|&condition| {
            if ctx.stop.load(Ordering::Relaxed) {
                return Err(MethodError::Stopped);
            }
            let name = format!("{}-{}-fold{fold}", set.name.stem(), condition.name());
            eprintln!("mask_of_truth: {name}");
            let training = config.training(
                set.name.codes().len(),
                epochs,
                format!("{} {}", set.name.stem(), condition.name()),
            );
            let train = masked(&parts[0], condition.into())?;
            let val = masked(&parts[1], condition.into())?;
            let parts = Parts {
                train: &train,
                val: &val,
                samples: &samples,
            };
            fit(&own, super::NAME, &name, &training, parts, None)
        })
        .collect()
}

fn said(config: &Config, set: &CaseSet, params: &Params, data: &ClassifyData) -> Result<Logits> {
    let training = config.training(set.name.codes().len(), 1, String::new());
    let logits = predict(&training.network.graph(), params, &config.contract(), data)?;
    Ok(logits
        .into_iter()
        .map(|z| z.into_iter().map(|v| v as f32).collect())
        .collect())
}

fn hidden_share(data: &ClassifyData, spread: i32) -> Result<f64> {
    let mut sum = 0.0;
    for picture in &data.pictures {
        let Some(Some(region)) = picture.masks.first() else {
            return Err(MethodError::Config("a picture has no region".to_owned()));
        };
        let masking = Masking {
            condition: Condition::NoRegion,
            spread,
        };
        let hidden = masking.hidden(region)?;
        sum += hidden.count() as f64 / hidden.data.len() as f64;
    }
    Ok(sum / data.len().max(1) as f64)
}
