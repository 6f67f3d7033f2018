//! Connected components, the largest of them, and holes.

use crate::plane::{Mask, Plane};
use std::ops::Range;

/// Which neighbours belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Pixels that share an edge.
    Four,
    /// Pixels that share an edge or a corner.
    Eight,
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
///
/// Works on runs of a row instead of pixels (He, Chao and Suzuki 2008): runs that touch one of the row
/// above are joined, then numbered by their first pixel.
pub fn label(mask: &Mask, connectivity: Connectivity) -> Labels {
    let (runs, rows) = runs_of(mask);
    let mut parents: Vec<u32> = (0..runs.len() as u32).collect();
    for pair in rows.windows(2) {
        join_rows(&runs, &pair[0], &pair[1], connectivity, &mut parents);
    }
    paint(mask, &runs, &mut parents)
}

/// Foreground pixels `start..end` of one row.
struct Run {
    row: usize,
    start: usize,
    end: usize,
}

/// All runs in raster order, and which of them lie in each row.
fn runs_of(mask: &Mask) -> (Vec<Run>, Vec<Range<usize>>) {
    let (mut runs, mut rows) = (Vec::new(), Vec::with_capacity(mask.height));
    for row in 0..mask.height {
        let pixels = mask.row(row);
        let first = runs.len();
        let mut x = 0;
        while let Some(skip) = pixels[x..].iter().position(|&v| v != 0) {
            let start = x + skip;
            let length = pixels[start..].iter().position(|&v| v == 0);
            let end = length.map_or(pixels.len(), |n| start + n);
            runs.push(Run { row, start, end });
            x = end;
        }
        rows.push(first..runs.len());
    }
    (runs, rows)
}

/// Joins the runs of a row with those of the row above that they touch.
fn join_rows(
    runs: &[Run],
    above: &Range<usize>,
    below: &Range<usize>,
    connectivity: Connectivity,
    parents: &mut [u32],
) {
    let reach = usize::from(connectivity == Connectivity::Eight);
    let mut upper = above.start;
    for lower in below.clone() {
        let (start, end) = (runs[lower].start, runs[lower].end);
        while upper < above.end && runs[upper].end + reach <= start {
            upper += 1;
        }
        let touching = (upper..above.end).take_while(|&u| runs[u].start < end + reach);
        touching.for_each(|u| join(parents, u as u32, lower as u32));
    }
}

/// The first run of the component of `run`; shortens the way for the next one.
fn root(parents: &mut [u32], mut run: u32) -> u32 {
    while parents[run as usize] != run {
        let above = parents[parents[run as usize] as usize];
        parents[run as usize] = above;
        run = above;
    }
    run
}

fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    // The earlier run leads, so that labels follow raster order.
    parents[a.max(b) as usize] = a.min(b);
}

/// Numbers the components, writes the labels, and measures.
fn paint(mask: &Mask, runs: &[Run], parents: &mut [u32]) -> Labels {
    let mut map = Plane::filled(mask.width, mask.height, 0u32);
    let mut components: Vec<Component> = Vec::new();
    let mut numbers = vec![0u32; runs.len()];
    for (i, run) in runs.iter().enumerate() {
        let lead = root(parents, i as u32) as usize;
        if lead == i {
            numbers[i] = components.len() as u32 + 1;
            components.push(Component {
                label: numbers[i],
                area: 0,
                bounds: (run.start, run.row, 0, 0),
            });
        }
        numbers[i] = numbers[lead];
        grow(&mut components[numbers[i] as usize - 1], run);
        let row = run.row * mask.width;
        map.data[row + run.start..row + run.end].fill(numbers[i]);
    }
    Labels { map, components }
}

fn grow(component: &mut Component, run: &Run) {
    let (x, y, w, _) = component.bounds;
    let left = x.min(run.start);
    let right = (x + w).max(run.end);
    component.area += run.end - run.start;
    component.bounds = (left, y, right - left, run.row - y + 1);
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

    /// Components by spreading from every pixel, the definition itself.
    fn spread(mask: &Mask, connectivity: Connectivity) -> Vec<u32> {
        let (w, h) = (mask.width as isize, mask.height as isize);
        let mut map = vec![0u32; mask.data.len()];
        let mut next = 0;
        for start in 0..mask.data.len() {
            if mask.data[start] == 0 || map[start] != 0 {
                continue;
            }
            next += 1;
            map[start] = next;
            let mut stack = vec![start];
            while let Some(at) = stack.pop() {
                let (x, y) = (at as isize % w, at as isize / w);
                for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
                    let (nx, ny) = (x + dx, y + dy);
                    let near = connectivity == Connectivity::Eight || dx == 0 || dy == 0;
                    if !near || nx < 0 || ny < 0 || nx >= w || ny >= h {
                        continue;
                    }
                    let to = (ny * w + nx) as usize;
                    if mask.data[to] != 0 && map[to] == 0 {
                        map[to] = next;
                        stack.push(to);
                    }
                }
            }
        }
        map
    }

    proptest::proptest! {
        #[test]
        fn runs_give_what_spreading_gives(w in 1usize..24, h in 1usize..24, bits in proptest::collection::vec(0u8..5, 576)) {
            let m = Plane::from_fn(w, h, |x, y| if bits[y * 24 + x] < 3 { 255 } else { 0 });
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                let labels = label(&m, connectivity);
                proptest::prop_assert_eq!(&labels.map.data, &spread(&m, connectivity));
                for c in &labels.components {
                    let own: Vec<usize> = (0..w * h).filter(|&i| labels.map.data[i] == c.label).collect();
                    let xs = || own.iter().map(|i| i % w);
                    let ys = || own.iter().map(|i| i / w);
                    let (x0, y0) = (xs().min().unwrap(), ys().min().unwrap());
                    let expected = (x0, y0, xs().max().unwrap() + 1 - x0, ys().max().unwrap() + 1 - y0);
                    proptest::prop_assert_eq!((c.area, c.bounds), (own.len(), expected));
                }
            }
        }
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
