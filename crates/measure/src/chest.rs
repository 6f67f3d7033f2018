//! The two lungs, checked.

use crate::error::Refusal;
use crate::masks::MaskSet;
use crate::rows::mean_x;
use crate::structure::Structure;
use hilum_image::Mask;
use hilum_image::chest::split_lungs;
use hilum_image::mask::{Connectivity, keep_largest};

/// The lungs of one image.
#[derive(Debug, Clone)]
pub(crate) struct Chest {
    pub(crate) right: Mask,
    pub(crate) left: Mask,
    /// Both together.
    pub(crate) both: Mask,
}

impl Chest {
    /// From masks of each lung, else of both, else of the lung fields.
    pub(crate) fn of(set: &MaskSet) -> Result<Self, Refusal> {
        use Structure::{LeftLung, LeftLungField, Lungs, RightLung, RightLungField};
        let has = |s| set.given(s).is_some();
        let (right, left) = if has(RightLung) && has(LeftLung) {
            pair(set, RightLung, LeftLung)?
        } else if has(Lungs) {
            split(set.get(Lungs)?)?
        } else if has(RightLungField) && has(LeftLungField) {
            pair(set, RightLungField, LeftLungField)?
        } else if has(RightLung) {
            return Err(Refusal::Missing(LeftLung));
        } else {
            return Err(Refusal::Missing(if has(LeftLung) {
                RightLung
            } else {
                Lungs
            }));
        };
        let (a, b) = (right.count(), left.count());
        if 3 * a.min(b) < a.max(b) {
            return Err(Refusal::LungsUnequal);
        }
        // The masks of a set have one size.
        let both = right.or(&left).map_err(|_| Refusal::LungsNotSeparate)?;
        Ok(Chest { right, left, both })
    }

    /// [`Refusal::ThoraxCut`] when a lung reaches the left or right edge of the image.
    pub(crate) fn whole_width(&self) -> Result<(), Refusal> {
        let edge = |y: usize| {
            let row = self.both.row(y);
            row.first().is_some_and(|&v| v != 0) || row.last().is_some_and(|&v| v != 0)
        };
        if (0..self.both.height).any(edge) {
            return Err(Refusal::ThoraxCut);
        }
        Ok(())
    }
}

fn pair(set: &MaskSet, right: Structure, left: Structure) -> Result<(Mask, Mask), Refusal> {
    let (r, l) = (set.main(right)?, set.main(left)?);
    if mean_x(&r) >= mean_x(&l) {
        return Err(Refusal::SidesExchanged { right, left });
    }
    Ok((r, l))
}

fn split(both: &Mask) -> Result<(Mask, Mask), Refusal> {
    let lungs = split_lungs(both).ok_or(Refusal::LungsNotSeparate)?;
    let main = |m: &Mask| keep_largest(m, 1, Connectivity::Eight);
    Ok((main(&lungs.right), main(&lungs.left)))
}
