//! Geometry of the chest on a frontal radiograph: the two lungs, their zones, widths, the cardiothoracic ratio.
//!
//! The image shows the patient from the front: the patient's right lung is on the left of the image.

use crate::error::ImageError;
use crate::mask::{Component, Connectivity, Labels, keep_largest, label, solidity};
use crate::plane::{Mask, Plane};
use hilum_core::{Line, Point};

/// The widest run between the outermost mask pixels of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Row.
    pub row: usize,
    /// First column of the mask.
    pub x0: usize,
    /// One past the last column of the mask.
    pub x1: usize,
}

impl Span {
    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.x1 - self.x0
    }

    /// The span as a line through the middle of its row.
    pub fn line(&self) -> Line {
        let y = self.row as f64 + 0.5;
        Line {
            from: Point {
                x: self.x0 as f64,
                y,
            },
            to: Point {
                x: self.x1 as f64,
                y,
            },
        }
    }
}

fn row_span(mask: &Mask, row: usize) -> Option<Span> {
    let line = mask.row(row);
    let x0 = line.iter().position(|&v| v != 0)?;
    let x1 = line.iter().rposition(|&v| v != 0)? + 1;
    Some(Span { row, x0, x1 })
}

/// The widest transverse line from first to last mask pixel of a row (gaps between included); the uppermost of equal ones.
/// For a mask of both lungs this is the inner width of the thorax. `None` for an empty mask.
pub fn widest_span(mask: &Mask) -> Option<Span> {
    let mut best: Option<Span> = None;
    for span in (0..mask.height).filter_map(|row| row_span(mask, row)) {
        if best.is_none_or(|b| span.width() > b.width()) {
            best = Some(span);
        }
    }
    best
}

/// The two lungs of a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct Lungs {
    /// The patient's right lung, on the left of the image.
    pub right: Mask,
    /// The patient's left lung, on the right of the image.
    pub left: Mask,
    /// True when the mask was one piece and had to be cut at its narrowest column.
    pub cut: bool,
}

/// Splits a mask of both lungs into right and left. Stray parts go to the nearer lung by their centre.
/// `None` when the mask is empty or all of it lies on one side.
pub fn split_lungs(mask: &Mask) -> Option<Lungs> {
    let division = Division::of(mask)?;
    Some(Lungs {
        right: division.side(true),
        left: division.side(false),
        cut: division.cut.is_some(),
    })
}

/// Pixels of the patient's right and left lung; `None` as for [`split_lungs`].
pub fn lung_areas(mask: &Mask) -> Option<(usize, usize)> {
    Division::of(mask).map(|d| d.areas())
}

/// Which parts of a mask belong to which lung.
struct Division {
    labels: Labels,
    /// By label; the entry of the background is not used.
    is_right: Vec<bool>,
    /// The one piece that holds both lungs, and the column that it is cut at.
    cut: Option<(Component, usize)>,
}

impl Division {
    fn of(mask: &Mask) -> Option<Self> {
        let labels = label(mask, Connectivity::Eight);
        let mut parts = labels.components.clone();
        parts.sort_by_key(|c| (std::cmp::Reverse(c.area), c.label));
        let first = *parts.first()?;
        let second = parts.get(1).filter(|s| 5 * s.area >= first.area);
        let middle = |c: &Component| c.bounds.0 as f64 + c.bounds.2 as f64 / 2.0;
        let (column, cut) = match second {
            Some(second) => {
                let (a, b) = (middle(&first), middle(second));
                if (a - b).abs() < mask.width as f64 / 20.0 {
                    return None;
                }
                ((a + b) / 2.0, None)
            }
            None => {
                let column = narrowest_column(mask, first.bounds)?;
                (column as f64, Some((first, column)))
            }
        };
        let mut is_right = vec![false; parts.len() + 1];
        for part in &parts {
            is_right[part.label as usize] = middle(part) < column;
        }
        Some(Division {
            labels,
            is_right,
            cut,
        })
    }

    fn side(&self, right: bool) -> Mask {
        let level: Vec<u8> = std::iter::once(0)
            .chain(
                self.is_right[1..]
                    .iter()
                    .map(|&r| if r == right { 255 } else { 0 }),
            )
            .collect();
        let mut mask = self.labels.map.map(|&l| level[l as usize]);
        if let Some((joined, column)) = &self.cut {
            self.cut_side(&mut mask, joined, *column, right);
        }
        mask
    }

    fn cut_side(&self, mask: &mut Mask, joined: &Component, column: usize, right: bool) {
        let (left, top, width, height) = joined.bounds;
        for y in top..top + height {
            let labels = &self.labels.map.row(y)[left..left + width];
            let pixels = &mut mask.row_mut(y)[left..left + width];
            for (x, (pixel, &l)) in pixels.iter_mut().zip(labels).enumerate() {
                if l == joined.label {
                    *pixel = if (left + x < column) == right { 255 } else { 0 };
                }
            }
        }
    }

