//! Thin and small things with exact chords: tubes of elliptic section and ellipsoids, added to what lies around them.

use crate::shapes::Ellipsoid;
use hilum_drr::{Beam, Geometry};
use hilum_image::{Gray, Mask, Plane};
use hilum_volume::affine::{add_scaled, cross, dot, norm, sub, unit};
use hilum_volume::{Vec3, Volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows of the picture that one task draws.
const BAND: usize = 32;

/// What a solid belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Ribs with their side (-1 right, 1 left) and number.
    Rib(i8, u8),
    /// Clavicle with its side.
    Clavicle(i8),
    /// Scapula with its side.
    Scapula(i8),
    /// Humerus.
    Humerus,
    /// Vertebrae.
    Spine,
    /// Breast bone.
    Sternum,
    /// Trachea and main bronchi.
    Trachea,
    /// Bronchi inside the lungs.
    Bronchi,
    /// Vessels inside the lungs.
    Vessels,
    /// Part of the finding with this number in the study.
    Finding(u16),
}

impl Part {
    /// True for calcified tissue.
    pub fn is_bone(self) -> bool {
        matches!(
            self,
            Part::Rib(..)
                | Part::Clavicle(_)
                | Part::Scapula(_)
                | Part::Humerus
                | Part::Spine
                | Part::Sternum
        )
    }
}

/// The shape of a solid.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One mitred piece of a tube.
    Piece(Piece),
    /// An ellipsoid.
    Ball(Ellipsoid),
}

/// A piece of a tube of elliptic section between two planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    from: Vec3,
    to: Vec3,
    u: Vec3,
    v: Vec3,
    radii: [f64; 2],
    start: Vec3,
    end: Vec3,
}

/// A shape with the density that it adds, water being 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Solid {
    /// Its form.
    pub shape: Shape,
    /// Density over that of the surroundings.
    pub density: f64,
    /// What it belongs to.
    pub part: Part,
}

/// A line through points with a section that may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Tube {
    /// Middle line.
    pub points: Vec<Vec3>,
    /// Half sides of the section at each point: along `up`, and across it.
    pub radii: Vec<[f64; 2]>,
    /// Roughly where the first half side points.
    pub up: Vec3,
}

impl Tube {
    /// A round tube of one radius.
    pub fn round(points: Vec<Vec3>, radius: f64) -> Self {
        let radii = vec![[radius; 2]; points.len()];
        Tube {
            points,
            radii,
            up: [0.0, 0.0, 1.0],
        }
    }

    /// The pieces with the density they add; their ends meet without overlap.
    pub fn solids(&self, density: f64, part: Part) -> Vec<Solid> {
        self.scaled(1.0, density, part)
    }

    /// A shell: the whole at one density, and what lies inside `share` of the section at another.
    pub fn shell(&self, outer: f64, share: f64, inner: f64, part: Part) -> Vec<Solid> {
        let mut all = self.scaled(1.0, outer, part);
        all.extend(self.scaled(share, inner - outer, part));
        all
    }

    fn scaled(&self, factor: f64, density: f64, part: Part) -> Vec<Solid> {
        let n = self.points.len().saturating_sub(1);
        let tangent = |k: usize| unit(sub(self.points[k + 1], self.points[k]));
        let joint = |k: usize| match k {
            0 => tangent(0),
            k if k == n => tangent(n - 1),
            k => unit(add_scaled(tangent(k - 1), 1.0, tangent(k))),
        };
        (0..n)
            .filter(|&k| norm(sub(self.points[k + 1], self.points[k])) > 1e-6)
            .map(|k| {
                let t = tangent(k);
                let up = if cross(self.up, t).iter().all(|v| v.abs() < 1e-6) {
                    [0.3, 1.0, 0.2]
                } else {
                    self.up
                };
                let u = unit(add_scaled(up, -dot(up, t), t));
                let mean = |a: usize| factor * 0.5 * (self.radii[k][a] + self.radii[k + 1][a]);
                let piece = Piece {
                    from: self.points[k],
                    to: self.points[k + 1],
                    u,
                    v: cross(t, u),
                    radii: [mean(0).max(0.05), mean(1).max(0.05)],
                    start: joint(k),
                    end: joint(k + 1),
                };
                Solid {
                    shape: Shape::Piece(piece),
                    density,
                    part,
                }
            })
            .collect()
    }
}

