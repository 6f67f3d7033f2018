//! The masks of one image.

use crate::error::{MeasureError, Refusal};
use crate::structure::Structure;
use hilum_image::Mask;
use hilum_image::mask::{Connectivity, keep_largest};
use std::collections::BTreeMap;

/// Share of a mask that its largest part must hold.
const MAIN_SHARE: f64 = 0.8;

/// Masks of one image by structure, all of the image's size.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskSet {
    width: usize,
    height: usize,
    masks: BTreeMap<Structure, Mask>,
}

impl MaskSet {
    /// A set without masks, for an image of this size.
    ///
    /// # Errors
    /// [`MeasureError::NoPixels`].
    pub fn new(width: usize, height: usize) -> Result<Self, MeasureError> {
        if width == 0 || height == 0 {
            return Err(MeasureError::NoPixels { width, height });
        }
        Ok(MaskSet {
            width,
            height,
            masks: BTreeMap::new(),
        })
    }

    /// Adds a mask; any value but 0 is the structure.
    ///
    /// # Errors
    /// [`MeasureError::Size`], [`MeasureError::Twice`].
    pub fn insert(&mut self, structure: Structure, mask: Mask) -> Result<(), MeasureError> {
        if (mask.width, mask.height) != (self.width, self.height) {
            return Err(MeasureError::Size {
                structure,
                width: self.width,
                height: self.height,
                got_width: mask.width,
                got_height: mask.height,
            });
        }
        if self.masks.contains_key(&structure) {
            return Err(MeasureError::Twice { structure });
        }
        self.masks.insert(structure, mask);
        Ok(())
    }

    /// Width and height of the image.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The structures with a mask, empty ones included.
    pub fn structures(&self) -> impl Iterator<Item = Structure> {
        self.masks.keys().copied()
    }

    /// A mask as it was given.
    pub fn given(&self, structure: Structure) -> Option<&Mask> {
        self.masks.get(&structure)
    }

    /// A mask that has pixels.
    pub(crate) fn get(&self, structure: Structure) -> Result<&Mask, Refusal> {
        let mask = self
            .masks
            .get(&structure)
            .ok_or(Refusal::Missing(structure))?;
        if mask.data.iter().all(|&v| v == 0) {
            return Err(Refusal::Empty(structure));
        }
        Ok(mask)
    }

    /// The largest part of a mask, which must be most of it.
    pub(crate) fn main(&self, structure: Structure) -> Result<Mask, Refusal> {
        let whole = self.get(structure)?;
        let main = keep_largest(whole, 1, Connectivity::Eight);
        let share = main.count() as f64 / whole.count() as f64;
        if share < MAIN_SHARE {
            return Err(Refusal::InParts {
                structure,
                percent: 100.0 * share,
            });
        }
        Ok(main)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_belong_to_one_image_and_are_there_once() {
        assert!(MaskSet::new(0, 5).is_err());
        let mut set = MaskSet::new(8, 4).unwrap();
        let other = set.insert(Structure::Heart, Mask::filled(4, 8, 1));
        assert!(matches!(other, Err(MeasureError::Size { .. })));
        set.insert(Structure::Heart, Mask::filled(8, 4, 0)).unwrap();
        assert_eq!(
            set.get(Structure::Heart),
            Err(Refusal::Empty(Structure::Heart))
        );
        assert_eq!(
            set.get(Structure::Spine),
            Err(Refusal::Missing(Structure::Spine))
        );
        let twice = set.insert(Structure::Heart, Mask::filled(8, 4, 0));
        assert!(
            twice
                .unwrap_err()
                .to_string()
                .contains("two masks of heart")
        );
    }

    #[test]
    fn a_mask_in_parts_is_refused() {
        let mut set = MaskSet::new(9, 3).unwrap();
        let two = Mask::from_fn(9, 3, |x, _| u8::from(x != 4) * 255);
        set.insert(Structure::Heart, two).unwrap();
        let why = set.main(Structure::Heart).unwrap_err();
        assert!(why.to_string().contains("holds 50 %"), "{why}");
    }
}
