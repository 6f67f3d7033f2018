//! Region proposals that know nothing of anatomy: windows scored by the edges that they hold whole.
//!
//! After Zitnick and Dollar, "Edge Boxes" (ECCV 2014), simplified: the edge strength inside a window less that in a frame round it (the edges of
//! what the window cuts go on there), over its perimeter to a power. They are what a phrase would be matched against without masks.

use hilum_core::Rect;
use hilum_image::Gray;
use hilum_metrics::detection::nms;

/// Power of the perimeter: larger windows hold more edges by chance. Less than the paper's 1.5, since edges are not grouped into
/// contours here: a corner that lies whole in a small window would win over the thing it belongs to.
const POWER: f64 = 1.2;
/// Width of the frame, as a share of the window's sides.
const FRAME: f64 = 0.1;
/// Windows are moved to the edges, as in the paper's section 3.4, by steps of this share of their sides, then halves of it.
const STEP: f64 = 0.125;
/// Steps smaller than this many pixels end the search.
const LEAST_STEP: f64 = 1.0;
/// So many times the windows asked for are moved.
const REFINED: usize = 4;
/// Proposals that overlap more than this are one.
const OVERLAP: f64 = 0.6;
/// Shares of the picture's side that windows have.
const SIDES: [f64; 7] = [0.1, 0.16, 0.25, 0.32, 0.4, 0.55, 0.75];

/// A window and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// The window in pixels.
    pub rect: Rect,
    /// Larger is better.
    pub score: f64,
}

/// The `most` best windows, best first.
///
/// # Errors
/// [`hilum_metrics::MetricError`] never for windows made here.
pub fn proposals(picture: &Gray, most: usize) -> Result<Vec<Proposal>, hilum_metrics::MetricError> {
    let sums = Sums::of_edges(picture);
    let (w, h) = (picture.width as f64, picture.height as f64);
    let mut all = Vec::new();
    for sx in SIDES {
        for sy in SIDES {
            if sx / sy > 3.0 || sy / sx > 3.0 {
                continue;
            }
            let (ww, wh) = (sx * w, sy * h);
            let steps = |whole: f64, part: f64| ((whole - part) / (0.25 * part)).floor() as usize;
            for iy in 0..=steps(h, wh) {
                for ix in 0..=steps(w, ww) {
                    let rect = Rect {
                        x: (0.25 * ww * ix as f64).floor(),
                        y: (0.25 * wh * iy as f64).floor(),
                        w: ww.floor(),
                        h: wh.floor(),
                    };
                    let score = sums.score(&rect);
                    all.push(Proposal { rect, score });
                }
            }
        }
    }
    let rects: Vec<Rect> = all.iter().map(|p| p.rect).collect();
    let scores: Vec<f64> = all.iter().map(|p| p.score).collect();
    let kept = nms(&rects, &scores, OVERLAP)?;
    let moved: Vec<Proposal> = kept
        .into_iter()
        .take(REFINED * most)
        .map(|k| sums.refined(all[k]))
        .collect();
    let rects: Vec<Rect> = moved.iter().map(|p| p.rect).collect();
    let scores: Vec<f64> = moved.iter().map(|p| p.score).collect();
    let kept = nms(&rects, &scores, OVERLAP)?;
    Ok(kept.into_iter().take(most).map(|k| moved[k]).collect())
}

/// Sums of edge strength over all rectangles from the top left.
struct Sums {
    width: usize,
    height: usize,
    data: Vec<f64>,
}

impl Sums {
    fn of_edges(p: &Gray) -> Sums {
        let at = |x: usize, y: usize| {
            f64::from(p.data[y.min(p.height - 1) * p.width + x.min(p.width - 1)])
        };
        let (w, h) = (p.width, p.height);
        let mut data = vec![0.0; (w + 1) * (h + 1)];
        for y in 0..h {
            let mut row = 0.0;
            for x in 0..w {
                let dx = at(x + 1, y) - at(x.saturating_sub(1), y);
                let dy = at(x, y + 1) - at(x, y.saturating_sub(1));
                row += dx.hypot(dy);
                data[(y + 1) * (w + 1) + x + 1] = data[y * (w + 1) + x + 1] + row;
            }
        }
        Sums {
            width: w,
            height: h,
            data,
        }
    }

