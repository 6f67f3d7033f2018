//! What the indices of a phantom are by its construction: from its surfaces, tubes and points, projected one by one, without masks.
//!
//! Coordinates are pixels with `(0, 0)` covering `0..1`, as in `hilum_measure`.

use hilum_core::Point;
use hilum_drr::Geometry;
use hilum_measure::index::REFERENCE_SIDE;
use hilum_measure::{HEIGHTS, Index, Outcome, mean_curvature};
use hilum_phantom::Thorax;
use hilum_phantom::anatomy::{APEX, Organ};
use hilum_phantom::parts::{UPPER_END, aorta};
use hilum_phantom::render::Scene;
use hilum_phantom::skeleton::{rib_line, spinous_line};
use hilum_phantom::solids::Part;
use hilum_phantom::trees::{airway_lines, carina};
use hilum_phantom::truth::landmarks;
use std::collections::BTreeMap;

/// A point in mm or standard mm, LPS.
type Vec3 = [f64; 3];

/// Steps between the heights and depths that surfaces are searched at, standard mm.
const STEP: f64 = 5.0;
/// Halvings when a surface is searched.
const HALVINGS: usize = 14;
/// Farthest from the midline that a surface is searched, mm.
const FAR: f64 = 190.0;

/// A phantom and how it was projected.
pub struct Made<'a> {
    scene: &'a Scene<'a>,
    thorax: &'a Thorax,
    geometry: &'a Geometry,
    discs: BTreeMap<&'static str, Vec<Disc>>,
}

/// The outline of a ball on the picture.
#[derive(Debug, Clone, Copy)]
struct Disc {
    at: Point,
    radius: f64,
}

impl<'a> Made<'a> {
    /// Of a phantom and a geometry.
    pub fn new(scene: &'a Scene<'a>, geometry: &'a Geometry) -> Self {
        let thorax = scene.thorax;
        let mut made = Made {
            scene,
            thorax,
            geometry,
            discs: BTreeMap::new(),
        };
        for (name, balls) in aorta(thorax) {
            let discs = balls.iter().filter_map(|b| made.disc(b.0, b.1)).collect();
            made.discs.insert(name, discs);
        }
        made
    }

    /// The value of an index; `None` where the construction has no number for it, or when what it needs is out of the picture.
    /// Heights and columns at which masks were measured are taken over from `seen`.
    pub fn value(&self, index: Index, seen: &Outcome) -> Option<f64> {
        match index {
            Index::Cardiomegaly => self.cardiothoracic(),
            Index::MediastinalWidening => self.mediastinum(),
            Index::CarinaAngle => self.carina_angle(),
            Index::TracheaDeviation => self.trachea(),
            Index::AorticKnob => self.knob(),
            Index::AscendingAorta => self.ascending(),
            Index::DescendingAorta => self.descending(seen),
            Index::Tortuosity => self.tortuosity(seen),
            Index::Inspiration => self.inspiration(seen),
            Index::Rotation => self.rotation(),
            Index::Projection => Some(0.5 * self.overlaps()?.iter().sum::<f64>()),
            // Six distances: a label only.
            Index::Inclusion => None,
        }
    }

    fn seen(&self, standard: Vec3) -> Option<Point> {
        self.place(self.thorax.to_mm(standard))
    }

    fn place(&self, mm: Vec3) -> Option<Point> {
        let [x, y] = self.geometry.project(mm)?;
        Some(Point {
            x: x + 0.5,
            y: y + 0.5,
        })
    }

    fn disc(&self, mm: Vec3, radius: f64) -> Option<Disc> {
        Some(Disc {
            at: self.place(mm)?,
            radius: radius * self.geometry.magnification(mm) / self.geometry.pixel,
        })
    }

    fn inside(&self, organs: &[Organ], mm: Vec3) -> bool {
        let d = self.thorax.organs(&self.thorax.level(mm), mm);
        organs.iter().any(|o| d[*o as usize] <= 0.0)
    }

