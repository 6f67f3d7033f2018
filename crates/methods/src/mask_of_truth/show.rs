//! Tables and pictures in the run folder.

use super::NAME;
use super::cases::SetName;
use super::eval::cell;
use super::inside::Shown;
use super::train::SetOutcome;
use crate::blocks::figures::{heat_table, overlay, png, scatter, tiles};
use crate::blocks::stored::write_text;
use crate::context::Context;
use crate::error::Result;
use hilum_audit::Condition;
use hilum_nn::weights::atomic_write;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The five-by-five table of every output as CSV and, for the first, as a picture; embeddings as points.
///
/// # Errors
/// A folder that cannot be written.
pub fn tables(ctx: &Context<'_>, outcome: &SetOutcome) -> Result<Vec<PathBuf>> {
    let grid = &outcome.grid;
    let (stem, region) = (grid.set.stem(), grid.set.region());
    let folder = ctx.run_folder(NAME);
    let labels: Vec<String> = Condition::ALL.iter().map(|c| c.label(region)).collect();
    let mut csv = String::from("output,trained_on,tested_on,auroc,low,high,cases,positives\n");
    let mut values = vec![vec![None; labels.len()]; labels.len()];
    for (output, code) in grid.set.codes().iter().enumerate() {
        for (t, trained) in labels.iter().enumerate() {
            for (s, tested) in labels.iter().enumerate() {
                let Some(m) = cell(grid, t, s, output) else {
                    let _ = writeln!(csv, "{code},{trained},{tested},,,,,");
                    continue;
                };
                let (low, high) = m.interval;
                let _ = writeln!(
                    csv,
                    "{code},{trained},{tested},{:.4},{low:.4},{high:.4},{},{}",
                    m.value, m.n, m.positives
                );
                if output == 0 {
                    values[t][s] = Some(m.value);
                }
            }
        }
    }
    let mut paths = vec![folder.join(format!("{stem}_grid.csv"))];
    write_text(&paths[0], &csv)?;
    let title = format!(
        "{}, {}: AUROC, rows trained on, columns tested on",
        grid.set.name(),
        grid.set.codes()[0]
    );
    paths.push(folder.join(format!("{stem}_grid.svg")));
    write_text(
        &paths[1],
        &heat_table(&title, &labels, &labels, &values, (0.4, 1.0)),
    )?;
    if let Some(e) = &outcome.embedded {
        let groups: Vec<(String, Vec<[f64; 2]>)> =
            labels.iter().cloned().zip(e.points.clone()).collect();
        let axes = [0, 1].map(|k| format!("component {} ({:.0} %)", k + 1, 100.0 * e.shares[k]));
        let title = format!(
            "{}: embeddings of the network of whole images",
            grid.set.name()
        );
        let path = folder.join(format!("{stem}_embeddings.svg"));
        write_text(&path, &scatter(&title, (&axes[0], &axes[1]), &groups))?;
        paths.push(path);
    }
    Ok(paths)
}

/// SHAP over some test images, a row a network.
///
/// # Errors
/// A folder that cannot be written.
pub fn maps(ctx: &Context<'_>, name: SetName, shown: &[Shown]) -> Result<Vec<PathBuf>> {
    let conditions: Vec<Condition> = shown.iter().map(|s| s.condition).collect();
    let columns = conditions
        .iter()
        .filter(|c| Some(*c) == conditions.first())
        .count();
    let canvases = shown
        .iter()
        .map(|s| {
            let size: Vec<f32> = s.map.iter().map(|v| v.abs()).collect();
            overlay(&s.plane, &size)
        })
        .collect::<Result<Vec<_>>>()?;
    let path = ctx
        .run_folder(NAME)
        .join(format!("{}_shap.png", name.stem()));
    let bytes = png(&tiles(&canvases, columns, 2)?)?;
    write_text(&path.with_extension("txt"), &legend(name, &conditions))?;
    atomic_write(&path, &bytes)?;
    Ok(vec![path])
}

fn legend(name: SetName, conditions: &[Condition]) -> String {
    let mut rows = conditions.to_vec();
    rows.dedup();
    let names: Vec<String> = rows.iter().map(|c| c.label(name.region())).collect();
    format!(
        "{}: absolute SHAP of the first output, one row a network, trained on {}\n",
        name.name(),
        names.join(", ")
    )
}
