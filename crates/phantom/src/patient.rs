//! Who is X-rayed: named parameters with plausible ranges.

use crate::random::{Draws, Purpose};
use serde::{Deserialize, Serialize};

/// Sex of the phantom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sex {
    /// Female.
    F,
    /// Male.
    M,
}

/// The body, as it stays over the years.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    /// Number within the set.
    pub number: u64,
    /// Sex.
    pub sex: Sex,
    /// Age in years at the first study, 18 to 92.
    pub age: u32,
    /// Size of the skeleton, 1 for a man of 175 cm; 0.85 to 1.12.
    pub scale: f64,
    /// Soft tissue over the ribs in mm, 8 to 55.
    pub padding: f64,
    /// Width of the rib cage over its usual width, 0.92 to 1.08.
    pub breadth: f64,
    /// Depth of the rib cage over its usual depth, 0.9 to 1.18.
    pub depth: f64,
    /// Cardiothoracic ratio of the healthy heart at full inspiration, 0.40 to 0.49.
    pub heart: f64,
    /// Radius of the aortic arch in mm, 11 to 17.
    pub aorta: f64,
    /// How much the descending aorta swings to the left in mm, 0 to 14.
    pub tortuosity: f64,
    /// Backward curve of the thoracic spine in mm, 14 to 34.
    pub kyphosis: f64,
    /// Sideways curve of the spine in mm, -9 to 9.
    pub scoliosis: f64,
    /// Density of bone over that of a young adult, 0.7 to 1.1.
    pub bone: f64,
    /// Density of inflated lung, water is 1; 0.19 to 0.29.
    pub lung_density: f64,
    /// Thickness of the breasts in mm; 0 for men without.
    pub breast: f64,
    /// Slope of the ribs over the usual one, 0.8 to 1.25.
    pub rib_slope: f64,
    /// How far the main bronchi spread to the sides over the usual; 1 unless it is set, patients are not drawn with another.
    #[serde(default = "usual")]
    pub carina_spread: f64,
    /// How far the scapulae are swung out of the lungs beyond the usual, mm; 0 unless it is set, like the one before.
    #[serde(default)]
    pub retraction: f64,
}

fn usual() -> f64 {
    1.0
}

impl Patient {
    /// Draws a patient.
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut d = Draws::new(seed, Purpose::Patient, number, 0);
        let sex = if d.chance(0.48) { Sex::F } else { Sex::M };
        let age = d.normal(56.0, 17.0).clamp(18.0, 92.0) as u32;
        let old = f64::from(age.saturating_sub(40)) / 50.0;
        let base = if sex == Sex::F { 0.935 } else { 1.0 };
        let padding = (16.0 + d.normal(0.0, 1.0).abs() * 13.0).min(55.0);
        Patient {
            number,
            sex,
            age,
            scale: d.normal(base, 0.035).clamp(0.85, 1.12),
            padding,
            breadth: d.normal(1.0, 0.03),
            depth: d.normal(1.0 + 0.08 * old, 0.04).clamp(0.9, 1.18),
            heart: d.normal(0.435 + 0.02 * old, 0.018).clamp(0.40, 0.49),
            aorta: d.normal(12.5 + 2.5 * old, 0.8).clamp(11.0, 17.0),
            tortuosity: (d.range(0.0, 4.0) + 9.0 * old * d.unit()).min(14.0),
            kyphosis: d.normal(20.0 + 8.0 * old, 3.0).clamp(14.0, 34.0),
            scoliosis: d.normal(0.0, 3.0).clamp(-9.0, 9.0),
            bone: d.normal(1.0 - 0.18 * old, 0.06).clamp(0.7, 1.1),
            lung_density: d.normal(0.24, 0.018).clamp(0.19, 0.29),
            breast: if sex == Sex::F {
                d.range(8.0, 22.0) + 0.5 * padding
            } else {
                0.0
            },
            rib_slope: d.normal(1.0, 0.09).clamp(0.8, 1.25),
            carina_spread: usual(),
            retraction: 0.0,
        }
    }
}

/// How one study was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// PA standing, or AP in bed.
    pub supine: bool,
    /// 0 breathed out, 1 breathed in fully.
    pub inspiration: f64,
    /// Degrees that the patient is turned, positive to the left.
    pub rotation: f64,
    /// Degrees that the patient leans back.
    pub lordosis: f64,
    /// Sideways shift in mm.
    pub off_centre: f64,
    /// Upward shift in mm.
    pub off_height: f64,
    /// Photons in a pixel without a body in the way.
    pub photons: f64,
    /// Scattered over primary signal.
    pub scatter: f64,
    /// Share of fine detail that the workstation adds.
    pub sharpen: f64,
    /// Share of broad contrast that the workstation takes away.
    pub equalise: f64,
    /// Exponent of the display curve.
    pub gamma: f64,
    /// Film-like compression of the ends, 0 to 1.
    pub shoulder: f64,
    /// Seed of the noise.
    pub noise: u64,
    /// How far the shoulders are rolled forward, so that the blades leave the lungs: 1 as it should be standing, 0 not at all.
    #[serde(default)]
    pub shoulders: f64,
}

impl Exposure {
    /// Draws how a study of a patient was taken.
    pub fn draw(seed: u64, patient: u64, study: u64, supine: bool) -> Self {
        let mut d = Draws::new(seed, Purpose::Exposure, patient, study);
        let spread = if supine { 1.8 } else { 1.0 };
        Exposure {
            supine,
            inspiration: if supine {
                d.range(0.25, 0.8)
            } else {
                d.normal(0.85, 0.1).clamp(0.45, 1.0)
            },
            rotation: d.normal(0.0, 1.8 * spread),
            lordosis: d.normal(0.0, 2.0 * spread),
            off_centre: d.normal(0.0, 5.0 * spread),
            off_height: d.normal(0.0, 6.0),
            photons: d.range(25_000.0, 90_000.0) / spread,
            scatter: d.range(0.06, 0.18) * spread,
            sharpen: d.range(0.1, 0.6),
            equalise: d.range(0.35, 0.65),
            gamma: d.range(0.95, 1.4),
            shoulder: d.range(0.2, 0.7),
            noise: d.word(),
            shoulders: if supine {
                0.0
            } else {
                d.normal(1.0, 0.16).clamp(0.5, 1.3)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_are_kept_and_lie_in_their_ranges() {
        assert_eq!(Patient::draw(3, 9), Patient::draw(3, 9));
        for n in 0..500 {
            let p = Patient::draw(1, n);
            assert!((18..=92).contains(&p.age) && (0.85..=1.12).contains(&p.scale));
            assert!((0.40..=0.49).contains(&p.heart) && p.padding >= 8.0 && p.padding <= 55.0);
            assert_eq!(p.breast > 0.0, p.sex == Sex::F);
        }
    }
}
