//! Outlines as run lengths, by COCO's rule (`frPoly` of pycocotools): the outline is walked on a grid five times as fine, and a column
//! changes sides where the walk crosses its middle.

use super::Rle;
use hilum_core::Point;

/// Steps of the fine grid in a pixel.
const FINE: f64 = 5.0;

impl Rle {
    /// Pixels inside a closed polygon; `size` is height and width. Corners may lie outside the image.
    pub fn from_polygon(corners: &[Point], size: (usize, usize)) -> Self {
        let (height, width) = size;
        let walk = outline(corners);
        let mut turns: Vec<usize> = walk
            .windows(2)
            .filter_map(|pair| crossing(pair[0], pair[1], size))
            .collect();
        turns.sort_unstable();
        let mut counts = Vec::new();
        let mut from = 0;
        for turn in cancelled(&turns) {
            counts.push(turn - from);
            from = turn;
        }
        counts.push(height * width - from);
        Rle { size, counts }
    }

    /// Smallest box round the pixels as COCO writes it: x, y, width, height; zeros for an empty mask. A run that goes on from one column
    /// into the next reaches from the top to the bottom.
    pub fn bounds(&self) -> [usize; 4] {
        let height = self.size.0.max(1);
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        let mut at = 0;
        for (i, &run) in self.counts.iter().enumerate() {
            if i % 2 == 1 && run > 0 {
                let last = at + run - 1;
                (left, right) = (left.min(at / height), right.max(last / height));
                if at / height == last / height {
                    (top, bottom) = (top.min(at % height), bottom.max(last % height));
                } else {
                    (top, bottom) = (0, height - 1);
                }
            }
            at += run;
        }
        if left == usize::MAX {
            return [0; 4];
        }
        [left, top, right - left + 1, bottom - top + 1]
    }
}

/// Points of the fine grid along the outline.
fn outline(corners: &[Point]) -> Vec<(i64, i64)> {
    let fine = |v: f64| (FINE * v + 0.5) as i64;
    let grid: Vec<(i64, i64)> = corners.iter().map(|p| (fine(p.x), fine(p.y))).collect();
    let ends = grid.iter().zip(grid.iter().cycle().skip(1));
    ends.flat_map(|(a, b)| edge(*a, *b)).collect()
}

/// Points from one corner to the next, both included, one for each step along the longer side.
///
/// Points between are rounded from the corner that comes first on that side, so that an edge walked backwards gives the same points.
fn edge(a: (i64, i64), b: (i64, i64)) -> Vec<(i64, i64)> {
    let (dx, dy) = ((b.0 - a.0).abs(), (b.1 - a.1).abs());
    let along_x = dx >= dy;
    let backwards = if along_x { a.0 > b.0 } else { a.1 > b.1 };
    let (start, end) = if backwards { (b, a) } else { (a, b) };
    let (length, rise) = if along_x {
        (dx, end.1 - start.1)
    } else {
        (dy, end.0 - start.0)
    };
    let slope = if length == 0 {
        0.0
    } else {
        rise as f64 / length as f64
    };
    let point = |step: i64| {
        let t = if backwards { length - step } else { step };
        let across = |from: i64| (from as f64 + slope * t as f64 + 0.5) as i64;
        if along_x {
            (start.0 + t, across(start.1))
        } else {
            (across(start.0), start.1 + t)
        }
    };
    (0..=length).map(point).collect()
}

/// Where (column by column) a step of the walk passes the middle of a column of pixels.
fn crossing(from: (i64, i64), to: (i64, i64), (height, width): (usize, usize)) -> Option<usize> {
    if from.0 == to.0 {
        return None;
    }
    let pixel = |fine: i64| (fine as f64 + 0.5) / FINE - 0.5;
    let x = pixel(if to.0 < from.0 { to.0 } else { to.0 - 1 });
    if x.floor() != x || x < 0.0 || x > width as f64 - 1.0 {
        return None;
    }
    let y = pixel(from.1.min(to.1)).clamp(0.0, height as f64).ceil();
    Some(x as usize * height + y as usize)
}

/// Without pairs of equal places: there the mask turns twice.
fn cancelled(sorted: &[usize]) -> Vec<usize> {
    let mut left: Vec<usize> = Vec::new();
    for &at in sorted {
        if left.last() == Some(&at) {
            left.pop();
        } else {
            left.push(at);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(corners: &[[f64; 2]]) -> Vec<Point> {
        corners.iter().map(|c| Point { x: c[0], y: c[1] }).collect()
    }

    #[test]
    fn a_box_fills_its_pixels_whichever_way_it_is_walked() {
        let corners = polygon(&[[1.0, 2.0], [4.0, 2.0], [4.0, 6.0], [1.0, 6.0]]);
        let rle = Rle::from_polygon(&corners, (8, 6));
        assert_eq!((rle.area(), rle.bounds()), (12, [1, 2, 3, 4]));
        let back: Vec<Point> = corners.into_iter().rev().collect();
        assert_eq!(Rle::from_polygon(&back, (8, 6)), rle);
        assert_eq!(rle.decode().unwrap().count(), 12);
    }

    #[test]
    fn what_lies_outside_the_image_is_cut_off() {
        let corners = polygon(&[[-3.0, -3.0], [9.0, -3.0], [9.0, 9.0], [-3.0, 9.0]]);
        let rle = Rle::from_polygon(&corners, (4, 5));
        assert_eq!((rle.area(), rle.bounds()), (20, [0, 0, 5, 4]));
    }

    #[test]
    fn nothing_has_no_box() {
        let rle = Rle::from_polygon(&[], (4, 5));
        assert_eq!((rle.counts.clone(), rle.bounds()), (vec![20], [0; 4]));
    }
}
