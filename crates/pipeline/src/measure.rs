//! What is measured on the masks and maps of one frontal image.

use crate::findings::Heat;
use crate::read::Masks;
use crate::store::Model;
use crate::zones::Zones;
use hilum_core::measurement::{CARDIOTHORACIC_RATIO, OPACITY_EXTENT};
use hilum_core::{
    Finding, FindingStatus, Interval, LungZone, Measurement, NamedLine, Spacing, SpacingKind, Unit,
    taxonomy,
};
use hilum_image::chest::{Cardiothoracic, CtrFlag, cardiothoracic, widest_span};
use hilum_image::mask::{Connectivity, keep_largest, open_disk};
use hilum_image::{ImageError, Mask};

/// Level of the map above which a cell counts as opacity: the higher level of card 03.
const HOT: f32 = 180.0;

/// What is thinner than this share of the thorax is cut off an outlined heart that has branches. `bench/heart_outlines.py`
/// says how many outlines that saves: on 120 NIH films of val, 67 are believed as outlined and 31 more after the cut.
const BRANCH: f64 = 0.1;

/// An outlined heart and its widths.
pub(crate) struct Heart {
    pub(crate) mask: Mask,
    pub(crate) widths: Option<Cardiothoracic>,
    pub(crate) trimmed: bool,
}

/// Measures a heart. One whose outline runs along vessels is cut free from them, if what is left then has the shape of a heart.
pub(crate) fn heart(lungs: &Mask, mask: Mask) -> Result<Heart, ImageError> {
    let widths = cardiothoracic(lungs, &mask)?;
    let ragged = |found: &Cardiothoracic| found.flags.contains(&CtrFlag::HeartRagged);
    if let Some(found) = widths.as_ref().filter(|found| ragged(found)) {
        let cut = open_disk(&mask, 0.5 * BRANCH * found.thorax.length());
        let cut = keep_largest(&cut, 1, Connectivity::Eight);
        let again = cardiothoracic(lungs, &cut)?;
        if again.as_ref().is_some_and(|found| !ragged(found)) {
            return Ok(Heart {
                mask: cut,
                widths: again,
                trimmed: true,
            });
        }
    }
    Ok(Heart {
        mask,
        widths,
        trimmed: false,
    })
}

fn missing(name: &str, unit: Unit, why: &str) -> Measurement {
    Measurement {
        name: name.to_owned(),
        value: None,
        unit,
        interval: None,
        lines: Vec::new(),
        note: Some(why.to_owned()),
    }
}

/// Cardiothoracic ratio and width of the thorax.
pub(crate) fn widths(
    model: &Model,
    masks: &Masks,
    spacing: Option<&Spacing>,
    image: usize,
) -> Vec<Measurement> {
    let ratio = match (&masks.heart, &masks.widths) {
        (None, _) => missing(
            CARDIOTHORACIC_RATIO,
            Unit::Ratio,
            "the segmenter does not outline the heart",
        ),
        (Some(_), None) => missing(CARDIOTHORACIC_RATIO, Unit::Ratio, "no heart was outlined"),
        (Some(_), Some(found)) if believable(found) => ratio(model, masks.trimmed, found, image),
        (Some(_), Some(found)) => {
            let note = flags_note(&found.flags).unwrap_or_default();
            let why = format!("the outlined heart was not believed ({note})");
            missing(CARDIOTHORACIC_RATIO, Unit::Ratio, &why)
        }
    };
    let thorax = widest_span(&masks.lungs).map(|span| thorax(&span.line(), spacing, image));
    std::iter::once(ratio).chain(thorax).collect()
}

/// Whether an outlined heart may be shown: inside the thorax, of a possible size and without branches. The heart was learnt
/// from adult PA films alone and can go far astray on others.
pub fn believable(found: &Cardiothoracic) -> bool {
    let astray = |f: &CtrFlag| {
        matches!(
            f,
            CtrFlag::HeartOutsideThorax | CtrFlag::Implausible | CtrFlag::HeartRagged
        )
    };
    !found.flags.iter().any(astray)
}

