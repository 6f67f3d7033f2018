//! All sets, one after the other; each set's outcome is kept, so that a stopped study goes on.

use super::cases::{self, CaseSet, SetName};
use super::config::Config;
use super::grid::{self, Grid};
use super::inside::{self, Embedded, Looked};
use super::metadata::{self, Blind};
use super::{NAME, show};
use crate::blocks::cells::select;
use crate::blocks::stored;
use crate::blocks::study::OUTCOME;
use crate::context::Context;
use crate::error::Result;
use hilum_audit::Condition;
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that is known of one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetOutcome {
    /// The table.
    pub grid: Grid,
    /// SHAP of networks.
    pub looked: Vec<Looked>,
    /// Embeddings; none for controls.
    pub embedded: Option<Embedded>,
    /// Metadata alone, where there are any.
    pub blind: Option<Blind>,
}

/// What training leaves for measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One a set.
    pub sets: Vec<SetOutcome>,
    /// Share of absolute SHAP inside the region on images of the planted set, by the planted network and by the one that
    /// learned pneumonia.
    pub planted_inside: [Vec<f64>; 2],
    /// Patients of those images.
    pub planted_patients: Vec<String>,
    /// Seeds of the folds.
    pub seeds: Vec<u64>,
    /// Hash of the real images.
    pub data_hash: String,
    /// Hash of their split.
    pub split_hash: String,
}

/// Runs the study and writes its outcome and its pictures.
///
/// # Errors
/// Missing data, one class only, [`crate::MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    let mut sets = Vec::new();
    let mut real: Vec<Sample> = Vec::new();
    let mut paths = Vec::new();
    let mut children: Option<grid::Trained> = None;
    let (mut planted_inside, mut planted_patients) = ([Vec::new(), Vec::new()], Vec::new());
    for name in SetName::ALL {
        let set = cases::load(ctx, config, name)?;
        let trained = grid::run(ctx, config, &set)?;
        let conditions = match name {
            SetName::Planted => vec![Condition::Full],
            _ => vec![
                Condition::Full,
                Condition::NoRegionBox,
                Condition::OnlyRegion,
            ],
        };
        let (looked, shown) = inside::look(config, &set, &trained, &conditions)?;
        paths.extend(show::maps(ctx, name, &shown)?);
        if let (SetName::Planted, Some(children)) = (name, &children) {
            planted_inside = both_inside(config, &set, &trained, children)?;
            planted_patients.clone_from(&looked[0].patients);
        }
        let embedded = match name.is_control() {
            true => None,
            false => Some(inside::embed(config, &set, &trained)?),
        };
        let outcome = SetOutcome {
            blind: metadata::blind(ctx, &set)?,
            grid: trained.grid.clone(),
            looked,
            embedded,
        };
        paths.extend(show::tables(ctx, &outcome)?);
        sets.push(outcome);
        if !name.is_control() {
            real.extend(set.samples.iter().cloned());
        }
        if name == SetName::Paediatric {
            children = Some(trained);
        }
    }
    let outcome = Outcome {
        sets,
        planted_inside,
        planted_patients,
        seeds: (0..config.folds as u64).map(|f| ctx.seed + f).collect(),
        data_hash: data_hash(&real, ContentHash::Stated, None)?,
        split_hash: split_hash(&real),
    };
    paths.insert(0, stored::write(ctx, NAME, OUTCOME, &outcome)?);
    Ok(paths)
}

/// Attribution inside the region on the same pictures: by the network that learned the marker, and by the one that
/// learned pneumonia.
fn both_inside(
    config: &Config,
    planted: &CaseSet,
    trained: &grid::Trained,
    children: &grid::Trained,
) -> Result<[Vec<f64>; 2]> {
    let own = inside::look(config, planted, trained, &[Condition::Full])?.0;
    let as_children = CaseSet {
        name: SetName::Paediatric,
        samples: planted.samples.clone(),
        data: select(&planted.data, &(0..planted.data.len()).collect::<Vec<_>>()),
        left_out: 0,
        metadata: Vec::new(),
    };
    let shifted = grid::Trained {
        grid: children.grid.clone(),
        first: children.first.clone(),
        learned: trained.learned.clone(),
    };
    let other = inside::look(config, &as_children, &shifted, &[Condition::Full])?.0;
    Ok([own, other].map(|l| l.into_iter().next().map(|l| l.inside).unwrap_or_default()))
}
