//! Trachea, carina and main bronchi in one mask.

use crate::error::Refusal;
use crate::masks::MaskSet;
use crate::rows::{Run, extent, median, runs, span};
use crate::structure::Structure;
use hilum_core::{Line, Point};
use hilum_image::Mask;
use hilum_image::mask::{Connectivity, keep_largest};

/// The trachea ends where the mask is this much wider than its median.
const WIDENING: f64 = 1.4;
/// Least height of the trachea over its width.
const LEAST_HEIGHT: f64 = 1.5;

/// The central airways of one image.
#[derive(Debug, Clone)]
pub(crate) struct Airway {
    /// The largest part of trachea and bifurcation together.
    pub(crate) mask: Mask,
    /// First row of the trachea.
    pub(crate) top: usize,
    /// Last row of the trachea, before it widens to the carina.
    pub(crate) end: usize,
    /// Median width of the trachea in pixels.
    pub(crate) width: f64,
    /// First row where two bronchi lie apart, when the mask shows it.
    pub(crate) fork: Option<usize>,
}

impl Airway {
    /// From the masks of trachea and bifurcation; rows above `first` (the lungs' apex) are not looked at.
    pub(crate) fn of(set: &MaskSet, first: Option<usize>) -> Result<Self, Refusal> {
        let trachea = set.get(Structure::Trachea)?;
        let whole = match set.given(Structure::Carina) {
            // The masks of a set have one size.
            Some(carina) => trachea.or(carina).unwrap_or_else(|_| trachea.clone()),
            None => trachea.clone(),
        };
        let mask = keep_largest(&whole, 1, Connectivity::Eight);
        let percent = 100.0 * mask.count() as f64 / whole.count() as f64;
        if percent < 80.0 {
            return Err(Refusal::InParts {
                structure: Structure::Trachea,
                percent,
            });
        }
        let (start, bottom) = extent(&mask).ok_or(Refusal::Empty(Structure::Trachea))?;
        let top = start.max(first.unwrap_or(0));
        let fork = fork(&mask, top, bottom);
        let below = fork.unwrap_or(bottom + 1);
        let mut widths: Vec<f64> = (top..below)
            .filter_map(|y| span(&mask, y))
            .map(Run::width)
            .collect();
        let width = median(&mut widths).ok_or(Refusal::Misplaced(
            "the trachea lies above the lungs altogether",
        ))?;
        let narrow = |y: &usize| span(&mask, *y).is_some_and(|s| s.width() <= WIDENING * width);
        let end = (top..below).rev().find(narrow).unwrap_or(top);
        let height = (end + 1 - top) as f64 / width;
        Refusal::unless_within(
            "the height of the trachea over its width",
            height,
            LEAST_HEIGHT,
            20.0,
        )?;
        Ok(Airway {
            mask,
            top,
            end,
            width,
            fork,
        })
    }

    /// The trachea at a row.
    pub(crate) fn at(&self, y: usize) -> Option<Run> {
        span(&self.mask, y)
    }

    /// The row whose width is nearest to the median, as a line across the trachea.
    pub(crate) fn width_line(&self) -> Option<Line> {
        let spans = (self.top..=self.end).filter_map(|y| Some((y, self.at(y)?)));
        let off = |s: &Run| (s.width() - self.width).abs();
        let (y, s) = spans.min_by(|a, b| off(&a.1).total_cmp(&off(&b.1)))?;
        let point = |x: usize| Point {
            x: x as f64,
            y: y as f64 + 0.5,
        };
        Some(Line {
            from: point(s.x0),
            to: point(s.x1),
        })
    }
}

/// The first row from which on two bronchi lie apart for as many rows as the trachea is half wide.
fn fork(mask: &Mask, top: usize, bottom: usize) -> Option<usize> {
    let mut widths: Vec<f64> = (top..=top + (bottom - top) / 3)
        .filter_map(|y| span(mask, y))
        .map(Run::width)
        .collect();
    let width = median(&mut widths)?;
    let least = (0.15 * width).max(1.0);
    let needed = (0.5 * width).ceil().max(2.0) as usize;
    let mut since = None;
    for y in top..=bottom {
        let two = runs(mask, y).iter().filter(|r| r.width() >= least).count() >= 2;
        match (two, since) {
            (true, None) => since = Some(y),
            (false, _) => since = None,
            (true, Some(from)) if y - from + 1 >= needed => return Some(from),
            _ => {}
        }
    }
    None
}
