//! The twelve indices: names, labels, thresholds, tolerance bands.

use crate::decision::Threshold;
use crate::structure::Structure;
use serde::{Deserialize, Serialize};

/// An index of CheXStruct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Index {
    /// Cardiothoracic ratio.
    Cardiomegaly,
    /// Width of the upper mediastinum over that of the lungs at its level.
    MediastinalWidening,
    /// Angle between the main bronchi.
    CarinaAngle,
    /// Trachea beside the spine.
    TracheaDeviation,
    /// Width of the aortic knob over that of the trachea.
    AorticKnob,
    /// Share of the ascending aorta beyond the line from the right lung's inner border to the right heart border.
    AscendingAorta,
    /// Width of the descending aorta over that of the trachea.
    DescendingAorta,
    /// Mean curvature of the descending aorta's left wall.
    Tortuosity,
    /// Apices, lateral ribs and costophrenic angles in the picture.
    Inclusion,
    /// Right posterior ribs over the diaphragm.
    Inspiration,
    /// Distances of the clavicles to the midline.
    Rotation,
    /// Overlap of scapulae and lungs.
    Projection,
}

/// Longest side, in pixels, of the radiographs that the threshold of the curvature was set on (MIMIC-CXR-JPG; most are 3056 x 2544).
pub const REFERENCE_SIDE: f64 = 3056.0;

impl Index {
    /// All, in the order of the paper's table on the card.
    pub const ALL: [Index; 12] = [
        Index::Cardiomegaly,
        Index::MediastinalWidening,
        Index::CarinaAngle,
        Index::TracheaDeviation,
        Index::AorticKnob,
        Index::AscendingAorta,
        Index::DescendingAorta,
        Index::Tortuosity,
        Index::Inclusion,
        Index::Inspiration,
        Index::Rotation,
        Index::Projection,
    ];

    /// Name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Index::Cardiomegaly => "cardiomegaly",
            Index::MediastinalWidening => "mediastinal_widening",
            Index::CarinaAngle => "carina_angle",
            Index::TracheaDeviation => "trachea_deviation",
            Index::AorticKnob => "aortic_knob",
            Index::AscendingAorta => "ascending_aorta",
            Index::DescendingAorta => "descending_aorta",
            Index::Tortuosity => "tortuosity",
            Index::Inclusion => "inclusion",
            Index::Inspiration => "inspiration",
            Index::Rotation => "rotation",
            Index::Projection => "projection",
        }
    }

    /// The index of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Index::ALL.into_iter().find(|i| i.name() == name)
    }

    /// The negative and the positive label.
    pub fn labels(self) -> [&'static str; 2] {
        match self {
            Index::Cardiomegaly | Index::AorticKnob => ["not_enlarged", "enlarged"],
            Index::AscendingAorta | Index::DescendingAorta => ["not_enlarged", "enlarged"],
            Index::MediastinalWidening => ["not_widened", "widened"],
            Index::CarinaAngle => ["normal", "abnormal"],
            Index::TracheaDeviation => ["not_deviated", "deviated"],
            Index::Tortuosity => ["not_tortuous", "tortuous"],
            Index::Inclusion => ["incomplete", "complete"],
            Index::Inspiration => ["poor", "good"],
            Index::Rotation => ["not_rotated", "rotated"],
            Index::Projection => ["pa", "ap"],
        }
    }

    /// Unit of the value: empty for a ratio.
    pub fn unit(self) -> &'static str {
        match self {
            Index::CarinaAngle => "degrees",
            Index::Tortuosity => "per reference pixel",
            Index::Inclusion => "regions",
            Index::Inspiration => "ribs",
            _ => "",
        }
    }

    /// Where the label turns.
    pub fn threshold(self) -> Threshold {
        match self {
            Index::Cardiomegaly => Threshold::ByView { pa: 0.50, ap: 0.55 },
            Index::MediastinalWidening => Threshold::ByView { pa: 0.25, ap: 0.33 },
            Index::CarinaAngle => Threshold::Outside(40.0, 80.0),
            // In half widths of the trachea: beyond one, the midline is outside of it.
            Index::TracheaDeviation => Threshold::Outside(-1.0, 1.0),
            Index::AorticKnob | Index::DescendingAorta => Threshold::AtLeast(2.5),
            Index::AscendingAorta => Threshold::AtLeast(0.1),
            Index::Tortuosity => Threshold::AtLeast(0.0009),
            Index::Inclusion => Threshold::AtLeast(6.0),
            Index::Inspiration => Threshold::AtLeast(9.0),
            Index::Rotation => Threshold::AtMost(0.4),
            Index::Projection => Threshold::AtLeast(0.3),
        }
    }

    /// Half width of the band around the threshold in which both labels count. For inclusion and inspiration it is a distance over the
    /// image's side and over the lung's height, since their values are counts.
    pub fn tolerance(self) -> f64 {
        match self {
            Index::Cardiomegaly => 0.01,
            Index::MediastinalWidening => 0.015,
            Index::CarinaAngle => 10.0,
            Index::TracheaDeviation | Index::AorticKnob | Index::DescendingAorta => 0.1,
            Index::AscendingAorta => 0.02,
            Index::Tortuosity => 0.00015,
            Index::Inclusion => 0.005,
            Index::Inspiration => 0.02,
            Index::Rotation | Index::Projection => 0.1,
        }
    }

    /// Whether the band is the paper's; the others are ours, since none was at hand.
    pub fn band_is_published(self) -> bool {
        !matches!(
            self,
            Index::TracheaDeviation | Index::AscendingAorta | Index::Inclusion | Index::Inspiration
        )
    }

    /// The structures that it is read from.
    pub fn structures(self) -> &'static [Structure] {
        use Structure as S;
        match self {
            Index::Cardiomegaly => &[S::Lungs, S::Heart],
            Index::MediastinalWidening => &[S::UpperMediastinum, S::Lungs],
            Index::CarinaAngle => &[S::Trachea],
            Index::TracheaDeviation => &[S::Trachea, S::SpinousProcesses],
            Index::AorticKnob => &[S::AorticArch, S::Trachea],
            Index::AscendingAorta => &[S::AscendingAorta, S::RightLung, S::Heart],
            Index::DescendingAorta => &[S::DescendingAorta, S::Trachea],
            Index::Tortuosity => &[S::DescendingAorta],
            Index::Inclusion => &[S::Lungs],
            Index::Inspiration => &[S::RightPosteriorRib(9), S::RightLung],
            Index::Rotation => &[S::RightClavicle, S::LeftClavicle, S::SpinousProcesses],
            Index::Projection => &[S::RightScapula, S::LeftScapula, S::Lungs],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for index in Index::ALL {
            assert_eq!(Index::of_name(index.name()), Some(index));
            let json = serde_json::to_string(&index).unwrap();
            assert_eq!(json, format!("\"{}\"", index.name()));
        }
        assert_eq!(Index::of_name("heart"), None);
    }
}
