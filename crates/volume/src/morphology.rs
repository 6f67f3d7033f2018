//! Growing and shrinking of 3-D masks by millimetres.

use crate::distance::distance_to;
use crate::error::VolumeError;
use crate::volume::Volume;

/// The mask with everything within `mm` of it; an empty mask stays empty.
///
/// # Errors
/// [`VolumeError::Geometry`] for a negative length.
pub fn dilate(mask: &Volume<u8>, mm: f64) -> Result<Volume<u8>, VolumeError> {
    check(mm)?;
    if mask.data.iter().all(|&v| v == 0) {
        return Ok(mask.clone());
    }
    Ok(distance_to(mask)?.map(|&d| u8::from(f64::from(d) <= mm)))
}

/// The mask without everything within `mm` of its outside. What lies beyond the volume counts as the mask's.
///
/// # Errors
/// [`VolumeError::Geometry`] for a negative length.
pub fn erode(mask: &Volume<u8>, mm: f64) -> Result<Volume<u8>, VolumeError> {
    let outside = mask.map(|&v| u8::from(v == 0));
    Ok(dilate(&outside, mm)?.map(|&v| u8::from(v == 0)))
}

/// The mask with every voxel that is at most `reach` voxels away along each axis: grown by a box, whatever the spacing.
pub fn dilate_box(mask: &Volume<u8>, reach: usize) -> Volume<u8> {
    (0..3).fold(mask.map(|&v| u8::from(v != 0)), |grown, axis| {
        let mut next = grown.clone();
        for (at, value) in next.data.iter_mut().enumerate() {
            let mut place = grown.index_of(at);
            let (from, to) = (place[axis].saturating_sub(reach), place[axis] + reach);
            *value = (from..=to.min(grown.size[axis] - 1))
                .map(|v| {
                    place[axis] = v;
                    grown.data[grown.at(place[0], place[1], place[2])]
                })
                .max()
                .unwrap_or(0);
        }
        next
    })
}

/// Closes gaps and holes up to about `2 mm` wide: grown, then shrunk.
///
/// # Errors
/// [`VolumeError::Geometry`] for a negative length.
pub fn close(mask: &Volume<u8>, mm: f64) -> Result<Volume<u8>, VolumeError> {
    let grown = dilate(mask, mm)?;
    let mut closed = erode(&grown, mm)?;
    // Distances are between centres: nothing that was in may fall out.
    closed
        .data
        .iter_mut()
        .zip(&mask.data)
        .for_each(|(c, m)| *c |= u8::from(*m != 0));
    Ok(closed)
}

fn check(mm: f64) -> Result<(), VolumeError> {
    if mm.is_finite() && mm >= 0.0 {
        return Ok(());
    }
    Err(VolumeError::Geometry {
        reason: format!("cannot be grown by {mm} mm"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    #[test]
    fn a_point_grows_to_a_ball_in_mm_and_shrinks_back() {
        let affine = Affine::axis_aligned([1.0, 1.0, 2.0], [0.0; 3]);
        let mut point = Volume::filled([21, 21, 13], affine, 0u8);
        let at = point.at(10, 10, 6);
        point.data[at] = 1;
        let ball = dilate(&point, 6.0).unwrap();
        assert_eq!(ball.get(16, 10, 6), Some(&1));
        assert_eq!(ball.get(10, 10, 9), Some(&1));
        assert_eq!(ball.get(10, 10, 10), Some(&0));
        assert_eq!(close(&point, 4.0).unwrap(), point);
        assert!(dilate(&point, -1.0).is_err());
        let cube = dilate_box(&point, 2);
        assert_eq!(cube.data.iter().filter(|v| **v != 0).count(), 125);
        assert_eq!(cube.get(8, 12, 4), Some(&1));
        let two = {
            let mut two = ball.clone();
            two.data[at] = 0;
            two
        };
        let closed = close(&two, 2.0).unwrap();
        let count = |m: &Volume<u8>| m.data.iter().filter(|v| **v != 0).count();
        assert_eq!(closed.data[at], 1);
        assert!(closed.data.iter().zip(&ball.data).all(|(c, b)| c >= b));
        assert!(count(&closed) * 10 < count(&ball) * 12);
    }
}
