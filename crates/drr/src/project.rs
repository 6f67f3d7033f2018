//! Line integrals for all pixels of a picture.
//!
//! Exact integrals (Siddon 1985) come from running sums along the axis that the rays run along most: see [`Method::Siddon`] and the module
//! `columns`. A ray costs one step for each face that it crosses from column to column.
//!
//! The other methods take rays slab by slab: a slab is one layer of voxels across that axis, and its middle is sampled bilinearly
//! for many rays side by side (Joseph, "An improved algorithm for reprojecting rays through pixel images",
//! IEEE TMI 1982): smoother, and as good as trilinear sampling at the spacing of the grid.

use crate::columns::{self, Columns};
use crate::error::DrrError;
use crate::geometry::{Geometry, Ray, length};
use crate::ray;
use crate::samples::Samples;
use hilum_image::{Gray, Plane};
use hilum_volume::affine::Inverse;
use hilum_volume::{Vec3, Volume, VolumeError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Rays that are worked on side by side.
const LANES: usize = 16;
/// Picture rows and columns of one task.
const TILE: (usize, usize) = (8, 128);

/// How values along a ray are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Exact lengths in voxels of constant value.
    #[default]
    Siddon,
    /// Linear interpolation between voxels.
    Trilinear,
    /// The largest interpolated value on the ray in place of a sum (maximum intensity projection).
    Maximum,
}

/// Projects one volume; grids made for a direction are kept for the next picture.
pub struct Projector<'v, F> {
    volume: &'v Volume<f32>,
    value: F,
    to_index: Inverse,
    /// Lowest and one past the highest index with a value over 0 along each axis; `None` for an empty volume.
    bounds: Option<[(usize, usize); 3]>,
    grids: [OnceLock<Grid>; 3],
    columns: [OnceLock<Columns>; 3],
}

/// A copy of the volume whose slabs are contiguous: `data[(m * nb + b) * na + a]`, with one voxel of 0 around a and b.
struct Grid {
    axes: [usize; 3],
    first: [usize; 3],
    inner: [usize; 3],
    na: usize,
    nb: usize,
    data: Vec<f32>,
}

impl<'v, F: Fn(f32) -> f32 + Sync> Projector<'v, F> {
    /// A projector of `value` of the volume's voxels, e.g. attenuation of Hounsfield units.
    ///
    /// # Errors
    /// [`DrrError::Volume`] for axes that do not span space, and for 2^31 voxels and more.
    pub fn new(volume: &'v Volume<f32>, value: F) -> Result<Self, DrrError> {
        // Places of voxels are 32-bit numbers where rays are taken side by side.
        if i32::try_from(volume.data.len()).is_err() {
            let reason = format!("{} voxels are too many to project", volume.data.len());
            return Err(VolumeError::Geometry { reason }.into());
        }
        Ok(Projector {
            to_index: volume.affine.inverse()?,
            bounds: bounds(volume, &value),
            volume,
            value,
            grids: Default::default(),
            columns: Default::default(),
        })
    }

    /// Line integrals in value times mm, one for each pixel.
    pub fn project(&self, geometry: &Geometry, method: Method) -> Gray {
        let mut out = Plane::filled(geometry.width, geometry.height, 0f32);
        if let Some(bounds) = self.bounds {
            let across = geometry.width.div_ceil(TILE.1);
            let columns = (method == Method::Siddon).then(|| self.columns(geometry, bounds));
            let rows = out.data.par_chunks_mut(TILE.0 * geometry.width).enumerate();
            rows.for_each(|(band, rows)| {
                for tile in 0..across {
                    let (y0, x0) = (band * TILE.0, tile * TILE.1);
                    match columns {
                        Some((columns, main)) => {
                            self.exact(geometry, columns, main, y0, x0, rows);
                        }
                        None => self.tile(geometry, method, bounds, y0, x0, rows),
                    }
                }
            });
        }
        out
    }

