//! Matching of detections to ground truth in one image, as pycocotools does it.

use hilum_core::Rect;
use serde::{Deserialize, Serialize};

/// A reference box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// Image number.
    pub image: usize,
    /// Class number.
    pub class: usize,
    /// The box.
    pub rect: Rect,
    /// Area used to sort by size; may differ from the box's (e.g. that of a mask).
    pub area: f64,
    /// A region of many objects: detections inside it count neither way.
    pub crowd: bool,
}

/// A detected box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Image number.
    pub image: usize,
    /// Class number.
    pub class: usize,
    /// The box.
    pub rect: Rect,
    /// Confidence.
    pub score: f64,
}

/// Sizes of objects, in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaRange {
    /// All.
    All,
    /// Up to 32².
    Small,
    /// 32² to 96².
    Medium,
    /// From 96².
    Large,
}

impl AreaRange {
    fn excludes(self, area: f64) -> bool {
        let (low, high) = match self {
            AreaRange::All => (0.0, 1e10),
            AreaRange::Small => (0.0, 1024.0),
            AreaRange::Medium => (1024.0, 9216.0),
            AreaRange::Large => (9216.0, 1e10),
        };
        area < low || area > high
    }
}

/// Outcome for one image and class.
#[derive(Debug, Clone)]
pub(crate) struct ImageMatch {
    /// Scores of the detections, highest first.
    pub(crate) scores: Vec<f64>,
    /// For each threshold and detection: matched a ground truth.
    pub(crate) matched: Vec<Vec<bool>>,
    /// For each threshold and detection: counts neither way.
    pub(crate) ignored: Vec<Vec<bool>>,
    /// Ground truths that count.
    pub(crate) positives: usize,
}

/// Matches the detections of one image and class (stable order by score, at most `max`).
pub(crate) fn match_image(
    truths: &[&GroundTruth],
    detections: &[&Detection],
    range: AreaRange,
    max: usize,
    thresholds: &[f64],
) -> ImageMatch {
    let ignore = |g: &GroundTruth| g.crowd || range.excludes(g.area);
    let mut truths: Vec<&GroundTruth> = truths.to_vec();
    truths.sort_by_key(|g| ignore(g));
    let mut detections: Vec<&Detection> = detections.to_vec();
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    detections.truncate(max);
    let overlaps: Vec<Vec<f64>> = detections
        .iter()
        .map(|d| truths.iter().map(|g| overlap(d, g)).collect())
        .collect();
    let ignored_truths: Vec<bool> = truths.iter().map(|g| ignore(g)).collect();
    let crowds: Vec<bool> = truths.iter().map(|g| g.crowd).collect();
    let mut result = ImageMatch {
        scores: detections.iter().map(|d| d.score).collect(),
        matched: Vec::new(),
        ignored: Vec::new(),
        positives: ignored_truths.iter().filter(|i| !**i).count(),
    };
    for &threshold in thresholds {
        let found = match_at(&overlaps, &ignored_truths, &crowds, threshold);
        let outside = |(d, m): (&&Detection, &Option<usize>)| match m {
            Some(g) => ignored_truths[*g],
            None => range.excludes(d.rect.area()),
        };
        result
            .ignored
            .push(detections.iter().zip(&found).map(outside).collect());
        result
            .matched
            .push(found.iter().map(Option::is_some).collect());
    }
    result
}

fn overlap(d: &Detection, g: &GroundTruth) -> f64 {
    let shared = d.rect.intersection(&g.rect);
    let whole = if g.crowd {
        d.rect.area()
    } else {
        d.rect.area() + g.rect.area() - shared
    };
    if whole > 0.0 { shared / whole } else { 0.0 }
}

/// The ground truth each detection takes, best detection first. Ground truths that count come first.
fn match_at(
    overlaps: &[Vec<f64>],
    ignored: &[bool],
    crowds: &[bool],
    threshold: f64,
) -> Vec<Option<usize>> {
    let mut taken = vec![false; ignored.len()];
    overlaps
        .iter()
        .map(|row| {
            let mut best = (threshold.min(1.0 - 1e-10), None::<usize>);
            for (g, &overlap) in row.iter().enumerate() {
                if taken[g] && !crowds[g] {
                    continue;
                }
                // Once a counting ground truth is matched, ignored ones are not considered.
                if best.1.is_some_and(|b| !ignored[b]) && ignored[g] {
                    break;
                }
                if overlap >= best.0 {
                    best = (overlap, Some(g));
                }
            }
            if let Some(g) = best.1 {
                taken[g] = true;
            }
            best.1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_detection_of_the_same_object_is_a_false_positive() {
        let rect = Rect {
            x: 0.0,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        };
        let truth = GroundTruth {
            image: 0,
            class: 0,
            rect,
            area: 100.0,
            crowd: false,
        };
        let found = |score| Detection {
            image: 0,
            class: 0,
            rect,
            score,
        };
        let (a, b) = (found(0.5), found(0.9));
        let m = match_image(&[&truth], &[&a, &b], AreaRange::All, 100, &[0.5]);
        assert_eq!(
            (m.scores, m.matched[0].clone()),
            (vec![0.9, 0.5], vec![true, false])
        );
        let crowd = GroundTruth {
            crowd: true,
            ..truth
        };
        let m = match_image(&[&crowd], &[&a, &b], AreaRange::All, 100, &[0.5]);
        assert_eq!((m.positives, m.ignored[0].clone()), (0, vec![true, true]));
    }
}
