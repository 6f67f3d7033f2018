//! Connected components, the largest of them, and holes.

use crate::plane::{Mask, Plane};

/// Which neighbours belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Pixels that share an edge.
    Four,
    /// Pixels that share an edge or a corner.
    Eight,
}

impl Connectivity {
    fn offsets(self) -> &'static [(isize, isize)] {
        const ALL: [(isize, isize); 8] = [
            (0, -1),
            (-1, 0),
            (1, 0),
            (0, 1),
            (-1, -1),
            (1, -1),
            (-1, 1),
            (1, 1),
        ];
        match self {
            Connectivity::Four => &ALL[..4],
            Connectivity::Eight => &ALL,
        }
    }
}

/// One connected component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Label, from 1 in raster order of the first pixel.
    pub label: u32,
    /// Pixels.
    pub area: usize,
    /// Left column, top row, width and height.
    pub bounds: (usize, usize, usize, usize),
}

/// Labels of all pixels (0 is background) and the components.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Label of every pixel.
    pub map: Plane<u32>,
    /// Components in the order of their labels.
    pub components: Vec<Component>,
}

impl Labels {
    /// The mask of one label.
    pub fn mask_of(&self, label: u32) -> Mask {
        self.map
            .map(|&l| if l == label && l != 0 { 255 } else { 0 })
    }
}

/// Labels the connected components in raster order.
pub fn label(mask: &Mask, connectivity: Connectivity) -> Labels {
    let mut map = Plane::filled(mask.width, mask.height, 0u32);
    let mut components = Vec::new();
    let mut stack = Vec::new();
    for start in 0..mask.data.len() {
        if mask.data[start] == 0 || map.data[start] != 0 {
            continue;
        }
        let number = components.len() as u32 + 1;
        map.data[start] = number;
        stack.push(start);
        components.push(flood(mask, &mut map, &mut stack, number, connectivity));
    }
    Labels { map, components }
}

fn flood(
    mask: &Mask,
    map: &mut Plane<u32>,
    stack: &mut Vec<usize>,
    number: u32,
    connectivity: Connectivity,
) -> Component {
    let (mut area, mut left, mut top, mut right, mut bottom) = (0, usize::MAX, usize::MAX, 0, 0);
    while let Some(at) = stack.pop() {
        let (x, y) = (at % mask.width, at / mask.width);
        area += 1;
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
        for &(dx, dy) in connectivity.offsets() {
            let (Some(nx), Some(ny)) = (x.checked_add_signed(dx), y.checked_add_signed(dy)) else {
                continue;
            };
            if nx >= mask.width || ny >= mask.height {
                continue;
            }
            let next = ny * mask.width + nx;
            if mask.data[next] != 0 && map.data[next] == 0 {
                map.data[next] = number;
                stack.push(next);
            }
        }
    }
    Component {
        label: number,
        area,
        bounds: (left, top, right - left + 1, bottom - top + 1),
    }
}

/// Keeps the `k` largest components (of equal ones the first in raster order).
pub fn keep_largest(mask: &Mask, k: usize, connectivity: Connectivity) -> Mask {
    let labels = label(mask, connectivity);
    let mut order = labels.components.clone();
    order.sort_by_key(|c| (std::cmp::Reverse(c.area), c.label));
    let mut keep = vec![false; order.len() + 1];
    order
        .iter()
        .take(k)
        .for_each(|c| keep[c.label as usize] = true);
    labels.map.map(|&l| if keep[l as usize] { 255 } else { 0 })
}

/// Fills background that is not connected (by edges) to the image border, as SciPy's `binary_fill_holes`.
pub fn fill_holes(mask: &Mask) -> Mask {
    let background = mask.map(|&v| if v == 0 { 255u8 } else { 0 });
    let labels = label(&background, Connectivity::Four);
    let (w, h) = (mask.width, mask.height);
    let touches = |c: &Component| {
        let (x, y, cw, ch) = c.bounds;
        x == 0 || y == 0 || x + cw == w || y + ch == h
    };
    let mut open = vec![false; labels.components.len() + 1];
    labels
        .components
        .iter()
        .for_each(|c| open[c.label as usize] = touches(c));
    labels
        .map
        .map(|&l| if l == 0 || !open[l as usize] { 255 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        Plane::from_fn(rows[0].len(), rows.len(), |x, y| {
            if rows[y].as_bytes()[x] == b'#' {
                255
            } else {
                0
            }
        })
    }

    #[test]
    fn corners_connect_only_with_eight() {
        let m = mask(&["#..", ".#.", "..."]);
        assert_eq!(label(&m, Connectivity::Four).components.len(), 2);
        let eight = label(&m, Connectivity::Eight);
        assert_eq!(
            eight.components,
            vec![Component {
                label: 1,
                area: 2,
                bounds: (0, 0, 2, 2)
            }]
        );
    }

    #[test]
    fn largest_and_holes() {
        let m = mask(&["####.#", "#..#..", "####.#"]);
        assert_eq!(keep_largest(&m, 1, Connectivity::Four).count(), 10);
        assert_eq!(fill_holes(&m).count(), 14);
        assert_eq!(
            keep_largest(&mask(&["..."]), 2, Connectivity::Four).count(),
            0
        );
    }
}
