//! Angle at the carina between the inner walls of the main bronchi, which are taken as the mean of three heights, 10, 20 and
//! 30 % of the way down the bronchi.

use super::Seen;
use crate::airway::Airway;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{Run, runs};
use crate::structure::Structure;
use hilum_core::{Line, Point};

const PLACES: [f64; 3] = [0.1, 0.2, 0.3];

/// The gap between the bronchi in a row: between the two runs on either side of a column.
fn gap(airway: &Airway, y: usize, near: f64) -> Option<Run> {
    let all = runs(&airway.mask, y);
    let right = all.iter().rfind(|r| r.middle() < near)?;
    let left = all.iter().find(|r| r.middle() >= near)?;
    (right.x1 < left.x0).then_some(Run {
        x0: right.x1,
        x1: left.x0,
    })
}

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let airway = seen.airway()?;
    let fork = airway.fork.ok_or(Refusal::NoBifurcation)?;
    let first = widest_gap(airway, fork).ok_or(Refusal::NoBifurcation)?;
    let carina = Point {
        x: first.middle(),
        y: fork as f64,
    };
    let mut last = fork;
    let mut near = first.middle();
    while let Some(next) = (last + 1 < airway.mask.height)
        .then(|| gap(airway, last + 1, near))
        .flatten()
    {
        last += 1;
        near = next.middle();
    }
    let depth = (last - fork) as f64;
    Refusal::unless_within(
        "the height of the outlined main bronchi over the trachea's width",
        depth / airway.width,
        0.8,
        30.0,
    )?;
    let (mut right, mut left) = (Point { x: 0.0, y: 0.0 }, Point { x: 0.0, y: 0.0 });
    for share in PLACES {
        let y = fork + (share * depth).round() as usize;
        let g = gap(airway, y, middle_at(airway, fork, y, first.middle())).ok_or(
            Refusal::Misplaced("the main bronchi are not outlined in one piece"),
        )?;
        for (point, x) in [(&mut right, g.x0), (&mut left, g.x1)] {
            point.x += x as f64 / PLACES.len() as f64;
            point.y += (y as f64 + 0.5) / PLACES.len() as f64;
        }
    }
    let value = angle(carina, right, left);
    Refusal::unless_within("the angle of the carina", value, 15.0, 170.0)?;
    let rule = Index::CarinaAngle;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let line = |to| Line { from: carina, to };
    Ok(Draft::new(rule, value)
        .used(&[Structure::Trachea])
        .point("right_main_bronchus", right)
        .point("carina", carina)
        .point("left_main_bronchus", left)
        .line("right_main_bronchus", line(right))
        .line("left_main_bronchus", line(left))
        .decided(decision))
}

/// In the first row of the fork: the gap between its outermost runs.
fn widest_gap(airway: &Airway, y: usize) -> Option<Run> {
    let all = runs(&airway.mask, y);
    all.windows(2)
        .map(|w| Run {
            x0: w[0].x1,
            x1: w[1].x0,
        })
        .max_by(|a, b| a.width().total_cmp(&b.width()))
}

/// The middle of the gap, followed from the fork down to a row.
fn middle_at(airway: &Airway, fork: usize, y: usize, start: f64) -> f64 {
    (fork..=y).fold(start, |near, row| {
        gap(airway, row, near).map_or(near, Run::middle)
    })
}

fn angle(apex: Point, a: Point, b: Point) -> f64 {
    let way = |p: Point| (p.y - apex.y).atan2(p.x - apex.x);
    (way(a) - way(b)).abs().to_degrees()
}

#[cfg(test)]
mod tests {
    use crate::shapes::{Shapes, airway};
    use crate::{Index, Structure, measure_one};
    use hilum_core::View;

    #[test]
    fn a_drawn_fork_has_its_angle() {
        for (half, positive) in [(10.0, true), (30.0, false), (35.0, false), (50.0, true)] {
            let set = Shapes::new(600, 600)
                .with(Structure::Trachea, airway(300.0, half))
                .done();
            let found = measure_one(Index::CarinaAngle, &set, View::Pa);
            let value = found.value.unwrap();
            assert!((value - 2.0 * half).abs() < 2.5, "{half}: {value}");
            assert_eq!(found.positive(), Some(positive));
        }
        let set = Shapes::new(600, 600)
            .with(Structure::Trachea, |x, y| {
                (280.0..320.0).contains(&x) && y < 400.0
            })
            .done();
        let none = measure_one(Index::CarinaAngle, &set, View::Pa);
        assert!(none.reason.unwrap().contains("bifurcation"));
    }
}
