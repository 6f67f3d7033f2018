//! Curves of validation accuracy by round.

use super::outcome::Outcome;
use crate::blocks::stored;
use crate::context::Context;
use crate::error::Result;
use hilum_nn::chart::{Axes, Curve, csv, svg};
use std::path::PathBuf;

/// One picture and one table a task and skew; gives their paths.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(ctx: &Context<'_>, name: &str, outcome: &Outcome) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let folder = ctx.run_folder(name);
    for (task, study) in outcome.tasks.iter().zip(&outcome.config.studies) {
        for (k, &skew) in study.skews.iter().enumerate() {
            let own: Vec<_> = task.federations.iter().filter(|f| f.skew == skew).collect();
            let curve = |&algorithm: &super::Algorithm| {
                let arms: Vec<_> = own.iter().filter_map(|f| f.arm(algorithm)).collect();
                let mean = |round: usize| {
                    arms.iter().map(|a| a.curve[round]).sum::<f64>() / arms.len() as f64
                };
                let rounds = arms.iter().map(|a| a.curve.len()).min().unwrap_or(0);
                Curve {
                    name: algorithm.name().to_owned(),
                    points: (0..rounds).map(|r| ((r + 1) as f64, mean(r))).collect(),
                }
            };
            let curves: Vec<Curve> = outcome.config.algorithms.iter().map(curve).collect();
            let title = format!("{}, {}", task.task.name(), skew.name());
            let axes = Axes {
                title: &title,
                x: "round",
                y: "accuracy on the validation split",
            };
            let stem = format!("rounds-{}-{k}", task.task.name().to_lowercase());
            let table = folder.join(format!("{stem}.csv"));
            stored::write_text(&table, &csv(&curves, axes))?;
            let picture = folder.join(format!("{stem}.svg"));
            stored::write_text(&picture, &svg(&curves, axes)?)?;
            paths.extend([table, picture]);
        }
    }
    Ok(paths)
}
