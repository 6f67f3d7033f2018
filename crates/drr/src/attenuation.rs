//! From Hounsfield units to linear attenuation.
//!
//! A CT number says how much more than water a voxel attenuates at the scanner's energy:
//! `HU = 1000 (mu / mu_water - 1)`. Bone, rich in calcium, attenuates much more at low energies than soft tissue does, so
//! its share is told apart by a ramp and scaled with the tables of Hubbell and Seltzer (NISTIR 5632, 1995; ICRU-44 cortical bone and
//! liquid water).

use crate::error::DrrError;
use serde::{Deserialize, Serialize};

/// Attenuation of water in 1/mm unless an energy is asked for; that of about 63 keV.
pub const MU_WATER: f64 = 0.02;

/// Where the ramp from soft tissue to bone starts and ends, in HU.
const BONE_RAMP: (f32, f32) = (120.0, 350.0);

/// Effective energy in keV at which scanners (120 kVp) give their numbers.
const CT_KEV: f64 = 70.0;

/// Energy in keV, mass attenuation of water and of cortical bone in cm2/g (NISTIR 5632).
const TABLE: [(f64, f64, f64); 8] = [
    (20.0, 0.8096, 4.001),
    (30.0, 0.3756, 1.331),
    (40.0, 0.2683, 0.6655),
    (50.0, 0.2269, 0.4242),
    (60.0, 0.2059, 0.3148),
    (80.0, 0.1837, 0.2229),
    (100.0, 0.1707, 0.1855),
    (150.0, 0.1505, 0.1480),
];

/// Which tissue is projected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// The share of every voxel that counts as bone.
    Bone,
    /// The rest. Bone and soft tissue add up to everything.
    Soft,
}

/// How Hounsfield units become attenuation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Attenuation {
    /// 1/mm at 0 HU.
    pub mu_water: f64,
    /// Times that bone attenuates more (over 1) or less than its CT number says.
    pub bone_factor: f64,
    /// Voxels below this count as nothing (card 14 uses -100 HU).
    pub threshold_hu: Option<f32>,
    /// Which tissue.
    pub part: Part,
}

impl Default for Attenuation {
    fn default() -> Self {
        Attenuation {
            mu_water: MU_WATER,
            bone_factor: 1.0,
            threshold_hu: None,
            part: Part::All,
        }
    }
}

impl Attenuation {
    /// Attenuation for photons of one energy.
    ///
    /// # Errors
    /// [`DrrError::Parameter`] outside 20 to 150 keV.
    pub fn at_energy(kev: f64) -> Result<Self, DrrError> {
        DrrError::check(
            (20.0..=150.0).contains(&kev),
            "energy",
            kev,
            "20 to 150 keV",
        )?;
        let (water, bone) = mass_attenuation(kev);
        let (water_ct, bone_ct) = mass_attenuation(CT_KEV);
        Ok(Attenuation {
            mu_water: water / 10.0,
            bone_factor: (bone / water) / (bone_ct / water_ct),
            ..Attenuation::default()
        })
    }

    /// Attenuation in 1/mm of a voxel.
    pub fn of(&self, hu: f32) -> f32 {
        if self.threshold_hu.is_some_and(|t| hu < t) {
            return 0.0;
        }
        let relative = (1.0 + hu / 1000.0).max(0.0);
        if self.part == Part::All && self.bone_factor == 1.0 {
            return self.mu_water as f32 * relative;
        }
        let bone = relative * bone_share(hu);
        let soft = relative - bone;
        let whole = match self.part {
            Part::All => soft + self.bone_factor as f32 * bone,
            Part::Bone => self.bone_factor as f32 * bone,
            Part::Soft => soft,
        };
        self.mu_water as f32 * whole
    }
}

/// Share of a voxel's attenuation that is bone's, 0 to 1, from its CT number alone.
pub fn bone_share(hu: f32) -> f32 {
    ((hu - BONE_RAMP.0) / (BONE_RAMP.1 - BONE_RAMP.0)).clamp(0.0, 1.0)
}

/// Mass attenuation of water and cortical bone in cm2/g, log-log between the table's energies.
fn mass_attenuation(kev: f64) -> (f64, f64) {
    let upper = TABLE
        .iter()
        .position(|r| r.0 >= kev)
        .unwrap_or(TABLE.len() - 1)
        .max(1);
    let (a, b) = (TABLE[upper - 1], TABLE[upper]);
    let t = (kev / a.0).ln() / (b.0 / a.0).ln();
    let between = |x: f64, y: f64| (x.ln() + t * (y / x).ln()).exp();
    (between(a.1, b.1), between(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_map_is_the_contract() {
        let a = Attenuation::default();
        for (hu, mu) in [
            (-2000.0, 0.0),
            (-1000.0, 0.0),
            (0.0, 0.02),
            (500.0, 0.03),
            (3000.0, 0.08),
        ] {
            assert!((a.of(hu) - mu).abs() < 1e-9, "{hu}");
        }
    }

    #[test]
    fn bone_and_soft_tissue_add_up() {
        let of = |part, hu| {
            Attenuation {
                part,
                ..Attenuation::default()
            }
            .of(hu)
        };
        for hu in [-900.0, 0.0, 130.0, 220.0, 900.0] {
            assert!((of(Part::Bone, hu) + of(Part::Soft, hu) - of(Part::All, hu)).abs() < 1e-9);
        }
        assert_eq!(of(Part::Bone, 60.0), 0.0);
        assert_eq!(of(Part::Soft, 800.0), 0.0);
    }

    #[test]
    fn bone_stands_out_more_at_low_energy() {
        let contrast = |kev| Attenuation::at_energy(kev).unwrap().bone_factor;
        assert!(contrast(40.0) > 1.3 && contrast(120.0) < 1.0);
        assert!((contrast(70.0) - 1.0).abs() < 1e-12);
        assert!((Attenuation::at_energy(60.0).unwrap().mu_water - 0.02059).abs() < 1e-9);
        assert!(Attenuation::at_energy(10.0).is_err());
        let cut = Attenuation {
            threshold_hu: Some(-100.0),
            ..Attenuation::default()
        };
        assert_eq!(cut.of(-101.0), 0.0);
    }
}
