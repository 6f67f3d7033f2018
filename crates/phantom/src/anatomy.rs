//! The large organs, as functions of a point.
//!
//! They are written for a standard man and stretched: a point in mm divided by the patient's size, breadth and depth is a point of
//! the standard thorax. The measures are those of textbooks of anatomy to within a few millimetres: lungs 27 cm wide and 24 cm high at
//! full inspiration, right dome 1 to 2 cm above the left, trachea 18 mm wide, heart to the left of the midline by two thirds.

use crate::findings::Finding;
use crate::findings::effects::Effects;
use crate::patient::{Exposure, Patient};
use crate::shapes::{Ellipsoid, minus, polyline, smooth_union};
use crate::skeleton;
use crate::solids::Solid;
use crate::trees;
use hilum_volume::Vec3;

/// Half width of the rib cage inside, standard mm.
pub const HALF_WIDTH: f64 = 138.0;
/// Height of the lung apices.
pub const APEX: f64 = 132.0;
/// Point of [`Thorax::aorta_line`] where the ascending aorta becomes the arch.
pub const ARCH_STARTS: usize = 2;
/// Point of [`Thorax::aorta_line`] where the arch becomes the descending aorta.
pub const ARCH_ENDS: usize = 5;
/// Height over which the lung's outline is described.
const LUNG_SPAN: f64 = 235.0;
/// Sum of the standard heart's widths to both sides over that of the rib cage.
const STANDARD_RATIO: f64 = 122.0 / (2.0 * HALF_WIDTH);

/// Organs with a surface of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Organ {
    /// Skin, arms hanging.
    Body,
    /// Skin, arms raised for the lateral view.
    BodyArmsUp,
    /// Right lung with air in it.
    RightLung,
    /// Left lung with air in it.
    LeftLung,
    /// Heart.
    Heart,
    /// Arch and descending aorta.
    Aorta,
    /// Mediastinum without heart and aorta.
    Mediastinum,
    /// Everything under the diaphragm.
    Abdomen,
    /// Gas in stomach and bowel.
    Gas,
    /// Fluid in the right pleura.
    RightFluid,
    /// Fluid in the left pleura.
    LeftFluid,
    /// Air in the right pleura.
    RightAir,
    /// Air in the left pleura.
    LeftAir,
}

/// Number of [`Organ`]s.
pub const ORGANS: usize = 13;

/// A patient on the day of a study.
#[derive(Debug, Clone)]
pub struct Thorax {
    /// Who.
    pub patient: Patient,
    /// How it was taken.
    pub exposure: Exposure,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What the findings do to the organs.
    pub effects: Effects,
    /// Everything thin.
    pub solids: Vec<Solid>,
    /// Standard mm to mm.
    pub stretch: Vec3,
    heart: Vec<Ellipsoid>,
    domes: [f64; 2],
    gas: Vec<Ellipsoid>,
}

/// Distances to what the arms are joined to, standard mm.
struct Trunk {
    torso: f64,
    neck: f64,
    breast: Option<f64>,
}

/// 0 for the right side (x < 0), 1 for the left.
pub fn side_index(side: f64) -> usize {
    usize::from(side > 0.0)
}

/// An arc that starts steeply and ends level at 1.
fn arc(t: f64) -> f64 {
    let rest = 1.0 - t.clamp(0.0, 1.0);
    (1.0 - rest * rest).sqrt()
}

/// Outline of the rib cage's inside at a height: half width, back and front, standard mm.
pub fn cage(z: f64) -> [f64; 3] {
    let u = (APEX - z) / LUNG_SPAN;
    [
        52.0 + (HALF_WIDTH - 52.0) * arc(u / 0.82).powf(1.25),
        38.0 + 50.0 * arc(u / 0.55),
        -2.0 - 76.0 * arc(u / 0.8),
    ]
}

/// Middle of the vertebral bodies at a height, standard mm.
pub fn spine_at(patient: &Patient, z: f64) -> [f64; 2] {
    let t = z / 130.0;
    let sideways = patient.scoliosis * (1.2 * t).sin();
    [
        sideways,
        36.0 + patient.kyphosis * (1.0 - (t + 0.15).powi(2)).max(-0.8),
    ]
}