    /// Where rays meet anything over 0: 255, else 0.
    pub fn silhouette(&self, geometry: &Geometry) -> Plane<u8> {
        self.project(geometry, Method::Siddon)
            .map(|&v| if v > 0.0 { 255 } else { 0 })
    }

    /// Running sums along the axis that the central ray runs along most, and that axis.
    fn columns(&self, g: &Geometry, bounds: [(usize, usize); 3]) -> (&Columns, usize) {
        let middle = self.to_index.apply_direction(g.axis());
        let main = longest(middle);
        let made = || Columns::new(self.volume, &self.value, bounds, main);
        (self.columns[main].get_or_init(made), main)
    }

    fn exact(
        &self,
        g: &Geometry,
        columns: &Columns,
        main: usize,
        y0: usize,
        x0: usize,
        rows: &mut [f32],
    ) {
        let x1 = (x0 + TILE.1).min(g.width);
        for (dy, row) in rows.chunks_exact_mut(g.width).enumerate() {
            for (n, out) in row[x0..x1].chunks_mut(columns::LANES).enumerate() {
                let x = x0 + n * columns::LANES;
                // Lanes past the end stay empty.
                let rays: [Option<Ray>; columns::LANES] = std::array::from_fn(|l| {
                    (l < out.len()).then(|| g.ray((x + l) as f64, (y0 + dy) as f64))
                });
                out.copy_from_slice(&self.exact_bundle(columns, main, &rays)[..out.len()]);
            }
        }
    }

    fn exact_bundle(
        &self,
        columns: &Columns,
        main: usize,
        rays: &[Option<Ray>; columns::LANES],
    ) -> [f32; columns::LANES] {
        let ends =
            rays.map(|ray| ray.map(|r| [self.to_index.apply(r.from), self.to_index.apply(r.to)]));
        let ways = ends.map(|ends| ends.and_then(|[start, end]| columns.way(start, end)));
        let sums = columns.integrals(&ways.map(Option::unwrap_or_default));
        std::array::from_fn(|l| match (&rays[l], ends[l], ways[l]) {
            (Some(ray), Some([start, end]), Some(_)) => {
                (sums[l] * length(ray) / (end[main] - start[main]).abs()) as f32
            }
            (Some(ray), ..) => self.voxel_by_voxel(ray),
            _ => 0.0,
        })
    }

    fn voxel_by_voxel(&self, ray: &Ray) -> f32 {
        let value = |[i, j, k]: [usize; 3]| {
            f64::from((self.value)(self.volume.data[self.volume.at(i, j, k)]))
        };
        ray::line_integral(self.volume.size, &self.to_index, ray, value) as f32
    }

    fn grid(&self, main: usize, bounds: [(usize, usize); 3]) -> &Grid {
        self.grids[main].get_or_init(|| Grid::new(self.volume, &self.value, bounds, main))
    }

    fn tile(
        &self,
        g: &Geometry,
        method: Method,
        bounds: [(usize, usize); 3],
        y0: usize,
        x0: usize,
        rows: &mut [f32],
    ) {
        let x1 = (x0 + TILE.1).min(g.width);
        for (dy, row) in rows.chunks_exact_mut(g.width).enumerate() {
            let mut x = x0;
            while x < x1 {
                let n = LANES.min(x1 - x);
                // Lanes past the end repeat the last ray and are dropped.
                let rays: [Ray; LANES] =
                    std::array::from_fn(|l| g.ray((x + l.min(n - 1)) as f64, (y0 + dy) as f64));
                let sums = self.bundle(&rays, method, bounds);
                row[x..x + n].copy_from_slice(&sums[..n]);
                x += n;
            }
        }
    }

