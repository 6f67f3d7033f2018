//! From a classifier's scores to findings: probability, operating point, conformal set, boxes and heat maps.

use crate::own::Calibration;
use crate::store::Model;
use crate::uncertainty;
use crate::zones::Zones;
use hilum_core::taxonomy::{self, Taxon};
use hilum_core::{Finding, FindingStatus, PredictionSet, Rect, Region, RegionKind};
use hilum_image::{Gray, Kernel, Plane, resize};
use hilum_methods::blocks::cam_boxes::{self, LEVELS};
use hilum_methods::serve::{OutputCard, Scores};

/// Least share of the crop that a box's component covers.
const LEAST_COMPONENT: f64 = 0.005;
/// Most boxes of one finding.
const MOST_BOXES: usize = 4;
/// Findings whose place is not told by lung zones.
const WITHOUT_ZONE: &[&str] = &[
    "cardiomegaly",
    "enlarged_cardiomediastinum",
    "hernia",
    "support_devices",
    "fracture",
    "scoliosis",
];

/// A heat map of one finding in one image.
#[derive(Debug, Clone)]
pub struct Heat {
    /// Finding.
    pub code: String,
    /// The map at the network's feature size, 0 to 255.
    pub map: Plane<f32>,
    /// The part of the stored image that it shows.
    pub crop: Rect,
}

impl Heat {
    /// The map over the whole image at another size, 0 outside the crop.
    pub fn over(&self, image: (usize, usize), width: usize, height: usize) -> Gray {
        let scale = (
            width as f64 / image.0.max(1) as f64,
            height as f64 / image.1.max(1) as f64,
        );
        let left = (self.crop.x * scale.0).round() as usize;
        let top = (self.crop.y * scale.1).round() as usize;
        let w =
            ((self.crop.w * scale.0).round() as usize).clamp(1, width.saturating_sub(left).max(1));
        let h =
            ((self.crop.h * scale.1).round() as usize).clamp(1, height.saturating_sub(top).max(1));
        let Ok(part) = resize::resize(&self.map, w, h, Kernel::PilBilinear) else {
            return Plane::filled(width, height, 0.0);
        };
        Plane::from_fn(width, height, |x, y| {
            let inside = x
                .checked_sub(left)
                .zip(y.checked_sub(top))
                .filter(|&(x, y)| x < w && y < h);
            inside.map_or(0.0, |(x, y)| part.row(y)[x].clamp(0.0, 255.0))
        })
    }
}

/// What is known beside the scores of an image.
#[derive(Debug, Default)]
pub struct Beside<'a> {
    /// The user's own calibration, in place of the card's.
    pub calibration: Option<&'a Calibration>,
    /// Logits of changed copies of the image, `[copy][output]`.
    pub copies: &'a [Vec<f64>],
}

/// The findings of the reporting list that `model` answers for one image, with the heat maps of those that
/// are worth showing. Outputs that were not shown to detect their finding are given as not assessed.
pub fn of_scores(
    model: &Model,
    scores: &Scores,
    image: usize,
    zones: Option<&Zones>,
    beside: &Beside<'_>,
) -> (Vec<Finding>, Vec<Heat>) {
    let (mut findings, mut heats) = (Vec::new(), Vec::new());
    for (at, output) in model.description.card.outputs.iter().enumerate() {
        let Some(taxon) = taxonomy::by_code(&output.code).filter(|t| t.reported) else {
            continue;
        };
        let mut finding = answer(model, taxon, output, scores, at, beside);
        if is_shown(&finding)
            && let Some(map) = scores.maps.get(at)
        {
            finding.regions = regions(&finding.code, map, scores.crop, image, zones);
            if let Some(map) = cam_boxes::scaled(map) {
                heats.push(Heat {
                    code: finding.code.clone(),
                    map,
                    crop: scores.crop,
                });
            }
        }
        findings.push(finding);
    }
    (findings, heats)
}

/// Whether a finding's map is worth showing: at or over the operating point, present, or undecided and more
/// likely than not.
fn is_shown(finding: &Finding) -> bool {
    let positive = finding.operating_point.as_ref().is_some_and(|p| p.positive);
    let open = finding.set == Some(PredictionSet::Undecided)
        && finding.probability.is_some_and(|p| p >= 0.5);
    positive || finding.set == Some(PredictionSet::Present) || open
}