    fn areas(&self) -> (usize, usize) {
        if self.cut.is_some() {
            return (self.side(true).count(), self.side(false).count());
        }
        let area = |right: bool| {
            let own = |c: &&Component| self.is_right[c.label as usize] == right;
            self.labels
                .components
                .iter()
                .filter(own)
                .map(|c| c.area)
                .sum()
        };
        (area(true), area(false))
    }
}

/// The column with the fewest mask pixels in the middle third of the box; `None` when there is no waist to cut at.
fn narrowest_column(mask: &Mask, (left, top, w, h): (usize, usize, usize, usize)) -> Option<usize> {
    let count = |x: usize| {
        (top..top + h)
            .filter(|&y| mask.data[y * mask.width + x] != 0)
            .count()
    };
    let column =
        (left + w / 3..left + 2 * w / 3).min_by_key(|&x| (count(x), x.abs_diff(left + w / 2)))?;
    let widest = (left..left + w).map(count).max()?;
    (2 * count(column) < widest).then_some(column)
}

/// Vertical third of one lung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Third {
    /// Upper.
    Upper,
    /// Middle.
    Middle,
    /// Lower.
    Lower,
}

/// The thirds of one lung by its own height, from top to bottom; `None` for an empty mask.
pub fn lung_thirds(lung: &Mask) -> Option<[(Third, Mask); 3]> {
    let filled: Vec<usize> = (0..lung.height)
        .filter(|&y| lung.row(y).iter().any(|&v| v != 0))
        .collect();
    let (top, bottom) = (*filled.first()?, filled.last()? + 1);
    let edge = |k: usize| top + (bottom - top) * k / 3;
    let part = |k: usize| {
        Plane::from_fn(lung.width, lung.height, |x, y| {
            if y >= edge(k) && y < edge(k + 1) && lung.data[y * lung.width + x] != 0 {
                255u8
            } else {
                0
            }
        })
    };
    Some([
        (Third::Upper, part(0)),
        (Third::Middle, part(1)),
        (Third::Lower, part(2)),
    ])
}

/// A heart's outline that fills less of its convex hull is not a heart's. Those found on 120 JSRT films of train and val, where
/// they are good, fill 0.94 to 0.98 (`bench/heart_outlines.py`); those that run along vessels into the lungs fill less.
pub const LEAST_SOLIDITY: f64 = 0.9;

/// Something about a cardiothoracic ratio that makes it doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CtrFlag {
    /// The mask of the lungs cannot be told apart into two.
    LungsNotSeparate,
    /// One lung is less than a third of the other.
    LungsUnequal,
    /// The lungs touch the left or right edge of the image: the thorax may be cut.
    ThoraxAtEdge,
    /// The heart does not lie between the outer walls of the lungs.
    HeartOutsideThorax,
    /// The ratio is outside 0.25 to 0.85.
    Implausible,
    /// The heart mask is in several large parts.
    HeartInParts,
    /// The heart's outline has branches or bays: it fills less than [`LEAST_SOLIDITY`] of its convex hull.
    HeartRagged,
}

/// Cardiothoracic ratio with the lines that it was read from (Danzer 1919).
#[derive(Debug, Clone, PartialEq)]
pub struct Cardiothoracic {
    /// Heart width over thorax width.
    pub ratio: f64,
    /// From the rightmost to the leftmost point of the heart's outline, drawn at the row of its widest part.
    pub heart: Line,
    /// The widest inner thorax.
    pub thorax: Line,
    /// What makes the ratio doubtful.
    pub flags: Vec<CtrFlag>,
}

/// Measures heart and thorax widths. The heart's width is its full transverse extent (greatest extent right plus greatest
/// extent left of the midline), the thorax's the widest line between the outer lung walls. `None` when either is empty.
///
/// # Errors
/// [`ImageError::SizeMismatch`].
pub fn cardiothoracic(lungs: &Mask, heart: &Mask) -> Result<Option<Cardiothoracic>, ImageError> {
    lungs.check_same_size(heart)?;
    let main = keep_largest(heart, 1, Connectivity::Eight);
    let (Some(thorax), Some(widest)) = (widest_span(lungs), widest_span(&main)) else {
        return Ok(None);
    };
    let spans = || (0..main.height).filter_map(|y| row_span(&main, y));
    let (x0, x1) = spans().fold((usize::MAX, 0), |(a, b), s| (a.min(s.x0), b.max(s.x1)));
    let extent = Span {
        row: widest.row,
        x0,
        x1,
    };
    let ratio = extent.width() as f64 / thorax.width() as f64;
    let mut flags = lung_flags(lungs);
    if thorax.x0 == 0 || thorax.x1 == lungs.width {
        flags.push(CtrFlag::ThoraxAtEdge);
    }
    if x0 < thorax.x0 || x1 > thorax.x1 {
        flags.push(CtrFlag::HeartOutsideThorax);
    }
    if !(0.25..=0.85).contains(&ratio) {
        flags.push(CtrFlag::Implausible);
    }
    if 10 * main.count() < 9 * heart.count() {
        flags.push(CtrFlag::HeartInParts);
    }
    if solidity(&main).is_some_and(|share| share < LEAST_SOLIDITY) {
        flags.push(CtrFlag::HeartRagged);
    }
    Ok(Some(Cardiothoracic {
        ratio,
        heart: extent.line(),
        thorax: thorax.line(),
        flags,
    }))
}