    fn bundle(
        &self,
        rays: &[Ray; LANES],
        method: Method,
        bounds: [(usize, usize); 3],
    ) -> [f32; LANES] {
        let starts = rays.map(|r| self.to_index.apply(r.from));
        let steps: [Vec3; LANES] = std::array::from_fn(|l| {
            self.to_index
                .apply_direction(hilum_volume::affine::sub(rays[l].to, rays[l].from))
        });
        let main = longest(steps[0]);
        let grid = self.grid(main, bounds);
        let lines: [Option<Line>; LANES] =
            std::array::from_fn(|l| grid.line(starts[l], steps[l], length(&rays[l])));
        let mut sums = self.together(grid, &lines, method);
        // Rays at 45 degrees, or ending inside the body: one by one.
        for ((sum, line), ray) in sums.iter_mut().zip(&lines).zip(rays) {
            if line.is_none() {
                *sum = self.sampled(ray, method, bounds);
            }
        }
        sums
    }

    /// The rays that have a line in the grid; 0 for the others.
    fn together(&self, grid: &Grid, lines: &[Option<Line>; LANES], method: Method) -> [f32; LANES] {
        let mut bundle = Bundle::default();
        for (l, line) in lines.iter().enumerate() {
            if let Some(line) = line {
                bundle.set(l, line);
            }
        }
        let none = lines.iter().all(Option::is_none);
        // A lane without a line reads the padding, where everything is 0.
        if none || (lines.iter().all(Option::is_some) && grid.misses(&bundle)) {
            return [0.0; LANES];
        }
        let mut sums = grid.run(&bundle, method);
        for (sum, line) in sums.iter_mut().zip(lines) {
            if let (Some(line), true) = (line, method != Method::Maximum) {
                *sum *= line.scale;
            }
        }
        sums
    }

    /// Trilinear samples at half the smallest spacing.
    fn sampled(&self, ray: &Ray, method: Method, bounds: [(usize, usize); 3]) -> f32 {
        let (start, end) = (self.to_index.apply(ray.from), self.to_index.apply(ray.to));
        let step: Vec3 = std::array::from_fn(|k| end[k] - start[k]);
        let Some((enter, leave)) = ray::clip(self.volume.size, start.map(|v| v + 0.5), step) else {
            return 0.0;
        };
        let spacing = self
            .volume
            .affine
            .spacing()
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        let inside = (leave - enter) * length(ray);
        let n = (2.0 * inside / spacing).ceil().max(1.0);
        let dt = (leave - enter) / n;
        let way = Samples::new(self.volume, start, step, enter, dt);
        // Samples more than a voxel away from all that is not 0 add nothing.
        let samples = way.values(n as usize, bounds);
        let samples = samples.map(|v| f64::from((self.value)(v)));
        match method {
            Method::Maximum => samples.fold(0.0, f64::max) as f32,
            _ => (samples.sum::<f64>() * inside / n) as f32,
        }
    }
}

fn bounds(
    volume: &Volume<f32>,
    value: &(impl Fn(f32) -> f32 + Sync),
) -> Option<[(usize, usize); 3]> {
    let [nx, ny, _] = volume.size;
    let boxes = volume
        .data
        .par_chunks(nx * ny)
        .enumerate()
        .filter_map(|(k, plane)| {
            let mut found: Option<[(usize, usize); 3]> = None;
            for (j, row) in plane.chunks_exact(nx).enumerate() {
                let Some(a) = row.iter().position(|&v| value(v) != 0.0) else {
                    continue;
                };
                let b = row.iter().rposition(|&v| value(v) != 0.0).unwrap_or(a) + 1;
                let here = [(a, b), (j, j + 1), (k, k + 1)];
                found = Some(found.map_or(here, |f| join(f, here)));
            }
            found
        });
    boxes.reduce_with(join)
}

/// The axis along which a direction is longest.
fn longest(way: Vec3) -> usize {
    (0..3).fold(0, |best, k| {
        if way[k].abs() > way[best].abs() {
            k
        } else {
            best
        }
    })
}

fn join(a: [(usize, usize); 3], b: [(usize, usize); 3]) -> [(usize, usize); 3] {
    std::array::from_fn(|k| (a[k].0.min(b[k].0), a[k].1.max(b[k].1)))
}

/// 0 to `top`; 0 for NaN.
#[inline(always)]
fn within(v: f32, top: f32) -> f32 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < top { v } else { top }
}

