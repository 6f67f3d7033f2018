//! Images cut into parts that are taken away together: even tiles, or superpixels.

use crate::error::{ExplainError, Result};
use std::collections::BTreeMap;

/// A part's number for every pixel, from 0 on without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    map: Vec<u32>,
    count: usize,
}

impl Segments {
    /// From any numbers, which are renumbered in their order.
    ///
    /// # Errors
    /// No pixels.
    pub fn new(numbers: &[u32]) -> Result<Self> {
        if numbers.is_empty() {
            return Err(ExplainError::Size {
                what: "segments",
                expected: 1,
                got: 0,
            });
        }
        let mut names: BTreeMap<u32, u32> = numbers.iter().map(|&n| (n, 0)).collect();
        for (at, slot) in names.values_mut().enumerate() {
            *slot = at as u32;
        }
        Ok(Segments {
            map: numbers.iter().map(|n| names[n]).collect(),
            count: names.len(),
        })
    }

    /// Tiles of `tile` x `tile` pixels, those at the right and bottom edge smaller.
    ///
    /// # Errors
    /// A tile or image without pixels.
    pub fn tiles(h: usize, w: usize, tile: usize) -> Result<Self> {
        if tile == 0 {
            return Err(ExplainError::Setting {
                name: "tile",
                must: "at least 1 pixel",
                got: "0".to_owned(),
            });
        }
        let across = w.div_ceil(tile);
        let numbers: Vec<u32> = (0..h * w)
            .map(|i| ((i / w / tile) * across + i % w / tile) as u32)
            .collect();
        Segments::new(&numbers)
    }

    /// About `wanted` superpixels of a grey plane: k-means in place and grey level from an even grid, parts that came
    /// apart joined to a neighbour (SLIC, Achanta et al. 2012, with grey in place of colour). `compactness` weighs
    /// distance against grey levels; 10 fits levels from 0 to 255, and the plane is scaled to that range.
    ///
    /// # Errors
    /// No pixels, none wanted, or values that are not finite.
    pub fn superpixels(plane: &[f32], w: usize, wanted: usize, compactness: f32) -> Result<Self> {
        let sound = wanted > 0 && w > 0 && plane.len() >= w && plane.len().is_multiple_of(w);
        if !sound || compactness.is_nan() || compactness <= 0.0 {
            return Err(ExplainError::Setting {
                name: "superpixels",
                must: "at least 1 of a whole image, compactness above 0",
                got: format!("{wanted} of {} values, {compactness}", plane.len()),
            });
        }
        if !plane.iter().all(|v| v.is_finite()) {
            return Err(ExplainError::NotFinite { what: "the image" });
        }
        let numbers = Slic::new(plane, w, wanted, compactness).run(10);
        Segments::new(&join_crumbs(&numbers, w, plane.len() / wanted / 4))
    }

    /// The part of every pixel.
    pub fn map(&self) -> &[u32] {
        &self.map
    }

    /// Number of parts.
    pub fn count(&self) -> usize {
        self.count
    }
}

struct Slic {
    levels: Vec<f32>,
    w: usize,
    h: usize,
    step: f32,
    spatial: f32,
    /// Grey level, row, column.
    centres: Vec<[f32; 3]>,
}

