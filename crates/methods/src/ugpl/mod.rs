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
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::fmt::Write as _;
use std::path::PathBuf;

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

impl Study for Ugpl {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let table = ctx.run_folder(INFO.name).join("losses.csv");
        stored::write_text(&table, &losses(&outcome))?;
        let risks = ctx.run_folder(INFO.name).join("risk.csv");
        stored::write_text(&risks, &risks_by_share(&outcome))?;
        Ok(vec![
            stored::write(ctx, INFO.name, OUTCOME, &outcome)?,
            table,
            risks,
        ])
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
    }

    fn scores(outcome: &Self::Outcome) -> Vec<Score> {
        outcome.tasks.iter().flat_map(eval::scores).collect()
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }
}

/// Errors among the cases that are kept when those with the highest map are left out.
fn risks_by_share(outcome: &outcome::Outcome) -> String {
    let mut text = "task,kept,error\n".to_owned();
    for task in &outcome.tasks {
        for tenths in 1..=10 {
            let share = f64::from(tenths) / 10.0;
            let _ = writeln!(
                text,
                "{},{share:.1},{:.4}",
                task.task.name(),
                eval::risk(task, share)
            );
        }
    }
    text
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
    use crate::blocks::made_up::{check_missing_class, check_study, ct_slices, paediatric};
    use std::path::Path;

    fn write(root: &Path) {
        paediatric(root);
        ct_slices(root);
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let a = check_study(&Ugpl, write, &["outcome.json", "losses.csv", "risk.csv"]);
        assert_eq!(a.rows.len(), 6 + 4 + 7 + 11, "{}", a.table());
        assert!(a.rows[0].here.is_some(), "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        check_missing_class(&Ugpl, write, &[("ct_iqoth", "malignant", "normal")]);
    }
}
