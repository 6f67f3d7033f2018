//! What the run folder shows: atoms as pictures or words, objectives and trade-offs as tables and curves.

use super::tasks::{Columns, Task};
use super::train::{Dictionary, Kind, Outcome, Shown, Trial};
use crate::blocks::atoms::montage;
use crate::blocks::stored::write_text;
use crate::context::Context;
use crate::error::Result;
use hilum_image::draw::encode_gray_png;
use hilum_nn::chart::{Axes, Curve, csv, svg};
use hilum_nn::weights::atomic_write;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Words shown of an atom.
const WORDS: usize = 12;

/// Writes everything there is to look at; gives the paths.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(
    ctx: &Context<'_>,
    name: &str,
    outcome: &Outcome,
    shown: &[Shown],
) -> Result<Vec<PathBuf>> {
    let folder = ctx.run_folder(name);
    let mut paths = Vec::new();
    let first = outcome.seeds[0];
    let own = outcome.convergence.iter().filter(|c| c.seed == first);
    let curves: Vec<Curve> = own.flat_map(|c| c.curves()).collect();
    let axes = Axes {
        title: "Objective by iteration, low-rank set",
        x: "iteration",
        y: "objective",
    };
    // Block coordinate descent starts far above; the picture shows from the second iteration on.
    let later = curves.iter().map(|c| Curve {
        points: c.points.iter().copied().skip(1).take(60).collect(),
        ..c.clone()
    });
    paths.extend(chart(
        &folder,
        "objective",
        &curves,
        &later.collect::<Vec<_>>(),
        axes,
    )?);
    let errors: Vec<Curve> = outcome
        .convergence
        .iter()
        .map(|c| Curve {
            name: format!("LPGD {:?} seed {}", c.variant, c.seed),
            points: c.log_errors(),
        })
        .filter(|c| !c.points.is_empty())
        .collect();
    let axes = Axes {
        title: "Error of the lifted objective, low-rank sets",
        x: "iteration",
        y: "ln(error / first error)",
    };
    paths.extend(chart(&folder, "linear_rate", &errors, &errors, axes)?);
    for task in &outcome.tasks {
        let stem = task.task.stem();
        let trace = |kind: Kind| {
            let run = task.runs.iter().find(|r| r.kind == kind && !r.covariates)?;
            let points = run.trace.iter().enumerate();
            Some(Curve {
                name: kind.name().to_owned(),
                points: points.map(|(t, v)| (t as f64, *v)).collect(),
            })
        };
        let kinds = [
            Kind::Filter,
            Kind::Feature,
            Kind::LiftedFilter,
            Kind::LiftedFeature,
        ];
        let curves: Vec<Curve> = kinds.into_iter().filter_map(trace).collect();
        let title = format!("Objective by iteration, {}", task.task.name());
        let axes = Axes {
            title: &title,
            x: "iteration",
            y: "objective",
        };
        let later = curves.iter().map(|c| Curve {
            points: c.points.iter().copied().skip(1).collect(),
            ..c.clone()
        });
        let file = format!("{stem}_objective");
        paths.extend(chart(
            &folder,
            &file,
            &curves,
            &later.collect::<Vec<_>>(),
            axes,
        )?);
        paths.extend(trade_off(&folder, task, stem)?);
    }
    for (task, dictionaries) in shown {
        for dictionary in dictionaries {
            paths.push(atoms(&folder, task, dictionary)?);
        }
    }
    Ok(paths)
}

fn chart(
    folder: &Path,
    stem: &str,
    all: &[Curve],
    drawn: &[Curve],
    axes: Axes<'_>,
) -> Result<Vec<PathBuf>> {
    let (table, picture) = (
        folder.join(format!("{stem}.csv")),
        folder.join(format!("{stem}.svg")),
    );
    write_text(&table, &csv(all, axes))?;
    if drawn.iter().all(|c| c.points.is_empty()) {
        return Ok(vec![table]);
    }
    write_text(&picture, &svg(drawn, axes)?)?;
    Ok(vec![table, picture])
}

/// Accuracy against reconstruction: one row a trial, and the best penalty of each ξ as a curve.
fn trade_off(folder: &Path, task: &super::train::TaskOutcome, stem: &str) -> Result<Vec<PathBuf>> {
    let mut text = String::from("model,xi,ridge,val_auroc,val_unexplained\n");
    for t in &task.trials {
        let _ = writeln!(
            text,
            "{},{},{},{:.6},{:.6}",
            t.kind.stem(),
            t.xi,
            t.ridge,
            t.auroc,
            t.unexplained
        );
    }
    let path = folder.join(format!("{stem}_trade_off.csv"));
    write_text(&path, &text)?;
    let curve = |kind: Kind| {
        let mut best: Vec<&Trial> = Vec::new();
        for trial in task.trials.iter().filter(|t| t.kind == kind) {
            match best.iter_mut().find(|b| b.xi == trial.xi) {
                Some(b) if trial.auroc > b.auroc => *b = trial,
                Some(_) => (),
                None => best.push(trial),
            }
        }
        best.sort_by(|a, b| a.unexplained.total_cmp(&b.unexplained));
        Curve {
            name: kind.name().to_owned(),
            points: best.iter().map(|t| (t.unexplained, t.auroc)).collect(),
        }
    };
    let title = format!(
        "Accuracy against reconstruction by xi, {}",
        task.task.name()
    );
    let axes = Axes {
        title: &title,
        x: "unexplained share (validation)",
        y: "AUROC (validation)",
    };
    let picture = folder.join(format!("{stem}_trade_off.svg"));
    write_text(
        &picture,
        &svg(&[curve(Kind::Filter), curve(Kind::Feature)], axes)?,
    )?;
    Ok(vec![path, picture])
}

/// Atoms in the order of their slopes for class 1, the largest first.
fn atoms(folder: &Path, task: &Task, dictionary: &Dictionary) -> Result<PathBuf> {
    let stem = format!("{}_{}", task.name.stem(), dictionary.kind.stem());
    let slopes = dictionary.model.slopes_of(1);
    let mut order: Vec<usize> = (0..slopes.len()).collect();
    order.sort_by(|a, b| slopes[*b].total_cmp(&slopes[*a]));
    let atom = |j: usize| -> Vec<f64> {
        let w = dictionary.model.w.as_ref();
        w.map_or(Vec::new(), |w| w.column(j).iter().copied().collect())
    };
    match &task.columns {
        Columns::Pixels(size) => {
            let ordered: Vec<Vec<f64>> = order.iter().map(|j| atom(*j)).collect();
            let picture = montage(&ordered, (*size, *size), 8, 3)?;
            let path = folder.join(format!("{stem}_atoms.png"));
            atomic_write(&path, &encode_gray_png(&picture)?)?;
            Ok(path)
        }
        Columns::Words(words) => {
            let mut text = String::from("atom,slope,words\n");
            for (i, &j) in order.iter().enumerate() {
                let values = atom(j);
                let mut top: Vec<usize> = (0..values.len()).collect();
                top.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
                let top: Vec<&str> = top.iter().take(WORDS).map(|w| words[*w].as_str()).collect();
                let _ = writeln!(text, "{},{:.4},{}", i + 1, slopes[j], top.join(" "));
            }
            let path = folder.join(format!("{stem}_atoms.csv"));
            write_text(&path, &text)?;
            Ok(path)
        }
    }
}
