//! The soft parts on grids: distances on a coarse one, densities on one twice as fine.

use crate::anatomy::{ORGANS, Organ, Thorax};
use crate::lobes::Lobe;
use crate::noise::{Cursor, Field};
use crate::random::{Draws, Purpose};
use hilum_drr::{Geometry, Method, Projector};
use hilum_image::{Mask, Plane};
use hilum_volume::{Affine, Vec3, Volume};
use rayon::prelude::*;
use std::ops::Range;

/// Spacing of the coarse grid in mm.
const COARSE: f64 = 4.0;
/// Half sides of the grid in mm.
const HALF: Vec3 = [208.0, 172.0, 224.0];
/// Shift of its middle from the origin in mm: it reaches lower than any picture, which would show the body's end else.
const MIDDLE: Vec3 = [0.0, 6.0, -28.0];
/// Distances further than this from a surface do not matter to its silhouette.
const BAND: f32 = 12.0;

/// Distances to the surfaces of all organs, in mm, negative inside.
pub struct Distances {
    size: [usize; 3],
    affine: Affine,
    fields: Vec<Vec<f32>>,
}

impl Distances {
    /// Evaluates the anatomy.
    pub fn of(thorax: &Thorax) -> Self {
        let size: [usize; 3] = std::array::from_fn(|k| (2.0 * HALF[k] / COARSE) as usize + 1);
        let origin = std::array::from_fn(|k| MIDDLE[k] - HALF[k]);
        let affine = Affine::axis_aligned([COARSE; 3], origin);
        let plane = size[0] * size[1];
        // Slice by slice, organ after organ in each.
        let slices: Vec<Vec<f32>> = (0..size[2])
            .into_par_iter()
            .map(|k| {
                let level = thorax.level(affine.apply([0.0, 0.0, k as f64]));
                let mut all = vec![0f32; ORGANS * plane];
                for at in 0..plane {
                    let index = [(at % size[0]) as f64, (at / size[0]) as f64, k as f64];
                    let distances = thorax.organs(&level, affine.apply(index));
                    for (organ, d) in distances.into_iter().enumerate() {
                        all[organ * plane + at] = d;
                    }
                }
                all
            })
            .collect();
        let fields = (0..ORGANS)
            .into_par_iter()
            .map(|organ| {
                let mut raw = Vec::with_capacity(plane * size[2]);
                for s in &slices {
                    raw.extend_from_slice(&s[organ * plane..(organ + 1) * plane]);
                }
                to_distance(&raw, size)
            })
            .collect();
        Distances {
            size,
            affine,
            fields,
        }
    }

    /// The distances of one organ.
    pub fn organ(&self, organ: Organ) -> &[f32] {
        &self.fields[organ as usize]
    }

    /// Distance to the surface of one lobe with air in it, on the coarse grid.
    pub fn lobe(&self, thorax: &Thorax, lobe: Lobe) -> Vec<f32> {
        let lung = self.organ(if lobe.side() < 0.0 {
            Organ::RightLung
        } else {
            Organ::LeftLung
        });
        let [nx, ny, _] = self.size;
        let one = |(at, &d): (usize, &f32)| {
            let index = [at % nx, at / nx % ny, at / (nx * ny)].map(|v| v as f64);
            if d > BAND {
                return d;
            }
            let p = thorax.to_standard(self.affine.apply(index));
            d.max((lobe.fissures(thorax, p) * thorax.patient.scale) as f32)
        };
        lung.par_iter().enumerate().map(one).collect()
    }

    /// The silhouette of a surface: pixels whose ray comes nearer than 0.
    pub fn silhouette(
        &self,
        distance: Vec<f32>,
        geometry: &Geometry,
    ) -> Result<Mask, hilum_drr::DrrError> {
        let volume = Volume {
            size: self.size,
            affine: self.affine,
            data: distance,
        };
        // Half the pixels each way: the surface is smooth, and its edge is found between them.
        let half = geometry.resized(geometry.width.div_ceil(2), geometry.height.div_ceil(2));
        let deep = Projector::new(&volume, |d| (BAND - d).clamp(0.0, 2.0 * BAND))?
            .project(&half, Method::Maximum);
        let mut out = Plane::filled(geometry.width, geometry.height, 0u8);
        let Some([x0, x1, y0, y1]) = over_band(&deep) else {
            return Ok(out);
        };
        // Pixels none of whose neighbours of half the size is inside are not inside.
        let around = |low: usize, high: usize, n: usize| {
            (2 * low).saturating_sub(2).min(n)..(2 * high + 4).min(n)
        };
        for y in around(y0, y1, geometry.height) {
            let row = out.row_mut(y);
            for x in around(x0, x1, geometry.width) {
                row[x] = if between(&deep, x, y) > BAND { 255 } else { 0 };
            }
        }
        Ok(out)
    }

