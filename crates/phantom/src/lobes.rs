//! Lobes: the lungs cut by their fissures.
//!
//! The oblique fissure rises from the front of the diaphragm to the level of the fourth thoracic vertebra at the back, the horizontal
//! one runs forwards from it at the level of the right hilum. Both are planes here; in life they are wavy and often incomplete.

use crate::anatomy::Thorax;
use hilum_volume::Vec3;
use serde::{Deserialize, Serialize};

/// Where the oblique fissures end at the back: depth and height, standard mm.
const BACK: [f64; 2] = [80.0, 46.0];
/// Depth at which they meet the diaphragm in front, right and left; the left one is steeper.
const FRONT: [f64; 2] = [-66.0, -58.0];
/// Height of the horizontal fissure where it meets the front wall, standard mm.
const HORIZONTAL: f64 = -5.0;
/// How much it rises towards the back.
const RISE: f64 = 0.06;

/// A lobe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lobe {
    /// Upper lobe of the right lung.
    RightUpper,
    /// Middle lobe.
    RightMiddle,
    /// Lower lobe of the right lung.
    RightLower,
    /// Upper lobe of the left lung with the lingula.
    LeftUpper,
    /// Lower lobe of the left lung.
    LeftLower,
}

impl Lobe {
    /// All five.
    pub const ALL: [Lobe; 5] = [
        Lobe::RightUpper,
        Lobe::RightMiddle,
        Lobe::RightLower,
        Lobe::LeftUpper,
        Lobe::LeftLower,
    ];

    /// Name of its mask.
    pub fn name(self) -> &'static str {
        match self {
            Lobe::RightUpper => "right_upper_lobe",
            Lobe::RightMiddle => "right_middle_lobe",
            Lobe::RightLower => "right_lower_lobe",
            Lobe::LeftUpper => "left_upper_lobe",
            Lobe::LeftLower => "left_lower_lobe",
        }
    }

    /// -1 for the right lung, 1 for the left.
    pub fn side(self) -> f64 {
        match self {
            Lobe::LeftUpper | Lobe::LeftLower => 1.0,
            _ => -1.0,
        }
    }

    /// Distance to the fissures that bound it, negative on its side of them; standard mm.
    pub fn fissures(self, thorax: &Thorax, p: Vec3) -> f64 {
        let over = oblique(thorax, p, self.side());
        match self {
            Lobe::RightLower | Lobe::LeftLower => over,
            Lobe::LeftUpper => -over,
            Lobe::RightUpper => (-over).max(-horizontal(p)),
            Lobe::RightMiddle => (-over).max(horizontal(p)),
        }
    }

    /// The lobe of one side that a standard point belongs to.
    pub fn at(thorax: &Thorax, p: Vec3, side: f64) -> Lobe {
        let below = oblique(thorax, p, side) < 0.0;
        match (side > 0.0, below) {
            (true, true) => Lobe::LeftLower,
            (true, false) => Lobe::LeftUpper,
            (false, true) => Lobe::RightLower,
            (false, false) if horizontal(p) < 0.0 => Lobe::RightMiddle,
            (false, false) => Lobe::RightUpper,
        }
    }
}

/// Distance over the oblique fissure. Its front end rides on the diaphragm, so it follows the breath.
fn oblique(thorax: &Thorax, p: Vec3, side: f64) -> f64 {
    let front = FRONT[crate::anatomy::side_index(side)];
    let low = thorax.dome(side) + 4.0;
    let slope = (BACK[1] - low) / (BACK[0] - front);
    (p[2] - low - slope * (p[1] - front)) / slope.hypot(1.0)
}

/// Distance over the horizontal fissure.
fn horizontal(p: Vec3) -> f64 {
    (p[2] - HORIZONTAL - RISE * (p[1] + 70.0)) / RISE.hypot(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::{Exposure, Patient};

    /// Share of both lungs that each lobe takes, and how many points of the lungs no lobe or two lobes claim.
    fn shares(patient: u64) -> ([f64; 5], usize) {
        let exposure = Exposure::draw(5, patient, 0, false);
        let thorax = Thorax::new(Patient::draw(5, patient), exposure, Vec::new(), 5);
        let (mut count, mut wrong) = ([0usize; 5], 0);
        for at in 0..60 * 40 * 60 {
            let p = [
                -140.0 + 4.75 * (at % 60) as f64,
                -78.0 + 4.2 * (at / 60 % 40) as f64,
                -150.0 + 4.75 * (at / 2400) as f64,
            ];
            for side in [-1.0, 1.0] {
                if thorax.cavity(p, side) >= 0.0 || p[0] * side < 0.0 {
                    continue;
                }
                let of = |l: &Lobe| l.side() == side && l.fissures(&thorax, p) < 0.0;
                let inside: Vec<usize> = (0..5).filter(|&n| of(&Lobe::ALL[n])).collect();
                wrong += usize::from(inside.len() != 1);
                inside.iter().for_each(|&n| count[n] += 1);
                assert!(
                    inside
                        .iter()
                        .all(|&n| Lobe::ALL[n] == Lobe::at(&thorax, p, side))
                );
            }
        }
        let all: usize = count.iter().sum();
        (count.map(|n| n as f64 / all as f64), wrong)
    }

    #[test]
    fn lobes_share_the_lungs_about_as_in_life() {
        // Shares of adults at full inspiration: right 19, 8 and 25 to 28 %, left 23 and 22 to 25 % of both lungs, give or take a third.
        let usual = [0.19, 0.09, 0.26, 0.22, 0.24];
        for patient in 0..3 {
            let (share, wrong) = shares(patient);
            assert_eq!(wrong, 0);
            for (s, u) in share.iter().zip(usual) {
                assert!((s / u - 1.0).abs() < 0.45, "{share:?}");
            }
        }
    }
}
