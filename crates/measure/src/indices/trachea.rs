//! Where the trachea lies beside the midline, at nine heights: the median of (middle of the trachea - midline) over half the
//! trachea's width, positive to the patient's left. Beyond 1 the midline runs outside of the trachea at most of the heights.

use super::Seen;
use crate::error::Refusal;
use crate::index::Index;
use crate::midline::Midline;
use crate::outcome::{Draft, Outcome};
use crate::rows::median;
use crate::structure::Structure;
use hilum_core::Point;

const HEIGHTS: usize = 9;

pub(super) fn take(seen: &Seen) -> Result<Outcome, Refusal> {
    let airway = seen.airway()?;
    let middle = Midline::of(seen.set, airway.top..=airway.end)?;
    let (mut offsets, mut points) = (Vec::new(), Vec::new());
    for k in 0..HEIGHTS {
        let y = airway.top + (airway.end - airway.top) * k / (HEIGHTS - 1);
        let run = airway.at(y).ok_or(Refusal::Misplaced(
            "the trachea has gaps where it is measured",
        ))?;
        let at = Point {
            x: run.middle(),
            y: y as f64 + 0.5,
        };
        offsets.push((at.x - middle.at(at.y)) / (0.5 * run.width()));
        points.push(at);
    }
    let beside = offsets.iter().filter(|o| o.abs() > 1.0).count();
    let value = median(&mut offsets).ok_or(Refusal::Empty(Structure::Trachea))?;
    Refusal::unless_within("the offset of the trachea in half widths", value, -8.0, 8.0)?;
    let rule = Index::TracheaDeviation;
    let decision = rule.threshold().decide(value, rule.tolerance(), seen.view);
    let line = middle.line(airway.top as f64, airway.end as f64 + 1.0);
    let draft = Draft::new(rule, value)
        .used(&[Structure::Trachea, middle.structure])
        .line("midline", line)
        .quantity("heights_beside", beside as f64, "count")
        .quantity("trachea_width", airway.width, "px")
        .note(if value > 1.0 {
            "to the patient's left"
        } else if value < -1.0 {
            "to the patient's right"
        } else {
            "the midline runs within the trachea"
        });
    let draft = points
        .into_iter()
        .enumerate()
        .fold(draft, |d, (k, p)| d.point(&format!("trachea_{}", k + 1), p));
    Ok(draft.decided(decision))
}

#[cfg(test)]
mod tests {
    use crate::shapes::Shapes;
    use crate::{Index, Structure, measure_one};
    use hilum_core::View;

    #[test]
    fn the_side_and_the_band_are_known() {
        for (shift, label, note) in [
            (0.0, "not_deviated", "within"),
            (-35.0, "deviated", "right"),
            (35.0, "deviated", "left"),
        ] {
            let set = Shapes::new(400, 400)
                .with(Structure::Trachea, move |x, y| {
                    (x - 200.0 - shift).abs() < 15.0 && y < 200.0
                })
                .with(Structure::Spine, |x, _| (x - 200.0).abs() < 30.0)
                .done();
            let found = measure_one(Index::TracheaDeviation, &set, View::Pa);
            assert!((found.value.unwrap() - shift / 15.0).abs() < 0.05);
            assert_eq!(found.label, Some(label));
            assert!(found.notes[0].contains(note));
        }
        let none = Shapes::new(400, 400)
            .with(Structure::Trachea, |x, y| {
                (x - 200.0).abs() < 15.0 && y < 200.0
            })
            .with(Structure::Spine, |x, y| {
                (x - 200.0).abs() < 30.0 && y > 300.0
            })
            .done();
        let why = measure_one(Index::TracheaDeviation, &none, View::Pa).reason;
        assert!(why.unwrap().contains("spine is not outlined"));
    }
}
