//! Lungs and heart on frontal chest X-rays by a U-Net (Ronneberger et al. 2015).
//!
//! One net for three sets whose outlines differ: the V7 outlines of the paediatric and COVID-19 sets go
//! behind the heart, the SCR outlines of JSRT (van Ginneken et al. 2006) leave it out, and only JSRT has
//! the heart. A structure that a set does not outline carries no loss there.

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

/// Name of the weights in `models/`.
pub const MODEL: &str = "lungs_heart";

static INFO: MethodInfo = MethodInfo {
    card: None,
    name: "lungs_heart",
    title: "Lung and heart segmentation by U-Net",
    link: "https://arxiv.org/abs/1505.04597",
    tasks: &[TaskKind::Segmenter],
    data: DataKind::Real,
    claim: "Dice of lungs at least 0.95 / 0.93 / 0.95 (paediatric, COVID-19, JSRT), of the heart 0.90",
};

/// The method.
pub struct LungsHeart;

impl LungsHeart {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for LungsHeart {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let config = Self::config(ctx);
        let trained = train::run(ctx, &config)?;
        Ok(vec![eval::ship(ctx, &config, &trained)?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO)
    }
}