    /// The outermost point of organs to one side, starting from inside at `(start, y, z)`.
    fn edge(&self, organs: &[Organ], start: f64, y: f64, z: f64, side: f64) -> Option<Vec3> {
        let at = |x: f64| [x, y, z];
        if !self.inside(organs, at(start)) {
            return None;
        }
        let (mut within, mut without) = (start, side * FAR);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (within + without);
            if self.inside(organs, at(middle)) {
                within = middle;
            } else {
                without = middle;
            }
        }
        Some(at(0.5 * (within + without)))
    }

    /// The outermost column of organs to one side at a height, over all depths.
    fn column(&self, organs: &[Organ], start: f64, z: f64, side: f64) -> Option<f64> {
        let depths = (0..36).map(|k| (-90.0 + STEP * f64::from(k)) * self.thorax.stretch[1]);
        depths
            .filter_map(|y| Some(self.place(self.edge(organs, start, y, z, side)?)?.x))
            .reduce(if side < 0.0 { f64::min } else { f64::max })
    }

    fn heights(&self, from: f64, to: f64) -> Vec<f64> {
        let n = ((to - from) / STEP) as usize;
        let z = |k: usize| (from + STEP * k as f64) * self.thorax.stretch[2];
        (0..=n).map(z).collect()
    }

    /// Outer walls of both lungs at a height.
    fn lungs(&self, z: f64) -> Option<(f64, f64)> {
        let lateral = 75.0 * self.thorax.stretch[0];
        Some((
            self.column(&[Organ::RightLung], -lateral, z, -1.0)?,
            self.column(&[Organ::LeftLung], lateral, z, 1.0)?,
        ))
    }

    fn heart(&self) -> Option<(f64, f64)> {
        let mut both: Option<(f64, f64)> = None;
        for z in self.heights(-130.0, 40.0) {
            for start in [-12.0, 8.0, 30.0] {
                let start = start * self.thorax.stretch[0];
                let ends = self
                    .column(&[Organ::Heart], start, z, -1.0)
                    .zip(self.column(&[Organ::Heart], start, z, 1.0));
                if let Some((a, b)) = ends {
                    both = Some(both.map_or((a, b), |(x, y)| (x.min(a), y.max(b))));
                }
            }
        }
        both
    }

    fn cardiothoracic(&self) -> Option<f64> {
        let (a, b) = self.heart()?;
        let widths = self.heights(-120.0, 100.0);
        let thorax = widths
            .iter()
            .filter_map(|z| self.lungs(*z))
            .map(|(r, l)| l - r);
        Some((b - a) / thorax.reduce(f64::max)?)
    }

    fn mediastinum(&self) -> Option<f64> {
        const MIDDLE: [Organ; 2] = [Organ::Mediastinum, Organ::Aorta];
        let at = |z: f64| {
            let right = self.column(&MIDDLE, 0.0, z, -1.0)?;
            let left = self.column(&MIDDLE, 0.0, z, 1.0)?;
            let (r, l) = self.lungs(z)?;
            Some((left - right, l - r))
        };
        let rows = self.heights(carina()[2], UPPER_END);
        let found = rows.iter().filter_map(|z| at(*z));
        found
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(width, lungs)| width / lungs)
    }

    fn carina_angle(&self) -> Option<f64> {
        let c = carina();
        let spread = |x: f64| c[0] + self.thorax.patient.carina_spread * (x - c[0]);
        let (apex, right, left) = (
            self.seen(c)?,
            self.seen([spread(-21.0), 14.0, -10.0])?,
            self.seen([spread(34.0), 14.0, -12.0])?,
        );
        let way = |p: Point| (p.y - apex.y).atan2(p.x - apex.x);
        Some((way(right) - way(left)).abs().to_degrees())
    }

    /// Middle line of the trachea between the lungs' apex and the carina, on the picture, with its half width.
    fn windpipe(&self) -> Vec<Disc> {
        let [(line, radius), ..] = airway_lines(self.thorax);
        let within = |p: &&Vec3| p[2] <= APEX && p[2] >= carina()[2] + 4.0;
        line.iter()
            .filter(within)
            .filter_map(|p| self.disc(self.thorax.to_mm(*p), radius * self.thorax.patient.scale))
            .collect()
    }

    /// Straight line through the spinous processes between two rows, `x = slope y + offset`.
    fn midline(&self, top: f64, bottom: f64) -> Option<(f64, f64)> {
        let points: Vec<Point> = (-3..=12)
            .flat_map(|n| spinous_line(self.thorax, f64::from(n)))
            .filter_map(|p| self.seen(p))
            .filter(|p| (top..=bottom).contains(&p.y))
            .collect();
        let n = points.len() as f64;
        if points.len() < 2 {
            return None;
        }
        let (mx, my) = (
            points.iter().map(|p| p.x).sum::<f64>() / n,
            points.iter().map(|p| p.y).sum::<f64>() / n,
        );
        let yy: f64 = points.iter().map(|p| (p.y - my).powi(2)).sum();
        let xy: f64 = points.iter().map(|p| (p.y - my) * (p.x - mx)).sum();
        let slope = if yy > 0.0 { xy / yy } else { 0.0 };
        Some((slope, mx - slope * my))
    }

    fn trachea(&self) -> Option<f64> {
        let line = self.windpipe();
        let (top, bottom) = (line.first()?.at.y, line.last()?.at.y);
        let (slope, offset) = self.midline(top.min(bottom), top.max(bottom))?;
        let mut offsets: Vec<f64> = line
            .iter()
            .map(|d| (d.at.x - slope * d.at.y - offset) / d.radius)
            .collect();
        offsets.sort_by(f64::total_cmp);
        offsets.get(offsets.len() / 2).copied()
    }

    fn trachea_width(&self) -> Option<f64> {
        let mut widths: Vec<f64> = self.windpipe().iter().map(|d| 2.0 * d.radius).collect();
        widths.sort_by(f64::total_cmp);
        widths.get(widths.len() / 2).copied()
    }

    fn knob(&self) -> Option<f64> {
        let arch = &self.discs["aortic_arch"];
        let border = arch.iter().map(|d| d.at.x + d.radius).reduce(f64::max)?;
        let (top, bottom) = (
            arch.iter().map(|d| d.at.y - d.radius).reduce(f64::min)?,
            arch.iter().map(|d| d.at.y + d.radius).reduce(f64::max)?,
        );
        let walls: Vec<f64> = self
            .windpipe()
            .iter()
            .filter(|d| (top..=bottom).contains(&d.at.y))
            .map(|d| d.at.x + d.radius)
            .collect();
        let wall = walls.iter().sum::<f64>() / walls.len() as f64;
        let value = (border - wall) / self.trachea_width()?;
        value.is_finite().then_some(value)
    }

    /// Share of the ascending aorta's outline beyond the line, by half pixels.
    fn ascending(&self) -> Option<f64> {
        const SOLID: [Organ; 3] = [Organ::Mediastinum, Organ::Aorta, Organ::Heart];
        let end = self.windpipe().last()?.at.y;
        let height = (carina()[2] + 6.0) * self.thorax.stretch[2];
        let from = Point {
            x: self.column(&SOLID, 0.0, height, -1.0)?,
            y: end,
        };
        let heart = self.right_heart()?;
        let slope = (heart.x - from.x) / (heart.y - from.y);
        let discs = &self.discs["ascending_aorta"];
        let edge =
            |f: &dyn Fn(&Disc) -> f64, pick: fn(f64, f64) -> f64| discs.iter().map(f).reduce(pick);
        let x0 = edge(&|d| d.at.x - d.radius, f64::min)?;
        let x1 = edge(&|d| d.at.x + d.radius, f64::max)?;
        let y0 = edge(&|d| d.at.y - d.radius, f64::min)?;
        let y1 = edge(&|d| d.at.y + d.radius, f64::max)?;
        let (mut all, mut beyond) = (0usize, 0usize);
        let steps =
            |a: f64, b: f64| (0..((b - a) * 2.0).ceil() as usize).map(move |k| a + 0.5 * k as f64);
        for y in steps(y0, y1) {
            for x in steps(x0, x1) {
                let within = |d: &Disc| (x - d.at.x).hypot(y - d.at.y) <= d.radius;
                if discs.iter().any(within) {
                    all += 1;
                    beyond += usize::from(x < from.x + slope * (y - from.y));
                }
            }
        }
        (all > 0).then(|| beyond as f64 / all as f64)
    }

    /// The rightmost point of the heart.
    fn right_heart(&self) -> Option<Point> {
        let mut best: Option<Point> = None;
        for z in self.heights(-130.0, 20.0) {
            let start = -12.0 * self.thorax.stretch[0];
            for k in 0..36 {
                let y = (-90.0 + STEP * f64::from(k)) * self.thorax.stretch[1];
                let p = self.edge(&[Organ::Heart], start, y, z, -1.0);
                if let Some(p) = p.and_then(|p| self.place(p))
                    && best.is_none_or(|b| p.x < b.x)
                {
                    best = Some(p);
                }
            }
        }
        best
    }

    /// Right and left wall of the descending aorta at a row.
    fn walls(&self, y: f64) -> Option<(f64, f64)> {
        let half = |d: &Disc| {
            let under = d.radius * d.radius - (y - d.at.y).powi(2);
            (under >= 0.0).then(|| (d.at.x - under.sqrt(), d.at.x + under.sqrt()))
        };
        // The end of the arch is a part of the same vessel, but not of the mask.
        let spans = self.discs["descending_aorta"].iter().filter_map(half);
        spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    fn descending(&self, seen: &Outcome) -> Option<f64> {
        let row = seen.points.iter().find(|p| p.name == "aorta_left")?.at.y;
        let (right, left) = self.walls(row)?;
        Some((left - right) / self.trachea_width()?)
    }

    fn tortuosity(&self, seen: &Outcome) -> Option<f64> {
        let rows: Vec<f64> = seen.points.iter().map(|p| p.at.y).collect();
        let mut points = [Point { x: 0.0, y: 0.0 }; HEIGHTS];
        if rows.len() != HEIGHTS {
            return None;
        }
        for (point, y) in points.iter_mut().zip(rows) {
            *point = Point {
                x: self.walls(y)?.1,
                y,
            };
        }
        let side = self.geometry.width.max(self.geometry.height) as f64;
        Some(mean_curvature(&points) * side / REFERENCE_SIDE)
    }

    /// Row of the right dome's outline at a column.
    fn dome(&self, x: f64) -> Option<f64> {
        let mut best: Option<f64> = None;
        for k in 0..60 {
            let y = -72.0 + 2.6 * f64::from(k);
            for j in 0..48 {
                let sx = -20.0 - 2.5 * f64::from(j);
                let p = self.seen([sx, y, self.thorax.diaphragm(sx, y)])?;
                if (p.x - x).abs() < 2.5 {
                    best = Some(best.map_or(p.y, |b| b.min(p.y)));
                }
            }
        }
        best
    }

    fn inspiration(&self, seen: &Outcome) -> Option<f64> {
        let x = seen.points.iter().find(|p| p.name == "right_dome")?.at.x;
        let dome = self.dome(x)?;
        let above = (1..=12u8).filter(|n| self.rib_edge(*n, x).is_some_and(|y| y < dome));
        above.max().map(f64::from)
    }

    /// Upper edge of the back of a right rib at a column.
    fn rib_edge(&self, number: u8, x: f64) -> Option<f64> {
        let points: Vec<Point> = (0..=60)
            .filter_map(|k| {
                let p = rib_line(
                    self.thorax,
                    -1.0,
                    usize::from(number),
                    0.5 * f64::from(k) / 60.0,
                );
                self.seen(p)
            })
            .collect();
        let pair = points
            .windows(2)
            .find(|w| (w[0].x - x) * (w[1].x - x) <= 0.0)?;
        let run = pair[1].x - pair[0].x;
        let t = if run == 0.0 {
            0.0
        } else {
            (x - pair[0].x) / run
        };
        let y = pair[0].y + t * (pair[1].y - pair[0].y);
        // Half the height of a rib, across its slope.
        let slope = (pair[1].y - pair[0].y) / run;
        let size = match number {
            1 => 0.9,
            11 | 12 => 0.8,
            _ => 1.0,
        };
        let half = 5.5 * size * self.thorax.patient.scale * 1.1 / self.geometry.pixel;
        Some(y - half * slope.hypot(1.0))
    }

    fn rotation(&self) -> Option<f64> {
        let ends = [-17.0, 17.0].map(|x| self.seen([x, -40.0, 93.0]));
        let (a, b) = (ends[0]?, ends[1]?);
        let reach = 0.06 * self.geometry.height as f64;
        let (slope, offset) = self.midline(a.y.min(b.y) - reach, a.y.max(b.y) + reach)?;
        let middle = |y: f64| slope * y + offset;
        let apart = [middle(a.y) - a.x, b.x - middle(b.y)];
        Some(apart[0].min(apart[1]).max(0.0) / apart[0].max(apart[1]))
    }

    /// Share of the right and the left scapula over its lung, on outlines with twice the pixels.
    pub fn overlaps(&self) -> Option<[f64; 2]> {
        let fine = self.scene.geometry(false, 2 * self.geometry.width).ok()?;
        let one = |side: i8, lung: Organ| {
            let scapula = self.scene.parts(|p| p == Part::Scapula(side), &fine);
            let over = scapula.and(&self.scene.organ(lung, &fine).ok()?).ok()?;
            Some(over.count() as f64 / scapula.count() as f64)
        };
        let sides = [one(-1, Organ::RightLung)?, one(1, Organ::LeftLung)?];
        sides.iter().all(|s| s.is_finite()).then_some(sides)
    }

    /// Whether apices, lateral walls and costophrenic angles of the construction keep clear of the edges, and by how much the
    /// least of them does.
    pub fn included(&self) -> Option<(bool, f64)> {
        let (w, h) = (self.geometry.width as f64, self.geometry.height as f64);
        let named = landmarks(self.thorax);
        let at = |name: &str| {
            let found = named.iter().find(|n| n.0 == name)?;
            self.place(found.1)
        };
        let widest = self.heights(-110.0, 60.0);
        let walls: Vec<(f64, f64)> = widest.iter().filter_map(|z| self.lungs(*z)).collect();
        let right = walls.iter().map(|l| l.0).reduce(f64::min)?;
        let left = walls.iter().map(|l| l.1).reduce(f64::max)?;
        let least = [
            at("right_apex")?.y / h - 0.01,
            at("left_apex")?.y / h - 0.01,
            right / w - 0.005,
            (w - left) / w - 0.005,
            (h - at("right_costophrenic_angle")?.y) / h - 0.01,
            (h - at("left_costophrenic_angle")?.y) / h - 0.01,
        ]
        .into_iter()
        .fold(f64::INFINITY, f64::min);
        Some((least >= 0.0, least))
    }
}
