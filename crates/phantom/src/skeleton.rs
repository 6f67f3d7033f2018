//! Bones, as tubes: a shell of cortex around spongy bone.

use crate::anatomy::{Thorax, cage, spine_at};
use crate::shapes::{curve, sampled};
use crate::solids::{Part, Solid, Tube};
use hilum_volume::Vec3;

/// Density of cortex over soft tissue, water is 1.
const CORTEX: f64 = 1.15;
/// Density of spongy bone over soft tissue.
const SPONGY: f64 = 0.22;

/// Pieces of the part of the upper arm that is seen.
const HUMERUS_STEPS: i32 = 70;
/// Pieces of a rib.
const RIB_STEPS: i32 = 36;

/// Height of the vertebral body Tn (1 to 12; 13 and more are lumbar), standard mm.
pub fn vertebra(n: f64) -> f64 {
    // Bodies grow downwards from 17 to 26 mm with their discs.
    130.0 - 18.6 * (n - 1.0) - 0.34 * (n - 1.0).powi(2)
}

/// All bones of a patient.
pub fn build(thorax: &Thorax) -> Vec<Solid> {
    let mut all = spine(thorax);
    all.extend(sternum(thorax));
    for side in [-1.0, 1.0] {
        (1..=12).for_each(|n| all.extend(rib(thorax, side, n)));
        all.extend(shoulder(thorax, side));
    }
    all
}

fn tube(thorax: &Thorax, points: &[Vec3], radii: Vec<[f64; 2]>, up: Vec3) -> Tube {
    let k = thorax.patient.scale;
    Tube {
        points: points.iter().map(|&p| thorax.to_mm(p)).collect(),
        radii: radii.iter().map(|r| [r[0] * k, r[1] * k]).collect(),
        up,
    }
}

fn bone(
    thorax: &Thorax,
    points: &[Vec3],
    radii: Vec<[f64; 2]>,
    up: Vec3,
    share: f64,
    part: Part,
) -> Vec<Solid> {
    // Vertebrae have a thin cortex.
    let density = thorax.patient.bone * if part == Part::Spine { 0.62 } else { 1.0 };
    tube(thorax, points, radii, up).shell(CORTEX * density, share, SPONGY * density, part)
}

/// The middle line of a rib, standard mm, `t` from its head (0) to its bony end (1).
pub fn rib_line(thorax: &Thorax, side: f64, number: usize, t: f64) -> Vec3 {
    let n = number as f64;
    let head = vertebra(n) + 6.0;
    let reach = match number {
        1 => 2.5,
        2..=7 => 2.74,
        8 => 2.5,
        9 => 2.25,
        10 => 1.95,
        11 => 1.5,
        _ => 1.1,
    };
    let angle = 0.16 + (reach - 0.16) * t;
    let drop = match number {
        1 => 26.0,
        2 => 44.0,
        3 => 56.0,
        _ => 66.0 + 4.5 * (n - 4.0).min(6.0),
    } * thorax.patient.rib_slope;
    // Ribs rise a little beside the spine, then fall towards the front.
    let fall = drop * (0.5 - 0.5 * angle.cos()).powf(1.25);
    let z = head - fall + 5.0 * (2.2 * angle).sin().max(0.0) * (1.0 - t);
    let [half, back, front] = cage(z.min(head).min(126.0));
    let out = 5.5;
    let power = |v: f64| v.signum() * v.abs().powf(2.0 / 2.6);
    let (middle, depth) = (0.5 * (back + front), 0.5 * (back - front) + out);
    let spine = spine_at(&thorax.patient, z)[0];
    let x = side * ((half + out) * power(angle.sin())).max(16.0);
    [
        x + spine * (1.0 - t).max(0.0),
        middle + depth * power(angle.cos()),
        z,
    ]
}

/// Half height and half thickness of a rib, standard mm.
fn rib_section(number: usize, t: f64) -> [f64; 2] {
    let size = match number {
        1 => 0.9,
        11 | 12 => 0.8,
        _ => 1.0,
    };
    let broad = 5.0 + 1.9 * t;
    let end = ((1.0 - t) / 0.04).clamp(0.45, 1.0);
    [size * broad * end, size * 3.5 * end]
}

