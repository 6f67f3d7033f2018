//! Shorter over longer distance of the clavicles' inner ends to the midline; up to 0.4 the patient is called rotated.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::midline::Midline;
use crate::outcome::{Draft, Outcome};
use crate::rows::{leftmost, mean_x, rightmost};
use crate::structure::Structure;
use hilum_core::{Line, Point};

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let (right, left) = (
        seen.set.main(Structure::RightClavicle)?,
        seen.set.main(Structure::LeftClavicle)?,
    );
    if mean_x(&right) >= mean_x(&left) {
        return Err(Refusal::SidesExchanged {
            right: Structure::RightClavicle,
            left: Structure::LeftClavicle,
        });
    }
    let a = rightmost(&right).ok_or(Refusal::Empty(Structure::RightClavicle))?;
    let b = leftmost(&left).ok_or(Refusal::Empty(Structure::LeftClavicle))?;
    let (w, h) = seen.set.size();
    let (top, bottom) = (a.y.min(b.y), a.y.max(b.y));
    // A straight piece of the spine around both ends.
    let reach = 0.06 * h as f64;
    let rows = (top - reach).max(0.0) as usize..=((bottom + reach) as usize).min(h - 1);
    let middle = Midline::of(seen.set, rows)?;
    let apart = [middle.at(a.y) - a.x, b.x - middle.at(b.y)];
    if apart[0] + apart[1] <= 0.0 {
        return Err(Refusal::Misplaced("the clavicles cross the midline"));
    }
    for d in apart {
        Refusal::unless_within(
            "the distance of a clavicle to the midline over the image's width",
            d / w as f64,
            -0.05,
            0.2,
        )?;
    }
    // An inner end beyond the midline is as rotated as can be.
    let short = apart[0].min(apart[1]).max(0.0);
    let value = short / apart[0].max(apart[1]);
    let rule = Index::Rotation;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let across = |p: Point| Line {
        from: p,
        to: Point {
            x: middle.at(p.y),
            y: p.y,
        },
    };
    Ok(Draft::new(rule, value)
        .used(&[
            Structure::RightClavicle,
            Structure::LeftClavicle,
            middle.structure,
        ])
        .point("right_clavicle_inner_end", a)
        .point("left_clavicle_inner_end", b)
        .line(
            "midline",
            middle.line((top - reach).max(0.0), bottom + reach),
        )
        .width("right_distance", across(a))
        .width("left_distance", across(b))
        .decided(decision))
}

#[cfg(test)]
mod tests {
    use crate::shapes::Shapes;
    use crate::{Index, Structure, measure_one};
    use hilum_core::View;

    #[test]
    fn distances_to_the_midline_give_the_ratio() {
        for (right, left, label) in [
            (20.0, 20.0, "not_rotated"),
            (10.0, 40.0, "rotated"),
            (-5.0, 30.0, "rotated"),
        ] {
            let set = Shapes::new(400, 400)
                .with(Structure::Spine, |x, _| (x - 200.0).abs() < 25.0)
                .with(Structure::RightClavicle, move |x, y| {
                    (80.0..200.0 - right).contains(&x) && (90.0..100.0).contains(&y)
                })
                .with(Structure::LeftClavicle, move |x, y| {
                    (200.0 + left..320.0).contains(&x) && (90.0..100.0).contains(&y)
                })
                .done();
            let found = measure_one(Index::Rotation, &set, View::Pa);
            let want = f64::max(right, 0.0) / left;
            assert!((found.value.unwrap() - want).abs() < 1e-9);
            assert_eq!(found.label, Some(label));
        }
    }
}