fn ratio(model: &Model, trimmed: bool, found: &Cardiothoracic, image: usize) -> Measurement {
    let line = |name: &str, line| NamedLine {
        name: name.to_owned(),
        image,
        line,
    };
    // The error was measured on masks that nothing was cut from and without these flags, so with them the interval does not hold.
    let doubtful = trimmed
        || found.flags.iter().any(|f| {
            matches!(
                f,
                CtrFlag::HeartOutsideThorax
                    | CtrFlag::Implausible
                    | CtrFlag::LungsNotSeparate
                    | CtrFlag::ThoraxAtEdge
            )
        });
    Measurement {
        name: CARDIOTHORACIC_RATIO.to_owned(),
        value: Some(found.ratio),
        unit: Unit::Ratio,
        interval: interval(model, found.ratio).filter(|_| !doubtful),
        lines: vec![
            line("heart_width", found.heart),
            line("thorax_width", found.thorax),
        ],
        note: if trimmed {
            Some("doubtful: branches were cut off the outlined heart".to_owned())
        } else {
            flags_note(&found.flags)
        },
    }
}

fn interval(model: &Model, value: f64) -> Option<Interval> {
    let errors = &model.description.card.measurement_errors;
    let found = errors
        .iter()
        .find(|e| e.name == CARDIOTHORACIC_RATIO)?
        .residual
        .interval(value)?;
    Some(Interval {
        low: found.low.max(0.0),
        ..found
    })
}

fn flags_note(flags: &[CtrFlag]) -> Option<String> {
    let words = |flag: &CtrFlag| match flag {
        CtrFlag::LungsNotSeparate => "the two lungs could not be told apart",
        CtrFlag::LungsUnequal => "one outlined lung is less than a third of the other",
        CtrFlag::ThoraxAtEdge => "the lungs touch the edge of the image",
        CtrFlag::HeartOutsideThorax => "the outlined heart reaches beyond the lungs",
        CtrFlag::Implausible => "the ratio is outside 0.25 to 0.85",
        CtrFlag::HeartInParts => "the outlined heart is in several parts",
        CtrFlag::HeartRagged => "the outlined heart has branches",
    };
    let list: Vec<&str> = flags.iter().map(words).collect();
    (!list.is_empty()).then(|| format!("doubtful: {}", list.join("; ")))
}

/// Width of the thorax: in millimetres only where the file gives a spacing.
fn thorax(line: &hilum_core::Line, spacing: Option<&Spacing>, image: usize) -> Measurement {
    let (value, unit, note) = match spacing {
        None => (
            line.length(),
            Unit::Pixel,
            "the file gives no pixel spacing".to_owned(),
        ),
        Some(s) => {
            let (unit, note) = match s.kind {
                SpacingKind::Imager => (Unit::MmDetector, "at the detector; the body is magnified"),
                SpacingKind::Pixel => (
                    Unit::Mm,
                    "by a pixel spacing whose calibration the file does not state",
                ),
                SpacingKind::Calibrated => (
                    Unit::Mm,
                    "by a pixel spacing that the file calls calibrated",
                ),
            };
            (line.length() * s.column_mm, unit, note.to_owned())
        }
    };
    let lines = vec![NamedLine {
        name: "thorax_width".to_owned(),
        image,
        line: *line,
    }];
    Measurement {
        name: "thorax_width".to_owned(),
        value: Some(value),
        unit,
        interval: None,
        lines,
        note: Some(note),
    }
}

