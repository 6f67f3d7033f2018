//! How sure an answer is, beyond its probability and its conformal set: only what the model can honestly give.

use hilum_core::{MemberSpread, Span, Uncertainty};
use hilum_image::Plane;
use hilum_trust::{Calibrator, uncertainty::entropy};

/// Shifts in shares of a side, and the zoom, of the copies of an image. Small enough that a reader would see the same
/// film; the first is the film itself.
const COPIES: [(f32, f32, f32); 9] = [
    (0.0, 0.0, 1.0),
    (0.02, 0.0, 1.0),
    (-0.02, 0.0, 1.0),
    (0.0, 0.02, 1.0),
    (0.0, -0.02, 1.0),
    (0.0, 0.0, 1.04),
    (0.0, 0.0, 0.96),
    (0.015, 0.015, 1.02),
    (-0.015, -0.015, 0.98),
];

/// The uncertainty of one output with the calibrator in use. `members` are the logits of the single networks, `copies`
/// those of the changed copies (empty when not asked for).
pub(crate) fn of_output(
    calibrator: &Calibrator,
    logit: f64,
    members: &[f64],
    copies: &[f64],
) -> Option<Uncertainty> {
    let p = calibrator.probability(logit);
    let nats = entropy(&[p, 1.0 - p]);
    let venn_abers = match calibrator {
        Calibrator::VennAbers(v) => {
            let found = v.interval(logit);
            Some(Span {
                low: found.p0,
                high: found.p1,
            })
        }
        _ => None,
    };
    (logit.is_finite() && nats.is_finite()).then(|| Uncertainty {
        entropy: nats / std::f64::consts::LN_2,
        venn_abers,
        members: spread(calibrator, members),
        augmented: spread(calibrator, copies),
    })
}

/// Of the calibrated probabilities; null for fewer than two answers.
fn spread(calibrator: &Calibrator, logits: &[f64]) -> Option<MemberSpread> {
    let p: Vec<f64> = logits.iter().map(|z| calibrator.probability(*z)).collect();
    if p.len() < 2 || p.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let n = p.len() as f64;
    let mean = p.iter().sum::<f64>() / n;
    let square = p.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some(MemberSpread {
        count: p.len(),
        low: p.iter().copied().fold(f64::INFINITY, f64::min),
        high: p.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        deviation: square.sqrt(),
    })
}

/// Shifted and scaled copies of a prepared picture, the picture itself first.
pub(crate) fn copies(picture: &Plane<u8>) -> Vec<Plane<u8>> {
    COPIES.iter().map(|&c| moved(picture, c)).collect()
}

/// Bilinear, edges continued.
fn moved(picture: &Plane<u8>, (dx, dy, zoom): (f32, f32, f32)) -> Plane<u8> {
    let (w, h) = (picture.width as f32, picture.height as f32);
    let place = |at: usize, len: f32, shift: f32| {
        ((at as f32 + 0.5 - len / 2.0) / zoom + len / 2.0 - 0.5 + shift * len).clamp(0.0, len - 1.0)
    };
    let at = |x: usize, y: usize| f32::from(picture.row(y)[x]);
    Plane::from_fn(picture.width, picture.height, |x, y| {
        let (px, py) = (place(x, w, dx), place(y, h, dy));
        let (x0, y0) = (px as usize, py as usize);
        let (x1, y1) = (
            (x0 + 1).min(picture.width - 1),
            (y0 + 1).min(picture.height - 1),
        );
        let (fx, fy) = (px - x0 as f32, py - y0 as f32);
        let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let bottom = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        (top * (1.0 - fy) + bottom * fy + 0.5) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_trust::Platt;

    fn plain() -> Calibrator {
        Calibrator::Platt(Platt { a: -1.0, b: 0.0 })
    }

    #[test]
    fn an_even_chance_is_one_bit_and_one_network_has_no_spread() {
        let found = of_output(&plain(), 0.0, &[0.0], &[]).unwrap();
        assert!((found.entropy - 1.0).abs() < 1e-12);
        assert!(found.members.is_none() && found.venn_abers.is_none());
        assert!(found.augmented.is_none());
        assert!(of_output(&plain(), f64::NAN, &[], &[]).is_none());
    }

    #[test]
    fn members_that_disagree_are_told() {
        let spread = of_output(&plain(), 0.0, &[-2.0, 2.0], &[])
            .unwrap()
            .members
            .unwrap();
        assert_eq!(spread.count, 2);
        assert!((spread.low + spread.high - 1.0).abs() < 1e-12);
        assert!(spread.deviation > 0.5);
    }

    #[test]
    fn the_first_copy_is_the_picture_and_the_others_are_near_it() {
        let picture = Plane::from_fn(50, 40, |x, y| (x * 3 + y * 2) as u8);
        let all = copies(&picture);
        assert_eq!(all[0], picture);
        let centre = |p: &Plane<u8>| i32::from(p.row(20)[25]);
        for copy in &all[1..] {
            assert_ne!(*copy, picture);
            assert!((centre(copy) - centre(&picture)).abs() <= 6);
        }
        // A shift to the left by 2 % of 50 columns shows the pixel that was one further to the right.
        assert_eq!(all[1].row(7)[10], picture.row(7)[11]);
    }
}
