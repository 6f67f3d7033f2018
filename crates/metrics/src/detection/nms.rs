//! Greedy non-maximum suppression.

use super::boxes::iou;
use crate::error::{Result, all_finite, same_length};
use hilum_core::Rect;

/// Indices of the boxes kept, best score first. A box falls when its IoU with a better kept one is *above*
/// the threshold; equal scores keep the order of the input.
///
/// # Errors
/// Lengths that differ; scores that are not finite.
pub fn nms(boxes: &[Rect], scores: &[f64], threshold: f64) -> Result<Vec<usize>> {
    suppress(boxes, scores, threshold, |_, _| true)
}

/// [`nms`] within each class.
///
/// # Errors
/// As [`nms`].
pub fn nms_per_class(
    boxes: &[Rect],
    scores: &[f64],
    classes: &[usize],
    threshold: f64,
) -> Result<Vec<usize>> {
    same_length("boxes", boxes.len(), "classes", classes.len())?;
    suppress(boxes, scores, threshold, |i, j| classes[i] == classes[j])
}

fn suppress(
    boxes: &[Rect],
    scores: &[f64],
    threshold: f64,
    compete: impl Fn(usize, usize) -> bool,
) -> Result<Vec<usize>> {
    same_length("boxes", boxes.len(), "scores", scores.len())?;
    all_finite("scores", scores)?;
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        if !kept
            .iter()
            .any(|&k| compete(i, k) && iou(&boxes[i], &boxes[k]) > threshold)
        {
            kept.push(i);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_at_the_threshold_stays() {
        let a = Rect {
            x: 0.0,
            y: 0.0,
            w: 2.0,
            h: 1.0,
        };
        let b = Rect {
            x: 0.0,
            y: 0.0,
            w: 1.0,
            h: 1.0,
        };
        assert_eq!(nms(&[a, b], &[0.5, 0.9], 0.5).unwrap(), [1, 0]);
        assert_eq!(nms(&[a, b], &[0.5, 0.9], 0.49).unwrap(), [1]);
        assert_eq!(
            nms_per_class(&[a, b], &[0.5, 0.9], &[0, 1], 0.1).unwrap(),
            [1, 0]
        );
        assert!(nms(&[a], &[f64::NAN], 0.5).is_err());
    }
}