impl Piece {
    /// What chords of rays from a point have in common.
    fn seen_from(&self, o: Vec3) -> SeenPiece<'_> {
        let q = sub(o, self.from);
        let (pu, pv) = (
            dot(q, self.u) / self.radii[0],
            dot(q, self.v) / self.radii[1],
        );
        SeenPiece {
            piece: self,
            pu,
            pv,
            c: pu * pu + pv * pv - 1.0,
            start: dot(q, self.start),
            end: -dot(sub(o, self.to), self.end),
        }
    }

    /// Distance outside (positive) or inside of the surface, to first order.
    fn distance(&self, p: Vec3) -> f64 {
        let q = sub(p, self.from);
        let (pu, pv) = (
            dot(q, self.u) / self.radii[0],
            dot(q, self.v) / self.radii[1],
        );
        let level = pu.hypot(pv);
        let slope = (pu / self.radii[0]).hypot(pv / self.radii[1]);
        let side = if slope < 1e-9 {
            -self.radii[0].min(self.radii[1])
        } else {
            level * (level - 1.0) / slope
        };
        side.max(-dot(q, self.start))
            .max(dot(sub(p, self.to), self.end))
    }
}

/// A piece seen from a point.
#[derive(Clone, Copy)]
struct SeenPiece<'p> {
    piece: &'p Piece,
    pu: f64,
    pv: f64,
    c: f64,
    start: f64,
    end: f64,
}

impl SeenPiece<'_> {
    /// Length inside of a ray in direction `d`, a unit vector.
    fn chord(&self, d: Vec3) -> f64 {
        let (piece, c) = (self.piece, self.c);
        let (du, dv) = (
            dot(d, piece.u) / piece.radii[0],
            dot(d, piece.v) / piece.radii[1],
        );
        let (a, b) = (du * du + dv * dv, self.pu * du + self.pv * dv);
        let (mut near, mut far) = (f64::NEG_INFINITY, f64::INFINITY);
        if a > 1e-12 {
            let under = b * b - a * c;
            if under <= 0.0 {
                return 0.0;
            }
            let root = under.sqrt();
            (near, far) = ((-b - root) / a, (-b + root) / a);
        } else if c >= 0.0 {
            return 0.0;
        }
        for (at, slope) in [
            (self.start, dot(d, piece.start)),
            (self.end, -dot(d, piece.end)),
        ] {
            // Inside where at + s slope >= 0.
            if slope.abs() < 1e-12 {
                if at < 0.0 {
                    return 0.0;
                }
            } else if slope > 0.0 {
                near = near.max(-at / slope);
            } else {
                far = far.min(-at / slope);
            }
        }
        let length = far - near;
        if length.is_finite() {
            length.max(0.0)
        } else {
            0.0
        }
    }
}

/// A shape seen from a point.
#[derive(Clone, Copy)]
enum Seen<'s> {
    Piece(SeenPiece<'s>),
    Ball(&'s Ellipsoid, Vec3),
}

impl Seen<'_> {
    fn chord(&self, d: Vec3) -> f64 {
        match self {
            Seen::Piece(p) => p.chord(d),
            Seen::Ball(b, o) => b.chord(*o, d),
        }
    }
}

/// The rays of a picture: from one point, or side by side.
struct Rays<'g> {
    geometry: &'g Geometry,
    /// The source, where all rays start there.
    source: Option<Vec3>,
}

impl<'g> Rays<'g> {
    fn of(geometry: &'g Geometry) -> Self {
        Rays {
            geometry,
            source: (geometry.beam == Beam::Perspective).then_some(geometry.source),
        }
    }

    fn way(&self, x: usize, y: usize) -> Vec3 {
        let ray = self.geometry.ray(x as f64, y as f64);
        unit(sub(ray.to, ray.from))
    }

    /// The chord of the ray to a pixel whose direction is `way`; `seen` is the shape from the source.
    fn chord(&self, shape: &Shape, seen: Option<Seen<'_>>, x: usize, y: usize, way: Vec3) -> f64 {
        match seen {
            Some(seen) => seen.chord(way),
            None => shape
                .seen_from(self.geometry.ray(x as f64, y as f64).from)
                .chord(way),
        }
    }