    fn sum(&self, x0: f64, y0: f64, x1: f64, y1: f64) -> f64 {
        let clip = |v: f64, n: usize| (v.max(0.0) as usize).min(n);
        let (x0, x1) = (clip(x0, self.width), clip(x1, self.width));
        let (y0, y1) = (clip(y0, self.height), clip(y1, self.height));
        let at = |x: usize, y: usize| self.data[y * (self.width + 1) + x];
        if x1 <= x0 || y1 <= y0 {
            return 0.0;
        }
        at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0)
    }

    /// The window moved, side by side, as long as its score grows.
    fn refined(&self, start: Proposal) -> Proposal {
        let mut best = start;
        let mut share = STEP;
        while share * best.rect.w.max(best.rect.h) >= LEAST_STEP {
            let better = self.best_neighbour(&best, share);
            if better.score > best.score {
                best = better;
            } else {
                share *= 0.5;
            }
        }
        best
    }

    /// The best of the windows with one side moved outwards or inwards by a share of its length.
    fn best_neighbour(&self, from: &Proposal, share: f64) -> Proposal {
        let mut best = *from;
        for side in 0..4 {
            for sign in [-1.0, 1.0] {
                let mut sides = [
                    from.rect.x,
                    from.rect.y,
                    from.rect.x + from.rect.w,
                    from.rect.y + from.rect.h,
                ];
                let length = if side % 2 == 0 {
                    from.rect.w
                } else {
                    from.rect.h
                };
                sides[side] += sign * (share * length).round().max(1.0);
                let fits = sides[0] >= 0.0
                    && sides[1] >= 0.0
                    && sides[2] <= self.width as f64
                    && sides[3] <= self.height as f64;
                let rect = Rect {
                    x: sides[0],
                    y: sides[1],
                    w: sides[2] - sides[0],
                    h: sides[3] - sides[1],
                };
                let least = SIDES[0] * self.width.min(self.height) as f64;
                if fits && rect.w.min(rect.h) >= 0.5 * least {
                    let score = self.score(&rect);
                    if score > best.score {
                        best = Proposal { rect, score };
                    }
                }
            }
        }
        best
    }

    fn score(&self, r: &Rect) -> f64 {
        let (x1, y1) = (r.x + r.w, r.y + r.h);
        // At least a pixel: a frame of none would not feel what is cut.
        let (fx, fy) = ((FRAME * r.w).ceil(), (FRAME * r.h).ceil());
        let inside = self.sum(r.x, r.y, x1, y1);
        let framed = self.sum(r.x - fx, r.y - fy, x1 + fx, y1 + fy);
        (inside - (framed - inside)) / (2.0 * (r.w + r.h)).powf(POWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_metrics::detection::iou;

    #[test]
    fn a_bright_block_is_proposed_first() {
        let picture = Gray::from_fn(120, 120, |x, y| {
            if (40..70).contains(&x) && (30..60).contains(&y) {
                200.0
            } else {
                20.0
            }
        });
        let found = proposals(&picture, 10).unwrap();
        assert!(found.len() == 10 && found.windows(2).all(|w| w[0].score >= w[1].score));
        let block = Rect {
            x: 40.0,
            y: 30.0,
            w: 30.0,
            h: 30.0,
        };
        // Half of an edge two pixels wide lies outside of the block: 30 x 30 in 32 x 32.
        assert!(iou(&found[0].rect, &block) > 0.85, "{:?}", found[0]);
    }

    /// Blocks of several sizes and places beside a bar and in noise are the first proposal. One is not: the window from it to the bar and the
    /// picture's edge, which cuts nothing, holds more.
    #[test]
    fn blocks_are_found_wherever_they_are() {
        let mut found_first = 0;
        for n in 0..12u32 {
            let side = 18 + 4 * (n as usize % 4);
            let (x0, y0) = (14 + 17 * (n as usize % 3), 20 + 11 * (n as usize / 3));
            let block = Rect {
                x: x0 as f64,
                y: y0 as f64,
                w: side as f64,
                h: 1.5 * side as f64,
            };
            let picture = Gray::from_fn(120, 120, |x, y| {
                let inside = x >= x0 && x < x0 + side && y >= y0 && y < y0 + side * 3 / 2;
                let bar = (104..110).contains(&x);
                let grain = ((x * 7919 + y * 104_729 + n as usize) % 97) as f32 / 24.0;
                grain + if inside || bar { 180.0 } else { 30.0 }
            });
            let found = proposals(&picture, 10).unwrap();
            found_first += usize::from(iou(&found[0].rect, &block) > 0.75);
        }
        assert!(found_first >= 11, "{found_first}");
    }
}
