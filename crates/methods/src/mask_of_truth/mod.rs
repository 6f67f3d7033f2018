//! Mask of truth: model sensitivity to unexpected regions of medical images (Sourget et al. 2024).
//!
//! Reproduced: five versions of every image (whole; without the region or its box; the region or its box alone), networks
//! trained on each and tested on each in five folds by patient with a test split of their own, AUROC with DeLong's test
//! between cells, wider masks, SHAP, embeddings, a model of metadata alone; and two controls whose answer is known, a
//! marker planted in a corner and phantoms with an opacity inside the lungs alone. Not reproduced: PadChest and Chaksu (not at
//! hand: films of children, NIH films and Drishti fundi stand in), ImageNet weights (networks learn from scratch, at 64
//! pixels), t-SNE (principal components instead) and the reading by a radiology resident.

mod cases;
pub mod config;
mod eval;
mod grid;
mod inside;
mod metadata;
mod show;
mod train;

pub use config::Config;

use crate::blocks::study::{Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::path::PathBuf;

const NAME: &str = "mask_of_truth";

static INFO: MethodInfo = MethodInfo {
    card: Some(6),
    name: NAME,
    title: "Mask of truth: sensitivity to unexpected regions",
    link: "https://arxiv.org/abs/2412.04030",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "networks answer above chance whatever is hidden, and better without the lungs than with nothing but them",
};

/// The method.
pub struct MaskOfTruth;

impl Study for MaskOfTruth {
    type Config = Config;
    type Outcome = train::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        train::run(ctx, config)
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
    }

    fn scores(outcome: &Self::Outcome) -> Vec<Score> {
        outcome.sets.iter().flat_map(|s| s.grid.scores()).collect()
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{check_missing_class, check_study};
    use crate::blocks::regions::samples::write_films;

    #[test]
    fn the_tiny_run_writes_what_it_promises_and_is_the_same_twice() {
        let files = [
            "outcome.json",
            "paediatric_grid.csv",
            "paediatric_grid.svg",
            "nih_embeddings.svg",
            "fundus_grid.csv",
            "planted_shap.png",
            "phantom_grid.svg",
        ];
        let a = check_study(&MaskOfTruth, write_films, &files);
        assert!(a.rows.len() > 20, "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [
            ("kermany_paediatric", "normal", "viral_pneumonia"),
            ("covid_cohen", "COVID-19", "SARS"),
        ];
        check_missing_class(&MaskOfTruth, write_films, &gone);
    }
}
