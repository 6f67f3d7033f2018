//! Automated CXR report generation by a multi-model approach (Muharram et al. 2023).
//!
//! Reproduced: one small binary network an abnormality on bands of the image, the result code, the template
//! report, and its way back through the labeler. The paper's networks and data are not known from its
//! abstract; NIH images stand in, and the report's quality is measured on the Indiana University reports.

pub mod config;
mod eval;
pub mod report;
mod train;

pub use config::{Abnormality, Band, Config};

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(2),
    name: "multimodel_report",
    title: "Automated CXR report generator, multi-model approach",
    link: "https://arxiv.org/abs/2310.05969",
    tasks: &[TaskKind::Classifier, TaskKind::Reporter],
    data: DataKind::Real,
    claim: "independent networks on lung bands and fixed sentences give a transparent report",
};

/// The method.
pub struct MultimodelReport;

impl MultimodelReport {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for MultimodelReport {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let config = Self::config(ctx);
        let data = train::prepare(ctx, &config)?;
        (0..config.abnormalities.len())
            .map(|k| train::one(ctx, &config, &data, k, true).map(|t| t.path))
            .collect()
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, &Self::config(ctx))
    }
}
