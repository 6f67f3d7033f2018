//! Rows, runs and extremes of masks.

use hilum_core::Point;
use hilum_image::Mask;

/// From the first to one past the last set pixel of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) x0: usize,
    pub(crate) x1: usize,
}

impl Run {
    pub(crate) fn width(self) -> f64 {
        (self.x1 - self.x0) as f64
    }

    pub(crate) fn middle(self) -> f64 {
        0.5 * (self.x0 + self.x1) as f64
    }
}

/// First to last set pixel of a row, gaps included.
pub(crate) fn span(mask: &Mask, y: usize) -> Option<Run> {
    let row = (y < mask.height).then(|| mask.row(y))?;
    let x0 = row.iter().position(|&v| v != 0)?;
    let x1 = row.iter().rposition(|&v| v != 0)? + 1;
    Some(Run { x0, x1 })
}

/// The runs of a row, from left to right.
pub(crate) fn runs(mask: &Mask, y: usize) -> Vec<Run> {
    let mut all = Vec::new();
    let mut open = None;
    for (x, &v) in mask.row(y).iter().enumerate() {
        match (v != 0, open) {
            (true, None) => open = Some(x),
            (false, Some(x0)) => {
                all.push(Run { x0, x1: x });
                open = None;
            }
            _ => {}
        }
    }
    if let Some(x0) = open {
        all.push(Run { x0, x1: mask.width });
    }
    all
}

/// First and last row with pixels.
pub(crate) fn extent(mask: &Mask) -> Option<(usize, usize)> {
    let filled = |y: &usize| mask.row(*y).iter().any(|&v| v != 0);
    Some((
        (0..mask.height).find(filled)?,
        (0..mask.height).rev().find(filled)?,
    ))
}

/// Rows of a column with pixels, first and last.
pub(crate) fn column_extent(mask: &Mask, x: usize) -> Option<(usize, usize)> {
    let set = |y: &usize| mask.data[y * mask.width + x] != 0;
    Some((
        (0..mask.height).find(set)?,
        (0..mask.height).rev().find(set)?,
    ))
}

/// The outermost point to the left (the edge of the first column, in the middle of its pixels).
pub(crate) fn leftmost(mask: &Mask) -> Option<Point> {
    let x = (0..mask.height)
        .filter_map(|y| span(mask, y))
        .map(|s| s.x0)
        .min()?;
    Some(Point {
        x: x as f64,
        y: middle_of_column(mask, x)?,
    })
}

/// The outermost point to the right.
pub(crate) fn rightmost(mask: &Mask) -> Option<Point> {
    let x = (0..mask.height)
        .filter_map(|y| span(mask, y))
        .map(|s| s.x1)
        .max()?;
    Some(Point {
        x: x as f64,
        y: middle_of_column(mask, x - 1)?,
    })
}

fn middle_of_column(mask: &Mask, x: usize) -> Option<f64> {
    let rows: Vec<usize> = (0..mask.height)
        .filter(|y| mask.data[y * mask.width + x] != 0)
        .collect();
    Some(*rows.get(rows.len() / 2)? as f64 + 0.5)
}

/// Mean column of all pixels.
pub(crate) fn mean_x(mask: &Mask) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for (at, _) in mask.data.iter().enumerate().filter(|(_, v)| **v != 0) {
        sum += (at % mask.width) as f64 + 0.5;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

/// Middle of sorted values; the mean of the two middle ones of an even number. `None` without values.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let upper = *values.get(n / 2)?;
    Some(if n % 2 == 1 {
        upper
    } else {
        0.5 * (values[n / 2 - 1] + upper)
    })
}

/// Least-squares line `x = slope y + offset`; slope 0 when all `y` are equal, `None` without points.
pub(crate) fn fit(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    if points.is_empty() {
        return None;
    }
    let (my, mx) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let yy: f64 = points.iter().map(|p| (p.0 - my).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - my) * (p.1 - mx)).sum();
    let slope = if yy > 0.0 { xy / yy } else { 0.0 };
    Some((slope, mx - slope * my))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_spans_and_extremes() {
        let mask = Mask::from_fn(8, 3, |x, y| u8::from(y == 1 && [1, 2, 5, 7].contains(&x)));
        let found: Vec<(usize, usize)> = runs(&mask, 1).iter().map(|r| (r.x0, r.x1)).collect();
        assert_eq!(found, vec![(1, 3), (5, 6), (7, 8)]);
        assert_eq!(span(&mask, 1), Some(Run { x0: 1, x1: 8 }));
        assert_eq!((span(&mask, 0), span(&mask, 9)), (None, None));
        assert_eq!(extent(&mask), Some((1, 1)));
        assert_eq!(leftmost(&mask).map(|p| (p.x, p.y)), Some((1.0, 1.5)));
        assert_eq!(rightmost(&mask).map(|p| p.x), Some(8.0));
        assert_eq!(column_extent(&mask, 5), Some((1, 1)));
        assert_eq!(median(&mut [3.0, 1.0, 2.0, 10.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
        let (slope, offset) = fit(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-12 && (offset - 1.0).abs() < 1e-12);
    }
}
