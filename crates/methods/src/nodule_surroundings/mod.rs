//! Relationship between pulmonary nodule malignancy and surrounding pleurae, airways and vessels (Qin et al. 2021).
//!
//! Reproduced: the measures (distances, touching and projecting branches, share of the shell round the nodule), the two by
//! two tables with odds ratios and chi-square, logistic regression and ROC by structure. Not reproduced: the cohort (LIDC-IDRI is large and not at
//! hand beyond one CT) and the paper's own segmentation, which the abstract does not give. Cohorts here are phantom blocks in which effects of
//! the paper's size were planted: that they are found again validates the measuring, not the medicine. Distances are planted on the scale of a block.

mod cohort;
pub mod config;
mod eval;
mod geometry;
mod real;
mod statistics;
mod whole;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was measured.
const FILE: &str = "measured.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(26),
    name: "nodule_surroundings",
    title: "Pulmonary nodule malignancy and the surrounding pleurae, airways and vessels",
    link: "https://arxiv.org/abs/2106.12991",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Phantom,
    claim: "malignant nodules have more airways and vessels round them: odds ratios over 1, AUC airways > vessels > pleurae",
};

/// The method.
pub struct NoduleSurroundings;

impl NoduleSurroundings {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for NoduleSurroundings {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let measured = eval::measure_all(ctx, &Self::config(ctx))?;
        Ok(vec![stored::write(ctx, INFO.name, FILE, &measured)?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        let measured = stored::read(ctx, INFO.name, FILE)?;
        eval::result(ctx, &INFO, &measured)
    }
}

#[cfg(test)]
mod tests;
