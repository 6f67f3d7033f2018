//! Images with the region of interest hidden, or with nothing but it (Sourget et al., Mask of truth, five conditions).
//!
//! The region may be the lungs of a radiograph or the disc of a fundus: a mask of the image's size. Hidden pixels get one
//! value, 0 in the paper.

use crate::error::{AuditError, Result};
use hilum_core::Rect;
use hilum_image::{Mask, Plane, mask};
use serde::{Deserialize, Serialize};

/// What of an image is left to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Everything.
    Full,
    /// Everything but the region (the paper's NoLung).
    NoRegion,
    /// Everything but the box around the region (NoLungBB): the region's outline is gone too.
    NoRegionBox,
    /// The region (OnlyLung).
    OnlyRegion,
    /// The box around the region (OnlyLungBB).
    OnlyRegionBox,
}

use Condition as C;

impl Condition {
    /// The five, in the paper's order.
    pub const ALL: [Condition; 5] = [
        C::Full,
        C::NoRegion,
        C::NoRegionBox,
        C::OnlyRegion,
        C::OnlyRegionBox,
    ];

    /// Its name on a command line and in tables for scripts.
    pub fn name(self) -> &'static str {
        match self {
            C::Full => "full",
            C::NoRegion => "no_region",
            C::NoRegionBox => "no_region_box",
            C::OnlyRegion => "only_region",
            C::OnlyRegionBox => "only_region_box",
        }
    }

    /// Its name in the paper's manner, e.g. `NoLungBB` for the region `Lung`.
    pub fn label(self, region: &str) -> String {
        match self {
            C::Full => "Full".to_owned(),
            C::NoRegion => format!("No{region}"),
            C::NoRegionBox => format!("No{region}BB"),
            C::OnlyRegion => format!("Only{region}"),
            C::OnlyRegionBox => format!("Only{region}BB"),
        }
    }

    /// Whether the region itself is hidden.
    pub fn hides_region(self) -> bool {
        matches!(self, C::NoRegion | C::NoRegionBox)
    }

    /// Whether what lies outside of the region is hidden.
    pub fn hides_rest(self) -> bool {
        matches!(self, C::OnlyRegion | C::OnlyRegionBox)
    }
}

impl std::str::FromStr for Condition {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self> {
        C::ALL
            .into_iter()
            .find(|c| c.name() == text)
            .ok_or_else(|| AuditError::UnknownName {
                what: "condition",
                name: text.to_owned(),
                known: C::ALL.map(C::name).join(", "),
            })
    }
}

/// A condition, and by how much the region is widened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Masking {
    /// What is left to see.
    pub condition: Condition,
    /// Steps of dilation of the region with the 3x3 cross (OpenCV's 3x3 ellipse); negative steps erode.
    pub spread: i32,
}

impl From<Condition> for Masking {
    fn from(condition: Condition) -> Self {
        Masking {
            condition,
            spread: 0,
        }
    }
}

impl Masking {
    /// The pixels that are hidden, 255, of an image whose region is given.
    ///
    /// # Errors
    /// [`AuditError::EmptyRegion`], but for [`Condition::Full`], which needs no region.
    pub fn hidden(self, region: &Mask) -> Result<Mask> {
        let (w, h) = (region.width, region.height);
        if self.condition == C::Full {
            return Ok(Plane::filled(w, h, 0));
        }
        let region = spread(region, self.spread);
        let bounds = bounds(&region).ok_or(AuditError::EmptyRegion {
            spread: self.spread,
        })?;
        let shown = match self.condition {
            C::NoRegionBox | C::OnlyRegionBox => filled_box(w, h, bounds),
            _ => region,
        };
        Ok(match self.condition.hides_rest() {
            true => shown.map(|&v| 255 - v),
            false => shown,
        })
    }

    /// The image with hidden pixels set to `fill`.
    ///
    /// # Errors
    /// A region of another size; [`AuditError::EmptyRegion`].
    pub fn apply<T: Copy>(self, image: &Plane<T>, region: &Mask, fill: T) -> Result<Plane<T>> {
        image.check_same_size(region)?;
        let hidden = self.hidden(region)?;
        let mut out = image.clone();
        out.data
            .iter_mut()
            .zip(&hidden.data)
            .filter(|(_, hide)| **hide != 0)
            .for_each(|(value, _)| *value = fill);
        Ok(out)
    }
}