/// The whole part of a number held within 0 and `top`.
#[inline(always)]
fn whole(v: f32, top: f32) -> i32 {
    // SAFETY: `within` gives a finite number that fits, and grids have fewer than 2^24 voxels a side.
    unsafe { within(v, top).to_int_unchecked() }
}

/// A ray in a grid: position across the slabs as a function of the slab.
#[derive(Debug, Clone, Copy)]
struct Line {
    a: f32,
    da: f32,
    b: f32,
    db: f32,
    scale: f32,
}

/// Lines side by side.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Bundle {
    a: [f32; LANES],
    da: [f32; LANES],
    b: [f32; LANES],
    db: [f32; LANES],
}

impl Bundle {
    fn set(&mut self, l: usize, line: &Line) {
        (self.a[l], self.da[l], self.b[l], self.db[l]) = (line.a, line.da, line.b, line.db);
    }
}

impl Grid {
    fn new(
        volume: &Volume<f32>,
        value: &(impl Fn(f32) -> f32 + Sync),
        bounds: [(usize, usize); 3],
        main: usize,
    ) -> Grid {
        // x, where it is not the main axis, stays the fastest.
        let axes = match main {
            0 => [1, 2, 0],
            1 => [0, 2, 1],
            _ => [0, 1, 2],
        };
        let first = axes.map(|k| bounds[k].0);
        let inner = axes.map(|k| bounds[k].1 - bounds[k].0);
        let (na, nb) = (inner[0] + 2, inner[1] + 2);
        let strides = [1, volume.size[0], volume.size[0] * volume.size[1]];
        let start: usize = (0..3).map(|n| first[n] * strides[axes[n]]).sum();
        let mut data = vec![0f32; na * nb * inner[2]];
        data.par_chunks_mut(na * nb)
            .enumerate()
            .for_each(|(m, slab)| {
                for b in 0..inner[1] {
                    let from = start + m * strides[axes[2]] + b * strides[axes[1]];
                    let row = &mut slab[(b + 1) * na + 1..(b + 2) * na - 1];
                    for (a, v) in row.iter_mut().enumerate() {
                        *v = value(volume.data[from + a * strides[axes[0]]]);
                    }
                }
            });
        Grid {
            axes,
            first,
            inner,
            na,
            nb,
            data,
        }
    }

    /// `None` where the ray is too steep across the slabs or does not pass through all of them.
    fn line(&self, start: Vec3, step: Vec3, length: f64) -> Option<Line> {
        let [ka, kb, km] = self.axes;
        let dm = step[km];
        let (da, db) = (step[ka] / dm, step[kb] / dm);
        if !(dm != 0.0 && da.abs() <= 1.0 && db.abs() <= 1.0) {
            return None;
        }
        // Positions with slab m from m to m + 1, and the padding voxel first across.
        let m0 = start[km] + 0.5 - self.first[2] as f64;
        let (near, far) = (m0.min(m0 + dm), m0.max(m0 + dm));
        if near > 0.0 || far < self.inner[2] as f64 {
            return None;
        }
        // Interpolation runs between centres, at the middle of the slab.
        let across = |k: usize, n: usize, d: f64| {
            (start[k] + 1.0 - self.first[n] as f64 + (0.5 - m0) * d) as f32
        };
        Some(Line {
            a: across(ka, 0, da),
            da: da as f32,
            b: across(kb, 1, db),
            db: db as f32,
            scale: (length / dm.abs()) as f32,
        })
    }

    /// Whether all rays pass the grid on the same side: what they would read is the voxels of 0 round it.
    fn misses(&self, w: &Bundle) -> bool {
        let last = self.inner[2].saturating_sub(1) as f32;
        let beside = |at: &[f32; LANES], step: &[f32; LANES], top: f32| {
            let ends = || {
                at.iter()
                    .zip(step)
                    .map(|(at, step)| (*at, at + last * step))
            };
            ends().all(|(a, b)| a <= 0.0 && b <= 0.0) || ends().all(|(a, b)| a >= top && b >= top)
        };
        beside(&w.a, &w.da, (self.na - 1) as f32) || beside(&w.b, &w.db, (self.nb - 1) as f32)
    }

