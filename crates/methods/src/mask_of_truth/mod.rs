//! Mask of truth: model sensitivity to unexpected regions of medical images (Sourget et al. 2024).
//!
//! Reproduced: five versions of every image (whole; without the region or its box; the region or its box alone), networks
//! trained on each and tested on each in five folds by patient with a test split of their own, AUROC with DeLong's test
//! between cells, wider masks, SHAP, embeddings, a model of metadata alone; and two controls whose answer is known, a
//! marker planted in a corner and phantoms with an opacity inside the lungs alone. Not reproduced: PadChest and Chaksu (not at
//! hand: films of children, NIH films and Drishti fundi stand in), ImageNet weights (networks learn from scratch, at 96
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

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

const NAME: &str = "mask_of_truth";
const FILE: &str = "outcome.json";

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

impl MaskOfTruth {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for MaskOfTruth {
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
        let a = MaskOfTruth.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 20, "{}", a.table());
        let folder = ctx.run_folder(INFO.name);
        for file in [
            "outcome.json",
            "paediatric_grid.csv",
            "paediatric_grid.svg",
            "nih_embeddings.svg",
            "fundus_grid.csv",
            "planted_shap.png",
            "phantom_grid.svg",
        ] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        // From the weights that are there, and from nothing.
        assert_eq!(a, MaskOfTruth.reproduce(&ctx).unwrap());
        std::fs::remove_dir_all(ctx.run_folder(INFO.name)).unwrap();
        assert_eq!(a, MaskOfTruth.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do_and_a_stop_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let ctx = context(dir.path(), &stop);
        let train = MaskOfTruth.train(&ctx);
        assert!(matches!(train, Err(MethodError::NoData { .. })));
        let eval = MaskOfTruth.eval(&ctx);
        assert!(matches!(eval, Err(MethodError::NoModel(_))));
        write_films(dir.path());
        let stopped = MaskOfTruth.train(&ctx);
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
        let error = MaskOfTruth.train(&ctx).unwrap_err();
        assert!(matches!(error, MethodError::TooFew { .. }), "{error}");
    }
}
