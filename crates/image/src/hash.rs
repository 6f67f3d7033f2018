//! Perceptual hashes for the search of near-duplicates.

use crate::error::ImageError;
use crate::plane::Gray;
use crate::resize::{Kernel, resize};

/// Difference hash of 256 bits: signs of horizontal and vertical differences of a small version. Robust against scale,
/// brightness and compression; mirrored images differ.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct DHash(pub [u64; 4]);

impl DHash {
    /// The hash of an image.
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`] for an empty image.
    pub fn of(image: &Gray) -> Result<Self, ImageError> {
        let wide = resize(image, 17, 8, Kernel::CvArea)?;
        let tall = resize(image, 8, 17, Kernel::CvArea)?;
        let mut words = [0u64; 4];
        let mut set = |bit: usize, on: bool| words[bit / 64] |= u64::from(on) << (bit % 64);
        for y in 0..8 {
            let row = wide.row(y);
            (0..16).for_each(|x| set(16 * y + x, row[x + 1] > row[x]));
        }
        for y in 0..16 {
            let (row, below) = (tall.row(y), tall.row(y + 1));
            (0..8).for_each(|x| set(128 + 8 * y + x, below[x] > row[x]));
        }
        Ok(DHash(words))
    }

    /// Number of bits that differ, 0 to 256.
    pub fn distance(&self, other: &DHash) -> u32 {
        self.0
            .iter()
            .zip(other.0)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum()
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|w| format!("{w:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;

    #[test]
    fn brightness_and_scale_stay_near_and_other_images_are_far() {
        let image = Plane::from_fn(200, 180, |x, y| {
            ((x as f32 / 17.0).sin() * (y as f32 / 23.0).cos() + 1.0) * 100.0
        });
        let bright = image.map(|v| v * 0.8 + 20.0);
        let small = resize(&image, 100, 90, Kernel::PilBilinear).unwrap();
        let other = Plane::from_fn(200, 180, |x, y| {
            ((y as f32 / 9.0).sin() * (x as f32 / 31.0).cos() + 1.0) * 100.0
        });
        let hash = DHash::of(&image).unwrap();
        assert_eq!(hash.distance(&DHash::of(&bright).unwrap()), 0);
        assert!(hash.distance(&DHash::of(&small).unwrap()) <= 8);
        assert!(hash.distance(&DHash::of(&other).unwrap()) > 60);
        assert_eq!(hash.to_hex().len(), 64);
    }
}
