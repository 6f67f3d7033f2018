//! What findings do to organs.

use super::{Finding, Kind};
use crate::anatomy::{APEX, side_index};
use crate::random::{Draws, Purpose};
use hilum_volume::Vec3;

/// A part of the lung that is denser or thinner than it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Haze {
    /// Number of the finding.
    pub finding: u16,
    /// Middle, standard mm.
    pub centre: Vec3,
    /// Half axes, standard mm.
    pub radii: Vec3,
    /// Density added at its middle, water is 1.
    pub gain: f64,
    /// Size of its patches in mm.
    pub grain: f64,
    /// How patchy, 0 to 1.
    pub patchy: f64,
}

/// A broken rib.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fracture {
    /// -1 right, 1 left.
    pub side: f64,
    /// Rib 1 to 12.
    pub rib: usize,
    /// Where along it, 0 to 1.
    pub at: f64,
    /// Displacement in mm.
    pub shift: f64,
}

/// All that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// Factor on the heart's width.
    pub heart: f64,
    /// 0 to 1: flat diaphragm, slim heart.
    pub hyperinflation: f64,
    /// Standard mm that a dome stands higher, right and left.
    pub dome_up: [f64; 2],
    /// Factor on the density of aerated lung.
    pub density: [f64; 2],
    /// Factor on the number of vessels.
    pub vessels: [f64; 2],
    /// Factor on the width of vessels.
    pub vessel_width: f64,
    /// How much more the upper vessels are filled.
    pub upper_vessels: f64,
    /// Standard mm that the trachea is pushed to the left.
    pub trachea_shift: f64,
    /// Factor on the width of the mediastinum.
    pub mediastinum: f64,
    /// Amount of fluid in the right and left pleura, 0 to 1.
    pub fluid: [f64; 2],
    /// Thickness of air in the right and left pleura, standard mm.
    pub gap: [f64; 2],
    /// Broken ribs.
    pub fractures: Vec<Fracture>,
    /// Dense and thin parts.
    pub haze: Vec<Haze>,
}

/// The rib and place on it of a fracture, drawn from its form.
pub fn fracture(finding: &Finding) -> Fracture {
    let mut d = Draws::new(finding.form, Purpose::Findings, 0, 1);
    Fracture {
        side: finding.side,
        rib: 4 + d.below(6),
        at: d.range(0.35, 0.72),
        shift: finding.size,
    }
}

impl Effects {
    /// Sums up what all findings do.
    pub fn of(findings: &[Finding]) -> Self {
        let mut e = Effects {
            heart: 1.0,
            hyperinflation: 0.0,
            dome_up: [0.0; 2],
            density: [1.0; 2],
            vessels: [1.0; 2],
            vessel_width: 1.0,
            upper_vessels: 0.0,
            trachea_shift: 0.0,
            mediastinum: 1.0,
            fluid: [0.0; 2],
            gap: [0.0; 2],
            fractures: Vec::new(),
            haze: Vec::new(),
        };
        for finding in findings {
            e.add(finding);
        }
        e
    }

    fn add(&mut self, f: &Finding) {
        let n = side_index(f.side);
        let one = |gain, grain, patchy| Haze {
            finding: f.id,
            centre: f.centre,
            radii: [f.size, f.size * 1.05, f.size * 0.9],
            gain,
            grain,
            patchy,
        };
        match f.kind {
            Kind::Consolidation => self.haze.push(one(0.55, 14.0, 0.5)),
            Kind::GroundGlass => self.haze.push(one(0.17, 18.0, 0.45)),
            Kind::Interstitial => self.haze.extend(both(
                f,
                [-70.0, 15.0, -60.0],
                [70.0, 95.0, 85.0],
                0.03 + 0.03 * f.size,
                9.0,
            )),
            Kind::Effusion => {
                self.fluid[n] = self.fluid[n].max(f.size);
                self.trachea_shift -= f.side * 6.0 * (f.size - 0.7).max(0.0) / 0.3;
            }
            Kind::Pneumothorax => {
                self.gap[n] = self.gap[n].max(f.size);
                self.density[n] *= 1.0 + f.size / 70.0;
            }
            Kind::Atelectasis => self.dome_up[n] += 0.16 * f.size,
            Kind::Cardiomegaly => self.heart *= f.size,
            Kind::Oedema => {
                self.vessel_width *= 1.0 + 0.35 * f.size;
                self.upper_vessels += 0.8 * f.size;
                self.density = self.density.map(|d| d * (1.0 + 0.25 * f.size));
                self.heart *= 1.0 + 0.06 * f.size;
                self.haze.extend(both(
                    f,
                    [-44.0, 8.0, -18.0],
                    [52.0, 75.0, 74.0],
                    0.07 + 0.2 * f.size,
                    16.0,
                ));
            }
            Kind::Emphysema => {
                self.hyperinflation = self.hyperinflation.max(f.size);
                self.density = self.density.map(|d| d * (1.0 - 0.3 * f.size));
                self.vessels = self.vessels.map(|v| v * (1.0 - 0.35 * f.size));
            }
            Kind::RibFracture => self.fractures.push(fracture(f)),
            _ => {}
        }
    }

    /// Height over the fluid (positive is dry) and depth inside the air of the pleura (positive is air) at a standard point
    /// whose distance to the wall is `space`.
    pub fn pleura(&self, side: f64, p: Vec3, space: f64, supine: bool) -> (f64, f64) {
        let n = side_index(side);
        let amount = self.fluid[n];
        let level = if amount <= 0.0 {
            1e3
        } else if supine {
            // It spreads behind the lung.
            (86.0 - 55.0 * amount) + 0.25 * (p[2] + 60.0) - p[1]
        } else {
            let creep = (12.0 + 26.0 * amount) * (space.min(0.0) / (7.0 + 9.0 * amount)).exp();
            p[2] - (-148.0 + 185.0 * amount + creep)
        };
        let gap = if self.gap[n] <= 0.0 {
            -1e3
        } else {
            let high = ((p[2] + 150.0) / (APEX + 150.0)).clamp(0.0, 1.0);
            let thick = self.gap[n] * (0.25 + 0.75 * high * high);
            space + thick
        };
        (level, gap)
    }
}

fn both(f: &Finding, centre: Vec3, radii: Vec3, gain: f64, grain: f64) -> Vec<Haze> {
    [-1.0, 1.0]
        .iter()
        .map(|side| Haze {
            finding: f.id,
            centre: [-side * centre[0], centre[1], centre[2]],
            radii,
            gain,
            grain,
            patchy: 0.6,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Change, Grade, Zone};

    fn effusion(size: f64) -> Finding {
        Finding {
            id: 1,
            kind: Kind::Effusion,
            side: -1.0,
            centre: [0.0; 3],
            size,
            grade: Grade::Mild,
            zone: Zone::Lower,
            change: Change::First,
            form: 1,
        }
    }

    #[test]
    fn more_fluid_stands_higher_and_on_its_side_alone() {
        let level = |size, side| {
            Effects::of(&[effusion(size)])
                .pleura(side, [-70.0, 10.0, -80.0], -20.0, false)
                .0
        };
        assert!(level(0.8, -1.0) < level(0.2, -1.0));
        assert_eq!(level(0.8, 1.0), 1e3);
        // A meniscus: higher along the wall than in the middle.
        let e = Effects::of(&[effusion(0.4)]);
        assert!(
            e.pleura(-1.0, [-130.0, 0.0, -70.0], 0.0, false).0
                < e.pleura(-1.0, [-70.0, 0.0, -70.0], -40.0, false).0
        );
    }
}
