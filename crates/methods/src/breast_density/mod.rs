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
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::path::PathBuf;

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

impl Study for BreastDensity {
    type Config = Config;
    type Outcome = grid::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = grid::run(ctx, config)?;
        let mut paths = vec![stored::write(ctx, INFO.name, OUTCOME, &outcome)?];
        paths.extend(eval::show(ctx, INFO.name, &outcome)?);
        Ok(paths)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{check_missing_class, check_study, context, mammograms, relabel};
    use crate::method::Method;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let files = ["outcome.json", "grid.svg", "confusion.csv"];
        let a = check_study(&BreastDensity, mammograms, &files);
        assert_eq!(a.rows.len(), 7 + 15, "{}", a.table());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn a_density_that_is_missing_is_named() {
        let gone = [("mammo_mias", "dense-glandular", "fatty")];
        check_missing_class(&BreastDensity, mammograms, &gone);
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        mammograms(dir.path());
        relabel(dir.path(), "mammo_mias", "dense-glandular", "unstated");
        let told = BreastDensity
            .train(&context(dir.path(), &stop))
            .unwrap_err();
        assert!(told.to_string().contains("no density"), "{told}");
    }
}
