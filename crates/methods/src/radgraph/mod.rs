//! RadGraph: Extracting Clinical Entities and Relations from Radiology Reports (Jain et al. 2021), read by a model.
//!
//! Reproduced: the span model that RadGraph Benchmark is a training of (DyGIE++ without propagation: BERT, spans,
//! pruning, pairs), with its keys, so that weights in a user's hands run (`hilum text graph --model FOLDER`); and a small
//! one trained here on what the rules of `hilum_text::facts` say of the Indiana University reports and on sentences
//! annotated by hand, measured on others of these. Not reproduced: the paper's own figures, as its annotated reports are
//! credentialed. The schema of the annotated sentences is that of the rules: a finding is one entity, and so is a place.

pub mod annotated;
pub mod config;
mod data;
mod eval;
pub mod heads;
mod learner;
pub mod model;
pub mod rows;
pub mod spans;
mod train;

pub use config::{Config, SpanConfig, Unit};
pub use model::SpanModel;

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(23),
    name: "radgraph",
    title: "RadGraph: extracting clinical entities and relations from radiology reports",
    link: "https://arxiv.org/abs/2106.14463",
    tasks: &[TaskKind::Labeler],
    data: DataKind::Real,
    claim: "a span model trained on annotated reports finds entities and relations better than rules do",
};

/// The method.
pub struct RadGraph;

impl RadGraph {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for RadGraph {
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
mod tests;