/// What is the same all over a height, worked out once for many points of it.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    /// The rib cage here.
    cage: [f64; 3],
    /// The rib cage here, or where it is widest under the shoulders.
    torso: [f64; 3],
    spine: [f64; 2],
}

impl Level {
    /// A height in standard mm.
    fn new(patient: &Patient, z: f64) -> Self {
        Level {
            cage: cage(z),
            torso: cage(z.min(40.0)),
            spine: spine_at(patient, z),
        }
    }
}

/// A superellipse of power 2.5, between ellipse and rectangle.
fn section(x: f64, y: f64, half: [f64; 2]) -> f64 {
    let power = |v: f64| v * v * v.abs().sqrt();
    let level = (power(x / half[0]) + power(y / half[1])).powf(0.4);
    (level - 1.0) * half[0].min(half[1])
}

impl Thorax {
    /// Builds the anatomy with its findings.
    pub fn new(patient: Patient, exposure: Exposure, findings: Vec<Finding>, seed: u64) -> Self {
        let effects = Effects::of(&findings);
        let k = patient.scale;
        let stretch = [k * patient.breadth, k * patient.depth, k];
        let breath = exposure.inspiration;
        let flat = effects.hyperinflation;
        let dome = -68.0 - 32.0 * breath - 22.0 * flat;
        let domes = [dome + effects.dome_up[0], dome - 11.0 + effects.dome_up[1]];
        let mut thorax = Thorax {
            heart: heart(&patient, &exposure, &effects),
            gas: gas(&patient, domes[1], seed),
            patient,
            exposure,
            findings,
            effects,
            solids: Vec::new(),
            stretch,
            domes,
        };
        let mut solids = skeleton::build(&thorax);
        solids.extend(trees::build(&thorax, seed));
        solids.extend(crate::findings::solids::build(&thorax));
        thorax.solids = solids;
        thorax
    }

    /// A point of the standard thorax in mm.
    pub fn to_mm(&self, p: Vec3) -> Vec3 {
        std::array::from_fn(|k| p[k] * self.stretch[k])
    }

    /// A point in mm in the standard thorax.
    pub fn to_standard(&self, p: Vec3) -> Vec3 {
        std::array::from_fn(|k| p[k] / self.stretch[k])
    }

    /// Height of the diaphragm, standard mm.
    pub fn diaphragm(&self, x: f64, y: f64) -> f64 {
        let one = |side: f64| {
            let n = side_index(side);
            let away = (x - 60.0 * side) * side;
            let across = if away > 0.0 {
                40.0 * (away / 74.0).powi(2)
            } else {
                9.0 * (away / 60.0).powi(2)
            };
            let back = y + 12.0;
            let along = if back > 0.0 {
                60.0 * (back / 98.0).powi(2)
            } else {
                24.0 * (back / 62.0).powi(2)
            };
            let flatten = 1.0 - 0.6 * self.effects.hyperinflation;
            self.domes[n] - flatten * (across + along)
        };
        let w = ((x + 18.0) / 36.0).clamp(0.0, 1.0);
        one(-1.0) * (1.0 - w) + one(1.0) * w
    }

    /// Height of a dome, standard mm.
    pub fn dome(&self, side: f64) -> f64 {
        self.domes[side_index(side)]
    }

    /// The space of one lung before heart, diaphragm and findings take their share; standard mm.
    pub fn pleural_space(&self, p: Vec3, side: f64) -> f64 {
        self.pleural_space_at(cage(p[2]), p, side)
    }

    fn pleural_space_at(&self, cage: [f64; 3], p: Vec3, side: f64) -> f64 {
        let [x, y, z] = p;
        let u = (APEX - z) / LUNG_SPAN;
        if u <= 0.0 {
            return (z - APEX)
                .max((x - 52.0 * side).hypot(y - 18.0) * 0.3)
                .max(0.1);
        }
        let [lateral, back, front] = cage;
        let medial = 52.0 - 42.0 * arc(u / 0.22);
        let (half, middle) = (0.5 * (lateral - medial), 0.5 * (lateral + medial));
        section(
            x * side - middle,
            y - 0.5 * (back + front),
            [half, 0.5 * (back - front)],
        )
    }