fn answer(
    model: &Model,
    taxon: &Taxon,
    output: &OutputCard,
    scores: &Scores,
    at: usize,
    beside: &Beside<'_>,
) -> Finding {
    let not = |reason: String| Finding::not_assessed(taxon.code, taxon.name, reason);
    if !output.assessed {
        return not(format!(
            "model `{}` was not shown to detect it ({})",
            model.name, output.shown_by
        ));
    }
    let logit = scores.logits.get(at).copied();
    let Some(logit) = logit.filter(|z| z.is_finite()) else {
        return not(format!("model `{}` gave no finite number", model.name));
    };
    let own = beside
        .calibration
        .and_then(|c| c.of(&model.name, &output.code));
    let fitted = own.map(|o| &o.calibrator).or(output.calibrator.as_ref());
    let Some(calibrator) = fitted else {
        return not(format!(
            "the output of model `{}` is not calibrated",
            model.name
        ));
    };
    let probability = calibrator.probability(logit);
    Finding {
        code: taxon.code.to_owned(),
        name: taxon.name.to_owned(),
        status: FindingStatus::Assessed,
        reason: None,
        logit: Some(logit),
        probability: Some(probability),
        operating_point: own
            .map(|o| &o.operating_point)
            .or(output.operating_point.as_ref())
            .map(|p| p.apply(probability)),
        set: own
            .map(|o| &o.conformal)
            .or(output.conformal.as_ref())
            .map(|c| c.set(probability)),
        model: Some(model.name.clone()),
        regions: Vec::new(),
        uncertainty: uncertainty::of_output(
            calibrator,
            logit,
            &column(&scores.members, at),
            &column(beside.copies, at),
        ),
        explanations: Vec::new(),
    }
}

/// One output of several answers.
fn column(rows: &[Vec<f64>], at: usize) -> Vec<f64> {
    rows.iter().filter_map(|r| r.get(at).copied()).collect()
}

/// Boxes at the two levels of card 03; a box of the lower level that holds one of the higher is left out,
/// since it says the same less exactly.
fn regions(
    code: &str,
    map: &Plane<f32>,
    crop: Rect,
    image: usize,
    zones: Option<&Zones>,
) -> Vec<Region> {
    let found = cam_boxes::boxes(map, crop, &LEVELS, LEAST_COMPONENT);
    let top = LEVELS.iter().copied().fold(f32::MIN, f32::max);
    let holds_a_higher = |b: &cam_boxes::CamBox| {
        b.level < top
            && found
                .iter()
                .any(|o| o.level > b.level && o.rect.intersection(&b.rect) > 0.9 * o.rect.area())
    };
    let zoned = zones.filter(|_| !WITHOUT_ZONE.contains(&code));
    found
        .iter()
        .filter(|b| !holds_a_higher(b))
        .take(MOST_BOXES)
        .map(|b| Region {
            // Numbered when the study is put together.
            id: String::new(),
            image,
            kind: RegionKind::ActivationBox,
            rect: b.rect,
            score: b.score.clamp(0.0, 1.0),
            outline: Vec::new(),
            place: zoned.and_then(|z| z.place(&b.rect)).map(|z| z.place()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_lies_where_its_crop_lies() {
        let heat = Heat {
            code: "pneumonia".into(),
            map: Plane::filled(4, 4, 200.0),
            crop: Rect {
                x: 100.0,
                y: 0.0,
                w: 100.0,
                h: 50.0,
            },
        };
        let over = heat.over((200, 100), 20, 10);
        assert_eq!(over.row(0)[9], 0.0);
        assert_eq!(over.row(0)[10], 200.0);
        assert_eq!(over.row(4)[19], 200.0);
        assert_eq!(over.row(5)[19], 0.0);
    }

    #[test]
    fn a_wide_box_round_a_narrow_one_is_left_out() {
        let map = Plane::from_fn(128, 128, |x, y| {
            let wide = (32..64).contains(&x) && (16..48).contains(&y);
            let narrow = (36..48).contains(&x) && (20..32).contains(&y);
            let apart = (90..110).contains(&x) && (90..110).contains(&y);
            if narrow {
                255.0
            } else if wide || apart {
                100.0
            } else {
                0.0
            }
        });
        let crop = Rect {
            x: 0.0,
            y: 0.0,
            w: 256.0,
            h: 256.0,
        };
        let found = regions("pneumonia", &map, crop, 2, None);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0].rect,
            Rect {
                x: 72.0,
                y: 40.0,
                w: 24.0,
                h: 24.0
            }
        );
        assert!(found.iter().all(|r| r.image == 2 && r.place.is_none()));
    }
}