    fn seen<'s>(&self, shape: &'s Shape) -> Option<Seen<'s>> {
        self.source.map(|o| shape.seen_from(o))
    }
}

impl Shape {
    fn seen_from(&self, o: Vec3) -> Seen<'_> {
        match self {
            Shape::Piece(p) => Seen::Piece(p.seen_from(o)),
            Shape::Ball(b) => Seen::Ball(b, o),
        }
    }

    /// Distance to the surface in mm, negative inside.
    pub fn distance(&self, p: Vec3) -> f64 {
        match self {
            Shape::Piece(s) => s.distance(p),
            Shape::Ball(b) => b.distance(p),
        }
    }

    /// Two points and a radius around both that enclose it.
    fn reach(&self) -> ([Vec3; 2], f64) {
        match self {
            Shape::Piece(p) => ([p.from, p.to], 1.3 * p.radii[0].max(p.radii[1])),
            Shape::Ball(b) => ([b.centre; 2], b.radii.into_iter().fold(0.0, f64::max)),
        }
    }

    /// Columns and rows that it may touch, as `x0, x1, y0, y1` with open ends.
    fn window(&self, g: &Geometry) -> Option<[usize; 4]> {
        let (ends, radius) = self.reach();
        let mut w = [
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for end in ends {
            let [x, y] = g.project(end)?;
            let r = 1.02 * radius * g.magnification(end) / g.pixel + 1.0;
            w = [
                w[0].min(x - r),
                w[1].max(x + r),
                w[2].min(y - r),
                w[3].max(y + r),
            ];
        }
        let clip = |v: f64, n: usize| v.clamp(0.0, n as f64) as usize;
        let out = [
            clip(w[0].floor(), g.width),
            clip(w[1].ceil() + 1.0, g.width),
            clip(w[2].floor(), g.height),
            clip(w[3].ceil() + 1.0, g.height),
        ];
        (out[0] < out[1] && out[2] < out[3]).then_some(out)
    }
}

/// Adds density times chord in mm of all solids to a picture.
pub fn draw(solids: &[&Solid], g: &Geometry, out: &mut Gray) {
    let windows: Vec<Option<[usize; 4]>> = solids.par_iter().map(|s| s.shape.window(g)).collect();
    let rays = Rays::of(g);
    out.data
        .par_chunks_mut(BAND * g.width)
        .enumerate()
        .for_each(|(band, rows)| {
            let (top, bottom) = (band * BAND, (band * BAND + rows.len() / g.width));
            // Many solids lie over each pixel: its direction is worked out once.
            let ways: Vec<Vec3> = (0..rows.len())
                .map(|at| rays.way(at % g.width, top + at / g.width))
                .collect();
            for (solid, window) in solids.iter().zip(&windows) {
                let Some([x0, x1, y0, y1]) = *window else {
                    continue;
                };
                let seen = rays.seen(&solid.shape);
                for y in y0.max(top)..y1.min(bottom) {
                    for x in x0..x1 {
                        let at = (y - top) * g.width + x;
                        let chord = rays.chord(&solid.shape, seen, x, y, ways[at]);
                        rows[at] += (solid.density * chord) as f32;
                    }
                }
            }
        });
}

/// Where rays meet any of the solids.
pub fn silhouette<'a>(solids: impl Iterator<Item = &'a Solid>, g: &Geometry) -> Mask {
    let mut out = Plane::filled(g.width, g.height, 0u8);
    let rays = Rays::of(g);
    for solid in solids.filter(|s| s.density > 0.0 || s.part == Part::Trachea) {
        let Some([x0, x1, y0, y1]) = solid.shape.window(g) else {
            continue;
        };
        let seen = rays.seen(&solid.shape);
        for y in y0..y1 {
            for (x, v) in (x0..x1).zip(&mut out.row_mut(y)[x0..x1]) {
                let met = || rays.chord(&solid.shape, seen, x, y, rays.way(x, y)) > 0.0;
                if *v == 0 && met() {
                    *v = 255;
                }
            }
        }
    }
    out
}

