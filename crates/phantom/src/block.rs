//! A block of lung round a nodule, with pleura, airways and vessels at known distances: for what measures surroundings.
//!
//! Everything is a ball, a tube or the outside of a large ball, so distances, counts and volumes are known exactly. The
//! nodule lies in the middle of the block.

use crate::error::PhantomError;
use crate::random::{Draws, Purpose};
use hilum_volume::affine::{add_scaled, cross, dot, norm, sub, unit};
use hilum_volume::{Affine, Vec3, Volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Hounsfield units of the parts.
const LUNG: f32 = -850.0;
const TISSUE: f32 = 30.0;
const WALL: f32 = -60.0;
const LUMEN: f32 = -1000.0;
/// Radius of the ball whose surface is the pleura, mm.
const PLEURA: f64 = 140.0;
/// Thickness of the airways' walls, mm.
pub const WALL_MM: f64 = 1.0;
/// Least length of a branch between the bronchus and its end, mm.
const BRANCH: f64 = 5.0;
/// Angle between branches that end at the nodule, degrees.
const APART: f64 = 38.0;

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockPlan {
    /// Half sides of the block, mm.
    pub half: Vec3,
    /// Spacing, mm.
    pub spacing: Vec3,
    /// Deviation of the noise, HU.
    pub noise: f64,
    /// Radius of the nodule, mm.
    pub radius: f64,
    /// From the nodule's surface to the pleura, mm.
    pub pleura: f64,
    /// From the nodule's surface to the lumen of the bronchus that passes it, mm.
    pub bronchus: f64,
    /// Airways that leave the bronchus and end at the nodule.
    pub airways_touching: usize,
    /// Airways that leave it towards the nodule and end before it.
    pub airways_projecting: usize,
    /// Vessels that end at the nodule.
    pub vessels_touching: usize,
    /// Vessels that run towards the nodule and end before it.
    pub vessels_projecting: usize,
    /// From the nodule's surface to the nearest vessel that passes it, mm.
    pub vessel: f64,
    /// Further vessels that pass.
    pub passing: usize,
}

impl Default for BlockPlan {
    fn default() -> Self {
        BlockPlan {
            half: [46.0; 3],
            spacing: [1.2; 3],
            noise: 0.0,
            radius: 6.0,
            pleura: 8.0,
            bronchus: 12.0,
            airways_touching: 0,
            airways_projecting: 0,
            vessels_touching: 0,
            vessels_projecting: 0,
            vessel: 5.0,
            passing: 3,
        }
    }
}

/// A straight tube with flat ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rod {
    from: Vec3,
    to: Vec3,
    radius: f64,
}

impl Rod {
    fn distance(&self, p: Vec3) -> f64 {
        let axis = unit(sub(self.to, self.from));
        let q = sub(p, self.from);
        let along = dot(q, axis);
        let across = norm(add_scaled(q, -along, axis)) - self.radius;
        let past = (-along).max(along - norm(sub(self.to, self.from)));
        match (across > 0.0, past > 0.0) {
            (true, true) => across.hypot(past),
            _ => across.max(past),
        }
    }

