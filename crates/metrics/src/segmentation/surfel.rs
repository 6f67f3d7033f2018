//! Surface distances weighted by contour length or surface area (the convention of `surface-distance`, Nikolov 2021).
//!
//! Pieces live on the corners between elements; each corner's piece has the length that marching squares gives
//! it in two dimensions, the area that marching cubes gives it in three.

use super::distance::distance_to;
use super::mask::Mask;
use super::surface::{check_tolerance, require_not_empty};
use super::surfel_volume;
use crate::error::{MetricError, Result};

/// Distances from each piece of contour or surface to the other one, with the pieces' sizes; sorted by distance.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfelDistances {
    /// `(distance, size)` from the reference's pieces to the prediction's.
    pub to_predicted: Vec<(f64, f64)>,
    /// `(distance, size)` from the prediction's pieces to the reference's.
    pub to_reference: Vec<(f64, f64)>,
}

impl SurfelDistances {
    /// Distances between two masks of one grid, of two axes or three.
    ///
    /// # Errors
    /// Grids that differ, another number of axes, or [`MetricError::Undefined`] when a mask is empty.
    pub fn new(predicted: &Mask, reference: &Mask) -> Result<Self> {
        predicted.require_same_grid(reference)?;
        let pieces = match predicted.shape().len() {
            2 => contour,
            3 => surfel_volume::surface,
            axes => {
                return Err(MetricError::Parameter {
                    name: "number of axes",
                    value: axes as f64,
                    rule: "2 or 3",
                });
            }
        };
        require_not_empty(predicted, reference)?;
        let (p, r) = (pieces(predicted), pieces(reference));
        let shape: Vec<usize> = predicted.shape().iter().map(|n| n + 1).collect();
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

    /// The larger of the two directed distances below which `fraction` of the contour or surface lies.
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

    /// Mean distance, weighted by size: from the reference to the prediction, and back.
    pub fn mean_distances(&self) -> (f64, f64) {
        let mean = |list: &[(f64, f64)]| {
            list.iter().map(|(d, l)| d * l).sum::<f64>() / list.iter().map(|(_, l)| l).sum::<f64>()
        };
        (mean(&self.to_predicted), mean(&self.to_reference))
    }

    /// Share of both contours or surfaces within `tolerance` of the other one.
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
    fn a_volume_of_one_slice_is_measured_and_a_line_refused() {
        let plate = Mask::new(&[1; 4], &[1, 2, 2], &[1.0; 3]).unwrap();
        let d = SurfelDistances::new(&plate, &plate).unwrap();
        assert_eq!(d.surface_dice(0.0).unwrap(), 1.0);
        let line = Mask::new(&[1; 8], &[8], &[1.0]);
        assert!(
            line.is_err() || SurfelDistances::new(&line.clone().unwrap(), &line.unwrap()).is_err()
        );
    }
}
