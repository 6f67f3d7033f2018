//! Deep reproductive feature generation (Kayan et al. 2023).
//!
//! Reproduced: the picture in four quarters through a bank of frozen networks, averaged features side by side, an
//! autoencoder that learns to reproduce them without labels, softmax regression, a perceptron and support vector machines on its code; the
//! whole picture, all features, PCA of the same size and a network trained for the task from the start beside it; whether the features that tell
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
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use hilum_nn::chart::{Axes, Curve, csv, svg};
use std::path::PathBuf;

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

impl Study for DeepReproductive {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let folder = ctx.run_folder(INFO.name);
        let curve = |name: &str, of: fn(&(usize, f64, f64)) -> f64| Curve {
            name: name.to_owned(),
            // Mean over the seeds.
            points: (0..outcome.config.sizes.len())
                .map(|k| {
                    let own = outcome.runs.iter().map(|r| of(&r.curve[k])).sum::<f64>();
                    let size = outcome.config.sizes[k] as f64;
                    (size, own / outcome.runs.len() as f64)
                })
                .collect(),
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
            stored::write(ctx, INFO.name, OUTCOME, &outcome)?,
            table,
            picture,
        ])
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
    use crate::blocks::made_up::{check_missing_class, check_study, nih, paediatric};
    use crate::blocks::study::Settings;
    use std::path::Path;

    fn write(root: &Path) {
        paediatric(root);
        nih(root);
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let files = ["outcome.json", "reconstruction.csv", "reconstruction.svg"];
        let a = check_study(&DeepReproductive, write, &files);
        assert_eq!(a.rows.len(), eval::expected_rows(&Config::tiny()));
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [(
            "kermany_paediatric",
            "viral_pneumonia",
            "bacterial_pneumonia",
        )];
        check_missing_class(&DeepReproductive, write, &gone);
    }
}
