//! Curves as CSV and as pictures.

use crate::error::NnError;
use plotters::prelude::*;
use std::fmt::Write as _;

/// A named curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name in the legend and in the table.
    pub name: String,
    /// Points, x rising.
    pub points: Vec<(f64, f64)>,
}

/// What stands at the axes.
#[derive(Debug, Clone, Copy)]
pub struct Axes<'a> {
    /// Over the picture.
    pub title: &'a str,
    /// Under the x axis.
    pub x: &'a str,
    /// Beside the y axis.
    pub y: &'a str,
}

/// Rows `curve,x,y`.
pub fn csv(curves: &[Curve], axes: Axes<'_>) -> String {
    let mut text = format!("curve,{},{}\n", axes.x, axes.y);
    for curve in curves {
        for (x, y) in &curve.points {
            let _ = writeln!(text, "{},{x},{y:e}", curve.name);
        }
    }
    text
}

/// An SVG of the curves.
///
/// # Errors
/// Curves without a point that is finite.
pub fn svg(curves: &[Curve], axes: Axes<'_>) -> Result<String, NnError> {
    let mut out = String::new();
    draw(&mut out, curves, axes).map_err(|e| NnError::Training(format!("{}: {e}", axes.title)))?;
    Ok(out)
}

fn range(values: impl Iterator<Item = f64>) -> Option<std::ops::Range<f64>> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    let pad = ((high - low) * 0.03).max(1e-9);
    (low <= high).then_some(low - pad..high + pad)
}

fn draw(out: &mut String, curves: &[Curve], axes: Axes<'_>) -> Result<(), Failure> {
    let root = SVGBackend::with_string(out, (720, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    if !panel(&root, curves, axes)? {
        return Err("no point to draw".into());
    }
    Ok(root.present()?)
}

/// What the drawing library says.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Draws curves and their legend into a part of a picture; false, and nothing drawn, without a finite point.
pub(crate) fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    curves: &[Curve],
    axes: Axes<'_>,
) -> Result<bool, Failure> {
    let points = || curves.iter().flat_map(|c| &c.points);
    let finite = || points().filter(|p| p.0.is_finite() && p.1.is_finite());
    let (Some(x), Some(y)) = (range(finite().map(|p| p.0)), range(finite().map(|p| p.1))) else {
        return Ok(false);
    };
    let mut chart = ChartBuilder::on(area)
        .caption(axes.title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(65)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .draw()?;
    for (i, curve) in curves.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let own = curve.points.iter().copied();
        let shown: Vec<_> = own.filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
        chart
            .draw_series(LineSeries::new(shown, colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: Axes<'_> = Axes {
        title: "t",
        x: "iteration",
        y: "objective",
    };

    #[test]
    fn tables_hold_every_point_and_pictures_name_the_curves() {
        let curve = Curve {
            name: "bcd".to_owned(),
            points: vec![(0.0, 2.0), (1.0, 1.5)],
        };
        let table = csv(std::slice::from_ref(&curve), AXES);
        assert_eq!(table, "curve,iteration,objective\nbcd,0,2e0\nbcd,1,1.5e0\n");
        let picture = svg(&[curve], AXES).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains("bcd"));
        assert!(svg(&[], AXES).is_err());
    }
}
