//! Findings that are solid: nodules, plates, lines, and devices.

use super::{Finding, Kind};
use crate::anatomy::{Thorax, cage, side_index};
use crate::random::{Draws, Purpose};
use crate::shapes::{Ellipsoid, sampled};
use crate::skeleton::{rib_line, vertebra};
use crate::solids::{Part, Shape, Solid, Tube};
use crate::trees::carina;
use hilum_volume::Vec3;
use hilum_volume::affine::{add_scaled, unit};

/// Density of soft tissue over aerated lung.
fn over_lung(thorax: &Thorax, side: f64) -> f64 {
    1.02 - thorax.patient.lung_density * thorax.effects.density[side_index(side)]
}

/// Solids of all findings.
pub fn build(thorax: &Thorax) -> Vec<Solid> {
    thorax.findings.iter().flat_map(|f| of(thorax, f)).collect()
}

fn of(thorax: &Thorax, f: &Finding) -> Vec<Solid> {
    let mut d = Draws::new(f.form, Purpose::Findings, 0, 0);
    let part = Part::Finding(f.id);
    match f.kind {
        Kind::Nodule => round(thorax, f, part, 0.0, &mut d),
        Kind::Mass => round(thorax, f, part, 1.0, &mut d),
        Kind::Atelectasis => plates(thorax, f, part, &mut d),
        Kind::Interstitial => net(thorax, f, part, &mut d),
        Kind::Oedema => kerley(thorax, f, part, &mut d),
        Kind::Emphysema => bullae(thorax, f, part, &mut d),
        Kind::EndotrachealTube => endotracheal(thorax, part, &mut d),
        Kind::NasogastricTube => nasogastric(thorax, part, &mut d),
        Kind::CentralLine => central_line(thorax, part, &mut d),
        Kind::ChestTube => chest_tube(thorax, f, part),
        Kind::Pacemaker => pacemaker(thorax, f, part, &mut d),
        Kind::SternalWires => wires(thorax, part, &mut d),
        _ => Vec::new(),
    }
}

fn line(thorax: &Thorax, points: &[Vec3], steps: usize, radius: f64) -> Tube {
    Tube::round(
        sampled(points, steps)
            .iter()
            .map(|&p| thorax.to_mm(p))
            .collect(),
        radius,
    )
}

fn direction(d: &mut Draws) -> Vec3 {
    loop {
        let v: Vec3 = std::array::from_fn(|_| d.range(-1.0, 1.0));
        let n: f64 = v.iter().map(|x| x * x).sum();
        if n > 0.01 && n < 1.0 {
            return unit(v);
        }
    }
}

/// A ball, lumpy and with spikes when it is a mass.
fn round(thorax: &Thorax, f: &Finding, part: Part, spikes: f64, d: &mut Draws) -> Vec<Solid> {
    let centre = thorax.to_mm(f.centre);
    let r = f.size / 2.0;
    let density = over_lung(thorax, f.side);
    let stretch = [d.range(0.88, 1.0), d.range(0.8, 1.0), d.range(0.8, 1.0)];
    let ball = Ellipsoid::along(centre, direction(d), stretch.map(|s| s * r));
    let mut all = vec![Solid {
        shape: Shape::Ball(ball),
        density,
        part,
    }];
    let spiculated = spikes > 0.0 || d.chance(0.25);
    for _ in 0..if spiculated {
        14 + (20.0 * spikes) as usize
    } else {
        0
    } {
        let v = direction(d);
        let start = add_scaled(centre, 0.85 * r, v);
        let end = add_scaled(centre, r * d.range(1.15, 1.5), v);
        let tube = Tube {
            points: vec![start, end],
            radii: vec![[0.09 * r; 2], [0.2; 2]],
            up: [0.3, 0.2, 1.0],
        };
        all.extend(tube.solids(0.8 * density, part));
    }
    all
}

fn plates(thorax: &Thorax, f: &Finding, part: Part, d: &mut Draws) -> Vec<Solid> {
    let density = 0.75 * over_lung(thorax, f.side);
    let n = 1 + d.below(2);
    let mut all = Vec::new();
    for k in 0..n {
        let half = f.size * d.range(0.35, 0.5);
        let slope = d.range(-0.28, 0.12) * f.side;
        let [x, y, z] = f.centre;
        let z = z + 14.0 * k as f64;
        let points = [
            [x - half, y, z - slope * half],
            [x, y, z + 3.0],
            [x + half, y, z + slope * half],
        ];
        let inside: Vec<Vec3> = sampled(&points, 14)
            .into_iter()
            .filter(|&p| thorax.cavity(p, f.side) < 0.0)
            .collect();
        let last = inside.len().saturating_sub(1).max(1) as f64;
        let radii = (0..inside.len()).map(|n| {
            let end = (1.0 - (2.0 * n as f64 / last - 1.0).powi(2))
                .max(0.05)
                .sqrt();
            [d.range(1.2, 1.7) * end, 20.0 * end]
        });
        let tube = Tube {
            radii: radii.collect(),
            points: inside.iter().map(|&p| thorax.to_mm(p)).collect(),
            up: [0.0, 0.0, 1.0],
        };
        all.extend(tube.solids(density, part));
    }
    all
}