    /// Distance to the part of the lungs that a finding makes denser, on the coarse grid.
    pub fn haze(&self, thorax: &Thorax, finding: u16) -> Vec<f32> {
        let lungs = [Organ::RightLung, Organ::LeftLung].map(|o| self.organ(o));
        let mut out = vec![1e3f32; lungs[0].len()];
        for haze in thorax.effects.haze.iter().filter(|h| h.finding == finding) {
            let ball = crate::shapes::Ellipsoid::upright(haze.centre, haze.radii.map(|r| 0.8 * r));
            let plane = self.size[0] * self.size[1];
            out.par_chunks_mut(plane)
                .enumerate()
                .for_each(|(k, slice)| {
                    for (at, v) in slice.iter_mut().enumerate() {
                        let lung = lungs[0][k * plane + at].min(lungs[1][k * plane + at]);
                        if lung < BAND {
                            let p = self.affine.apply([
                                (at % self.size[0]) as f64,
                                (at / self.size[0]) as f64,
                                k as f64,
                            ]);
                            *v = v.min(lung.max(ball.distance(thorax.to_standard(p)) as f32));
                        }
                    }
                });
        }
        out
    }

    /// Density on the fine grid, water is 1.
    pub fn density(&self, thorax: &Thorax, arms_up: bool, seed: u64) -> Volume<f32> {
        let (_, size) = self.fine_affine();
        self.density_of(thorax, arms_up, seed, 0..size[2])
    }

    /// The same of some slices alone.
    ///
    /// # Panics
    /// For slices that the fine grid does not have.
    pub fn density_of(
        &self,
        thorax: &Thorax,
        arms_up: bool,
        seed: u64,
        slices: Range<usize>,
    ) -> Volume<f32> {
        let (affine, size) = self.fine_affine();
        let first = slices.start;
        let origin = affine.apply([0.0, 0.0, first as f64]);
        let part = Affine::axis_aligned([COARSE / 2.0; 3], origin);
        let mut out = Volume::filled([size[0], size[1], slices.len()], part, 0f32);
        let tissue = Tissue::new(thorax, seed);
        let body = if arms_up {
            Organ::BodyArmsUp
        } else {
            Organ::Body
        };
        let wanted = [
            body,
            Organ::RightLung,
            Organ::LeftLung,
            Organ::Gas,
            Organ::RightAir,
            Organ::LeftAir,
        ];
        let plane = size[0] * size[1];
        out.data
            .par_chunks_mut(plane)
            .enumerate()
            .for_each(|(at, slice)| {
                let k = first + at;
                let fields: Vec<Vec<f32>> = wanted
                    .iter()
                    .map(|&o| self.fine_slice(self.organ(o), k))
                    .collect();
                let mut cursors = tissue.cursors();
                for (j, row) in slice.chunks_exact_mut(size[0]).enumerate() {
                    for (i, v) in row.iter_mut().enumerate() {
                        let d: [f32; 6] = std::array::from_fn(|n| fields[n][j * size[0] + i]);
                        // Where it is matters in the lungs alone.
                        let place = || affine.apply([i as f64, j as f64, k as f64]);
                        *v = tissue.density(thorax, place, d, &mut cursors);
                    }
                }
            });
        out
    }

    /// The slice of the fine grid that is nearest to a height in mm.
    pub fn slice_near(&self, height: f64) -> usize {
        let (affine, size) = self.fine_affine();
        let at = (height - affine.origin[2]) / affine.spacing()[2];
        at.round().clamp(0.0, (size[2] - 1) as f64) as usize
    }

    fn fine_affine(&self) -> (Affine, [usize; 3]) {
        let affine = Affine::axis_aligned([COARSE / 2.0; 3], self.affine.origin);
        (affine, self.size.map(|n| 2 * n - 1))
    }