/// The region after so many steps of dilation, or of erosion when negative. What lies outside of the image counts as
/// region when it is eroded, as in OpenCV, so that a lung cut by the film's edge is not eaten from there.
pub fn spread(region: &Mask, steps: i32) -> Mask {
    let n = steps.unsigned_abs() as usize;
    match steps >= 0 {
        true => mask::dilate(region, n),
        false => {
            let outside = region.map(|&v| if v == 0 { 255 } else { 0 });
            mask::dilate(&outside, n).map(|&v| 255 - v)
        }
    }
}

/// The smallest box around all pixels of a region; null when it has none.
pub fn bounds(region: &Mask) -> Option<Rect> {
    mask::properties(region).map(|p| p.bounds)
}

fn filled_box(w: usize, h: usize, bounds: Rect) -> Mask {
    let inside = |v: usize, low: f64, len: f64| (low..low + len).contains(&(v as f64));
    Plane::from_fn(w, h, |x, y| {
        match inside(x, bounds.x, bounds.w) && inside(y, bounds.y, bounds.h) {
            true => 255,
            false => 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two parts with a gap between them.
    fn region() -> Mask {
        Plane::from_fn(9, 7, |x, y| match (x, y) {
            (2 | 6, 2..=4) => 255,
            _ => 0,
        })
    }

    fn left(condition: Condition, spread: i32) -> usize {
        let image = Plane::filled(9, 7, 1.0f32);
        let masking = Masking { condition, spread };
        let out = masking.apply(&image, &region(), 0.0).unwrap();
        out.data.iter().filter(|v| **v == 1.0).count()
    }

    #[test]
    fn each_condition_leaves_what_it_says() {
        let left = Condition::ALL.map(|c| left(c, 0));
        assert_eq!(left, [63, 57, 48, 6, 15]);
    }

    #[test]
    fn spreading_widens_the_region_and_its_box() {
        // Each bar of 3 becomes 11 pixels; the box grows from 5x3 to 7x5.
        assert_eq!(left(C::OnlyRegion, 1), 22);
        assert_eq!(left(C::OnlyRegionBox, 1), 35);
        assert_eq!(left(C::NoRegionBox, 1), 28);
        let empty = Masking {
            condition: C::NoRegion,
            spread: -1,
        };
        assert_eq!(
            empty.hidden(&region()),
            Err(AuditError::EmptyRegion { spread: -1 })
        );
    }

    #[test]
    fn erosion_does_not_come_in_from_the_border() {
        let touching = Plane::from_fn(5, 5, |x, _| if x < 3 { 255u8 } else { 0 });
        assert_eq!(spread(&touching, -1).count(), 10);
        assert_eq!(spread(&touching, 0), touching);
    }

    #[test]
    fn hidden_pixels_do_not_reach_the_picture_whatever_they_held() {
        for condition in Condition::ALL {
            let masking = Masking::from(condition);
            let hidden = masking.hidden(&region()).unwrap();
            let one = Plane::filled(9, 7, 3u8);
            let mut other = one.clone();
            for (v, h) in other.data.iter_mut().zip(&hidden.data) {
                *v = if *h != 0 { 99 } else { *v };
            }
            let apply = |p| masking.apply(p, &region(), 0u8).unwrap();
            assert_eq!(apply(&one), apply(&other), "{condition:?}");
        }
    }

    #[test]
    fn other_sizes_and_empty_regions_are_refused() {
        let image = Plane::filled(4, 4, 0u8);
        let masking = Masking::from(C::NoRegion);
        assert!(matches!(
            masking.apply(&image, &region(), 0),
            Err(AuditError::Image(_))
        ));
        let none = Plane::filled(4, 4, 0u8);
        assert!(masking.apply(&image, &none, 0).is_err());
        assert_eq!(Masking::from(C::Full).apply(&image, &none, 0), Ok(image));
    }

    #[test]
    fn names_lead_back() {
        for c in Condition::ALL {
            assert_eq!(c.name().parse::<Condition>().unwrap(), c);
        }
        assert_eq!(C::NoRegionBox.label("Lung"), "NoLungBB");
        assert!("NoLung".parse::<Condition>().is_err());
    }
}
