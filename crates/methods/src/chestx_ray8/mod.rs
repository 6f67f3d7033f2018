//! ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on Weakly-Supervised Classification
//! and Localization of Common Thorax Diseases (Wang et al., CVPR 2017).
//!
//! Reproduced: the three poolings and the weighted loss behind one configuration, the boxes from
//! activation maps at two levels, localisation at T(IoU) and T(IoBB) on the radiologists' boxes. Not
//! reproduced: 108,948 images, 1024 pixels, ImageNet weights; here a small ResNet learns from scratch on
//! the 1,200 training images at hand.

mod ablation;
pub mod config;
mod eval;
mod mining;
pub mod train;

pub use config::Config;

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Name of the weights in `models/`.
pub const MODEL: &str = "nih_findings";

static INFO: MethodInfo = MethodInfo {
    card: Some(3),
    name: "chestx_ray8",
    title: "ChestX-ray8: weakly supervised classification and localisation",
    link: "https://arxiv.org/abs/1705.02315",
    tasks: &[TaskKind::Classifier, TaskKind::Localiser],
    data: DataKind::Real,
    claim: "image labels alone teach a network to classify and to point at thorax findings",
};

/// The method.
pub struct ChestXray8;

impl ChestXray8 {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for ChestXray8 {
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
        eval::measure(ctx, &INFO, &Self::config(ctx))
    }

    fn reproduce(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        self.train(ctx)?;
        let config = Self::config(ctx);
        let mut result = self.eval(ctx)?;
        result.rows.extend(ablation::rows(ctx, &config)?);
        result.rows.extend(mining::rows(&ctx.data)?);
        Ok(result.judged())
    }
}