    fn heart_distance(&self, p: Vec3) -> f64 {
        if p[2] > 75.0 {
            return p[2] - 30.0;
        }
        self.heart
            .iter()
            .map(|e| e.distance(p))
            .reduce(|a, b| smooth_union(a, b, 30.0))
            .unwrap_or(1e3)
    }

    fn aorta_distance(&self, p: Vec3) -> f64 {
        if (p[0] - 6.0).abs() > 88.0 {
            return (p[0] - 6.0).abs() - 48.0;
        }
        polyline(p, &self.aorta_line())
    }

    /// Middle line of the aorta with its radius, standard mm: ascending up to [`ARCH_STARTS`], descending from [`ARCH_ENDS`].
    pub fn aorta_line(&self) -> [(Vec3, f64); 9] {
        let r = self.patient.aorta / self.patient.scale;
        let swing = self.patient.tortuosity;
        [
            ([2.0, -18.0, -30.0], r + 1.0),
            ([-14.0, -24.0, 14.0], r + 1.0),
            ([-6.0, -12.0, 40.0], r + 0.5),
            ([10.0, 8.0, 50.0], r),
            ([20.0 + 0.4 * swing, 26.0, 43.0], r),
            ([22.0 + swing, 40.0, 18.0], 0.88 * r),
            ([18.0 + 0.9 * swing, 46.0, -40.0], 0.82 * r),
            ([8.0 + 0.4 * swing, 44.0, -130.0], 0.78 * r),
            ([2.0, 36.0, -200.0], 0.75 * r),
        ]
    }

    fn mediastinum_distance(&self, level: &Level, p: Vec3) -> f64 {
        let [x, y, z] = p;
        if x.abs() > 92.0 {
            // Nothing of it is near.
            return x.abs() - 52.0;
        }
        let [sx, sy] = level.spine;
        let spine = (x - sx).hypot(0.9 * (y - sy)) - 17.5;
        let wide = self.effects.mediastinum;
        let half = if z > 30.0 {
            15.0 + 0.12 * (z - 30.0)
        } else {
            15.0 - 0.05 * (30.0 - z)
        } * wide;
        let block = section(x - 1.0, y - 8.0, [half.max(6.0), 42.0]).max(-z - 150.0);
        let cava = polyline(
            p,
            &[
                ([-22.0, -22.0, -30.0], 9.5),
                ([-22.0, -18.0, 30.0], 9.5),
                ([-24.0, -8.0, 78.0], 9.0),
                ([-32.0, 2.0, 110.0], 8.0),
            ],
        );
        let trunk = polyline(
            p,
            &[
                ([15.0, -42.0, -26.0], 13.0),
                ([22.0, -24.0, 6.0], 12.0),
                ([26.0, -8.0, 18.0], 10.0),
                ([31.0, 6.0, 8.0], 9.0),
            ],
        );
        let left_vessel = polyline(
            p,
            &[
                ([16.0, 18.0, 50.0], 7.0),
                ([27.0, 12.0, 85.0], 7.0),
                ([34.0, 4.0, 125.0], 6.5),
            ],
        );
        let right_hilum = polyline(
            p,
            &[
                ([-8.0, 0.0, 2.0], 11.0),
                ([-34.0, 4.0, -2.0], 9.0),
                ([-46.0, 8.0, -24.0], 6.5),
            ],
        );
        let left_hilum = polyline(
            p,
            &[
                ([26.0, 2.0, 12.0], 10.0),
                ([40.0, 12.0, 8.0], 8.5),
                ([47.0, 16.0, -16.0], 6.0),
            ],
        );
        [cava, trunk, left_vessel, right_hilum, left_hilum]
            .into_iter()
            .fold(smooth_union(block, spine, 10.0), |a, b| {
                smooth_union(a, b, 9.0)
            })
    }

