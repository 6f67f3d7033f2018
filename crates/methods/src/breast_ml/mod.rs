//! Breast Cancer Diagnosis Using Machine Learning Techniques (abstract only was at hand).
//!
//! Reproduced: exploratory reports; logistic regression, decision tree and random forest (and boosted trees)
//! with their library's settings and tuned by tree-structured Parzen estimators, and that search beside one at
//! random. Not reproduced: the impedance table, which is not at hand, and the benchmark of convolutional
//! networks on thermal images. Tuning sees training folds only; the test rows are predicted once, by models
//! tuned and fitted on the development rows.

pub mod config;
mod eval;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(54),
    name: "breast_ml",
    title: "Breast cancer diagnosis using machine learning techniques",
    link: "https://arxiv.org/abs/2305.02482",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "Parzen-tree search improves the baseline models",
};

/// The method.
pub struct BreastMl;

impl BreastMl {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for BreastMl {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let config = Self::config(ctx);
        let mut paths = train::explore(ctx, &config)?;
        let outcome = train::search_all(ctx, &config)?;
        paths.push(stored::write(ctx, INFO.name, "outcome.json", &outcome)?);
        Ok(paths)
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
    fn the_tiny_run_writes_reports_and_rows_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        write_tables(dir.path());
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let a = BreastMl.reproduce(&ctx).unwrap();
        let eda = ctx.run_folder("breast_ml").join("eda-coimbra.md");
        let text = std::fs::read_to_string(eda).unwrap();
        assert!(text.contains("240 rows") && text.contains("Correlations"));
        assert!(
            a.tiny && a.rows.iter().all(|r| r.here.is_some()),
            "{}",
            a.table()
        );
        assert_eq!(a, BreastMl.reproduce(&ctx).unwrap());
    }

    #[test]
    fn without_tables_it_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        assert!(matches!(
            BreastMl.train(&ctx),
            Err(MethodError::NoData { .. })
        ));
        assert!(matches!(BreastMl.eval(&ctx), Err(MethodError::NoModel(_))));
    }
}
