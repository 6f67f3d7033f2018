//! Reliable Tuberculosis Detection Using Chest X-Ray With Deep Learning, Segmentation and Visualization
//! (Rahman et al., IEEE Access 2020).
//!
//! Reproduced: lungs segmented first, classifiers of six families on the whole image and on the segmented
//! lungs with the same split and seed, Score-CAM and how much of it lies inside the lungs. Not reproduced:
//! the tuberculosis sets (not at hand; pneumonia of children of one hospital stands in), ImageNet weights,
//! five folds. The loader of Shenzhen and Montgomery is in the data crate.

pub mod config;
mod eval;
mod study;
pub mod train;

pub use config::Config;

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Name of the weights in `models/`.
pub const MODEL: &str = "paediatric_pneumonia";

static INFO: MethodInfo = MethodInfo {
    card: Some(8),
    name: "reliable_tb",
    title: "Reliable TB detection with segmentation and visualisation",
    link: "https://arxiv.org/abs/2007.14895",
    tasks: &[TaskKind::Segmenter, TaskKind::Classifier],
    data: DataKind::Real,
    claim: "classifying segmented lungs is better than classifying whole images, and looks at the lungs",
};

/// The method.
pub struct ReliableTb;

impl ReliableTb {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for ReliableTb {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let config = Self::config(ctx);
        let prepared = train::prepare(ctx, &config)?;
        let members = train::members(ctx, &config, &prepared)?;
        Ok(vec![eval::ship(ctx, &config, &prepared, &members)?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO)
    }

    fn reproduce(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        self.train(ctx)?;
        let mut result = self.eval(ctx)?;
        // The paper's claim is the comparison; the shipped model's own rows follow it.
        let mut rows = study::rows(ctx, &Self::config(ctx))?;
        rows.append(&mut result.rows);
        result.here = rows[0].here;
        result.interval = rows[0].interval;
        result.rows = rows;
        Ok(result.judged())
    }
}