    /// Trunk, neck and, where there are any, breasts: what the arms are joined to.
    fn trunk(&self, level: &Level, p: Vec3) -> Trunk {
        let [x, y, z] = p;
        let pad = self.patient.padding / self.patient.scale;
        let [_, back, front] = level.torso;
        let low = (-z - 60.0).max(0.0);
        let half = HALF_WIDTH + 13.0 + pad + 0.10 * low * (pad / 25.0);
        let (rear, fore) = (
            back + 21.0 + 0.5 * pad,
            front - 15.0 - 0.7 * pad - 0.12 * low * (pad / 20.0),
        );
        let top = ((z - 78.0).max(0.0) / 62.0).powi(2);
        let torso = section(
            x,
            y - 0.5 * (rear + fore),
            [
                half * (1.0 - 0.45 * top.min(1.0)),
                0.5 * (rear - fore) * (1.0 - 0.4 * top.min(1.0)),
            ],
        )
        .max(z - 132.0);
        let thick = 0.35 * pad;
        let neck = polyline(
            p,
            &[
                ([0.0, 22.0, 90.0], 56.0 + thick),
                ([0.0, 10.0, 150.0], 55.0 + thick),
                ([0.0, -4.0, 280.0], 56.0 + thick),
            ],
        );
        let b = self.patient.breast;
        let breast = (b > 0.0).then(|| {
            let s = if x < 0.0 { -1.0 } else { 1.0 };
            let droop = if self.exposure.supine { 18.0 } else { 0.0 };
            Ellipsoid::upright(
                [s * (74.0 + droop), fore + 16.0, -46.0 - 0.5 * b + droop],
                [54.0 + 0.4 * b, 16.0 + 0.75 * b, 46.0 + 0.6 * b],
            )
            .distance(p)
        });
        Trunk {
            torso,
            neck,
            breast,
        }
    }

    /// The skin with both arms.
    fn body_distance(&self, trunk: &Trunk, p: Vec3, arms_up: bool) -> f64 {
        let s = if p[0] < 0.0 { -1.0 } else { 1.0 };
        let thick = 0.35 * (self.patient.padding / self.patient.scale);
        let arm: [(Vec3, f64); 5] = if arms_up {
            [
                ([0.0, 22.0, 104.0], 42.0 + thick),
                ([s * 95.0, 26.0, 104.0], 38.0 + thick),
                ([s * 140.0, 14.0, 128.0], 36.0 + thick),
                ([s * 158.0, -12.0, 190.0], 34.0 + thick),
                ([s * 160.0, -50.0, 260.0], 34.0 + thick),
            ]
        } else {
            [
                ([0.0, 22.0, 104.0], 42.0 + thick),
                ([s * 100.0, 22.0, 98.0], 40.0 + thick),
                ([s * 168.0, 16.0, 82.0], 46.0 + thick),
                ([s * 212.0, 8.0, 20.0], 44.0 + thick),
                ([s * 250.0, 0.0, -140.0], 40.0 + thick),
            ]
        };
        let joined = smooth_union(trunk.torso, polyline(p, &arm), 40.0);
        let whole = smooth_union(joined, trunk.neck, 30.0);
        match trunk.breast {
            Some(breast) => smooth_union(whole, breast, 34.0),
            None => whole,
        }
    }

    fn gas_distance(&self, p: Vec3) -> f64 {
        self.gas.iter().map(|e| e.distance(p)).fold(1e3, f64::min)
    }

    /// The level of a point in mm, the same for all points of its height.
    pub fn level(&self, mm: Vec3) -> Level {
        Level::new(&self.patient, self.to_standard(mm)[2])
    }

    /// The distance to the surface of every organ at a point in mm of a level, negative inside; about mm near the surface.
    pub fn organs(&self, level: &Level, mm: Vec3) -> [f32; ORGANS] {
        let p = self.to_standard(mm);
        let mut out = [1e3f32; ORGANS];
        let mut set = |organ: Organ, d: f64| {
            out[organ as usize] = (d * self.patient.scale).clamp(-1e3, 1e3) as f32
        };
        let trunk = self.trunk(level, p);
        let body = self.body_distance(&trunk, p, false);
        set(Organ::Body, body);
        if !self.exposure.supine {
            set(Organ::BodyArmsUp, self.body_distance(&trunk, p, true));
        }
        if body > 15.0 {
            return out;
        }
        let below = p[2] - self.diaphragm(p[0], p[1]);
        let (heart, aorta) = (self.heart_distance(p), self.aorta_distance(p));
        let middle = self.mediastinum_distance(level, p);
        let abdomen = below.max(body + 8.0);
        set(Organ::Abdomen, abdomen);
        let gas = self.gas_distance(p);
        set(Organ::Gas, gas.max(below + 4.0));
        set(Organ::Heart, heart.max(-below - 2.0));
        set(Organ::Aorta, aorta);
        set(Organ::Mediastinum, middle);
        let solid = heart.min(aorta).min(middle);
        for (side, lung, fluid, air) in [
            (-1.0, Organ::RightLung, Organ::RightFluid, Organ::RightAir),
            (1.0, Organ::LeftLung, Organ::LeftFluid, Organ::LeftAir),
        ] {
            let space = self.pleural_space_at(level.cage, p, side);
            let cavity = minus(minus(space, below), solid);
            let (level, gap) = self.effects.pleura(side, p, space, self.exposure.supine);
            let wet = cavity.max(level);
            let free = cavity.max(-gap);
            set(lung, cavity.max(-level).max(gap));
            set(fluid, wet);
            set(air, free.max(-level));
        }
        out
    }