    /// A label volume on the fine grid, made slice by slice.
    pub fn fine(&self, slice: impl Fn(usize) -> Vec<u8> + Sync) -> Volume<u8> {
        let (affine, size) = self.fine_affine();
        let mut out = Volume::filled(size, affine, 0u8);
        out.data
            .par_chunks_mut(size[0] * size[1])
            .enumerate()
            .for_each(|(k, plane)| plane.copy_from_slice(&slice(k)));
        out
    }

    /// The point in mm of a position in a slice of the fine grid.
    pub fn fine_point(&self, at: usize, k: usize) -> Vec3 {
        let (affine, size) = self.fine_affine();
        affine.apply([(at % size[0]) as f64, (at / size[0]) as f64, k as f64])
    }

    /// One slice of distances on the coarse grid, interpolated to the fine grid.
    pub fn fine_slice(&self, field: &[f32], k: usize) -> Vec<f32> {
        let [nx, ny, _] = self.size;
        let slice = |k: usize| &field[k * nx * ny..(k + 1) * nx * ny];
        let flat: Vec<f32> = if k.is_multiple_of(2) {
            slice(k / 2).to_vec()
        } else {
            slice(k / 2)
                .iter()
                .zip(slice(k / 2 + 1))
                .map(|(a, b)| 0.5 * (a + b))
                .collect()
        };
        let (wide, high) = (2 * nx - 1, 2 * ny - 1);
        let mut out = vec![0f32; wide * high];
        for j in 0..ny {
            let row = &flat[j * nx..(j + 1) * nx];
            let fine = &mut out[2 * j * wide..(2 * j + 1) * wide];
            for i in 0..nx {
                fine[2 * i] = row[i];
                if i + 1 < nx {
                    fine[2 * i + 1] = 0.5 * (row[i] + row[i + 1]);
                }
            }
        }
        for j in 0..ny - 1 {
            let (above, rest) = out.split_at_mut((2 * j + 1) * wide);
            let (here, below) = rest.split_at_mut(wide);
            let above = &above[2 * j * wide..];
            for i in 0..wide {
                here[i] = 0.5 * (above[i] + below[i]);
            }
        }
        out
    }
}

/// Value over gradient: turns any smooth function into a distance near its zero.
fn to_distance(raw: &[f32], size: [usize; 3]) -> Vec<f32> {
    let [nx, ny, nz] = size;
    let at = |i: usize, j: usize, k: usize| raw[(k * ny + j) * nx + i];
    let h = COARSE as f32;
    let mut out = vec![0f32; raw.len()];
    out.chunks_mut(nx * ny).enumerate().for_each(|(k, slice)| {
        for j in 0..ny {
            for i in 0..nx {
                let v = at(i, j, k);
                slice[j * nx + i] = if v.abs() > 40.0 {
                    v
                } else {
                    let slope = |a: f32, b: f32, n: usize| (b - a) / (h * n as f32);
                    let (i0, i1, j0, j1, k0, k1) = (
                        i.saturating_sub(1),
                        (i + 1).min(nx - 1),
                        j.saturating_sub(1),
                        (j + 1).min(ny - 1),
                        k.saturating_sub(1),
                        (k + 1).min(nz - 1),
                    );
                    let g = [
                        slope(at(i0, j, k), at(i1, j, k), i1 - i0),
                        slope(at(i, j0, k), at(i, j1, k), j1 - j0),
                        slope(at(i, j, k0), at(i, j, k1), k1 - k0),
                    ];
                    let steep = (g[0] * g[0] + g[1] * g[1] + g[2] * g[2]).sqrt();
                    v / steep.clamp(0.5, 2.5)
                };
            }
        }
    });
    out
}

/// Lowest and highest column and row with a value over [`BAND`].
fn over_band(deep: &Plane<f32>) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for y in 0..deep.height {
        let row = deep.row(y);
        let inside = |v: &f32| *v > BAND;
        if let (Some(a), Some(b)) = (row.iter().position(inside), row.iter().rposition(inside)) {
            let [x0, x1, y0, _] = found.unwrap_or([a, b, y, y]);
            found = Some([x0.min(a), x1.max(b), y0, y]);
        }
    }
    found
}

