//! The six lung zones on a coarse grid, for places and extents.
//!
//! Activation maps are a few cells wide, so a grid of at most [`GRID`] a side loses nothing.

use hilum_core::{LungZone, Rect};
use hilum_image::chest::{lung_thirds, split_lungs};
use hilum_image::{Mask, Plane, resize};

/// Longest side of the grid.
const GRID: usize = 256;

/// Zone of every cell: 0 outside the lungs, else 1 + its place in [`LungZone::ALL`].
#[derive(Debug, Clone, PartialEq)]
pub struct Zones {
    cells: Plane<u8>,
    /// Cells a pixel of the stored image, by axis.
    scale: (f64, f64),
}

impl Zones {
    /// The zones of a mask of both lungs; `None` when two lungs cannot be told apart.
    pub fn of(lungs: &Mask) -> Option<Zones> {
        let longest = lungs.width.max(lungs.height).max(1);
        let side = |v: usize| {
            if longest > GRID {
                (v * GRID / longest).max(1)
            } else {
                v
            }
        };
        let small = resize::resize_mask(lungs, side(lungs.width), side(lungs.height)).ok()?;
        let sides = split_lungs(&small)?;
        let mut cells = Plane::filled(small.width, small.height, 0u8);
        for (first, lung) in [(1, &sides.right), (4, &sides.left)] {
            for (number, (_, part)) in (first..).zip(lung_thirds(lung)?) {
                cells
                    .data
                    .iter_mut()
                    .zip(&part.data)
                    .filter(|(_, p)| **p != 0)
                    .for_each(|(c, _)| *c = number);
            }
        }
        let scale = (
            small.width as f64 / lungs.width as f64,
            small.height as f64 / lungs.height as f64,
        );
        Some(Zones { cells, scale })
    }

    /// Width and height of the grid.
    pub fn size(&self) -> (usize, usize) {
        (self.cells.width, self.cells.height)
    }

    /// The zone that a box shares most cells with; the first of equal ones, `None` outside the lungs.
    pub fn place(&self, rect: &Rect) -> Option<LungZone> {
        let mut counts = [0usize; 6];
        let (columns, rows) = (self.range(rect.x, rect.w, 0), self.range(rect.y, rect.h, 1));
        for y in rows {
            for &cell in &self.cells.row(y)[columns.clone()] {
                if let Some(count) = usize::from(cell)
                    .checked_sub(1)
                    .and_then(|k| counts.get_mut(k))
                {
                    *count += 1;
                }
            }
        }
        let most = *counts.iter().max()?;
        let at = counts
            .iter()
            .position(|&c| c == most)
            .filter(|_| most > 0)?;
        LungZone::ALL.get(at).copied()
    }

    fn range(&self, start: f64, length: f64, axis: usize) -> std::ops::Range<usize> {
        let (scale, size) = if axis == 0 {
            (self.scale.0, self.cells.width)
        } else {
            (self.scale.1, self.cells.height)
        };
        let cell = |v: f64| (v * scale).clamp(0.0, size as f64);
        let from = cell(start).floor() as usize;
        from..(cell(start + length).ceil() as usize).max(from)
    }

    /// Share of each zone in percent that `hot` covers, and of all zones; `hot` has the grid's size.
    pub fn extents(&self, hot: &Plane<bool>) -> ([f64; 6], f64) {
        let (mut all, mut covered) = ([0usize; 6], [0usize; 6]);
        for (&cell, &hot) in self.cells.data.iter().zip(&hot.data) {
            if let Some(k) = usize::from(cell).checked_sub(1) {
                all[k] += 1;
                covered[k] += usize::from(hot);
            }
        }
        let share = |part: usize, of: usize| {
            if of == 0 {
                0.0
            } else {
                100.0 * part as f64 / of as f64
            }
        };
        let each = std::array::from_fn(|k| share(covered[k], all[k]));
        (each, share(covered.iter().sum(), all.iter().sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let lungs = Plane::from_fn(600, 600, |x, y| {
            if (60..540).contains(&y) && ((60..240).contains(&x) || (360..540).contains(&x)) {
                255u8
            } else {
                0
            }
        });
        Zones::of(&lungs).unwrap()
    }

    #[test]
    fn the_patients_right_is_on_the_left_of_the_image() {
        let at = |x: f64, y: f64| {
            zones().place(&Rect {
                x,
                y,
                w: 40.0,
                h: 40.0,
            })
        };
        assert_eq!(at(100.0, 450.0), Some(LungZone::RightLower));
        assert_eq!(at(400.0, 100.0), Some(LungZone::LeftUpper));
        assert_eq!(at(280.0, 300.0), None);
        assert_eq!(at(-90.0, 590.0), None);
    }

    #[test]
    fn extents_are_shares_of_the_zones() {
        let zones = zones();
        let (w, h) = zones.size();
        let (each, both) = zones.extents(&Plane::from_fn(w, h, |x, _| x < w / 2));
        assert_eq!(each, [100.0, 100.0, 100.0, 0.0, 0.0, 0.0]);
        assert!((both - 50.0).abs() < 1.0, "{both}");
    }
}
