//! Breast density across reconstructions (Gupta et al. 2022).
//!
//! Reproduced: a network for each acquisition and one for all, every network tested on every acquisition; a pooled
//! set of one acquisition's size as a control; scores that know that densities are ordered. Not reproduced: the private
//! screening examinations and their reconstructions (mini-MIAS mammograms through three display chains stand in, so a
//! woman's "reconstructions" show the same film), BI-RADS' four classes (the set has three), Inception-v3 from
//! ImageNet (a small Inception from scratch). Women of the training and validation splits, answered for by folds; the test
//! split is not asked.

pub mod chains;
pub mod config;
mod eval;
mod grid;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "outcome.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(53),
    name: "breast_density",
    title: "A multi-reconstruction study of breast density estimation",
    link: "https://arxiv.org/abs/2202.08238",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "one network trained on all reconstructions beats one network for each",
};

/// The method.
pub struct BreastDensity;

impl BreastDensity {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for BreastDensity {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let outcome = grid::run(ctx, &Self::config(ctx))?;
        let mut paths = vec![stored::write(ctx, INFO.name, FILE, &outcome)?];
        paths.extend(eval::show(ctx, INFO.name, &outcome)?);
        Ok(paths)
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, context_in, mammograms};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let stop = AtomicBool::new(false);
        let data = tempfile::tempdir().unwrap();
        mammograms(data.path());
        let run = || {
            let runs = tempfile::tempdir().unwrap();
            let ctx = context_in(data.path(), runs.path(), &stop);
            BreastDensity.reproduce(&ctx).unwrap()
        };
        let a = run();
        assert_eq!(a.rows.len(), 7 + 15, "{}", a.table());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
        assert_eq!(a, run());
    }

    #[test]
    fn what_is_missing_is_named_and_a_stop_is_seen() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        assert!(matches!(
            BreastDensity.train(&ctx),
            Err(MethodError::NoData { .. })
        ));
        assert!(matches!(
            BreastDensity.eval(&ctx),
            Err(MethodError::NoModel(_))
        ));
        mammograms(dir.path());
        let path = dir.path().join("manifests/mammo_mias.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("dense-glandular", "unstated")).unwrap();
        let told = BreastDensity.train(&ctx).unwrap_err().to_string();
        assert!(told.contains("no density"), "{told}");
        std::fs::write(&path, text).unwrap();
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(matches!(
            BreastDensity.train(&ctx),
            Err(MethodError::Stopped)
        ));
    }
}