/// How much of the lungs and of each zone lies under the map of the strongest opacity-like finding.
pub fn opacity(
    findings: &[Finding],
    heats: &[Heat],
    zones: Option<&Zones>,
    image: (usize, usize),
) -> Vec<Measurement> {
    let none = |why: &str| vec![missing(OPACITY_EXTENT, Unit::Percent, why)];
    let opacities = || {
        findings
            .iter()
            .filter(|f| f.code == "lung_opacity" || taxonomy::is_kind_of(&f.code, "lung_opacity"))
    };
    if !opacities().any(|f| f.status == FindingStatus::Assessed) {
        return none("no opacity-like finding was assessed");
    }
    let shown = opacities()
        .filter_map(|f| Some((f, f.probability?, heats.iter().find(|h| h.code == f.code)?)));
    let Some((finding, _, heat)) =
        shown.max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.code.cmp(&a.0.code)))
    else {
        return none("no opacity-like finding is at its operating point");
    };
    let Some(zones) = zones else {
        return none("two lungs could not be told apart");
    };
    let (w, h) = zones.size();
    let (each, both) = zones.extents(&heat.over(image, w, h).map(|&v| v >= HOT));
    let note = format!(
        "coarse: share under the class activation map of `{}`, which shows where the model looked",
        finding.code
    );
    let make = |name: String, value: f64| Measurement {
        name,
        value: Some(value),
        unit: Unit::Percent,
        interval: None,
        lines: Vec::new(),
        note: Some(note.clone()),
    };
    let parts = LungZone::ALL
        .into_iter()
        .zip(each)
        .map(|(zone, value)| make(zone.opacity_extent(), value));
    std::iter::once(make(OPACITY_EXTENT.to_owned(), both))
        .chain(parts)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::{Line, Point};

    fn disc(mask: &mut Mask, (cx, cy): (f64, f64), (rx, ry): (f64, f64)) {
        let w = mask.width;
        for (i, v) in mask.data.iter_mut().enumerate() {
            let (x, y) = ((i % w) as f64 - cx, (i / w) as f64 - cy);
            if (x / rx).powi(2) + (y / ry).powi(2) <= 1.0 {
                *v = 255;
            }
        }
    }

    #[test]
    fn branches_are_cut_off_a_heart_and_nothing_else_is() {
        let mut lungs = hilum_image::Plane::filled(200, 200, 0u8);
        disc(&mut lungs, (55.0, 100.0), (40.0, 70.0));
        disc(&mut lungs, (145.0, 100.0), (40.0, 70.0));
        let mut plain = hilum_image::Plane::filled(200, 200, 0u8);
        disc(&mut plain, (105.0, 130.0), (35.0, 28.0));
        let of = |mask: &Mask| heart(&lungs, mask.clone()).unwrap();
        let good = of(&plain);
        assert!(!good.trimmed && good.mask == plain);
        let mut branched = plain.clone();
        disc(&mut branched, (55.0, 115.0), (30.0, 4.0));
        disc(&mut branched, (100.0, 70.0), (5.0, 45.0));
        let cut = of(&branched);
        assert!(cut.trimmed && cut.mask.count() < branched.count());
        let (cut, good) = (cut.widths.unwrap(), good.widths.unwrap());
        assert!(believable(&cut) && (cut.ratio - good.ratio).abs() < 0.03);
        // What has no body is not mended.
        let mut star = hilum_image::Plane::filled(200, 200, 0u8);
        disc(&mut star, (100.0, 100.0), (60.0, 4.0));
        disc(&mut star, (100.0, 100.0), (4.0, 60.0));
        let star = of(&star);
        assert!(!star.trimmed && !believable(&star.widths.unwrap()));
    }

    #[test]
    fn millimetres_need_a_spacing_and_say_which() {
        let line = Line {
            from: Point { x: 0.0, y: 1.0 },
            to: Point { x: 100.0, y: 1.0 },
        };
        let bare = thorax(&line, None, 0);
        assert_eq!((bare.value, bare.unit), (Some(100.0), Unit::Pixel));
        let spacing = Spacing {
            row_mm: 9.0,
            column_mm: 0.2,
            kind: SpacingKind::Imager,
        };
        let known = thorax(&line, Some(&spacing), 0);
        assert_eq!((known.value, known.unit), (Some(20.0), Unit::MmDetector));
    }

    #[test]
    fn without_an_opacity_there_is_no_extent_but_a_reason() {
        let found = opacity(&[], &[], None, (10, 10));
        assert_eq!(found.len(), 1);
        assert!(found[0].value.is_none() && found[0].note.is_some());
    }
}
