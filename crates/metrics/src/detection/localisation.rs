//! Localisation as ChestX-ray8 reports it (Wang 2017, section 4.3 and table 4): the share of reference boxes
//! that are found, and the average number of false positive boxes an image, at a threshold on IoU or IoBB.

use super::boxes::{iobb, iou};
use crate::error::{MetricError, Result};
use crate::score::ConfidenceInterval;
use crate::statistics::{ProportionMethod, proportion_ci};
use hilum_core::Rect;
use serde::{Deserialize, Serialize};

/// What is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxCriterion {
    /// Intersection over union.
    Iou,
    /// Intersection over the detected box's area.
    Iobb,
}

impl BoxCriterion {
    /// The overlap of a detected with a reference box.
    pub fn overlap(self, detected: &Rect, reference: &Rect) -> f64 {
        match self {
            BoxCriterion::Iou => iou(detected, reference),
            BoxCriterion::Iobb => iobb(detected, reference),
        }
    }
}

/// The boxes of one finding in one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageBoxes {
    /// Boxes that were proposed.
    pub detected: Vec<Rect>,
    /// Boxes that a reader drew.
    pub reference: Vec<Rect>,
}

/// Localisation of one finding at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// IoU or IoBB.
    pub criterion: BoxCriterion,
    /// An overlap strictly above this counts as a hit.
    pub threshold: f64,
    /// Share of reference boxes that some detected box hits.
    pub accuracy: f64,
    /// Wilson interval of the accuracy (boxes taken as independent).
    pub interval: ConfidenceInterval,
    /// Detected boxes that hit no reference box, an image.
    pub average_false_positives: f64,
    /// Reference boxes found.
    pub found: usize,
    /// Reference boxes in all.
    pub reference_boxes: usize,
    /// Images looked at.
    pub images: usize,
}

/// Localisation of one finding over the given images (the paper's are those with a reference box).
///
/// # Errors
/// [`MetricError::Undefined`] without a reference box; a threshold outside 0 to 1.
pub fn localisation(
    images: &[ImageBoxes],
    criterion: BoxCriterion,
    threshold: f64,
) -> Result<Localisation> {
    crate::error::open_unit("threshold", threshold)?;
    let reference_boxes = images.iter().map(|i| i.reference.len()).sum();
    if reference_boxes == 0 {
        return Err(MetricError::Undefined {
            metric: "localisation",
            reason: "no image has a reference box",
        });
    }
    let hit = |d: &Rect, r: &Rect| criterion.overlap(d, r) > threshold;
    let (mut found, mut stray) = (0, 0);
    for image in images {
        found += image
            .reference
            .iter()
            .filter(|r| image.detected.iter().any(|d| hit(d, r)))
            .count();
        stray += image
            .detected
            .iter()
            .filter(|d| !image.reference.iter().any(|r| hit(d, r)))
            .count();
    }
    Ok(Localisation {
        criterion,
        threshold,
        accuracy: found as f64 / reference_boxes as f64,
        interval: proportion_ci(found, reference_boxes, 0.95, ProportionMethod::Wilson)?,
        average_false_positives: stray as f64 / images.len() as f64,
        found,
        reference_boxes,
        images: images.len(),
    })
}

/// The paper's table: IoBB at 0.1, 0.25, 0.5, 0.75, 0.9 and IoU at 0.1 to 0.7.
///
/// # Errors
/// As [`localisation`].
pub fn localisation_table(images: &[ImageBoxes]) -> Result<Vec<Localisation>> {
    let iobb = [0.1, 0.25, 0.5, 0.75, 0.9].map(|t| (BoxCriterion::Iobb, t));
    let iou = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7].map(|t| (BoxCriterion::Iou, t));
    iobb.into_iter()
        .chain(iou)
        .map(|(criterion, t)| localisation(images, criterion, t))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: f64, w: f64) -> Rect {
        Rect {
            x,
            y: 0.0,
            w,
            h: 10.0,
        }
    }

    #[test]
    fn hits_strays_and_misses() {
        let images = [
            // Found by the first box; the second is a stray.
            ImageBoxes {
                detected: vec![rect(0.0, 10.0), rect(50.0, 10.0)],
                reference: vec![rect(0.0, 20.0)],
            },
            // Missed.
            ImageBoxes {
                detected: vec![],
                reference: vec![rect(0.0, 20.0)],
            },
        ];
        let at = |criterion, t| localisation(&images, criterion, t).unwrap();
        let iobb = at(BoxCriterion::Iobb, 0.9);
        assert_eq!((iobb.accuracy, iobb.average_false_positives), (0.5, 0.5));
        // The IoU of the first box is exactly 0.5, which is not above 0.5.
        let iou = at(BoxCriterion::Iou, 0.5);
        assert_eq!((iou.accuracy, iou.average_false_positives), (0.0, 1.0));
        assert_eq!(localisation_table(&images).unwrap().len(), 12);
    }

    #[test]
    fn without_reference_boxes_it_is_undefined() {
        let images = [ImageBoxes {
            detected: vec![rect(0.0, 1.0)],
            reference: vec![],
        }];
        assert!(
            localisation(&images, BoxCriterion::Iou, 0.5)
                .unwrap_err()
                .is_undefined()
        );
    }
}