/// The half of a rib that runs along the back, unbroken, for its outline.
pub fn posterior_rib(thorax: &Thorax, side: f64, number: usize) -> Vec<Solid> {
    let places = (0..=RIB_STEPS / 2).map(|k| f64::from(k) / f64::from(RIB_STEPS));
    let (line, radii): (Vec<Vec3>, Vec<[f64; 2]>) = places
        .map(|t| (rib_line(thorax, side, number, t), rib_section(number, t)))
        .unzip();
    let part = Part::Rib(side as i8, number as u8);
    tube(thorax, &line, radii, [0.0, 0.0, 1.0]).solids(1.0, part)
}

fn rib(thorax: &Thorax, side: f64, number: usize) -> Vec<Solid> {
    let steps = RIB_STEPS;
    let line: Vec<Vec3> = (0..=steps)
        .map(|k| rib_line(thorax, side, number, f64::from(k) / f64::from(steps)))
        .collect();
    let section = |k: i32| rib_section(number, f64::from(k) / f64::from(steps));
    let part = Part::Rib(side as i8, number as u8);
    let broken = thorax
        .effects
        .fractures
        .iter()
        .find(|f| f.side == side && f.rib == number);
    let Some(fracture) = broken else {
        return bone(
            thorax,
            &line,
            (0..=steps).map(section).collect(),
            [0.0, 0.0, 1.0],
            0.74,
            part,
        );
    };
    // The ends part at the break, and the outer one is displaced.
    let at = (fracture.at * f64::from(steps)) as usize;
    let (inner, mut outer) = (line[..at].to_vec(), line[at + 1..].to_vec());
    let fade = |k: usize| (1.0 - k as f64 / 14.0).max(0.0);
    for (k, p) in outer.iter_mut().enumerate() {
        p[2] -= fracture.shift * fade(k);
        p[0] += side * 0.4 * fracture.shift * fade(k);
    }
    let radii: Vec<[f64; 2]> = (0..=steps).map(section).collect();
    let mut all = bone(
        thorax,
        &inner,
        radii[..at].to_vec(),
        [0.0, 0.0, 1.0],
        0.74,
        part,
    );
    all.extend(bone(
        thorax,
        &outer,
        radii[at + 1..].to_vec(),
        [0.0, 0.0, 1.0],
        0.74,
        part,
    ));
    all
}

/// Vertebrae that are there, T1 being 1.
const VERTEBRAE: std::ops::RangeInclusive<i32> = -3..=16;
/// Half sides of a spinous process along it, standard mm.
const SPINOUS_SECTION: [[f64; 2]; 3] = [[4.6, 2.6]; 3];

/// Middle line of the spinous process of Tn, standard mm.
pub fn spinous_line(thorax: &Thorax, n: f64) -> [Vec3; 3] {
    let z = vertebra(n);
    [(0.0, 30.0), (-9.0, 42.0), (-17.0, 50.0)].map(|(dz, dy)| {
        let [x, y] = spine_at(&thorax.patient, (z + dz).clamp(-230.0, 170.0));
        [x, y + dy, z + dz]
    })
}

/// All spinous processes, for their outline.
pub fn spinous_processes(thorax: &Thorax) -> Vec<Solid> {
    let one = |n: i32| {
        let line = spinous_line(thorax, f64::from(n));
        tube(thorax, &line, SPINOUS_SECTION.to_vec(), [0.0, 0.0, 1.0]).solids(1.0, Part::Spine)
    };
    VERTEBRAE.flat_map(one).collect()
}

