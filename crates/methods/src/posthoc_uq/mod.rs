//! Uncertainty quantification for improving radiomic-based models in radiation pneumonitis prediction
//! (Puttanawarut et al. 2024).
//!
//! Reproduced: four learners, four ways to state uncertainty after the fact, AUROC, AUPRC and adaptive
//! calibration error against the certainty cut; few features against all. Not reproduced: the cohort, which is
//! private (nodule ratings, nodules' radiomics, nuclei and blood markers stand in); leaving one out (five folds, five times over);
//! feature selection, since the tables have 30 columns at most. A third of each training fold is
//! kept for calibration; learners keep their library's settings, so nothing is tuned on anything. How a
//! probability is read from conformal p-values is not in the abstract: here it is the present label's share.
//! A cut that leaves out less than one case in a hundred is not judged: learners that are right nine times in
//! ten make nearly every case certain at 0.8.

pub mod config;
mod eval;
mod measures;
mod predictions;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "predictions.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(35),
    name: "posthoc_uq",
    title: "Uncertainty quantification after the fact for learners on radiomic tables",
    link: "https://arxiv.org/abs/2412.19511",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "stating uncertainty improves discrimination among certain cases, and calibration",
};

/// The method.
pub struct PosthocUq;

impl PosthocUq {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for PosthocUq {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let said = train::predict(ctx, &Self::config(ctx))?;
        Ok(vec![stored::write(ctx, INFO.name, FILE, &said)?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::{context, write_tables};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        write_tables(dir.path());
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let a = PosthocUq.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 30);
        let undefined = |r: &&crate::ClaimRow| r.here.is_none();
        assert!(a.rows.iter().filter(undefined).count() < 4, "{}", a.table());
        assert_eq!(a, PosthocUq.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_tables_or_predictions_it_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        assert!(matches!(
            PosthocUq.train(&ctx),
            Err(MethodError::NoData { .. })
        ));
        assert!(matches!(PosthocUq.eval(&ctx), Err(MethodError::NoModel(_))));
    }

    #[test]
    fn a_stop_is_seen_between_fits() {
        let dir = tempfile::tempdir().unwrap();
        write_tables(dir.path());
        let stop = AtomicBool::new(true);
        let ctx = context(dir.path(), &stop);
        assert!(matches!(PosthocUq.train(&ctx), Err(MethodError::Stopped)));
    }
}
