//! Boxes: as offsets from an anchor, moved, mirrored, and cut out of a picture.

use super::config::Noise;
use hilum_core::Rect;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Offsets of a box from a square anchor of side `anchor` about `centre` (Ren et al. 2015, equation 2): shifts by the
/// anchor's side, logarithms of the sides' ratios.
pub fn encode(rect: &Rect, centre: [f64; 2], anchor: f64) -> [f32; 4] {
    let middle = middle(rect);
    [
        (middle[0] - centre[0]) / anchor,
        (middle[1] - centre[1]) / anchor,
        (rect.w / anchor).ln(),
        (rect.h / anchor).ln(),
    ]
    .map(|v| v as f32)
}

/// The box at these offsets, cut to a picture of `side` pixels. Sides grow to eight anchors at most.
pub fn decode(offsets: [f32; 4], centre: [f64; 2], anchor: f64, side: f64) -> Rect {
    let [tx, ty, tw, th] = offsets.map(f64::from);
    let limit = 8f64.ln();
    let (w, h) = (anchor * tw.min(limit).exp(), anchor * th.min(limit).exp());
    let (x, y) = (centre[0] + anchor * tx, centre[1] + anchor * ty);
    inside(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0, side)
}

/// The middle of a box.
pub fn middle(rect: &Rect) -> [f64; 2] {
    [rect.x + rect.w / 2.0, rect.y + rect.h / 2.0]
}

/// The part of a box inside the picture, a pixel wide and high at least.
fn inside(left: f64, top: f64, right: f64, bottom: f64, side: f64) -> Rect {
    let (x, y) = (left.clamp(0.0, side - 1.0), top.clamp(0.0, side - 1.0));
    Rect {
        x,
        y,
        w: (right.min(side) - x).max(1.0),
        h: (bottom.min(side) - y).max(1.0),
    }
}

/// A box drawn near another one.
pub fn moved(rect: &Rect, noise: &Noise, side: f64, rng: &mut ChaCha8Rng) -> Rect {
    let mut draw = |[low, high]: [f64; 2]| low + (high - low) * rng.random::<f64>();
    let [dx, dy] = [(); 2].map(|()| draw([-noise.shift, noise.shift]));
    let [w, h] = [rect.w, rect.h].map(|s| s * draw(noise.scale).exp());
    let [mx, my] = middle(rect);
    let (x, y) = (mx + dx * rect.w, my + dy * rect.h);
    inside(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0, side)
}

/// Where a box lies after its picture was mirrored and shifted as `classes::place` does.
pub fn placed(rect: &Rect, side: f64, flip: bool, [dx, dy]: [i64; 2]) -> Rect {
    let left = if flip { side - rect.x - rect.w } else { rect.x };
    let (x, y) = (left - dx as f64, rect.y - dy as f64);
    inside(x, y, x + rect.w, y + rect.h, side)
}

/// A box with `margin` of its sides round it, brought to `seen` pixels a side; bilinear, beyond the picture its edge repeats.
pub fn crop(picture: &[f32], side: usize, rect: &Rect, margin: f64, seen: usize) -> Vec<f32> {
    let (w, h) = (rect.w * (1.0 + 2.0 * margin), rect.h * (1.0 + 2.0 * margin));
    let [mx, my] = middle(rect);
    let mut out = Vec::with_capacity(seen * seen);
    for j in 0..seen {
        for i in 0..seen {
            let at = |k: usize, middle: f64, size: f64| {
                middle + size * ((k as f64 + 0.5) / seen as f64 - 0.5)
            };
            let taps = taps([at(i, mx, w), at(j, my, h)], 1.0, [side, side]);
            out.push(taps.iter().map(|(p, share)| picture[*p] * share).sum());
        }
    }
    out
}

/// The four cells of a map `[rows, columns]` with cells of `stride` pixels about a point of the picture, with their shares
/// in the bilinear value there.
pub fn taps(point: [f64; 2], stride: f64, [rows, columns]: [usize; 2]) -> [(usize, f32); 4] {
    let place = |v: f64, n: usize| {
        let at = (v / stride - 0.5).clamp(0.0, n as f64 - 1.0);
        let low = at as usize;
        (low, (low + 1).min(n - 1), (at - low as f64) as f32)
    };
    let (x0, x1, fx) = place(point[0], columns);
    let (y0, y1, fy) = place(point[1], rows);
    [
        (y0 * columns + x0, (1.0 - fx) * (1.0 - fy)),
        (y0 * columns + x1, fx * (1.0 - fy)),
        (y1 * columns + x0, (1.0 - fx) * fy),
        (y1 * columns + x1, fx * fy),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_metrics::detection::iou;
    use rand::SeedableRng;

    const BOX: Rect = Rect {
        x: 10.0,
        y: 20.0,
        w: 16.0,
        h: 8.0,
    };

    #[test]
    fn offsets_lead_back_to_the_box_and_stay_inside() {
        let back = decode(encode(&BOX, [24.0, 24.0], 20.0), [24.0, 24.0], 20.0, 64.0);
        assert!(iou(&back, &BOX) > 0.999);
        let far = decode([9.0, -9.0, 99.0, -99.0], [24.0, 24.0], 20.0, 64.0);
        assert!(far.x + far.w <= 64.0 + 1e-9 && far.y >= 0.0 && far.h >= 1.0);
    }

    #[test]
    fn a_mirrored_box_is_where_its_pixels_are() {
        let side = 64;
        let mut picture = vec![0.0; side * side];
        for y in 20..28 {
            for x in 10..26 {
                picture[y * side + x] = 1.0;
            }
        }
        for (flip, d) in [(false, [3, -2]), (true, [3, -2]), (true, [0, 0])] {
            let mut out = vec![0.0; side * side];
            crate::blocks::classes::place(&picture, &mut out, side, flip, d);
            let b = placed(&BOX, side as f64, flip, d);
            let inside = |p: usize| {
                let (x, y) = ((p % side) as f64 + 0.5, (p / side) as f64 + 0.5);
                x > b.x && x < b.x + b.w && y > b.y && y < b.y + b.h
            };
            for (p, v) in out.iter().enumerate() {
                assert_eq!(*v == 1.0, inside(p), "{flip} {d:?} {p}");
            }
        }
    }

    #[test]
    fn moved_boxes_overlap_and_crops_show_what_is_inside() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let noise = Noise {
            shift: 0.2,
            scale: [-0.1, 0.3],
        };
        let mean = (0..200)
            .map(|_| iou(&moved(&BOX, &noise, 64.0, &mut rng), &BOX))
            .sum::<f64>()
            / 200.0;
        assert!((0.5..0.9).contains(&mean), "{mean}");
        let picture: Vec<f32> = (0..64 * 64).map(|p| (p % 64) as f32).collect();
        let cut = crop(&picture, 64, &BOX, 0.0, 16);
        // Pixel x has its middle at x + 0.5.
        assert!((cut[0] - 10.0).abs() < 1e-5 && (cut[15] - 25.0).abs() < 1e-5);
        assert!((crop(&picture, 64, &BOX, 5.0, 16)[0] - 0.0).abs() < 1e-5);
    }
}
