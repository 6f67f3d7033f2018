//! Can AI help in screening viral and COVID-19 pneumonia? (Chowdhury et al., IEEE Access 2020)
//!
//! Reproduced: four CNN families under one protocol (folds by patient, pooled confusion, weighted scores), two and three
//! classes, with and without warped copies that balance the classes, with and without weights learned elsewhere before,
//! maps of the last layer; and what the paper does not ask: how much is left when the lungs are hidden, and on films of
//! another source. Not reproduced: ImageNet weights and 224 pixels (narrow networks learn from scratch at 64 pixels;
//! findings on NIH films stand in for pre-training). COVID-19, viral pneumonia and normal films of the paper come from
//! different sources. Within one source there are normal, bacterial and viral films of children, and COVID-19 or other
//! pneumonias of case reports; the mixture is trained once, to show what its accuracy is worth.

mod cases;
pub mod config;
mod eval;
mod train;

pub use config::Config;

use crate::blocks::study::{Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::curves::Curve;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::path::PathBuf;

const NAME: &str = "covid_screening";

static INFO: MethodInfo = MethodInfo {
    card: Some(49),
    name: NAME,
    title: "Screening viral and COVID-19 pneumonia with CNN families",
    link: "https://arxiv.org/abs/2003.13145",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "augmentation and weights learned before make CNNs better at telling pneumonias apart",
};

/// The method.
pub struct CovidScreening;

impl Study for CovidScreening {
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
        eval::scores(outcome)
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }

    fn curves(outcome: &Self::Outcome) -> Vec<Curve> {
        eval::curves(outcome)
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
            "three_grad_cam.png",
            "covid_grad_cam.png",
            "mixed_grad_cam.png",
        ];
        let a = check_study(&CovidScreening, write_films, &files);
        assert!(a.rows.len() > 20, "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [
            ("kermany_paediatric", "normal", "viral_pneumonia"),
            ("covid_cohen", "COVID-19", "SARS"),
        ];
        check_missing_class(&CovidScreening, write_films, &gone);
    }
}
