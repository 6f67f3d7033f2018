//! The six lung zones in which places and extents are told.

use serde::{Deserialize, Serialize};

/// One third of one lung, by height of the lung mask. Sides are the patient's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LungZone {
    /// Right upper zone.
    RightUpper,
    /// Right middle zone.
    RightMiddle,
    /// Right lower zone.
    RightLower,
    /// Left upper zone.
    LeftUpper,
    /// Left middle zone.
    LeftMiddle,
    /// Left lower zone.
    LeftLower,
}

impl LungZone {
    /// All zones, right before left, from top to bottom.
    pub const ALL: [LungZone; 6] = [
        LungZone::RightUpper,
        LungZone::RightMiddle,
        LungZone::RightLower,
        LungZone::LeftUpper,
        LungZone::LeftMiddle,
        LungZone::LeftLower,
    ];

    /// `right` or `left`.
    pub fn side(self) -> &'static str {
        match self {
            LungZone::RightUpper | LungZone::RightMiddle | LungZone::RightLower => "right",
            LungZone::LeftUpper | LungZone::LeftMiddle | LungZone::LeftLower => "left",
        }
    }

    /// `upper`, `middle` or `lower`.
    pub fn level(self) -> &'static str {
        match self {
            LungZone::RightUpper | LungZone::LeftUpper => "upper",
            LungZone::RightMiddle | LungZone::LeftMiddle => "middle",
            LungZone::RightLower | LungZone::LeftLower => "lower",
        }
    }

    /// The words that [`crate::Region::place`] carries, e.g. `right lower zone`.
    pub fn place(self) -> String {
        format!("{} {} zone", self.side(), self.level())
    }

    /// The zone whose [`LungZone::place`] this is, if any.
    pub fn from_place(place: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|zone| zone.place() == place)
    }

    /// Name of the measurement that gives the share of this zone covered by opacity, in percent,
    /// e.g. `opacity_extent_right_lower_zone`.
    pub fn opacity_extent(self) -> String {
        format!(
            "{}_{}_{}_zone",
            crate::measurement::OPACITY_EXTENT,
            self.side(),
            self.level()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_zones_are_one_to_one() {
        for zone in LungZone::ALL {
            assert_eq!(LungZone::from_place(&zone.place()), Some(zone));
        }
        assert_eq!(LungZone::from_place("right lung"), None);
        assert_eq!(
            LungZone::LeftLower.opacity_extent(),
            "opacity_extent_left_lower_zone"
        );
    }
}