    /// Shortest distance between two axes (Ericson, "Real-Time Collision Detection", 5.1.9).
    fn apart(&self, other: &Rod) -> f64 {
        let (u, v) = (sub(self.to, self.from), sub(other.to, other.from));
        let w = sub(self.from, other.from);
        let (a, b, e) = (dot(u, u), dot(u, v), dot(v, v));
        let (c, f) = (dot(u, w), dot(v, w));
        let across = a * e - b * b;
        let mut s = if across > 1e-9 {
            ((b * f - c * e) / across).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let mut t = (b * s + f) / e;
        if !(0.0..=1.0).contains(&t) {
            t = t.clamp(0.0, 1.0);
            s = ((b * t - c) / a).clamp(0.0, 1.0);
        }
        norm(sub(
            add_scaled(self.from, s, u),
            add_scaled(other.from, t, v),
        ))
    }
}

/// A block with what is known of it.
#[derive(Debug, Clone)]
pub struct Block {
    /// Hounsfield units.
    pub ct: Volume<f32>,
    /// The nodule.
    pub nodule: Volume<u8>,
    /// Everything on the lung's side of the pleura.
    pub lungs: Volume<u8>,
    /// Lumen of the airways.
    pub airways: Volume<u8>,
    /// Vessels, without what lies in the nodule or in an airway.
    pub vessels: Volume<u8>,
    /// A voxel in the bronchus.
    pub seed: [usize; 3],
    /// What is known.
    pub truth: BlockTruth,
}

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BlockTruth {
    /// From the nodule's surface, mm.
    pub pleura_mm: f64,
    /// From the nodule's surface to the nearest lumen, mm.
    pub airway_mm: f64,
    /// From the nodule's surface, mm.
    pub vessel_mm: f64,
    /// Airways that end at the nodule, and before it.
    pub airways: [usize; 2],
    /// Vessels that end at the nodule, and before it.
    pub vessels: [usize; 2],
}

/// The shapes of a block.
struct Shapes {
    plan: BlockPlan,
    pleura: Vec3,
    airways: Vec<Rod>,
    vessels: Vec<Rod>,
    truth: BlockTruth,
    seed: Vec3,
}

/// Makes a block. The same seed and number give the same block.
///
/// # Errors
/// [`PhantomError::Setting`] when the plan does not fit the block.
pub fn block(plan: &BlockPlan, seed: u64, number: u64) -> Result<Block, PhantomError> {
    check(plan)?;
    let mut d = Draws::new(seed, Purpose::Block, number, 0);
    let shapes = Shapes::draw(plan, &mut d)?;
    Ok(shapes.voxels(&mut d))
}

fn check(plan: &BlockPlan) -> Result<(), PhantomError> {
    let bad = |name, value: f64, range| {
        Err(PhantomError::Setting {
            name,
            value: value.to_string(),
            range,
        })
    };
    let least = plan.half.iter().copied().fold(f64::INFINITY, f64::min);
    let far = plan.radius + plan.bronchus + 6.0;
    if !(plan.radius > 0.0 && plan.radius < 0.4 * least) {
        return bad(
            "radius",
            plan.radius,
            "over 0 and under 0.4 of the block's half side",
        );
    }
    if !(plan.bronchus >= 3.0 && far < least) {
        return bad(
            "bronchus",
            plan.bronchus,
            "3 mm at least and inside the block",
        );
    }
    if plan.pleura.is_nan() || plan.pleura < 0.0 || plan.vessel.is_nan() || plan.vessel < 0.0 {
        return bad("pleura", plan.pleura.min(plan.vessel), "not negative");
    }
    if plan.spacing.iter().any(|s| !(*s > 0.1 && *s < 5.0)) {
        return bad("spacing", plan.spacing[0], "0.1 to 5 mm");
    }
    Ok(())
}

fn direction(d: &mut Draws) -> Vec3 {
    loop {
        let v: Vec3 = std::array::from_fn(|_| d.range(-1.0, 1.0));
        let n = norm(v);
        if n > 0.2 && n < 1.0 {
            return unit(v);
        }
    }
}

impl Shapes {
    fn draw(plan: &BlockPlan, d: &mut Draws) -> Result<Self, PhantomError> {
        let out = direction(d);
        // The bronchus runs across, on the other side of the nodule.
        let tilt = direction(d);
        let across = unit(cross(out, tilt));
        let aside = unit(add_scaled(out.map(|v| -v), 0.5, unit(cross(across, out))));
        let lumen = d.range(2.4, 3.4);
        let middle = aside.map(|v| v * (plan.radius + plan.bronchus + lumen));
        let reach = 200.0;
        let trunk = Rod {
            from: add_scaled(middle, -reach, across),
            to: add_scaled(middle, reach, across),
            radius: lumen,
        };
        let mut shapes = Shapes {
            plan: plan.clone(),
            pleura: out.map(|v| -v * (PLEURA - plan.radius - plan.pleura)),
            airways: vec![trunk],
            vessels: Vec::new(),
            truth: BlockTruth {
                pleura_mm: plan.pleura,
                airway_mm: plan.bronchus,
                vessel_mm: f64::INFINITY,
                airways: [plan.airways_touching, plan.airways_projecting],
                vessels: [plan.vessels_touching, plan.vessels_projecting],
            },
            seed: middle,
        };
        let mut taken: Vec<Vec3> = Vec::new();
        shapes.airways_to_nodule(across, middle, &mut taken, d)?;
        shapes.vessels_to_nodule(out, &mut taken, d)?;
        shapes.vessels_beside(out, d);
        Ok(shapes)
    }

    /// Airways from the bronchus to the nodule, spread along it.
    fn airways_to_nodule(
        &mut self,
        across: Vec3,
        middle: Vec3,
        taken: &mut Vec<Vec3>,
        d: &mut Draws,
    ) -> Result<(), PhantomError> {
        let (touch, project) = (self.plan.airways_touching, self.plan.airways_projecting);
        let height = norm(middle);
        for n in 0..touch + project {
            // Angles seen from the nodule: 0, then to both sides.
            let step = (n as f64 / 2.0).ceil() * if n % 2 == 1 { 1.0 } else { -1.0 };
            let angle = (step * APART).to_radians();
            let from = add_scaled(middle, height * angle.tan(), across);
            if angle.abs() > 1.2 {
                return Err(too_many("airways", touch + project));
            }
            let way = unit(from);
            let gap = if n < touch { 0.0 } else { d.range(3.5, 6.0) };
            let end = self.plan.radius + gap - if n < touch { 0.8 } else { 0.0 };
            // What hardly leaves the bronchus is no branch that points anywhere.
            let seen = norm(from) - self.airways[0].radius / angle.cos() - end;
            if seen < BRANCH {
                return Err(PhantomError::Setting {
                    name: "bronchus",
                    value: format!("{:.1}", self.plan.bronchus),
                    range: "far enough from the nodule for a branch of 5 mm that ends before it",
                });
            }
            let to = way.map(|v| v * end);
            let radius = d.range(1.5, 1.9);
            self.airways.push(Rod { from, to, radius });
            self.truth.airway_mm = self.truth.airway_mm.min(gap);
            taken.push(way);
        }
        Ok(())
    }

