//! Right posterior ribs whose upper edge lies above the right dome of the diaphragm, along the middle of the right clavicle or,
//! without its mask, at two fifths of the right lung's width from the outside. The ribs above the lowest one count too, whether or not
//! their masks cross the line.

use super::Seen;
use crate::decision::Decision;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::{column_extent, extent, leftmost, rightmost};
use crate::structure::{RIBS, Structure};
use hilum_core::{Line, Point};

/// Fewest ribs that must cross the line.
const LEAST_RIBS: usize = 4;
/// Ribs that decide whether inspiration is good.
const GOOD: u8 = 9;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let chest = seen.chest()?;
    let (x, used) = mid_clavicular(seen)?;
    let (top, _) = extent(&chest.right).ok_or(Refusal::Empty(Structure::RightLung))?;
    let (dome, from) = dome(seen, x).ok_or(Refusal::Misplaced(
        "the right dome of the diaphragm is not seen below the middle of the clavicle",
    ))?;
    let ribs: Vec<(u8, usize)> = RIBS
        .filter_map(|n| {
            let mask = seen.set.get(Structure::RightPosteriorRib(n)).ok()?;
            Some((n, column_extent(mask, x)?.0))
        })
        .collect();
    if ribs.is_empty() {
        return Err(Refusal::Missing(Structure::RightPosteriorRib(GOOD)));
    }
    if ribs.len() < LEAST_RIBS || ribs.windows(2).any(|w| w[0].1 >= w[1].1) {
        return Err(Refusal::Misplaced(
            "the outlined ribs do not cross the line through the clavicle in their order",
        ));
    }
    let height = (dome - top as f64).max(1.0);
    let above = |y: usize| dome - y as f64;
    let lowest = ribs.iter().filter(|r| above(r.1) > 0.0).map(|r| r.0).max();
    let value = lowest.ok_or(Refusal::Misplaced("no rib lies above the diaphragm"))?;
    // All ribs ending above the dome tells nothing unless the next one is known.
    let deciding = ribs.iter().find(|r| r.0 == GOOD);
    let Some(&(_, edge)) = deciding else {
        return Err(Refusal::Missing(Structure::RightPosteriorRib(GOOD)));
    };
    let rule = Index::Inspiration;
    let near = above(edge).abs() / height <= rule.tolerance();
    let column = x as f64 + 0.5;
    let point = |y: f64| Point { x: column, y };
    let mut draft = Draft::new(rule, f64::from(value))
        .used(&[Structure::RightPosteriorRib(GOOD), from, used])
        .point("right_dome", point(dome))
        .line(
            "mid_clavicular_line",
            Line {
                from: point(top as f64),
                to: point(dome),
            },
        );
    for (n, y) in &ribs {
        draft = draft.point(&format!("rib_{n}"), point(*y as f64));
    }
    Ok(draft.decided(Decision::banded(value >= GOOD, near)))
}

/// Column of the line and the mask that it comes from.
fn mid_clavicular(seen: &Seen) -> Result<(usize, Structure), Refusal> {
    let lung = &seen.chest()?.right;
    let none = || Refusal::Empty(Structure::RightLung);
    let (x0, x1) = (
        leftmost(lung).ok_or_else(none)?.x,
        rightmost(lung).ok_or_else(none)?.x,
    );
    let clavicle = seen.set.main(Structure::RightClavicle).ok();
    if let Some((a, b)) = clavicle.and_then(|c| Some((leftmost(&c)?.x, rightmost(&c)?.x))) {
        let middle = 0.5 * (a + b);
        if middle > x0 && middle < x1 {
            return Ok((middle as usize, Structure::RightClavicle));
        }
    }
    Ok(((x0 + 0.4 * (x1 - x0)) as usize, Structure::RightLung))
}

/// Row of the dome at a column: the lower end of the lung field, else the upper edge of the diaphragm, else the lower end of the lung.
fn dome(seen: &Seen, x: usize) -> Option<(f64, Structure)> {
    if let Ok(field) = seen.set.main(Structure::RightLungField) {
        let (_, y) = column_extent(&field, x)?;
        return Some((y as f64 + 1.0, Structure::RightLungField));
    }
    if let Ok(under) = seen.set.get(Structure::RightDiaphragm) {
        let (y, _) = column_extent(under, x)?;
        return Some((y as f64, Structure::RightDiaphragm));
    }
    let (_, y) = column_extent(&seen.chest().ok()?.right, x)?;
    Some((y as f64 + 1.0, Structure::RightLung))
}

#[cfg(test)]
mod tests {
    use crate::shapes::{Shapes, lungs};
    use crate::{Index, Structure, measure_one};
    use hilum_core::View;

    #[test]
    fn ribs_over_the_dome_are_counted() {
        // The right lung ends at row 340 in the middle of its width; ribs are 10 rows high.
        for (step, first, count, band) in [
            (30.0, 60.0, 10.0, false),
            (40.0, 60.0, 7.0, false),
            (34.0, 67.0, 9.0, true),
        ] {
            let mut shapes = lungs(Shapes::new(400, 400), 0.0, 0.0);
            for n in 1..=12u8 {
                let top = first + step * f64::from(n - 1);
                shapes = shapes.with(Structure::RightPosteriorRib(n), move |_, y| {
                    (top..top + 10.0).contains(&y)
                });
            }
            let found = measure_one(Index::Inspiration, &shapes.done(), View::Pa);
            assert_eq!(
                (found.value, found.in_band),
                (Some(count), band),
                "{found:?}"
            );
        }
        let none = lungs(Shapes::new(400, 400), 0.0, 0.0).done();
        let why = measure_one(Index::Inspiration, &none, View::Pa).reason;
        assert!(why.unwrap().contains("no mask of right_posterior_rib_9"));
    }
}