fn net(thorax: &Thorax, f: &Finding, part: Part, d: &mut Draws) -> Vec<Solid> {
    let mut all = Vec::new();
    let wanted = 240 + (700.0 * f.size) as usize;
    let mut tries = 0;
    let mut placed = 0;
    while placed < wanted && tries < 20 * wanted {
        tries += 1;
        let side = d.side();
        let p = [
            side * d.range(20.0, 132.0),
            d.range(-70.0, 84.0),
            d.range(-130.0, 70.0),
        ];
        let space = thorax.cavity(p, side);
        // Towards the pleura and the base.
        let keep = (1.0 - (-space) / 55.0).clamp(0.1, 1.0) * (1.0 - (p[2] + 130.0) / 320.0);
        if space > -4.0 || !d.chance(keep) {
            continue;
        }
        placed += 1;
        let (v, bend) = (direction(d), direction(d));
        let long = d.range(5.0, 13.0);
        let points = [
            p,
            add_scaled(add_scaled(p, 0.5 * long, v), 1.6, bend),
            add_scaled(p, long, v),
        ];
        all.extend(line(thorax, &points, 3, d.range(0.35, 0.75)).solids(0.75, part));
    }
    all
}

fn kerley(thorax: &Thorax, f: &Finding, part: Part, d: &mut Draws) -> Vec<Solid> {
    let mut all = Vec::new();
    for side in [-1.0, 1.0] {
        for _ in 0..(6.0 + 26.0 * f.size) as usize {
            let z = d.range(-108.0, -40.0);
            let y = d.range(-45.0, 40.0);
            let [half, ..] = cage(z);
            let outer = [side * (half * d.range(0.93, 0.99) - 0.2 * y.abs()), y, z];
            let inner = [
                outer[0] - side * d.range(9.0, 18.0),
                y + d.range(-3.0, 3.0),
                z + d.range(-3.0, 3.0),
            ];
            if thorax.cavity(outer, side) < -1.0 && thorax.cavity(inner, side) < -1.0 {
                all.extend(line(thorax, &[outer, inner], 2, d.range(0.4, 0.7)).solids(0.75, part));
            }
        }
    }
    all
}

fn bullae(thorax: &Thorax, f: &Finding, part: Part, d: &mut Draws) -> Vec<Solid> {
    let mut all = Vec::new();
    for _ in 0..(14.0 * f.size * f.size) as usize {
        let side = d.side();
        let r = d.range(9.0, 26.0);
        let p = [
            side * d.range(30.0, 110.0),
            d.range(-45.0, 60.0),
            d.range(25.0, 105.0),
        ];
        if thorax.cavity(p, side) < -r {
            let air = -0.7 * thorax.patient.lung_density * thorax.effects.density[0];
            let ball = Ellipsoid::upright(thorax.to_mm(p), [r, r * 0.9, r * 1.1]);
            all.push(Solid {
                shape: Shape::Ball(ball),
                density: air,
                part,
            });
        }
    }
    all
}

/// A wall with a stripe that shows on X-rays.
fn catheter(
    thorax: &Thorax,
    points: &[Vec3],
    steps: usize,
    radius: f64,
    wall: f64,
    stripe: f64,
    part: Part,
) -> Vec<Solid> {
    let mut all = line(thorax, points, steps, radius).shell(wall, 0.68, -0.25, part);
    let aside: Vec<Vec3> = points
        .iter()
        .map(|p| [p[0] + 0.75 * radius, p[1], p[2]])
        .collect();
    all.extend(line(thorax, &aside, steps, 0.55).solids(stripe, part));
    all
}

fn endotracheal(thorax: &Thorax, part: Part, d: &mut Draws) -> Vec<Solid> {
    let c = carina();
    let tip = c[2] + d.range(12.0, 70.0);
    catheter(
        thorax,
        &[
            [0.0, -10.0, 215.0],
            [0.0, -4.0, 140.0],
            [0.4 * c[0], 5.0, tip + 20.0],
            [0.5 * c[0], 7.0, tip],
        ],
        26,
        4.6,
        0.25,
        2.2,
        part,
    )
}

fn nasogastric(thorax: &Thorax, part: Part, d: &mut Draws) -> Vec<Solid> {
    let end = thorax.dome(1.0);
    catheter(
        thorax,
        &[
            [2.0, 0.0, 215.0],
            [3.0, 16.0, 130.0],
            [6.0, 30.0, 40.0],
            [3.0, 32.0, -40.0],
            [12.0, 22.0, end - 12.0],
            [44.0, 0.0, end - 34.0],
            [72.0, -20.0, end - 60.0 - d.range(0.0, 20.0)],
        ],
        44,
        2.4,
        0.35,
        2.6,
        part,
    )
}

