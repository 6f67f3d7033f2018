//! Deep reproductive feature generation (Kayan et al. 2023).
//!
//! Reproduced: the picture in four quarters through a bank of frozen networks, averaged features side by side, an
//! autoencoder that learns to reproduce them without labels, softmax regression, a perceptron and support vector machines on its code; the
//! whole picture, all features, PCA of the same size and a tuned network beside it; whether the features that tell
//! classes are a subset of those that reproduce. Not reproduced: eight ImageNet networks (four small ones of four
//! families learn adults' findings here; random ones as a control), COVID-19 (children of one hospital, normal,
//! bacterial or viral pneumonia, so that classes do not come from different sources). All cases are of
//! the training and validation splits, answered for by folds; the test split is not asked.

mod classify;
pub mod config;
mod dense;
mod eval;
mod linear;
mod outcome;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use hilum_nn::chart::{Axes, Curve, csv, svg};
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "outcome.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(24),
    name: "deep_reproductive",
    title: "Deep reproductive feature generation",
    link: "https://arxiv.org/abs/2304.10677",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "a code that only learned to reproduce frozen features classifies as well as tuned networks",
};

/// The method.
pub struct DeepReproductive;

impl DeepReproductive {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for DeepReproductive {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, &Self::config(ctx))?;
        let folder = ctx.run_folder(INFO.name);
        let curve = |name: &str, of: fn(&(usize, f64, f64)) -> f64| Curve {
            name: name.to_owned(),
            points: outcome.curve.iter().map(|p| (p.0 as f64, of(p))).collect(),
        };
        let curves = [curve("autoencoder", |p| p.1), curve("PCA", |p| p.2)];
        let axes = Axes {
            title: "Reconstruction of held cases",
            x: "numbers in the code",
            y: "unexplained share of the variance",
        };
        let (table, picture) = (
            folder.join("reconstruction.csv"),
            folder.join("reconstruction.svg"),
        );
        stored::write_text(&table, &csv(&curves, axes))?;
        stored::write_text(&picture, &svg(&curves, axes)?)?;
        Ok(vec![
            stored::write(ctx, INFO.name, FILE, &outcome)?,
            table,
            picture,
        ])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, context_in, nih, paediatric};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let stop = AtomicBool::new(false);
        let data = tempfile::tempdir().unwrap();
        paediatric(data.path());
        nih(data.path());
        let run = || {
            let runs = tempfile::tempdir().unwrap();
            let ctx = context_in(data.path(), runs.path(), &stop);
            DeepReproductive.reproduce(&ctx).unwrap()
        };
        let a = run();
        assert_eq!(
            a.rows.len(),
            eval::expected_rows(&Config::tiny()),
            "{}",
            a.table()
        );
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
        assert_eq!(a, run());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do_and_a_stop_is_seen() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        assert!(matches!(
            DeepReproductive.train(&ctx),
            Err(MethodError::NoData { .. })
        ));
        assert!(matches!(
            DeepReproductive.eval(&ctx),
            Err(MethodError::NoModel(_))
        ));
        paediatric(dir.path());
        nih(dir.path());
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(matches!(
            DeepReproductive.train(&ctx),
            Err(MethodError::Stopped)
        ));
    }
}
