//! Overlap of two masks: Dice, intersection over union, volumetric similarity.

use super::Mask;
use crate::error::{MetricError, Result};
use serde::{Deserialize, Serialize};

/// Counts of elements of two masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// In both.
    pub both: usize,
    /// In the prediction.
    pub predicted: usize,
    /// In the reference.
    pub reference: usize,
}

impl Overlap {
    /// Counts two masks of one grid.
    ///
    /// # Errors
    /// Shapes or spacings that differ.
    pub fn of(predicted: &Mask, reference: &Mask) -> Result<Self> {
        predicted.require_same_grid(reference)?;
        Self::of_slices(predicted.data(), reference.data())
    }

    /// Counts two flat masks.
    ///
    /// # Errors
    /// Lengths that differ.
    pub fn of_slices(predicted: &[bool], reference: &[bool]) -> Result<Self> {
        crate::error::same_length("predicted", predicted.len(), "reference", reference.len())?;
        let mut counts = Overlap {
            both: 0,
            predicted: 0,
            reference: 0,
        };
        for (p, r) in predicted.iter().zip(reference) {
            counts.both += usize::from(*p && *r);
            counts.predicted += usize::from(*p);
            counts.reference += usize::from(*r);
        }
        Ok(counts)
    }

    fn require_any(&self, metric: &'static str) -> Result<()> {
        if self.predicted + self.reference > 0 {
            return Ok(());
        }
        Err(MetricError::Undefined {
            metric,
            reason: "both masks are empty; count such images apart as true negatives",
        })
    }

    /// 2|A∩B| / (|A| + |B|).
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when both masks are empty. One empty mask gives 0.
    pub fn dice(&self) -> Result<f64> {
        self.require_any("dice")?;
        Ok(2.0 * self.both as f64 / (self.predicted + self.reference) as f64)
    }

    /// |A∩B| / |A∪B|.
    ///
    /// # Errors
    /// As [`Overlap::dice`].
    pub fn iou(&self) -> Result<f64> {
        self.require_any("iou")?;
        Ok(self.both as f64 / (self.predicted + self.reference - self.both) as f64)
    }

    /// 1 − ||A| − |B|| / (|A| + |B|): sizes only, blind to place.
    ///
    /// # Errors
    /// As [`Overlap::dice`].
    pub fn volumetric_similarity(&self) -> Result<f64> {
        self.require_any("volumetric_similarity")?;
        let gap = self.predicted.abs_diff(self.reference) as f64;
        Ok(1.0 - gap / (self.predicted + self.reference) as f64)
    }
}

/// Dice of flat masks in which 0 is outside.
///
/// # Errors
/// Lengths that differ; both masks empty.
pub fn dice(predicted: &[u8], reference: &[u8]) -> Result<f64> {
    of_bytes(predicted, reference)?.dice()
}

/// Intersection over union of flat masks in which 0 is outside.
///
/// # Errors
/// Lengths that differ; both masks empty.
pub fn iou(predicted: &[u8], reference: &[u8]) -> Result<f64> {
    of_bytes(predicted, reference)?.iou()
}

/// Volumetric similarity of flat masks in which 0 is outside.
///
/// # Errors
/// Lengths that differ; both masks empty.
pub fn volumetric_similarity(predicted: &[u8], reference: &[u8]) -> Result<f64> {
    of_bytes(predicted, reference)?.volumetric_similarity()
}

fn of_bytes(predicted: &[u8], reference: &[u8]) -> Result<Overlap> {
    let inside = |bytes: &[u8]| bytes.iter().map(|b| *b != 0).collect::<Vec<_>>();
    Overlap::of_slices(&inside(predicted), &inside(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_empty_masks_are_undefined_and_one_is_zero() {
        assert!(dice(&[0, 0], &[0, 0]).unwrap_err().is_undefined());
        assert_eq!(dice(&[0, 0], &[255, 0]).unwrap(), 0.0);
        assert_eq!(iou(&[1, 1], &[255, 0]).unwrap(), 0.5);
        assert!(dice(&[1], &[1, 1]).is_err());
    }
}