fn lung_flags(lungs: &Mask) -> Vec<CtrFlag> {
    let Some((r, l)) = lung_areas(lungs) else {
        return vec![CtrFlag::LungsNotSeparate];
    };
    if 3 * r.min(l) < r.max(l) {
        vec![CtrFlag::LungsUnequal]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ellipse(mask: &mut Mask, cx: f64, cy: f64, rx: f64, ry: f64) {
        let w = mask.width;
        for (i, v) in mask.data.iter_mut().enumerate() {
            let (x, y) = ((i % w) as f64 + 0.5, (i / w) as f64 + 0.5);
            if ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0 {
                *v = 255;
            }
        }
    }

    fn lungs() -> Mask {
        let mut mask = Plane::filled(200, 200, 0u8);
        ellipse(&mut mask, 55.0, 100.0, 35.0, 70.0);
        ellipse(&mut mask, 145.0, 100.0, 35.0, 70.0);
        mask
    }

    #[test]
    fn a_known_phantom_has_the_known_ratio() {
        let mut heart = Plane::filled(200, 200, 0u8);
        ellipse(&mut heart, 105.0, 130.0, 40.0, 30.0);
        let ctr = cardiothoracic(&lungs(), &heart).unwrap().unwrap();
        assert_eq!((ctr.heart.length(), ctr.thorax.length()), (80.0, 160.0));
        assert_eq!(ctr.ratio, 0.5);
        assert!(ctr.flags.is_empty(), "{:?}", ctr.flags);
        assert_eq!(
            cardiothoracic(&lungs(), &Plane::filled(200, 200, 0)).unwrap(),
            None
        );
        assert!(cardiothoracic(&lungs(), &Plane::filled(3, 3, 0)).is_err());
    }

    #[test]
    fn a_heart_with_branches_is_flagged() {
        let mut heart = Plane::filled(200, 200, 0u8);
        ellipse(&mut heart, 105.0, 130.0, 35.0, 28.0);
        let plain = cardiothoracic(&lungs(), &heart).unwrap().unwrap();
        assert!(!plain.flags.contains(&CtrFlag::HeartRagged));
        ellipse(&mut heart, 60.0, 115.0, 30.0, 4.0);
        ellipse(&mut heart, 100.0, 70.0, 5.0, 45.0);
        let ragged = cardiothoracic(&lungs(), &heart).unwrap().unwrap();
        assert!(
            ragged.flags.contains(&CtrFlag::HeartRagged),
            "{:?}",
            ragged.flags
        );
    }

    #[test]
    fn right_is_on_the_left_of_the_image_and_touching_lungs_are_cut() {
        let sides = split_lungs(&lungs()).unwrap();
        assert!(
            !sides.cut
                && sides.right.data[100 * 200 + 55] != 0
                && sides.left.data[100 * 200 + 145] != 0
        );
        let mut joined = lungs();
        (85..115).for_each(|x| joined.row_mut(100)[x] = 255);
        let sides = split_lungs(&joined).unwrap();
        assert!(sides.cut);
        assert!((sides.right.count() as f64 / sides.left.count() as f64 - 1.0).abs() < 0.02);
        for mask in [&lungs(), &joined] {
            let sides = split_lungs(mask).unwrap();
            assert_eq!(
                lung_areas(mask),
                Some((sides.right.count(), sides.left.count()))
            );
            assert_eq!(sides.right.count() + sides.left.count(), mask.count());
        }
        assert_eq!(split_lungs(&Plane::filled(5, 5, 0)), None);
        let mut one = Plane::filled(200, 200, 0u8);
        ellipse(&mut one, 55.0, 100.0, 35.0, 70.0);
        assert_eq!(split_lungs(&one), None);
    }

    #[test]
    fn thirds_cover_the_lung_without_overlap() {
        let right = split_lungs(&lungs()).unwrap().right;
        let thirds = lung_thirds(&right).unwrap();
        assert_eq!(
            thirds.iter().map(|(_, m)| m.count()).sum::<usize>(),
            right.count()
        );
        assert_eq!(lung_thirds(&Plane::filled(4, 4, 0)), None);
    }

    #[test]
    fn a_heart_beside_the_thorax_is_flagged() {
        let mut heart = Plane::filled(200, 200, 0u8);
        ellipse(&mut heart, 185.0, 130.0, 14.0, 30.0);
        let ctr = cardiothoracic(&lungs(), &heart).unwrap().unwrap();
        assert!(
            ctr.flags.contains(&CtrFlag::HeartOutsideThorax)
                && ctr.flags.contains(&CtrFlag::Implausible)
        );
    }
}
