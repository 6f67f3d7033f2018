//! Whether the picture holds both apices, both lateral chest walls and both costophrenic angles: each of the six points must keep
//! a distance to the edge of the image.

use super::Seen;
use crate::decision::Decision;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{extent, leftmost, rightmost, span};
use crate::structure::Structure;
use hilum_core::Point;
use hilum_image::Mask;

/// Least distance of an apex to the upper edge, over the image's height.
const APEX: f64 = 0.01;
/// Of a lateral wall to its edge, over the width.
const SIDE: f64 = 0.005;
/// Of a costophrenic angle to the lower edge, over the height.
const ANGLE: f64 = 0.01;

/// One of the six: name, point, distance to the edge and least distance.
struct Region {
    name: &'static str,
    at: Point,
    margin: f64,
    least: f64,
}

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let chest = seen.chest()?;
    let (w, h) = seen.set.size();
    let (w, h) = (w as f64, h as f64);
    let field = |s| seen.set.main(s).ok();
    let low_right = field(Structure::RightLungField);
    let low_left = field(Structure::LeftLungField);
    let none = Refusal::Empty(Structure::Lungs);
    let found = (|| {
        let (apex_r, apex_l) = (apex(&chest.right)?, apex(&chest.left)?);
        let (side_r, side_l) = (leftmost(&chest.right)?, rightmost(&chest.left)?);
        let angle_r = lowest(low_right.as_ref().unwrap_or(&chest.right), true)?;
        let angle_l = lowest(low_left.as_ref().unwrap_or(&chest.left), false)?;
        let region = |name, at, margin, least| Region {
            name,
            at,
            margin,
            least,
        };
        Some([
            region("right_apex", apex_r, apex_r.y / h, APEX),
            region("left_apex", apex_l, apex_l.y / h, APEX),
            region("right_lateral_wall", side_r, side_r.x / w, SIDE),
            region("left_lateral_wall", side_l, 1.0 - side_l.x / w, SIDE),
            region(
                "right_costophrenic_angle",
                angle_r,
                1.0 - angle_r.y / h,
                ANGLE,
            ),
            region(
                "left_costophrenic_angle",
                angle_l,
                1.0 - angle_l.y / h,
                ANGLE,
            ),
        ])
    })();
    let regions = found.ok_or(none)?;
    let inside = regions.iter().filter(|r| r.margin >= r.least).count();
    let worst = regions
        .iter()
        .map(|r| r.margin - r.least)
        .fold(f64::INFINITY, f64::min);
    let rule = Index::Inclusion;
    let decision = Decision::banded(inside == 6, worst.abs() <= rule.tolerance());
    let mut draft = Draft::new(rule, inside as f64).used(&[Structure::Lungs]);
    for r in regions {
        draft = draft
            .point(r.name, r.at)
            .quantity(r.name, r.margin, "share");
    }
    Ok(draft.decided(decision))
}

fn apex(lung: &Mask) -> Option<Point> {
    let (top, _) = extent(lung)?;
    Some(Point {
        x: span(lung, top)?.middle(),
        y: top as f64,
    })
}

/// The lowest point in the outer third of a lung.
fn lowest(lung: &Mask, right: bool) -> Option<Point> {
    let (x0, x1) = (leftmost(lung)?.x as usize, rightmost(lung)?.x as usize);
    let third = (x1 - x0).div_ceil(3);
    let columns = if right {
        x0..x0 + third
    } else {
        x1 - third..x1
    };
    let set = |y: usize| {
        let mut hits = columns
            .clone()
            .filter(move |x| lung.data[y * lung.width + x] != 0);
        let first = hits.next()?;
        Some((first, hits.next_back().unwrap_or(first) + 1))
    };
    let (y, (a, b)) = (0..lung.height).rev().find_map(|y| Some((y, set(y)?)))?;
    Some(Point {
        x: 0.5 * (a + b) as f64,
        y: y as f64 + 1.0,
    })
}

#[cfg(test)]
mod tests {
    use crate::shapes::{Shapes, lungs};
    use crate::{Index, measure_one};
    use hilum_core::View;

    #[test]
    fn a_lung_at_the_edge_is_not_included() {
        for (dx, dy, inside, label) in [
            (0.0, 0.0, 6.0, "complete"),
            (0.0, -90.0, 4.0, "incomplete"),
            (-70.0, 0.0, 5.0, "incomplete"),
            (0.0, 120.0, 4.0, "incomplete"),
        ] {
            let set = lungs(Shapes::new(400, 400), dx, dy).done();
            let found = measure_one(Index::Inclusion, &set, View::Pa);
            assert_eq!(
                (found.value, found.label),
                (Some(inside), Some(label)),
                "{dx} {dy}"
            );
            assert_eq!(found.points.len(), 6);
        }
    }
}