fn spine(thorax: &Thorax) -> Vec<Solid> {
    let mut all = Vec::new();
    for n in VERTEBRAE {
        let n = f64::from(n);
        let (z, next) = (vertebra(n), vertebra(n + 1.0));
        let high = 0.39 * (z - next);
        let size = 0.72 + 0.026 * (n + 3.0);
        let place = |dz: f64, dx: f64, dy: f64| {
            let [x, y] = spine_at(&thorax.patient, (z + dz).clamp(-230.0, 170.0));
            [x + dx, y + dy, z + dz]
        };
        let body: Vec<Vec3> = [-high, -0.6 * high, 0.0, 0.6 * high, high]
            .iter()
            .map(|&dz| place(dz, 0.0, 0.0))
            .collect();
        let waist = [1.08, 0.97, 0.93, 0.97, 1.08]
            .map(|w| [13.5 * size * w, 16.0 * size * w])
            .to_vec();
        all.extend(bone(
            thorax,
            &body,
            waist,
            [0.0, 1.0, 0.0],
            0.93,
            Part::Spine,
        ));
        for end in [-1.0, 1.0] {
            // End plates.
            let plate = [
                place(end * high, 0.0, 0.0),
                place(end * (high + 1.2), 0.0, 0.0),
            ];
            let solid = tube(
                thorax,
                &plate,
                vec![[14.0 * size, 16.8 * size]; 2],
                [0.0, 1.0, 0.0],
            );
            all.extend(solid.solids(0.55 * thorax.patient.bone, Part::Spine));
            // Pedicle and transverse process.
            let pedicle = [
                place(3.0, end * 10.0 * size, 12.0),
                place(3.0, end * 11.0 * size, 24.0),
            ];
            all.extend(bone(
                thorax,
                &pedicle,
                vec![[5.0, 3.2]; 2],
                [0.0, 0.0, 1.0],
                0.6,
                Part::Spine,
            ));
            let process = [
                place(4.0, end * 11.0, 26.0),
                place(6.0, end * 20.0, 32.0),
                place(8.0, end * 29.0 * size.min(1.0), 36.0),
            ];
            all.extend(bone(
                thorax,
                &process,
                vec![[4.5, 4.0]; 3],
                [0.0, 0.0, 1.0],
                0.72,
                Part::Spine,
            ));
        }
        let spinous = spinous_line(thorax, n);
        all.extend(bone(
            thorax,
            &spinous,
            SPINOUS_SECTION.to_vec(),
            [0.0, 0.0, 1.0],
            0.6,
            Part::Spine,
        ));
    }
    all
}

fn sternum(thorax: &Thorax) -> Vec<Solid> {
    let front = |z: f64| cage(z)[2] - 6.0;
    let line: Vec<Vec3> = [92.0, 70.0, 50.0, 0.0, -45.0, -62.0]
        .iter()
        .map(|&z| [0.0, front(z), z])
        .collect();
    let radii = vec![
        [22.0, 5.0],
        [20.0, 5.5],
        [14.0, 5.0],
        [16.0, 5.0],
        [12.0, 4.0],
        [6.0, 3.0],
    ];
    bone(thorax, &line, radii, [1.0, 0.0, 0.0], 0.86, Part::Sternum)
}

