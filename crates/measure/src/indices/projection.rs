//! Share of each scapula that lies over its lung: both below 0.3 is PA, both from 0.3 on AP. The value is the mean of both sides.

use super::Seen;
use crate::decision::Decision;
use crate::error::Refusal;
use crate::index::Index;
use crate::outcome::{Draft, Outcome};
use crate::rows::mean_x;
use crate::structure::Structure;
use hilum_core::Point;
use hilum_image::Mask;
use hilum_image::mask::properties;

/// The smaller scapula must have this share of the larger.
const LEAST_SYMMETRY: f64 = 0.4;
/// Where the label turns.
const LIMIT: f64 = 0.3;

fn share(scapula: &Mask, lung: &Mask) -> f64 {
    let pairs = scapula.data.iter().zip(&lung.data);
    let over = pairs.filter(|(s, l)| **s != 0 && **l != 0).count();
    over as f64 / scapula.count().max(1) as f64
}

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let chest = seen.chest()?;
    let (right, left) = (
        seen.set.main(Structure::RightScapula)?,
        seen.set.main(Structure::LeftScapula)?,
    );
    if mean_x(&right) >= mean_x(&left) {
        return Err(Refusal::SidesExchanged {
            right: Structure::RightScapula,
            left: Structure::LeftScapula,
        });
    }
    let (a, b) = (right.count() as f64, left.count() as f64);
    Refusal::unless_within(
        "the area of one scapula over the other's",
        a.min(b) / a.max(b),
        LEAST_SYMMETRY,
        1.0,
    )?;
    let sides = [share(&right, &chest.right), share(&left, &chest.left)];
    let decision = decide(sides);
    let middle = |m: &Mask, s| {
        let found = properties(m).ok_or(Refusal::Empty(s))?;
        Ok::<Point, Refusal>(found.centroid)
    };
    Ok(Draft::new(Index::Projection, 0.5 * (sides[0] + sides[1]))
        .used(&[
            Structure::RightScapula,
            Structure::LeftScapula,
            Structure::Lungs,
        ])
        .point("right_scapula", middle(&right, Structure::RightScapula)?)
        .point("left_scapula", middle(&left, Structure::LeftScapula)?)
        .quantity("right", sides[0], "ratio")
        .quantity("left", sides[1], "ratio")
        .decided(decision))
}

fn decide(sides: [f64; 2]) -> Decision {
    let tolerance = Index::Projection.tolerance();
    let (low, high) = (sides[0].min(sides[1]), sides[0].max(sides[1]));
    if high >= LIMIT && low < LIMIT {
        return Decision::none("one scapula lies over its lung by 0.3 or more, the other does not");
    }
    // The side next to the limit could as well lie beyond it.
    let ap = low >= LIMIT;
    let nearest = if ap { low } else { high };
    Decision::banded(ap, (nearest - LIMIT).abs() <= tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_must_agree() {
        assert_eq!(decide([0.1, 0.05]), Decision::sure(false));
        assert_eq!(decide([0.5, 0.7]), Decision::sure(true));
        assert!(decide([0.35, 0.9]).in_band() && decide([0.1, 0.22]).in_band());
        assert_eq!(decide([0.1, 0.5]).positive, None);
    }
}