impl Slic {
    fn new(plane: &[f32], w: usize, wanted: usize, compactness: f32) -> Self {
        let h = plane.len() / w;
        let (low, high) = plane
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, u), &v| {
                (l.min(v), u.max(v))
            });
        let scale = 255.0 / (high - low).max(1e-12);
        let levels: Vec<f32> = plane.iter().map(|v| (v - low) * scale).collect();
        let step = (plane.len() as f32 / wanted as f32).sqrt().max(1.0);
        let rows = ((h as f32 / step).round() as usize).max(1);
        let columns = ((w as f32 / step).round() as usize).max(1);
        let centres = (0..rows * columns)
            .map(|i| {
                let y = ((i / columns) as f32 + 0.5) * h as f32 / rows as f32;
                let x = ((i % columns) as f32 + 0.5) * w as f32 / columns as f32;
                let at = (y as usize).min(h - 1) * w + (x as usize).min(w - 1);
                [levels[at], y, x]
            })
            .collect();
        let spatial = (compactness / step).powi(2);
        Slic {
            levels,
            w,
            h,
            step,
            spatial,
            centres,
        }
    }

    fn run(mut self, rounds: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        for _ in 0..rounds {
            numbers = self.assign();
            self.move_centres(&numbers);
        }
        numbers
    }

    fn assign(&self) -> Vec<u32> {
        let mut numbers = vec![0u32; self.levels.len()];
        let mut best = vec![f32::INFINITY; self.levels.len()];
        for (k, [level, cy, cx]) in self.centres.iter().enumerate() {
            let reach = 2.0 * self.step;
            let span = |c: f32, len: usize| {
                (c - reach).max(0.0) as usize..((c + reach) as usize + 1).min(len)
            };
            for y in span(*cy, self.h) {
                for x in span(*cx, self.w) {
                    let at = y * self.w + x;
                    let place = (y as f32 - cy).powi(2) + (x as f32 - cx).powi(2);
                    let d = (self.levels[at] - level).powi(2) + place * self.spatial;
                    if d < best[at] {
                        (best[at], numbers[at]) = (d, k as u32);
                    }
                }
            }
        }
        numbers
    }

    fn move_centres(&mut self, numbers: &[u32]) {
        let mut sums = vec![[0.0f64; 4]; self.centres.len()];
        for (at, &k) in numbers.iter().enumerate() {
            let place = [(at / self.w) as f64, (at % self.w) as f64];
            let add = [f64::from(self.levels[at]), place[0], place[1], 1.0];
            sums[k as usize]
                .iter_mut()
                .zip(add)
                .for_each(|(s, v)| *s += v);
        }
        for (centre, sum) in self.centres.iter_mut().zip(sums) {
            if sum[3] > 0.0 {
                *centre = [0, 1, 2].map(|i| (sum[i] / sum[3]) as f32);
            }
        }
    }
}

/// Gives every connected part its own number; parts below `least` pixels take that of the part above or left of them.
fn join_crumbs(numbers: &[u32], w: usize, least: usize) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut out = vec![NONE; numbers.len()];
    let mut next = 0;
    for start in 0..numbers.len() {
        if out[start] != NONE {
            continue;
        }
        let beside = match (start % w, start / w) {
            (1.., _) => Some(out[start - 1]),
            (0, 1..) => Some(out[start - w]),
            _ => None,
        };
        let mut part = vec![start];
        out[start] = next;
        let mut at = 0;
        while let Some(&pixel) = part.get(at) {
            at += 1;
            for n in neighbours(pixel, w, numbers.len()) {
                if out[n] == NONE && numbers[n] == numbers[start] {
                    out[n] = next;
                    part.push(n);
                }
            }
        }
        match beside.filter(|_| part.len() < least) {
            Some(other) => part.iter().for_each(|&p| out[p] = other),
            None => next += 1,
        }
    }
    out
}

fn neighbours(pixel: usize, w: usize, len: usize) -> impl Iterator<Item = usize> {
    let left = (!pixel.is_multiple_of(w)).then(|| pixel - 1);
    let right = (!(pixel + 1).is_multiple_of(w)).then_some(pixel + 1);
    let up = pixel.checked_sub(w);
    let down = Some(pixel + w).filter(|p| *p < len);
    [left, right, up, down].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_counted_along_rows() {
        let s = Segments::tiles(4, 6, 2).unwrap();
        assert_eq!(s.count(), 6);
        assert_eq!(&s.map()[..6], &[0, 0, 1, 1, 2, 2]);
        assert_eq!(Segments::tiles(5, 5, 4).unwrap().count(), 4);
        assert!(Segments::tiles(4, 4, 0).is_err());
    }

    #[test]
    fn numbers_are_closed_up() {
        let s = Segments::new(&[7, 7, 3, 900]).unwrap();
        assert_eq!((s.map(), s.count()), (&[1, 1, 0, 2][..], 3));
    }

    #[test]
    fn superpixels_follow_an_edge_and_hang_together() {
        let (h, w) = (40, 40);
        let plane: Vec<f32> = (0..h * w)
            .map(|i| if i % w < 17 { 0.0 } else { 1.0 })
            .collect();
        let s = Segments::superpixels(&plane, w, 25, 10.0).unwrap();
        assert!((15..=40).contains(&s.count()), "{}", s.count());
        for y in 0..h {
            assert_ne!(s.map()[y * w + 16], s.map()[y * w + 17], "row {y}");
        }
        let again = join_crumbs(s.map(), w, 0);
        assert_eq!(Segments::new(&again).unwrap().count(), s.count());
        assert!(Segments::superpixels(&[f32::NAN; 4], 2, 1, 10.0).is_err());
        assert!(Segments::superpixels(&[], 2, 1, 10.0).is_err());
    }
}