    fn run(&self, bundle: &Bundle, method: Method) -> [f32; LANES] {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512dq")
            {
                // SAFETY: the processor has these instructions.
                return unsafe { self.run_avx512(bundle, method) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has these instructions.
                return unsafe { self.run_avx2(bundle, method) };
            }
        }
        self.run_any(bundle, method)
    }

    // The same arithmetic in wider registers: nothing is fused, so results are the same to the bit.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn run_avx512(&self, bundle: &Bundle, method: Method) -> [f32; LANES] {
        self.run_any(bundle, method)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn run_avx2(&self, bundle: &Bundle, method: Method) -> [f32; LANES] {
        self.run_any(bundle, method)
    }

    #[inline(always)]
    fn run_any(&self, bundle: &Bundle, method: Method) -> [f32; LANES] {
        match method {
            // A comparison is a single instruction, `f32::max` with its rules for NaN is not.
            Method::Maximum => self.smooth(bundle, |most, v| if v > most { v } else { most }),
            Method::Trilinear | Method::Siddon => self.smooth(bundle, |sum, v| sum + v),
        }
    }

    // Plain indices over lanes are what the compiler turns into vector instructions.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn smooth(&self, w: &Bundle, take: impl Fn(f32, f32) -> f32 + Copy) -> [f32; LANES] {
        let (top_a, top_b) = ((self.na - 1) as f32, (self.nb - 1) as f32);
        let na = self.na as i32;
        let mut sums = [0f32; LANES];
        for (m, slab) in self.data.chunks_exact(self.na * self.nb).enumerate() {
            let m = m as f32;
            for l in 0..LANES {
                let (a, b) = (
                    within(w.a[l] + m * w.da[l], top_a),
                    within(w.b[l] + m * w.db[l], top_b),
                );
                let (ia, ib) = (whole(a, top_a - 1.0), whole(b, top_b - 1.0));
                let (pa, pb) = (a - ia as f32, b - ib as f32);
                let at = ib * na + ia;
                // SAFETY: a0 + 1 < na and b0 + 1 < nb by the clamps, and a slab has na * nb values.
                let value = |at: i32| unsafe { *slab.get_unchecked(at as usize) };
                let upper = value(at) + (value(at + 1) - value(at)) * pa;
                let lower = value(at + na) + (value(at + na + 1) - value(at + na)) * pa;
                sums[l] = take(sums[l], upper + (lower - upper) * pb);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Beam, Pose, View};
    use hilum_volume::Affine;

    fn textured() -> Volume<f32> {
        let affine = Affine {
            axes: [
                [1.9, 0.3, 0.0],
                [-0.3 * 0.8, 1.9 * 0.8, 0.0],
                [0.0, 0.0, 2.5],
            ],
            origin: [-20.0, 14.0, -9.0],
        };
        let mut v = Volume::filled([23, 31, 17], affine, 0f32);
        let mut word = 9u64;
        for x in &mut v.data {
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *x = (word >> 40) as f32 / (1 << 24) as f32;
        }
        v
    }

    fn views() -> Vec<Geometry> {
        let poses = [
            (View::Pa, Pose::default()),
            (
                View::Lateral,
                Pose {
                    yaw: 9.0,
                    ..Pose::default()
                },
            ),
            (
                View::Ap,
                Pose {
                    yaw: 44.0,
                    pitch: 13.0,
                    roll: -8.0,
                    shift: [3.0, 1.0, 2.0],
                },
            ),
            (
                View::Pa,
                Pose {
                    pitch: 80.0,
                    ..Pose::default()
                },
            ),
        ];
        let centre = textured().centre();
        let make = |(view, pose): &(View, Pose), beam| {
            Geometry::of_view(*view, centre, pose, beam, 500.0, 420.0, 2.3, (37, 29)).unwrap()
        };
        poses
            .iter()
            .flat_map(|p| [make(p, Beam::Perspective), make(p, Beam::Parallel)])
            .collect()
    }

    #[test]
    fn running_sums_agree_with_single_rays() {
        let v = textured();
        let inverse = v.affine.inverse().unwrap();
        let p = Projector::new(&v, |x| x).unwrap();
        for g in views() {
            let fast = p.project(&g, Method::Siddon);
            for y in 0..g.height {
                for x in 0..g.width {
                    let want = ray::through(&v, &inverse, &g.ray(x as f64, y as f64));
                    let got = f64::from(fast.row(y)[x]);
                    assert!(
                        (got - want).abs() < 1e-4,
                        "{got} {want} at {x} {y} of {g:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn all_instruction_sets_and_thread_counts_give_the_same_bits() {
        let v = textured();
        let p = Projector::new(&v, |x| x).unwrap();
        let g = &views()[4];
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let exact = p.project(g, Method::Siddon);
        assert_eq!(exact, one.install(|| p.project(g, Method::Siddon)));
        for method in [Method::Maximum, Method::Trilinear] {
            assert_eq!(p.project(g, method), one.install(|| p.project(g, method)));
            let grid = Grid::new(&v, &|x| x, bounds(&v, &|x| x).unwrap(), 1);
            let mut bundle = Bundle::default();
            let line = Line {
                a: 3.3,
                da: 0.31,
                b: 5.7,
                db: -0.21,
                scale: 1.0,
            };
            (0..LANES).for_each(|l| {
                bundle.set(
                    l,
                    &Line {
                        a: line.a + l as f32,
                        ..line
                    },
                )
            });
            assert_eq!(grid.run(&bundle, method), grid.run_any(&bundle, method));
        }
    }

    /// What is left out because it passes the grid would have given nothing.
    #[test]
    fn bundles_that_miss_give_nothing() {
        let v = textured();
        let grid = Grid::new(&v, &|x| x, bounds(&v, &|x| x).unwrap(), 1);
        let (mut missed, mut met) = (0, 0);
        for n in 0..400 {
            let part = |k: usize| (n * k % 41) as f32 / 41.0;
            let mut bundle = Bundle::default();
            for l in 0..LANES {
                bundle.set(
                    l,
                    &Line {
                        a: 60.0 * part(7) - 20.0 + 0.4 * l as f32,
                        da: part(11) - 0.5,
                        b: 50.0 * part(17) - 15.0,
                        db: part(23) - 0.5,
                        scale: 1.0,
                    },
                );
            }
            for method in [Method::Trilinear, Method::Maximum] {
                let sums = grid.run(&bundle, method);
                if grid.misses(&bundle) {
                    assert_eq!(sums, [0.0; LANES]);
                    missed += 1;
                } else {
                    met += usize::from(sums.iter().any(|s| *s > 0.0));
                }
            }
        }
        assert!(missed > 50 && met > 50, "{missed} {met}");
    }

    #[test]
    fn a_detector_inside_the_body_sees_only_what_is_before_it() {
        let v = Volume::filled(
            [20, 20, 20],
            Affine::axis_aligned([1.0; 3], [-9.5; 3]),
            1f32,
        );
        let p = Projector::new(&v, |x| x).unwrap();
        let g = Geometry::of_view(
            View::Pa,
            [0.0; 3],
            &Pose::default(),
            Beam::Perspective,
            100.0,
            96.0,
            1.0,
            (3, 3),
        )
        .unwrap();
        for method in [Method::Siddon, Method::Trilinear] {
            assert!((p.project(&g, method).data[4] - 14.0).abs() < 1e-4);
        }
    }

    #[test]
    fn an_empty_volume_gives_nothing() {
        let v = Volume::filled([3, 3, 3], Affine::axis_aligned([1.0; 3], [0.0; 3]), 0f32);
        let p = Projector::new(&v, |x| x).unwrap();
        assert!(
            p.project(&views()[0], Method::Siddon)
                .data
                .iter()
                .all(|&v| v == 0.0)
        );
    }
}
