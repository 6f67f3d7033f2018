//! ViDi: descriptive visual data clustering as radiologist assistant in COVID-19 streamline diagnostic
//! (Ravi, Khoshrou and Pechenizkiy 2020).
//!
//! Reproduced: a VGG, DeepSHAP of the class that it says, groups of images by these maps, a page that describes each group
//! by its mean favourable and unfavourable map and its most typical members, and whether such groups are more alike in
//! severity than groups by pixels or by features. The paper's clustering algorithm, map resolution and references could
//! not be verified; k-means over block means of the positive and negative parts, with the number of groups chosen by
//! silhouette, are choices made here. Not reproduced: VGG-19 with ImageNet weights (a narrow VGG learns from scratch at 64
//! pixels), and one network over COVID, pneumonia and normal films of several sources: each set is alone.

mod cases;
pub mod config;
mod eval;
mod groups;
mod sheet;
mod train;

pub use config::Config;

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

const NAME: &str = "vidi";
const FILE: &str = "outcome.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(55),
    name: NAME,
    title: "ViDi: descriptive clusters of X-rays by model explanations",
    link: "https://arxiv.org/abs/2011.14871",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "groups of images by DeepSHAP are more alike in severity than groups by pixels or features",
};

/// The method.
pub struct Vidi;

impl Vidi {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for Vidi {
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
        let a = Vidi.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 20, "{}", a.table());
        let folder = ctx.run_folder(INFO.name);
        for file in [
            "outcome.json",
            "paediatric_groups.html",
            "paediatric_group1.png",
            "covid_groups.html",
            "phantom_groups.html",
        ] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        // From the weights that are there, and from nothing.
        assert_eq!(a, Vidi.reproduce(&ctx).unwrap());
        std::fs::remove_dir_all(ctx.run_folder(INFO.name)).unwrap();
        assert_eq!(a, Vidi.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do_and_a_stop_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let ctx = context(dir.path(), &stop);
        let train = Vidi.train(&ctx);
        assert!(matches!(train, Err(MethodError::NoData { .. })));
        let eval = Vidi.eval(&ctx);
        assert!(matches!(eval, Err(MethodError::NoModel(_))));
        write_films(dir.path());
        let stopped = Vidi.train(&ctx);
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
        let error = Vidi.train(&ctx).unwrap_err();
        assert!(matches!(error, MethodError::TooFew { .. }), "{error}");
    }
}
