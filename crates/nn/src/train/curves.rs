//! The metrics table of a run and its picture.

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

fn draw(svg: &mut String, rows: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (900, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(450);
    let losses: Vec<(f64, f64)> = rows.iter().map(|r| (r.epoch as f64, r.loss)).collect();
    panel(&left, "training loss", &[("loss".to_owned(), losses)])?;
    let count = rows.first().map_or(0, |r| r.scores.len());
    let series: Vec<_> = (0..count)
        .map(|i| {
            let points = rows
                .iter()
                .map(|r| (r.epoch as f64, r.scores[i].1))
                .collect::<Vec<_>>();
            (rows[0].scores[i].0.clone(), points)
        })
        .collect();
    panel(&right, "validation", &series)?;
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    series: &[(String, Vec<(f64, f64)>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let finite = || {
        series
            .iter()
            .flat_map(|(_, p)| p)
            .filter(|p| p.1.is_finite())
    };
    let low = finite().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = finite().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Ok(());
    }
    let pad = ((high - low) * 0.05).max(1e-6);
    let last = finite().map(|p| p.0).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last + 0.5, low - pad..high + pad)?;
    chart.configure_mesh().x_desc("epoch").draw()?;
    for (i, (name, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let shown: Vec<_> = points.iter().copied().filter(|p| p.1.is_finite()).collect();
        chart
            .draw_series(LineSeries::new(shown, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
