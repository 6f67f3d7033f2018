//! Exploration of interpretability techniques for deep COVID-19 classification using chest X-ray images
//! (Chatterjee et al., J. Imaging 2024).
//!
//! Reproduced: five networks (ResNet-18 and -34, Inception, Inception-ResNet, DenseNet) in five folds by patient, their
//! majority vote, six attributions of each, and neuron activation profiles with dead units; beyond the paper's pictures,
//! deletion and insertion curves against the same maps moved elsewhere, mass and peak in the lungs and in lesions drawn
//! by readers, and maps of random weights. Not reproduced: 512 pixels and ImageNet weights (narrow networks learn from
//! scratch at 64 pixels), the SHAP variant of DeepLIFT, and healthy films of another source beside COVID: each set is
//! compared within itself, since the source would tell the label.

mod cases;
mod compare;
pub mod config;
mod eval;
mod profiles;
mod train;

pub use config::Config;

use crate::blocks::study::{Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::curves::Curve;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use std::path::PathBuf;

const NAME: &str = "covid_interpretability";

static INFO: MethodInfo = MethodInfo {
    card: Some(20),
    name: NAME,
    title: "Interpretability techniques for deep COVID-19 classification",
    link: "https://arxiv.org/abs/2006.02570",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "a majority vote of five networks is better than its members, and attributions show what they look at",
};

/// The method.
pub struct CovidInterpretability;

impl Study for CovidInterpretability {
    type Config = Config;
    type Outcome = train::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        train::run(ctx, config)
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
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
            "covid_maps.csv",
            "covid_maps.png",
            "covid_profiles.csv",
            "paediatric_maps.png",
        ];
        let a = check_study(&CovidInterpretability, write_films, &files);
        assert!(a.rows.len() > 20, "{}", a.table());
        assert_eq!(a.curves.len(), 4, "a ROC plot and a matrix a set");
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [
            ("kermany_paediatric", "normal", "viral_pneumonia"),
            ("covid_cohen", "COVID-19", "SARS"),
        ];
        check_missing_class(&CovidInterpretability, write_films, &gone);
    }
}
