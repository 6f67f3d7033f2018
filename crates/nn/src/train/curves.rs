//! The metrics table of a run and its picture.

use crate::chart::{Axes, Curve, Failure, panel};
use crate::error::NnError;
use crate::weights::atomic_write;
use plotters::prelude::*;
use std::path::Path;

/// One row of `metrics.csv`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub epoch: usize,
    pub loss: f64,
    pub rate: f32,
    pub seconds: f64,
    pub scores: Vec<(String, f64)>,
}

/// Reads the rows of an earlier part of the run, up to `epochs`.
pub(super) fn read(path: &Path, epochs: usize) -> Result<Vec<Row>, NnError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bad = |e: csv::Error| NnError::Training(format!("{}: {e}", path.display()));
    let mut reader = csv::Reader::from_path(path).map_err(bad)?;
    let names: Vec<String> = reader
        .headers()
        .map_err(bad)?
        .iter()
        .skip(4)
        .map(str::to_owned)
        .collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let number = |i: usize| {
            record
                .get(i)
                .and_then(|s| s.parse::<f64>().ok())
                .unwrap_or(f64::NAN)
        };
        let scores = names
            .iter()
            .enumerate()
            .map(|(i, n)| (n.clone(), number(i + 4)))
            .collect();
        let row = Row {
            epoch: number(0) as usize,
            loss: number(1),
            rate: number(2) as f32,
            seconds: number(3),
            scores,
        };
        if row.epoch <= epochs {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Writes `metrics.csv` and `curves.svg`.
pub(super) fn write(folder: &Path, rows: &[Row]) -> Result<(), NnError> {
    let mut text = String::from("epoch,train_loss,learning_rate,seconds");
    if let Some(first) = rows.first() {
        first
            .scores
            .iter()
            .for_each(|(name, _)| text.push_str(&format!(",{name}")));
    }
    text.push('\n');
    for r in rows {
        text.push_str(&format!(
            "{},{:.6},{:.3e},{:.1}",
            r.epoch, r.loss, r.rate, r.seconds
        ));
        r.scores
            .iter()
            .for_each(|(_, v)| text.push_str(&format!(",{v:.6}")));
        text.push('\n');
    }
    atomic_write(&folder.join("metrics.csv"), text.as_bytes())?;
    let mut svg = String::new();
    draw(&mut svg, rows).map_err(|e| NnError::Training(format!("curves: {e}")))?;
    atomic_write(&folder.join("curves.svg"), svg.as_bytes())
}

fn draw(svg: &mut String, rows: &[Row]) -> Result<(), Failure> {
    let root = SVGBackend::with_string(svg, (900, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(450);
    let curve = |name: &str, of: &dyn Fn(&Row) -> f64| Curve {
        name: name.to_owned(),
        points: rows.iter().map(|r| (r.epoch as f64, of(r))).collect(),
    };
    let axes = |title| Axes {
        title,
        x: "epoch",
        y: "",
    };
    panel(&left, &[curve("loss", &|r| r.loss)], axes("training loss"))?;
    let names = rows.first().map_or(&[][..], |r| &r.scores);
    let scores: Vec<Curve> = names
        .iter()
        .enumerate()
        .map(|(i, (name, _))| curve(name, &|r| r.scores[i].1))
        .collect();
    panel(&right, &scores, axes("validation"))?;
    Ok(root.present()?)
}
