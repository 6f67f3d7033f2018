//! Which findings a patient has, and how large.

use super::{Change, Finding, Kind, grade_of, zone_of};
use crate::findings::Zone;
use crate::patient::Patient;
use crate::random::Draws;
use hilum_volume::Vec3;

/// Share of studies without findings.
const NORMAL: f64 = 0.35;

/// Relative frequency of each kind among findings.
const FREQUENCY: [(Kind, f64); 12] = [
    (Kind::Nodule, 1.3),
    (Kind::Mass, 0.6),
    (Kind::Consolidation, 1.3),
    (Kind::GroundGlass, 0.8),
    (Kind::Interstitial, 0.8),
    (Kind::Effusion, 1.4),
    (Kind::Pneumothorax, 0.8),
    (Kind::Atelectasis, 1.0),
    (Kind::Cardiomegaly, 1.2),
    (Kind::Oedema, 0.8),
    (Kind::Emphysema, 0.8),
    (Kind::RibFracture, 0.6),
];

/// The findings of a patient's first study, and whether it is taken in bed.
pub fn first(patient: &Patient, d: &mut Draws) -> (Vec<Finding>, bool) {
    let mut found: Vec<Finding> = Vec::new();
    if !d.chance(NORMAL) {
        let wanted = 1 + d.below(3);
        for _ in 0..wanted {
            let kind = pick(d);
            let side = d.side();
            // The heart fails or does not: one finding of such a kind, others once a side.
            let twice = found
                .iter()
                .any(|f| f.kind == kind && (kind != Kind::Nodule || found.len() > 3));
            if !twice {
                found.push(one(kind, side, found.len() as u16 + 1, patient, d));
            }
        }
    }
    let ill = found
        .iter()
        .filter(|f| {
            matches!(
                f.kind,
                Kind::Oedema | Kind::Consolidation | Kind::Effusion | Kind::Pneumothorax
            )
        })
        .count();
    let supine = d.chance(0.12 + 0.18 * ill as f64);
    devices(&mut found, supine, patient, d);
    (found, supine)
}

fn pick(d: &mut Draws) -> Kind {
    let total: f64 = FREQUENCY.iter().map(|f| f.1).sum();
    let mut at = d.unit() * total;
    for (kind, weight) in FREQUENCY {
        at -= weight;
        if at < 0.0 {
            return kind;
        }
    }
    Kind::Nodule
}

fn devices(found: &mut Vec<Finding>, supine: bool, patient: &Patient, d: &mut Draws) {
    let chances = [
        (Kind::EndotrachealTube, if supine { 0.4 } else { 0.0 }),
        (Kind::NasogastricTube, if supine { 0.35 } else { 0.01 }),
        (Kind::CentralLine, if supine { 0.5 } else { 0.05 }),
        (Kind::Pacemaker, if patient.age > 55 { 0.07 } else { 0.01 }),
        (
            Kind::SternalWires,
            if patient.age > 50 { 0.07 } else { 0.005 },
        ),
    ];
    for (kind, chance) in chances {
        if d.chance(chance) {
            let side = if kind == Kind::Pacemaker { 1.0 } else { -1.0 };
            found.push(one(kind, side, found.len() as u16 + 1, patient, d));
        }
    }
    if let Some(side) = found
        .iter()
        .find(|f| f.kind == Kind::Pneumothorax && f.size > 15.0)
        .map(|f| f.side)
        && d.chance(0.4)
    {
        found.push(one(
            Kind::ChestTube,
            side,
            found.len() as u16 + 1,
            patient,
            d,
        ));
    }
}

/// One finding of a kind.
pub fn one(kind: Kind, side: f64, id: u16, patient: &Patient, d: &mut Draws) -> Finding {
    let size = match kind {
        Kind::Nodule => d.range(6.0, 28.0),
        Kind::Mass => d.range(32.0, 75.0),
        Kind::Consolidation | Kind::GroundGlass => d.range(22.0, 58.0),
        Kind::Pneumothorax => d.range(7.0, 50.0),
        Kind::Atelectasis => d.range(35.0, 90.0),
        // The healthy heart ends below 0.50; what is called enlarged must be.
        Kind::Cardiomegaly => d.range(0.53, 0.68) / patient.heart,
        Kind::RibFracture => d.range(1.5, 8.0),
        Kind::Effusion => d.range(0.18, 0.9),
        _ => d.range(0.2, 1.0),
    };
    let (side, centre) = place(kind, side, size, d);
    let zone = match kind {
        Kind::Effusion
        | Kind::Cardiomegaly
        | Kind::Oedema
        | Kind::Emphysema
        | Kind::Interstitial => Zone::None,
        kind if kind.is_device() => Zone::None,
        _ => zone_of(centre[2]),
    };
    let grade = grade_of(kind, size);
    Finding {
        id,
        kind,
        side,
        centre,
        size,
        grade,
        zone,
        change: Change::First,
        form: d.word(),
    }
}

fn place(kind: Kind, side: f64, size: f64, d: &mut Draws) -> (f64, Vec3) {
    match kind {
        Kind::Cardiomegaly
        | Kind::Oedema
        | Kind::Emphysema
        | Kind::Interstitial
        | Kind::EndotrachealTube
        | Kind::NasogastricTube
        | Kind::SternalWires => (0.0, [0.0, 0.0, -20.0]),
        Kind::Atelectasis => (
            side,
            [
                side * d.range(62.0, 88.0),
                d.range(-20.0, 30.0),
                d.range(-82.0, -50.0),
            ],
        ),
        Kind::Effusion => (side, [side * 80.0, 30.0, -110.0]),
        Kind::Pneumothorax => (side, [side * 75.0, 10.0, 95.0]),
        _ => {
            let radius = if matches!(kind, Kind::Nodule | Kind::Mass) {
                size / 2.0
            } else {
                0.55 * size
            };
            let z = d.range(-78.0 + 0.6 * radius, 100.0 - 0.8 * radius);
            let [half, back, front] = crate::anatomy::cage(z);
            let x = d.range(
                40.0_f64.min(half * 0.5),
                (half - radius - 8.0).max(half * 0.55),
            );
            let y = d.range(front * 0.55, back * 0.7);
            (side, [side * x, y, z])
        }
    }
}