fn shoulder(thorax: &Thorax, s: f64) -> Vec<Solid> {
    let mut all = Vec::new();
    let side = s as i8;
    let lift = if thorax.exposure.supine { 8.0 } else { 0.0 };
    let clavicle = sampled(
        &[
            [s * 17.0, -40.0, 93.0],
            [s * 48.0, -46.0, 97.0 + 0.4 * lift],
            [s * 98.0, -14.0, 107.0 + lift],
            [s * 146.0, 12.0, 113.0 + lift],
        ],
        24,
    );
    let radii = (0..=24).map(|k| {
        let t = (f64::from(k) / 24.0 - 0.45).abs();
        [5.2 + 6.0 * t * t, 5.6 + 5.0 * t * t]
    });
    all.extend(bone(
        thorax,
        &clavicle,
        radii.collect(),
        [0.0, 0.0, 1.0],
        0.70,
        Part::Clavicle(side),
    ));
    // Standing, the shoulders are rolled forward and the blades swing out of the lungs.
    let usual = if thorax.exposure.supine { -14.0 } else { 8.0 };
    let swing = usual + 30.0 * thorax.exposure.shoulders + thorax.patient.retraction;
    // They slide along the ribs: outwards, forwards, and turning to the side.
    let slid = (swing - 8.0).clamp(0.0, 50.0);
    let forward = 0.75 * slid;
    let blade = [
        [s * (102.0 + swing), 84.0 - 0.6 * forward, 96.0],
        [s * (106.0 + swing), 92.0 - 0.8 * forward, 70.0],
        [s * (112.0 + swing), 96.0 - forward, 30.0],
        [s * (116.0 + swing), 94.0 - forward, -12.0],
        [s * (119.0 + swing), 90.0 - forward, -38.0],
    ];
    let line = sampled(&blade, 16);
    let radii = (0..=16).map(|k| {
        let t = f64::from(k) / 16.0;
        let wide = if t < 0.2 {
            18.0 + 80.0 * t
        } else {
            34.0 - 32.0 * (t - 0.2)
        };
        [wide * ((1.0 - t) / 0.1).clamp(0.3, 1.0), 2.2]
    });
    all.extend(bone(
        thorax,
        &line,
        radii.collect(),
        [s * (1.0 - 0.011 * slid), -0.75 - 0.008 * slid, 0.0],
        0.55,
        Part::Scapula(side),
    ));
    // Thick rim on the side of the arm, spine of the blade with the acromion, coracoid.
    let rim = sampled(
        &[
            [s * (158.0 + 0.3 * swing), 40.0 - 0.2 * forward, 82.0],
            [s * (146.0 + 0.6 * swing), 64.0 - 0.6 * forward, 40.0],
            [s * (128.0 + swing), 84.0 - forward, -10.0],
            [s * (121.0 + swing), 90.0 - forward, -36.0],
        ],
        14,
    );
    all.extend(bone(
        thorax,
        &rim,
        (0..=14).map(|k| [5.5 - 0.15 * f64::from(k), 4.0]).collect(),
        [0.0, 1.0, 0.0],
        0.62,
        Part::Scapula(side),
    ));
    let spine = sampled(
        &[
            [s * (86.0 + swing), 96.0 - 0.8 * forward, 76.0],
            [s * 128.0, 86.0, 92.0],
            [s * 164.0, 48.0, 110.0 + lift],
            [s * 158.0, 18.0, 114.0 + lift],
        ],
        14,
    );
    all.extend(bone(
        thorax,
        &spine,
        vec![[5.0, 4.5]; 15],
        [0.0, 0.0, 1.0],
        0.62,
        Part::Scapula(side),
    ));
    let coracoid = sampled(
        &[
            [s * 150.0, 34.0, 92.0],
            [s * 140.0, 16.0, 98.0],
            [s * 136.0, 4.0, 92.0],
        ],
        6,
    );
    all.extend(bone(
        thorax,
        &coracoid,
        vec![[5.5, 5.0]; 7],
        [0.0, 0.0, 1.0],
        0.6,
        Part::Scapula(side),
    ));
    let head = [
        [s * 168.0, 28.0, 96.0],
        [s * 172.0, 28.0, 92.0],
        [s * 178.0, 26.0, 84.0],
        [s * 184.0, 24.0, 70.0],
        [s * 192.0, 20.0, 40.0],
        [s * 214.0, 10.0, -40.0],
    ];
    let radii = [
        [10.0, 10.0],
        [19.0, 19.0],
        [23.0, 22.0],
        [19.0, 19.0],
        [12.5, 12.5],
        [11.0, 11.0],
    ];
    // Pieces are of one width each: short ones, or the outline has steps.
    let points: Vec<Vec3> = (0..=HUMERUS_STEPS)
        .map(|k| curve(&head, f64::from(k) / f64::from(HUMERUS_STEPS)))
        .collect();
    let smooth = (0..=HUMERUS_STEPS).map(|k| {
        let at = f64::from(k) * 5.0 / f64::from(HUMERUS_STEPS);
        let n = (at as usize).min(4);
        let f = at - n as f64;
        [
            radii[n][0] * (1.0 - f) + radii[n + 1][0] * f,
            radii[n][1] * (1.0 - f) + radii[n + 1][1] * f,
        ]
    });
    all.extend(bone(
        thorax,
        &points,
        smooth.collect(),
        [0.0, 1.0, 0.0],
        0.86,
        Part::Humerus,
    ));
    all
}
