//! CheXStruct and CXReasonBench (Lee et al. 2025; abstract and the published code's facts were at hand): indices of a chest X-ray by
//! landmarks, lines and thresholds on masks, and staged questions about them.
//!
//! Reproduced: the twelve indices with thresholds and tolerance bands (`hilum_measure`), the staged questions of both paths with
//! pictures as options, and the harness with Wilson intervals (`hilum_quiz`), checked by an oracle and a guesser. Not reproduced:
//! the figures of the vision-language models, and MIMIC-CXR-JPG, for which phantoms stand in. What measures differ is in `docs/measure.md`.

pub mod config;
mod eval;
mod phantoms;
mod reference;
mod study;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Name of the method.
const NAME: &str = "chexstruct";
/// Where the run folder keeps what was found.
const OUTCOMES: &str = "outcomes.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(56),
    name: NAME,
    title: "CheXStruct and CXReasonBench: structured measures and staged questions",
    link: "https://arxiv.org/abs/2505.18087",
    // It measures masks; none of the tasks that trained networks are asked for.
    tasks: &[TaskKind::Measurer],
    data: DataKind::Phantom,
    claim: "the twelve indices follow from masks: labels agree with the truth outside the tolerance band",
};

/// The method.
pub struct CheXstruct;

impl CheXstruct {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for CheXstruct {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let found = study::run(ctx, &Self::config(ctx))?;
        Ok(vec![stored::write(ctx, NAME, OUTCOMES, &found)?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::context;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_has_all_rows_and_its_table_is_made_again_from_what_it_left() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let mut ctx = context(dir.path(), &stop);
        ctx.models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        let a = CheXstruct.reproduce(&ctx).unwrap();
        assert!(a.tiny && a.rows.len() > 25, "{}", a.table());
        let oracle = a.rows.iter().find(|r| r.claim.contains("oracle")).unwrap();
        assert_eq!((oracle.here, oracle.holds), (Some(1.0), Some(true)));
        // Phantoms and segmenter are held to their seeds where they live.
        assert_eq!(a, CheXstruct.eval(&ctx).unwrap());
    }
}
