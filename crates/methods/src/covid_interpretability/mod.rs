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

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

const NAME: &str = "covid_interpretability";
const FILE: &str = "outcome.json";

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

impl CovidInterpretability {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for CovidInterpretability {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        train::run(ctx, &Self::config(ctx))
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::regions::samples::{context, write_films};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_what_it_promises_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        write_films(dir.path());
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let a = CovidInterpretability.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 20, "{}", a.table());
        let folder = ctx.run_folder(INFO.name);
        for file in [
            "outcome.json",
            "covid_maps.csv",
            "covid_maps.png",
            "covid_profiles.csv",
            "paediatric_maps.png",
        ] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        // From the weights that are there, and from nothing.
        assert_eq!(a, CovidInterpretability.reproduce(&ctx).unwrap());
        std::fs::remove_dir_all(ctx.run_folder(INFO.name)).unwrap();
        assert_eq!(a, CovidInterpretability.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do_and_a_stop_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let ctx = context(dir.path(), &stop);
        let train = CovidInterpretability.train(&ctx);
        assert!(matches!(train, Err(MethodError::NoData { .. })));
        let eval = CovidInterpretability.eval(&ctx);
        assert!(matches!(eval, Err(MethodError::NoModel(_))));
        write_films(dir.path());
        let stopped = CovidInterpretability.train(&ctx);
        assert!(matches!(stopped, Err(MethodError::Stopped)), "{stopped:?}");
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        write_films(dir.path());
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        for (set, from, to) in [
            ("kermany_paediatric", "normal", "viral_pneumonia"),
            ("covid_cohen", "COVID-19", "SARS"),
        ] {
            let path = dir.path().join(format!("manifests/{set}.csv"));
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
        let error = CovidInterpretability.train(&ctx).unwrap_err();
        assert!(matches!(error, MethodError::TooFew { .. }), "{error}");
    }
}