    /// Vessels that end at the nodule or before it, away from the pleura and from one another.
    fn vessels_to_nodule(
        &mut self,
        out: Vec3,
        taken: &mut Vec<Vec3>,
        d: &mut Draws,
    ) -> Result<(), PhantomError> {
        let (touch, project) = (self.plan.vessels_touching, self.plan.vessels_projecting);
        for n in 0..touch + project {
            let (mut found, mut tries) = (None, 0);
            while found.is_none() && tries < 4000 {
                tries += 1;
                let way = direction(d);
                let close = |t: &Vec3| dot(*t, way) > APART.to_radians().cos();
                let gap = if n < touch { 0.0 } else { d.range(3.5, 6.0) };
                let inner = self.plan.radius + gap - if n < touch { 0.8 } else { 0.0 };
                let rod = Rod {
                    from: way.map(|v| v * (inner + d.range(22.0, 27.0))),
                    to: way.map(|v| v * inner),
                    radius: d.range(1.2, 1.7),
                };
                let crossed = self
                    .airways
                    .iter()
                    .any(|a| a.apart(&rod) < a.radius + rod.radius + WALL_MM + 2.5);
                if dot(way, out) < 0.1 && !taken.iter().any(close) && !crossed {
                    found = Some((rod, gap, way));
                }
            }
            let (rod, gap, way) = found.ok_or_else(|| too_many("vessels", touch + project))?;
            self.vessels.push(rod);
            self.truth.vessel_mm = self.truth.vessel_mm.min(gap);
            taken.push(way);
        }
        Ok(())
    }

    /// Vessels that pass the nodule, the first at the planned distance.
    fn vessels_beside(&mut self, out: Vec3, d: &mut Draws) {
        for n in 0..=self.plan.passing {
            for _ in 0..2000 {
                let away = direction(d);
                let along = unit(cross(away, direction(d)));
                let radius = d.range(1.1, 1.7);
                let gap = if n == 0 {
                    self.plan.vessel
                } else {
                    self.plan.vessel + d.range(6.0, 20.0)
                };
                let middle = away.map(|v| v * (self.plan.radius + gap + radius));
                let reach = 40.0;
                let rod = Rod {
                    from: add_scaled(middle, -reach, along),
                    to: add_scaled(middle, reach, along),
                    radius,
                };
                let clear =
                    |other: &Rod, more: f64| other.apart(&rod) > other.radius + radius + more;
                let fits = dot(away, out) < 0.2
                    && self.airways.iter().all(|a| clear(a, WALL_MM + 2.5))
                    && self.vessels.iter().all(|v| clear(v, 3.0));
                if fits {
                    self.vessels.push(rod);
                    self.truth.vessel_mm = self.truth.vessel_mm.min(gap);
                    break;
                }
            }
        }
    }

    /// Distance to the pleura, negative in the lung.
    fn outside(&self, p: Vec3) -> f64 {
        norm(sub(p, self.pleura)) - PLEURA
    }

    fn airway(&self, p: Vec3) -> f64 {
        nearest(&self.airways, p)
    }

    fn vessel(&self, p: Vec3) -> f64 {
        nearest(&self.vessels, p)
    }

    fn hu(&self, p: Vec3, h: f64) -> f32 {
        let share = |d: f64| (0.5 - d / h).clamp(0.0, 1.0) as f32;
        let mix = |under: f32, over: f32, share: f32| under + (over - under) * share;
        let airway = self.airway(p);
        let mut hu = LUNG;
        hu = mix(hu, TISSUE, share(self.vessel(p)));
        hu = mix(hu, WALL, share(airway - WALL_MM));
        hu = mix(hu, LUMEN, share(airway));
        hu = mix(hu, TISSUE, share(-self.outside(p)));
        mix(hu, TISSUE, share(norm(p) - self.plan.radius))
    }

