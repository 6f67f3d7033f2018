//! Surface distances weighted by contour length (the convention of `surface-distance`, Nikolov 2021).
//!
//! Contour pieces live on the corners between elements; each corner's piece has the length that marching
//! squares gives it. Two dimensions only: the area table of the three-dimensional convention is not built in.

use super::distance::distance_to;
use super::mask::Mask;
use super::surface::{check_tolerance, require_not_empty};
use crate::error::{MetricError, Result};

/// Distances from each contour piece to the other contour, with the pieces' lengths; sorted by distance.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfelDistances {
    /// `(distance, length)` from the reference's contour to the prediction's.
    pub to_predicted: Vec<(f64, f64)>,
    /// `(distance, length)` from the prediction's contour to the reference's.
    pub to_reference: Vec<(f64, f64)>,
}

impl SurfelDistances {
    /// Distances between two 2-D masks of one grid.
    ///
    /// # Errors
    /// Grids that differ, three axes, or [`MetricError::Undefined`] when a mask is empty.
    pub fn new(predicted: &Mask, reference: &Mask) -> Result<Self> {
        predicted.require_same_grid(reference)?;
        if predicted.shape().len() != 2 {
            return Err(MetricError::Parameter {
                name: "number of axes",
                value: predicted.shape().len() as f64,
                rule: "2 under the contour-length convention; use SurfaceDistances for volumes",
            });
        }
        require_not_empty(predicted, reference)?;
        let (p, r) = (contour(predicted), contour(reference));
        let shape = [predicted.shape()[0] + 1, predicted.shape()[1] + 1];
        let between = |from: &[f64], to: &[f64]| {
            let on: Vec<bool> = to.iter().map(|l| *l > 0.0).collect();
            let field = distance_to(&on, &shape, predicted.spacing());
            let mut list: Vec<(f64, f64)> = field
                .into_iter()
                .zip(from.iter().copied())
                .filter(|(_, length)| *length > 0.0)
                .collect();
            list.sort_by(|a, b| a.0.total_cmp(&b.0));
            list
        };
        Ok(SurfelDistances {
            to_predicted: between(&r, &p),
            to_reference: between(&p, &r),
        })
    }

    /// The larger of the two directed distances below which `fraction` of the contour's length lies.
    ///
    /// # Errors
    /// A fraction outside 0 to 1.
    pub fn hausdorff(&self, fraction: f64) -> Result<f64> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(MetricError::Parameter {
                name: "fraction",
                value: fraction,
                rule: "between 0 and 1",
            });
        }
        Ok(directed(&self.to_predicted, fraction).max(directed(&self.to_reference, fraction)))
    }

    /// Length-weighted mean distance: from the reference to the prediction, and back.
    pub fn mean_distances(&self) -> (f64, f64) {
        let mean = |list: &[(f64, f64)]| {
            list.iter().map(|(d, l)| d * l).sum::<f64>() / list.iter().map(|(_, l)| l).sum::<f64>()
        };
        (mean(&self.to_predicted), mean(&self.to_reference))
    }

    /// Share of both contours' length within `tolerance` of the other contour.
    ///
    /// # Errors
    /// A tolerance that is negative or not a number.
    pub fn surface_dice(&self, tolerance: f64) -> Result<f64> {
        check_tolerance(tolerance)?;
        let all = || self.to_predicted.iter().chain(&self.to_reference);
        let near: f64 = all().filter(|(d, _)| *d <= tolerance).map(|(_, l)| l).sum();
        Ok(near / all().map(|(_, l)| l).sum::<f64>())
    }
}

fn directed(list: &[(f64, f64)], fraction: f64) -> f64 {
    let total: f64 = list.iter().map(|(_, l)| l).sum();
    let mut sum = 0.0;
    for (distance, length) in list {
        sum += length;
        if sum / total >= fraction {
            return *distance;
        }
    }
    list.last().map_or(0.0, |(d, _)| *d)
}

/// Contour length at each of the (rows + 1) x (columns + 1) corners; 0 off the contour.
fn contour(mask: &Mask) -> Vec<f64> {
    let (rows, columns) = (mask.shape()[0], mask.shape()[1]);
    let (vertical, horizontal) = (mask.spacing()[0], mask.spacing()[1]);
    let diagonal = vertical.hypot(horizontal) / 2.0;
    let inside = |r: usize, c: usize| {
        // Corner coordinates are one ahead: element (r − 1, c − 1) lies up and left of corner (r, c).
        r >= 1 && c >= 1 && r <= rows && c <= columns && mask.data()[(r - 1) * columns + c - 1]
    };
    let mut lengths = Vec::with_capacity((rows + 1) * (columns + 1));
    for r in 0..=rows {
        for c in 0..=columns {
            let corner = [
                inside(r, c),
                inside(r, c + 1),
                inside(r + 1, c),
                inside(r + 1, c + 1),
            ];
            lengths.push(match corner {
                [false, false, false, false] | [true, true, true, true] => 0.0,
                [true, true, false, false] | [false, false, true, true] => horizontal,
                [true, false, true, false] | [false, true, false, true] => vertical,
                [true, false, false, true] | [false, true, true, false] => 2.0 * diagonal,
                _ => diagonal,
            });
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_masks_are_at_distance_zero() {
        let mask = Mask::new(&[0, 1, 1, 0, 1, 1, 0, 0, 0], &[3, 3], &[1.0, 2.0]).unwrap();
        let d = SurfelDistances::new(&mask, &mask).unwrap();
        assert_eq!(d.hausdorff(1.0).unwrap(), 0.0);
        assert_eq!(d.mean_distances(), (0.0, 0.0));
        assert_eq!(d.surface_dice(0.0).unwrap(), 1.0);
    }

    #[test]
    fn volumes_are_refused() {
        let mask = Mask::new(&[1; 8], &[2, 2, 2], &[1.0; 3]).unwrap();
        assert!(SurfelDistances::new(&mask, &mask).is_err());
    }
}