/// Calls `f` with position and distance in mm for every voxel of a grid that a shape may touch.
fn near<T>(shape: &Shape, out: &mut Volume<T>, f: impl Fn(&mut T, f64)) {
    let (h, origin) = (out.affine.axes[0][0], out.affine.origin);
    let (ends, radius) = shape.reach();
    let span = |k: usize| {
        let low = (ends[0][k].min(ends[1][k]) - radius - h - origin[k]) / h;
        let high = (ends[0][k].max(ends[1][k]) + radius + h - origin[k]) / h;
        (low.max(0.0) as usize).min(out.size[k])..((high + 1.0).max(0.0) as usize).min(out.size[k])
    };
    let spans = [span(0), span(1), span(2)];
    for k in spans[2].clone() {
        for j in spans[1].clone() {
            for i in spans[0].clone() {
                let p = [
                    origin[0] + h * i as f64,
                    origin[1] + h * j as f64,
                    origin[2] + h * k as f64,
                ];
                let at = out.at(i, j, k);
                f(&mut out.data[at], shape.distance(p));
            }
        }
    }
}

/// Adds the densities of solids to a volume, with partial volume at their surface.
pub fn voxelise(solids: &[&Solid], out: &mut Volume<f32>) {
    let h = out.affine.axes[0][0];
    for solid in solids {
        near(&solid.shape, out, |v, distance| {
            let inside = (0.5 - distance / h).clamp(0.0, 1.0);
            *v += (solid.density * inside) as f32;
        });
    }
}

/// Gives a label to the voxels whose centre is inside a solid.
pub fn fill(solid: &Solid, out: &mut Volume<u8>, label: u8) {
    near(&solid.shape, out, |v, distance| {
        if distance <= 0.0 {
            *v = label;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_drr::geometry::{Beam, Pose, View};

    fn bent() -> Tube {
        let points = (0..=20).map(|n| {
            let a = f64::from(n) * 0.15;
            [60.0 * a.cos(), 60.0 * a.sin(), 4.0 * f64::from(n)]
        });
        Tube::round(points.collect(), 5.0)
    }

    fn seen(yaw: f64) -> Geometry {
        let pose = Pose {
            yaw,
            pitch: 12.0,
            ..Pose::default()
        };
        Geometry::of_view(
            View::Pa,
            [0.0, 20.0, 40.0],
            &pose,
            Beam::Parallel,
            500.0,
            250.0,
            1.0,
            (200, 200),
        )
        .unwrap()
    }

    #[test]
    fn the_mass_of_a_tube_is_section_times_length_from_every_side() {
        let tube = bent();
        let length: f64 = tube.points.windows(2).map(|w| norm(sub(w[1], w[0]))).sum();
        let want = std::f64::consts::PI * 25.0 * length;
        let solids = tube.solids(1.0, Part::Vessels);
        let all: Vec<&Solid> = solids.iter().collect();
        for yaw in [0.0, 35.0, 90.0] {
            let mut out = Plane::filled(200, 200, 0f32);
            draw(&all, &seen(yaw), &mut out);
            let mass: f64 = out.data.iter().map(|&v| f64::from(v)).sum();
            assert!((mass / want - 1.0).abs() < 3e-3, "{yaw}: {mass} {want}");
        }
    }

    #[test]
    fn drawing_and_projecting_the_voxels_agree() {
        let solids = bent().shell(1.0, 0.6, 0.2, Part::Spine);
        let all: Vec<&Solid> = solids.iter().collect();
        let g = seen(20.0);
        let mut drawn = Plane::filled(200, 200, 0f32);
        draw(&all, &g, &mut drawn);
        let affine = hilum_volume::Affine::axis_aligned([1.0; 3], [-70.0, -20.0, -10.0]);
        let mut v = Volume::filled([140, 100, 110], affine, 0f32);
        voxelise(&all, &mut v);
        let projected = hilum_drr::Projector::new(&v, |x| x)
            .unwrap()
            .project(&g, hilum_drr::Method::Trilinear);
        let (mut off, mut sum) = (0.0, 0.0);
        for (a, b) in drawn.data.iter().zip(&projected.data) {
            off += f64::from((a - b).abs());
            sum += f64::from(a.abs());
        }
        assert!(off / sum < 0.12, "{}", off / sum);
        let mask = silhouette(solids.iter(), &g);
        for (m, d) in mask.data.iter().zip(&drawn.data) {
            assert_eq!(*m != 0, *d > 0.0);
        }
    }
}