/// Bilinear value of a picture of half the size at a pixel of the whole one.
fn between(half: &Plane<f32>, x: usize, y: usize) -> f32 {
    let place = |v: usize, n: usize| {
        let at = ((v as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, (n - 1) as f32);
        let base = (at as usize).min(n.saturating_sub(2));
        (base, at - base as f32)
    };
    let ((x0, fx), (y0, fy)) = (place(x, half.width), place(y, half.height));
    let get = |dx: usize, dy: usize| {
        half.data[(y0 + dy).min(half.height - 1) * half.width + (x0 + dx).min(half.width - 1)]
    };
    let upper = get(0, 0) + (get(1, 0) - get(0, 0)) * fx;
    let lower = get(0, 1) + (get(1, 1) - get(0, 1)) * fx;
    upper + (lower - upper) * fy
}

/// What tissue weighs where.
struct Tissue {
    fine: Field,
    broad: Field,
    fat: f32,
    haze: Vec<(crate::findings::effects::Haze, Field)>,
}

/// Share of a fine voxel inside a surface at distance `d`.
fn inside(d: f32) -> f32 {
    (0.5 - d / (COARSE / 2.0) as f32).clamp(0.0, 1.0)
}

impl Tissue {
    fn new(thorax: &Thorax, seed: u64) -> Self {
        let mut d = Draws::new(seed, Purpose::Texture, thorax.patient.number, 0);
        Tissue {
            fine: Field::new(d.word(), 5.0),
            broad: Field::new(d.word(), 28.0),
            fat: (thorax.patient.padding * 0.75) as f32,
            haze: thorax
                .effects
                .haze
                .iter()
                .map(|h| (h.clone(), Field::new(d.word(), h.grain)))
                .collect(),
        }
    }

    /// Cursors of the fine and the broad texture, then of the hazes.
    fn cursors(&self) -> Vec<Cursor> {
        let fields = [self.fine, self.broad];
        let hazes = self.haze.iter().map(|h| h.1);
        fields.into_iter().chain(hazes).map(Cursor::new).collect()
    }

    fn density(
        &self,
        thorax: &Thorax,
        place: impl Fn() -> Vec3,
        d: [f32; 6],
        cursors: &mut [Cursor],
    ) -> f32 {
        let body = inside(d[0]);
        if body == 0.0 {
            return 0.0;
        }
        // Fat under the skin, muscle and organs deeper.
        let deep = ((-d[0] - self.fat) / 6.0).clamp(0.0, 1.0);
        let mut density = body * (0.91 + 0.12 * deep);
        for (side, lung) in [d[1], d[2]].into_iter().enumerate() {
            let share = inside(lung);
            if share > 0.0 {
                let air = self.lung(thorax, place(), side, cursors);
                density = density * (1.0 - share) + air * share;
            }
        }
        for empty in &d[3..] {
            let share = inside(*empty);
            density = density * (1.0 - share) + 0.01 * share;
        }
        density
    }

    fn lung(&self, thorax: &Thorax, p: Vec3, side: usize, cursors: &mut [Cursor]) -> f32 {
        let [x, y, z] = p.map(|v| v as f32);
        let plain = (thorax.patient.lung_density * thorax.effects.density[side]) as f32;
        // Denser where it hangs: below when standing, behind in bed.
        let weight = if thorax.exposure.supine {
            0.0014 * y
        } else {
            -0.0012 * z
        };
        let fine = cursors[0].at(x, y, z);
        let texture = 1.0 + 0.16 * fine + 0.10 * cursors[1].at(x, y, z);
        let mut density = plain * (1.0 + weight) * texture;
        if !self.haze.is_empty() {
            let q = thorax.to_standard(p);
            for ((haze, _), field) in self.haze.iter().zip(&mut cursors[2..]) {
                let level = (0..3)
                    .map(|k| ((q[k] - haze.centre[k]) / haze.radii[k]).powi(2))
                    .sum::<f64>();
                if level < 2.2 {
                    let patches = haze.patchy as f32 * (field.at(x, y, z) + 0.4 * fine);
                    let share = (1.6 * (1.0 - level.sqrt() as f32 + 0.6 * patches)).clamp(0.0, 1.0);
                    density += haze.gain as f32
                        * share
                        * share
                        * (3.0 - 2.0 * share)
                        * (1.0 + 0.3 * patches);
                }
            }
        }
        density.clamp(0.02, 1.02)
    }
}
