//! COCO average precision and recall over classes, IoU thresholds and object sizes (pycocotools' defaults).

use super::coco_match::{AreaRange, Detection, GroundTruth, ImageMatch, match_image};
use crate::error::{MetricError, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The twelve COCO numbers; null where no class has an object of that kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CocoSummary {
    /// AP over IoU 0.50 to 0.95.
    pub ap: Option<f64>,
    /// AP at IoU 0.50.
    pub ap50: Option<f64>,
    /// AP at IoU 0.75.
    pub ap75: Option<f64>,
    /// AP of small objects.
    pub ap_small: Option<f64>,
    /// AP of medium objects.
    pub ap_medium: Option<f64>,
    /// AP of large objects.
    pub ap_large: Option<f64>,
    /// Recall with 1 detection an image.
    pub ar1: Option<f64>,
    /// Recall with 10.
    pub ar10: Option<f64>,
    /// Recall with 100.
    pub ar100: Option<f64>,
    /// Recall of small objects.
    pub ar_small: Option<f64>,
    /// Recall of medium objects.
    pub ar_medium: Option<f64>,
    /// Recall of large objects.
    pub ar_large: Option<f64>,
    /// AP per class.
    pub per_class_ap: Vec<Option<f64>>,
    /// AP at IoU 0.50 per class.
    pub per_class_ap50: Vec<Option<f64>>,
    /// Recall with 100 detections per class.
    pub per_class_ar100: Vec<Option<f64>>,
    /// Precision of each class at the recalls 0, 0.01, ... 1 and IoU 0.5.
    pub per_class_precision50: Vec<Option<Vec<f64>>>,
}

fn iou_thresholds() -> Vec<f64> {
    // NumPy's linspace: the last is set, the others are start + i * step.
    let step = (0.95 - 0.5) / 9.0;
    (0..10)
        .map(|i| {
            if i == 9 {
                0.95
            } else {
                0.5 + f64::from(i) * step
            }
        })
        .collect()
}

/// Precision and recall of one class at each IoU threshold.
struct ClassCurve {
    /// `[threshold][recall]` precision at 101 recalls.
    precision: Vec<Vec<f64>>,
    /// `[threshold]` mean of these.
    ap: Vec<f64>,
    /// `[threshold]` final recall.
    recall: Vec<f64>,
}

/// Evaluates detections. Classes are `0..classes`; images need not be consecutive.
///
/// # Errors
/// A class out of range; scores or boxes that are not finite.
pub fn evaluate(
    truths: &[GroundTruth],
    detections: &[Detection],
    classes: usize,
) -> Result<CocoSummary> {
    check(truths, detections, classes)?;
    let images = group(truths, detections);
    let thresholds = iou_thresholds();
    let curves = |range, max| -> Vec<Option<ClassCurve>> {
        (0..classes)
            .map(|class| class_curve(&images, class, range, max, &thresholds))
            .collect()
    };
    let all = curves(AreaRange::All, 100);
    let [small, medium, large] =
        [AreaRange::Small, AreaRange::Medium, AreaRange::Large].map(|r| curves(r, 100));
    let every = 0..thresholds.len();
    let ap = |c: &[Option<ClassCurve>], t: std::ops::Range<usize>| {
        mean(c.iter().flatten().flat_map(|c| &c.ap[t.clone()]))
    };
    let ar = |c: &[Option<ClassCurve>]| mean(c.iter().flatten().flat_map(|c| &c.recall));
    let each = |f: &dyn Fn(&ClassCurve) -> Option<f64>| {
        all.iter().map(|c| c.as_ref().and_then(f)).collect()
    };
    Ok(CocoSummary {
        ap: ap(&all, every.clone()),
        ap50: ap(&all, 0..1),
        ap75: ap(&all, 5..6),
        ap_small: ap(&small, every.clone()),
        ap_medium: ap(&medium, every.clone()),
        ap_large: ap(&large, every),
        ar1: ar(&curves(AreaRange::All, 1)),
        ar10: ar(&curves(AreaRange::All, 10)),
        ar100: ar(&all),
        ar_small: ar(&small),
        ar_medium: ar(&medium),
        ar_large: ar(&large),
        per_class_ap: each(&|c| mean(&c.ap)),
        per_class_ap50: each(&|c| c.ap.first().copied()),
        per_class_ar100: each(&|c| mean(&c.recall)),
        per_class_precision50: all
            .iter()
            .map(|c| c.as_ref().and_then(|c| c.precision.first().cloned()))
            .collect(),
    })
}

fn check(truths: &[GroundTruth], detections: &[Detection], classes: usize) -> Result<()> {
    let class = truths
        .iter()
        .map(|g| g.class)
        .chain(detections.iter().map(|d| d.class))
        .find(|c| *c >= classes);
    if let Some(class) = class {
        return Err(MetricError::Parameter {
            name: "class",
            value: class as f64,
            rule: "below the number of classes",
        });
    }
    for (index, d) in detections.iter().enumerate() {
        for value in [d.score, d.rect.x, d.rect.y, d.rect.w, d.rect.h] {
            if !value.is_finite() {
                return Err(MetricError::NonFinite {
                    what: "detections",
                    index,
                    value,
                });
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Cell<'a> {
    truths: Vec<&'a GroundTruth>,
    detections: Vec<&'a Detection>,
}

fn group<'a>(
    truths: &'a [GroundTruth],
    detections: &'a [Detection],
) -> BTreeMap<(usize, usize), Cell<'a>> {
    let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
    for g in truths {
        cells.entry((g.class, g.image)).or_default().truths.push(g);
    }
    for d in detections {
        cells
            .entry((d.class, d.image))
            .or_default()
            .detections
            .push(d);
    }
    cells
}

/// None when the class has no object that counts.
fn class_curve(
    cells: &BTreeMap<(usize, usize), Cell>,
    class: usize,
    range: AreaRange,
    max: usize,
    thresholds: &[f64],
) -> Option<ClassCurve> {
    let matches: Vec<ImageMatch> = cells
        .range((class, 0)..=(class, usize::MAX))
        .map(|(_, cell)| match_image(&cell.truths, &cell.detections, range, max, thresholds))
        .collect();
    let positives: usize = matches.iter().map(|m| m.positives).sum();
    if positives == 0 {
        return None;
    }
    let mut order: Vec<(usize, usize)> = matches
        .iter()
        .enumerate()
        .flat_map(|(i, m)| (0..m.scores.len()).map(move |d| (i, d)))
        .collect();
    order.sort_by(|a, b| matches[b.0].scores[b.1].total_cmp(&matches[a.0].scores[a.1]));
    let (precision, recall): (Vec<Vec<f64>>, Vec<f64>) = (0..thresholds.len())
        .map(|t| precision_recall(&matches, &order, t, positives))
        .unzip();
    let mean = |p: &Vec<f64>| p.iter().sum::<f64>() / p.len() as f64;
    Some(ClassCurve {
        ap: precision.iter().map(mean).collect(),
        precision,
        recall,
    })
}

/// Precision at 101 recalls, and the final recall.
fn precision_recall(
    matches: &[ImageMatch],
    order: &[(usize, usize)],
    t: usize,
    positives: usize,
) -> (Vec<f64>, f64) {
    let (mut tp, mut fp) = (0.0, 0.0);
    let (mut recall, mut precision) = (Vec::new(), Vec::new());
    for &(i, d) in order.iter().filter(|(i, d)| !matches[*i].ignored[t][*d]) {
        if matches[i].matched[t][d] {
            tp += 1.0
        } else {
            fp += 1.0
        }
        recall.push(tp / positives as f64);
        // The tiny term is pycocotools' guard against 0/0.
        precision.push(tp / (tp + fp + f64::EPSILON));
    }
    // Precision never rises with recall.
    for i in (1..precision.len()).rev() {
        precision[i - 1] = precision[i - 1].max(precision[i]);
    }
    let at = |r: f64| {
        precision
            .get(recall.partition_point(|v| *v < r))
            .copied()
            .unwrap_or(0.0)
    };
    let points = (0..101)
        .map(|i| at(if i == 100 { 1.0 } else { f64::from(i) * 0.01 }))
        .collect();
    (points, recall.last().copied().unwrap_or(0.0))
}

fn mean<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<f64> {
    let (sum, n) = values
        .into_iter()
        .fold((0.0, 0_usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::Rect;

    #[test]
    fn a_class_without_objects_is_null() {
        let rect = Rect {
            x: 0.0,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        };
        let truth = GroundTruth {
            image: 3,
            class: 0,
            rect,
            area: 100.0,
            crowd: false,
        };
        let found = Detection {
            image: 3,
            class: 0,
            rect,
            score: 0.7,
        };
        let s = evaluate(&[truth], &[found], 2).unwrap();
        assert!((s.ap.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((s.per_class_ap[1], s.ap_large), (None, None));
        assert!(evaluate(&[truth], &[Detection { class: 5, ..found }], 2).is_err());
        assert!(
            evaluate(
                &[truth],
                &[Detection {
                    score: f64::NAN,
                    ..found
                }],
                2
            )
            .is_err()
        );
    }
}
