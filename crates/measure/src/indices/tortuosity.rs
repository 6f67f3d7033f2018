//! Mean curvature of the descending aorta's left wall at six points, by finite differences.
//!
//! The published threshold is a curvature per pixel of MIMIC-CXR-JPG radiographs. Here the value is given per pixel of an image
//! whose longest side is [`REFERENCE_SIDE`], so that it does not depend on how far an image was reduced.

use super::Seen;
use crate::aorta::HEIGHTS;
use crate::error::Refusal;
use crate::index::{Index, REFERENCE_SIDE};
use crate::outcome::{Draft, Outcome};
use crate::structure::Structure;
use hilum_core::{Line, Point};

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let walls = seen.walls()?;
    let (width, height) = seen.set.size();
    let scale = REFERENCE_SIDE / width.max(height) as f64;
    let value = mean_curvature(&walls.left) / scale;
    let rule = Index::Tortuosity;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let mut draft = Draft::new(rule, value).used(&[Structure::DescendingAorta, Structure::Heart]);
    for (k, p) in walls.left.iter().enumerate() {
        draft = draft.point(&format!("aorta_left_{}", k + 1), *p);
    }
    for (k, pair) in walls.left.windows(2).enumerate() {
        let line = Line {
            from: pair[0],
            to: pair[1],
        };
        draft = draft.line(&format!("aorta_left_{}", k + 1), line);
    }
    Ok(draft.decided(decision))
}

/// Mean of `|x'' y' - y'' x'| / (x'^2 + y'^2)^(3/2)` along the points, per unit of their coordinates; derivatives are central
/// differences, one-sided at the ends, taken twice.
pub fn mean_curvature(points: &[Point; HEIGHTS]) -> f64 {
    let (x, y) = (points.map(|p| p.x), points.map(|p| p.y));
    let (dx, dy) = (gradient(&x), gradient(&y));
    let (ddx, ddy) = (gradient(&dx), gradient(&dy));
    let at = |k: usize| {
        let speed = dx[k] * dx[k] + dy[k] * dy[k];
        (ddx[k] * dy[k] - ddy[k] * dx[k]).abs() / speed.powf(1.5)
    };
    (0..HEIGHTS).map(at).sum::<f64>() / HEIGHTS as f64
}

fn gradient(v: &[f64; HEIGHTS]) -> [f64; HEIGHTS] {
    std::array::from_fn(|k| {
        let (a, b) = (k.saturating_sub(1), (k + 1).min(HEIGHTS - 1));
        (v[b] - v[a]) / (b - a) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure_one;
    use crate::shapes::Shapes;
    use hilum_core::View;

    #[test]
    fn a_circle_has_the_curvature_of_its_radius() {
        let points = std::array::from_fn(|k| {
            let a = 0.02 * (k as f64 - 2.5);
            Point {
                x: 500.0 * a.cos(),
                y: 500.0 * a.sin(),
            }
        });
        // Central differences are right to second order; at the ends they see half of the bend.
        let inner = mean_curvature(&points);
        assert!(inner > 0.6 / 500.0 && inner < 1.001 / 500.0, "{inner}");
    }

    #[test]
    fn the_value_does_not_depend_on_the_size_of_the_picture() {
        let at = |n: usize| {
            let k = n as f64 / 1024.0;
            let wall = move |y: f64| 700.0 * k - (y / k - 500.0).powi(2) / 900.0 * k;
            let set = Shapes::new(n, n)
                .with(Structure::DescendingAorta, move |x, y| {
                    (250.0 * k..800.0 * k).contains(&y)
                        && (wall(y) - 50.0 * k..wall(y)).contains(&x)
                })
                .with(Structure::Heart, move |_, y| {
                    (600.0 * k..760.0 * k).contains(&y)
                })
                .done();
            measure_one(Index::Tortuosity, &set, View::Pa)
                .value
                .unwrap()
        };
        let (small, large) = (at(512), at(1536));
        assert!((small / large - 1.0).abs() < 0.05, "{small} {large}");
        // x'' = 2/900 per pixel of a 1024 pixel image, flat where the wall is upright.
        assert!((0.0002..0.0008).contains(&large), "{large}");
    }
}