    fn voxels(&self, d: &mut Draws) -> Block {
        let spacing = self.plan.spacing;
        let size: [usize; 3] =
            std::array::from_fn(|k| (2.0 * self.plan.half[k] / spacing[k]).round() as usize);
        // A shift, so that nothing lies on voxel centres by design.
        let origin = std::array::from_fn(|k| {
            -0.5 * spacing[k] * (size[k] as f64 - 1.0) + spacing[k] * d.range(-0.5, 0.5)
        });
        let affine = Affine::axis_aligned(spacing, origin);
        let h = spacing.iter().sum::<f64>() / 3.0;
        let noise = d.word();
        let mut ct = Volume::filled(size, affine, 0f32);
        let plane = size[0] * size[1];
        ct.data
            .par_chunks_mut(plane)
            .enumerate()
            .for_each(|(k, slice)| {
                let mut grain = Draws::new(noise, Purpose::Block, k as u64, 1);
                for (at, v) in slice.iter_mut().enumerate() {
                    let index = [(at % size[0]) as f64, (at / size[0]) as f64, k as f64];
                    *v = self.hu(affine.apply(index), h);
                    if self.plan.noise > 0.0 {
                        *v += grain.normal(0.0, self.plan.noise) as f32;
                    }
                }
            });
        let mask = |inside: &(dyn Fn(Vec3) -> bool + Sync)| {
            let mut m = Volume::filled(size, affine, 0u8);
            m.data
                .par_chunks_mut(plane)
                .enumerate()
                .for_each(|(k, slice)| {
                    for (at, v) in slice.iter_mut().enumerate() {
                        let index = [(at % size[0]) as f64, (at / size[0]) as f64, k as f64];
                        *v = u8::from(inside(affine.apply(index)));
                    }
                });
            m
        };
        let in_nodule = |p: Vec3| norm(p) < self.plan.radius;
        let in_lung = |p: Vec3| self.outside(p) < 0.0;
        let index = affine
            .inverse()
            .map(|b| b.apply(self.seed))
            .unwrap_or([0.0; 3]);
        Block {
            nodule: mask(&in_nodule),
            lungs: mask(&|p| in_lung(p) || in_nodule(p)),
            airways: mask(&|p| in_lung(p) && self.airway(p) < 0.0 && !in_nodule(p)),
            vessels: mask(&|p| {
                in_lung(p) && self.vessel(p) < 0.0 && self.airway(p) > WALL_MM && !in_nodule(p)
            }),
            seed: std::array::from_fn(|k| (index[k].round().max(0.0) as usize).min(size[k] - 1)),
            ct,
            truth: self.truth,
        }
    }
}

fn nearest(rods: &[Rod], p: Vec3) -> f64 {
    rods.iter().map(|r| r.distance(p)).fold(1e3, f64::min)
}

fn too_many(name: &'static str, value: usize) -> PhantomError {
    PhantomError::Setting {
        name,
        value: value.to_string(),
        range: "as many as find room round the nodule",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_apart_by_their_shortest_distance() {
        let rod = |from, to| Rod {
            from,
            to,
            radius: 1.0,
        };
        let a = rod([0.0; 3], [10.0, 0.0, 0.0]);
        assert!((a.apart(&rod([5.0, -5.0, 3.0], [5.0, 5.0, 3.0])) - 3.0).abs() < 1e-12);
        assert!((a.apart(&rod([13.0, 4.0, 0.0], [13.0, 9.0, 0.0])) - 5.0).abs() < 1e-12);
        assert!((a.apart(&rod([2.0, 2.0, 0.0], [9.0, 2.0, 0.0])) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_block_holds_what_was_planned_and_is_the_same_twice() {
        let plan = BlockPlan {
            half: [36.0; 3],
            spacing: [1.0, 1.0, 1.5],
            noise: 20.0,
            airways_touching: 1,
            vessels_touching: 2,
            vessels_projecting: 1,
            ..BlockPlan::default()
        };
        let b = block(&plan, 4, 9).unwrap();
        assert_eq!((b.truth.airway_mm, b.truth.vessel_mm), (0.0, 0.0));
        let count = |m: &Volume<u8>| m.data.iter().filter(|v| **v != 0).count();
        let volume = count(&b.nodule) as f64 * b.ct.voxel_volume();
        let ball = 4.0 / 3.0 * std::f64::consts::PI * plan.radius.powi(3);
        assert!((volume / ball - 1.0).abs() < 0.05);
        assert!(count(&b.vessels) > 200 && count(&b.airways) > 200);
        let [i, j, k] = b.seed;
        assert_eq!(b.airways.get(i, j, k), Some(&1));
        let again = block(&plan, 4, 9).unwrap();
        assert_eq!(b.ct, again.ct);
        assert_ne!(b.ct, block(&plan, 4, 10).unwrap().ct);
        let wrong = BlockPlan {
            radius: 40.0,
            ..plan
        };
        assert!(block(&wrong, 1, 1).is_err());
    }
}
