//! Hausdorff and mean surface distances over surface elements (the conventions of MONAI and MedPy).
//!
//! The surface is the mask less its erosion by a cross; every surface element counts once.

use super::distance::distance_to;
use super::mask::Mask;
use super::percentile::{mean, quantile};
use crate::error::{MetricError, Result};

/// How the two directions become one Hausdorff distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HausdorffRule {
    /// The larger of the two directed percentiles (MONAI, and the usual reading of HD95).
    MaxOfDirected,
    /// The percentile of both directions thrown together (MedPy).
    Pooled,
    /// From the prediction's surface to the reference's only.
    PredictedToReference,
}

/// Distances between two surfaces, in units of the spacing.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceDistances {
    /// From each surface element of the prediction to the nearest of the reference.
    pub to_reference: Vec<f64>,
    /// From each surface element of the reference to the nearest of the prediction.
    pub to_predicted: Vec<f64>,
}

impl SurfaceDistances {
    /// Distances between two masks of one grid.
    ///
    /// # Errors
    /// Grids that differ; [`MetricError::Undefined`] when a mask is empty.
    pub fn new(predicted: &Mask, reference: &Mask) -> Result<Self> {
        predicted.require_same_grid(reference)?;
        require_not_empty(predicted, reference)?;
        let (p, r) = (predicted.surface(), reference.surface());
        let (shape, spacing) = (predicted.shape(), predicted.spacing());
        let between = |from: &[bool], to: &[bool]| -> Vec<f64> {
            let field = distance_to(to, shape, spacing);
            from.iter()
                .zip(field)
                .filter(|(on, _)| **on)
                .map(|(_, d)| d)
                .collect()
        };
        Ok(SurfaceDistances {
            to_reference: between(&p, &r),
            to_predicted: between(&r, &p),
        })
    }

    /// Hausdorff distance at a fraction: 1 for the largest distance, 0.95 for HD95.
    ///
    /// # Errors
    /// A fraction outside 0 to 1.
    pub fn hausdorff(&self, fraction: f64, rule: HausdorffRule) -> Result<f64> {
        match rule {
            HausdorffRule::PredictedToReference => quantile(&self.to_reference, fraction),
            HausdorffRule::Pooled => quantile(&self.pooled(), fraction),
            HausdorffRule::MaxOfDirected => Ok(quantile(&self.to_reference, fraction)?
                .max(quantile(&self.to_predicted, fraction)?)),
        }
    }

    /// Average symmetric surface distance: the mean over the elements of both surfaces.
    pub fn assd(&self) -> f64 {
        mean(&self.pooled())
    }

    /// Mean distance from the prediction's surface to the reference's.
    pub fn mean_to_reference(&self) -> f64 {
        mean(&self.to_reference)
    }

    /// Normalised surface Dice: share of both surfaces' elements within `tolerance` of the other.
    ///
    /// # Errors
    /// A tolerance that is negative or not a number.
    pub fn surface_dice(&self, tolerance: f64) -> Result<f64> {
        check_tolerance(tolerance)?;
        let all = self.pooled();
        Ok(all.iter().filter(|d| **d <= tolerance).count() as f64 / all.len() as f64)
    }

    fn pooled(&self) -> Vec<f64> {
        self.to_reference
            .iter()
            .chain(&self.to_predicted)
            .copied()
            .collect()
    }
}

pub(crate) fn require_not_empty(predicted: &Mask, reference: &Mask) -> Result<()> {
    if predicted.count() > 0 && reference.count() > 0 {
        return Ok(());
    }
    Err(MetricError::Undefined {
        metric: "surface distance",
        reason: "a mask is empty, so it has no surface; report such images apart",
    })
}

pub(crate) fn check_tolerance(tolerance: f64) -> Result<()> {
    if tolerance >= 0.0 {
        return Ok(());
    }
    Err(MetricError::Parameter {
        name: "tolerance",
        value: tolerance,
        rule: "0 or more",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: usize) -> Mask {
        let mut bytes = [0_u8; 25];
        bytes[at] = 1;
        Mask::new(&bytes, &[5, 5], &[2.0, 1.0]).unwrap()
    }

    #[test]
    fn two_points_and_their_spacing() {
        let d = SurfaceDistances::new(&point(0), &point(13)).unwrap();
        // Two rows of 2 and three columns of 1 apart.
        assert_eq!(d.hausdorff(1.0, HausdorffRule::MaxOfDirected).unwrap(), 5.0);
        assert_eq!(d.assd(), 5.0);
        assert_eq!(d.surface_dice(4.9).unwrap(), 0.0);
        assert_eq!(d.surface_dice(5.0).unwrap(), 1.0);
        assert!(d.surface_dice(-1.0).is_err());
    }

    #[test]
    fn empty_masks_have_no_surface() {
        let empty = Mask::new(&[0; 25], &[5, 5], &[2.0, 1.0]).unwrap();
        assert!(
            SurfaceDistances::new(&empty, &point(3))
                .unwrap_err()
                .is_undefined()
        );
    }
}
