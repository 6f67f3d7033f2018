//! UGPL: Uncertainty-Guided Progressive Learning for Evidence-Based Classification in Computed Tomography (ICCV
//! workshops 2025).
//!
//! Reproduced: a global network with an evidence head, patches chosen greedily on its uncertainty map, a local network
//! with a confidence for each patch, a learned mix of both answers, the loss of seven parts; random and fixed patches, the
//! global network alone. Corrected, and the default: the map is brought to the picture's size before places are read off
//! it, and it is in the loss of every batch. The release's two defects stay behind the variant "as released". A third variant
//! trains the map with an evidential loss. Where the released loss would let gradients through, these are held: the range
//! by which a map is scaled, the global answer that teaches patches, the input of the mix. Not reproduced: ResNet-34 at
//! 256 pixels and 100 passes, the kidney and COVID sets.

pub mod config;
mod data;
mod eval;
pub mod evidence;
pub mod fusion;
mod model;
mod outcome;
pub mod patches;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "outcome.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(29),
    name: "ugpl",
    title: "UGPL: uncertainty-guided progressive learning",
    link: "https://github.com/shravan-18/UGPL",
    tasks: &[TaskKind::Classifier, TaskKind::Localiser],
    data: DataKind::Real,
    claim: "looking again where the evidence is uncertain classifies better than one look at the whole",
};

/// The method.
pub struct Ugpl;

impl Ugpl {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for Ugpl {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, &Self::config(ctx))?;
        let table = ctx.run_folder(INFO.name).join("losses.csv");
        stored::write_text(&table, &losses(&outcome))?;
        Ok(vec![stored::write(ctx, INFO.name, FILE, &outcome)?, table])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, FILE)
    }
}

/// The parts of the loss by pass, a row each.
fn losses(outcome: &outcome::Outcome) -> String {
    let names: Vec<&str> = fusion::Parts::default()
        .each()
        .iter()
        .map(|p| p.0)
        .collect();
    let mut text = format!("task,variant,seed,pass,{}\n", names.join(","));
    for task in &outcome.tasks {
        for arm in &task.arms {
            for (pass, parts) in arm.losses.iter().enumerate() {
                let values: Vec<String> = parts.iter().map(|v| format!("{v:.5}")).collect();
                text.push_str(&format!(
                    "{},{},{},{},{}\n",
                    task.task.name(),
                    arm.variant.name(),
                    arm.seed,
                    pass + 1,
                    values.join(",")
                ));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, context_in, ct_slices, paediatric};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let stop = AtomicBool::new(false);
        let data = tempfile::tempdir().unwrap();
        paediatric(data.path());
        ct_slices(data.path());
        let run = || {
            let runs = tempfile::tempdir().unwrap();
            let ctx = context_in(data.path(), runs.path(), &stop);
            let result = Ugpl.reproduce(&ctx).unwrap();
            let losses = ctx.run_folder("ugpl").join("losses.csv");
            (result, std::fs::read_to_string(losses).unwrap())
        };
        let (a, losses) = run();
        assert!(losses.starts_with("task,variant,seed,pass,fused,global,local,map,"));
        assert!(a.tiny && a.rows.len() == 6 + 4 + 7 + 11, "{}", a.table());
        assert!(a.rows[0].here.is_some(), "{}", a.table());
        assert_eq!((a, losses), run());
    }

    #[test]
    fn what_is_missing_is_named_and_a_stop_is_seen() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        assert!(matches!(Ugpl.train(&ctx), Err(MethodError::NoData { .. })));
        assert!(matches!(Ugpl.eval(&ctx), Err(MethodError::NoModel(_))));
        paediatric(dir.path());
        ct_slices(dir.path());
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(matches!(Ugpl.train(&ctx), Err(MethodError::Stopped)));
    }
}