fn central_line(thorax: &Thorax, part: Part, d: &mut Draws) -> Vec<Solid> {
    let tip = d.range(-6.0, 36.0);
    let points = if d.chance(0.6) {
        vec![
            [-52.0, -8.0, 178.0],
            [-46.0, -12.0, 138.0],
            [-30.0, -10.0, 95.0],
            [-24.0, -16.0, 55.0],
            [-23.0, -20.0, tip],
        ]
    } else {
        vec![
            [-112.0, -52.0, 62.0],
            [-92.0, -44.0, 92.0],
            [-55.0, -26.0, 96.0],
            [-28.0, -14.0, 78.0],
            [-23.0, -20.0, tip],
        ]
    };
    line(thorax, &points, 40, 1.15).solids(2.6, part)
}

fn chest_tube(thorax: &Thorax, f: &Finding, part: Part) -> Vec<Solid> {
    let s = f.side;
    catheter(
        thorax,
        &[
            [s * 182.0, 10.0, -34.0],
            [s * 140.0, 8.0, -10.0],
            [s * 112.0, 10.0, 40.0],
            [s * 74.0, 14.0, 96.0],
        ],
        30,
        4.4,
        0.35,
        2.8,
        part,
    )
}

fn pacemaker(thorax: &Thorax, f: &Finding, part: Part, d: &mut Draws) -> Vec<Solid> {
    let s = f.side;
    let front = cage(72.0)[2] - 22.0 - 0.6 * thorax.patient.padding;
    let c = [s * d.range(88.0, 104.0), front, d.range(62.0, 80.0)];
    let can = Tube {
        points: vec![
            thorax.to_mm([c[0], c[1] - 3.2, c[2]]),
            thorax.to_mm([c[0], c[1] + 3.2, c[2]]),
        ],
        radii: vec![[21.0, 25.0]; 2],
        up: [0.2, 0.0, 1.0],
    };
    let mut all = can.solids(4.2, part);
    let head = Tube {
        points: vec![
            thorax.to_mm([c[0], c[1] - 3.0, c[2] + 22.0]),
            thorax.to_mm([c[0], c[1] + 3.0, c[2] + 22.0]),
        ],
        radii: vec![[7.0, 13.0]; 2],
        up: [0.0, 0.0, 1.0],
    };
    all.extend(head.solids(1.0, part));
    let way = [
        [c[0] - s * 6.0, c[1], c[2] + 22.0],
        [s * 72.0, front + 12.0, 104.0],
        [s * 40.0, -26.0, 92.0],
        [-10.0, -14.0, 66.0],
        [-22.0, -18.0, 25.0],
        [-24.0, -22.0, -30.0],
    ];
    let ventricle = [
        way.as_slice(),
        &[
            [-16.0, -32.0, -70.0],
            [14.0, -44.0, -88.0],
            [42.0, -46.0, -88.0],
        ],
    ]
    .concat();
    all.extend(line(thorax, &ventricle, 60, 0.95).solids(4.5, part));
    if d.chance(0.7) {
        let atrium: Vec<Vec3> = [
            way.as_slice(),
            &[[-20.0, -34.0, -50.0], [-26.0, -48.0, -36.0]],
        ]
        .concat();
        let aside: Vec<Vec3> = atrium
            .iter()
            .map(|p| [p[0] + 2.0, p[1], p[2] - 2.0])
            .collect();
        all.extend(line(thorax, &aside, 60, 0.95).solids(4.5, part));
    }
    all
}

fn wires(thorax: &Thorax, part: Part, d: &mut Draws) -> Vec<Solid> {
    let mut all = Vec::new();
    for k in 0..6 {
        let z = 66.0 - 21.0 * f64::from(k) + d.range(-3.0, 3.0);
        let y = cage(z)[2] - 7.0;
        let (w, h, lean) = (d.range(9.0, 13.0), d.range(4.0, 6.5), d.range(-0.3, 0.3));
        let ring: Vec<Vec3> = (0..=20)
            .map(|n| {
                let a = std::f64::consts::TAU * f64::from(n) / 20.0;
                [
                    w * a.cos(),
                    y - 7.0 * a.sin(),
                    z + h * a.sin() + lean * w * a.cos(),
                ]
            })
            .collect();
        all.extend(line(thorax, &ring, 40, 0.55).solids(6.8, part));
        let twist = [[0.0, y - 7.5, z + h], [3.0, y - 8.5, z + h - 5.0]];
        all.extend(line(thorax, &twist, 2, 0.9).solids(6.8, part));
    }
    all
}

/// Middle in mm of what the box of a fracture is drawn around.
pub fn fracture_place(thorax: &Thorax, f: &Finding) -> Vec3 {
    let broken = super::effects::fracture(f);
    thorax.to_mm(rib_line(thorax, broken.side, broken.rib, broken.at))
}

/// Height in mm of a vertebra, for the report of tube tips.
pub fn vertebra_height(thorax: &Thorax, n: f64) -> f64 {
    vertebra(n) * thorax.patient.scale
}
