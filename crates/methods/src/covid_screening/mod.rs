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

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

const NAME: &str = "covid_screening";
const FILE: &str = "outcome.json";

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

impl CovidScreening {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for CovidScreening {
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
        let a = CovidScreening.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 20, "{}", a.table());
        let folder = ctx.run_folder(INFO.name);
        for file in [
            "outcome.json",
            "three_grad_cam.png",
            "covid_grad_cam.png",
            "mixed_grad_cam.png",
        ] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        // From the weights that are there, and from nothing.
        assert_eq!(a, CovidScreening.reproduce(&ctx).unwrap());
        std::fs::remove_dir_all(ctx.run_folder(INFO.name)).unwrap();
        assert_eq!(a, CovidScreening.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do_and_a_stop_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let ctx = context(dir.path(), &stop);
        let train = CovidScreening.train(&ctx);
        assert!(matches!(train, Err(MethodError::NoData { .. })));
        let eval = CovidScreening.eval(&ctx);
        assert!(matches!(eval, Err(MethodError::NoModel(_))));
        write_films(dir.path());
        let stopped = CovidScreening.train(&ctx);
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
        let error = CovidScreening.train(&ctx).unwrap_err();
        assert!(matches!(error, MethodError::TooFew { .. }), "{error}");
    }
}