    /// Distance to the lung of one side at a standard point, findings of the pleura left out.
    pub fn cavity(&self, p: Vec3, side: f64) -> f64 {
        let level = Level::new(&self.patient, p[2]);
        let below = p[2] - self.diaphragm(p[0], p[1]);
        let solid = self
            .heart_distance(p)
            .min(self.aorta_distance(p))
            .min(self.mediastinum_distance(&level, p));
        minus(
            minus(self.pleural_space_at(level.cage, p, side), below),
            solid,
        )
    }
}

fn heart(patient: &Patient, exposure: &Exposure, effects: &Effects) -> Vec<Ellipsoid> {
    // In bed and breathed out the diaphragm pushes the heart up and to the sides.
    let lift = 0.10 * (1.0 - exposure.inspiration) + if exposure.supine { 0.03 } else { 0.0 };
    let w = patient.heart / STANDARD_RATIO
        * effects.heart
        * (1.0 + lift)
        * (1.0 - 0.14 * effects.hyperinflation);
    let h = 1.1 * w.powf(0.6) * (1.0 - 0.3 * lift);
    let d = w.powf(0.5);
    // The heart rests on the diaphragm and sinks in a little.
    let base = -113.0 + 24.0 * (1.0 - exposure.inspiration) - 14.0 * effects.hyperinflation;
    let at = |x: f64, y: f64, up: f64| [x * w, y * d - 4.0, base + up * h];
    vec![
        // Right atrium, right ventricle, left ventricle, left atrium, base of the great vessels.
        Ellipsoid::upright(at(-13.0, -18.0, 44.0), [26.0 * w, 30.0 * d, 44.0 * h]),
        Ellipsoid::upright(at(10.0, -40.0, 30.0), [42.0 * w, 26.0 * d, 34.0 * h]),
        Ellipsoid::along(
            at(33.0, -22.0, 34.0),
            [0.74, -0.22, -0.63],
            [61.0 * w, 32.0 * d, 34.0 * h],
        ),
        Ellipsoid::upright(at(4.0, 10.0, 56.0), [30.0 * w, 22.0 * d, 24.0 * h]),
        Ellipsoid::upright(at(8.0, -26.0, 78.0), [25.0 * w, 22.0 * d, 34.0 * h]),
    ]
}

fn gas(patient: &Patient, dome: f64, seed: u64) -> Vec<Ellipsoid> {
    let mut d = crate::random::Draws::new(seed, crate::random::Purpose::Texture, patient.number, 1);
    let mut all = Vec::new();
    if d.chance(0.75) {
        let (w, h) = (d.range(16.0, 34.0), d.range(9.0, 20.0));
        all.push(Ellipsoid::upright(
            [
                d.range(48.0, 70.0),
                d.range(-35.0, -5.0),
                dome - h - d.range(9.0, 14.0),
            ],
            [w, d.range(18.0, 32.0), h],
        ));
    }
    for _ in 0..d.below(5) {
        let side = d.side();
        let r = d.range(7.0, 16.0);
        all.push(Ellipsoid::along(
            [
                side * d.range(55.0, 105.0),
                d.range(-50.0, -20.0),
                dome - d.range(60.0, 95.0),
            ],
            [d.range(-1.0, 1.0), 0.2, d.range(-0.6, 0.6)],
            [1.6 * r, r, r],
        ));
    }
    all
}
