//! Label volumes: which structure every voxel of a phantom CT belongs to.
//!
//! Names and numbers are those of common CT label sets where they have the structure, so that what reads those reads
//! these. One voxel has one label: thin things lie over what they run through, findings over everything.

use crate::anatomy::{Organ, Thorax};
use crate::findings::{Finding, Kind};
use crate::grid::Distances;
use crate::lobes::Lobe;
use crate::solids::{self, Part, Solid};
use hilum_volume::Volume;

/// Labels of findings start here, in the order of [`Kind::ALL`].
const FIRST_FINDING: u8 = 201;

/// Every structure with its label.
pub fn structures() -> Vec<(String, u8)> {
    let mut all: Vec<(String, u8)> = Lobe::ALL
        .iter()
        .map(|&l| (lobe_name(l).to_owned(), lobe(l)))
        .collect();
    let named = [
        ("trachea", 16),
        ("heart", 51),
        ("aorta", 52),
        ("humerus", 69),
        ("scapula_left", 71),
        ("scapula_right", 72),
        ("clavicula_left", 73),
        ("clavicula_right", 74),
        ("sternum", 116),
        ("spine", 150),
        ("lung_vessels", 151),
        ("bronchi", 152),
        ("mediastinum", 153),
        ("abdomen", 154),
    ];
    all.extend(named.map(|(n, id)| (n.to_owned(), id)));
    for (side, name) in [(1, "left"), (-1, "right")] {
        all.extend((1..=12).map(|n| (format!("rib_{name}_{n}"), rib(side, n))));
    }
    all.extend(Kind::ALL.iter().map(|&k| (finding_name(k), finding(k))));
    all.sort_by_key(|s| s.1);
    all
}

fn lobe_name(l: Lobe) -> &'static str {
    match l {
        Lobe::LeftUpper => "lung_upper_lobe_left",
        Lobe::LeftLower => "lung_lower_lobe_left",
        Lobe::RightUpper => "lung_upper_lobe_right",
        Lobe::RightMiddle => "lung_middle_lobe_right",
        Lobe::RightLower => "lung_lower_lobe_right",
    }
}

fn lobe(l: Lobe) -> u8 {
    match l {
        Lobe::LeftUpper => 10,
        Lobe::LeftLower => 11,
        Lobe::RightUpper => 12,
        Lobe::RightMiddle => 13,
        Lobe::RightLower => 14,
    }
}

fn rib(side: i8, number: u8) -> u8 {
    if side > 0 { 91 + number } else { 103 + number }
}

fn finding(kind: Kind) -> u8 {
    let place = Kind::ALL.iter().position(|&k| k == kind).unwrap_or(0);
    FIRST_FINDING + place as u8
}

fn finding_name(kind: Kind) -> String {
    let words = kind.label().to_lowercase().replace(' ', "_");
    format!("finding_{words}")
}

/// The label of a thin thing and its rank: higher ranks are painted later.
fn of_part(part: Part, findings: &[Finding]) -> Option<(u8, u8)> {
    Some(match part {
        Part::Vessels => (0, 151),
        Part::Bronchi => (1, 152),
        Part::Trachea => (2, 16),
        Part::Spine => (3, 150),
        Part::Sternum => (3, 116),
        Part::Humerus => (3, 69),
        Part::Scapula(side) => (3, if side > 0 { 71 } else { 72 }),
        Part::Rib(side, number) => (4, rib(side, number)),
        Part::Clavicle(side) => (5, if side > 0 { 73 } else { 74 }),
        Part::Finding(id) => (6, finding(findings.iter().find(|f| f.id == id)?.kind)),
    })
}

/// The label of every voxel of the fine grid.
pub fn volume(thorax: &Thorax, distances: &Distances) -> Volume<u8> {
    let diffuse = |f: &&Finding| {
        matches!(
            f.kind,
            Kind::Consolidation | Kind::GroundGlass | Kind::Interstitial | Kind::Oedema
        )
    };
    let hazes: Vec<(u8, Vec<f32>)> = thorax
        .findings
        .iter()
        .filter(diffuse)
        .map(|f| (finding(f.kind), distances.haze(thorax, f.id)))
        .collect();
    let mut out = distances.fine(|k| organs(thorax, distances, &hazes, k));
    let mut parts: Vec<(u8, u8, &Solid)> = thorax
        .solids
        .iter()
        .filter_map(|s| of_part(s.part, &thorax.findings).map(|(rank, id)| (rank, id, s)))
        .collect();
    parts.sort_by_key(|p| p.0);
    for (_, id, solid) in parts {
        solids::fill(solid, &mut out, id);
    }
    out
}

/// One slice of the large organs and of the findings that have no shape of their own.
fn organs(thorax: &Thorax, distances: &Distances, hazes: &[(u8, Vec<f32>)], k: usize) -> Vec<u8> {
    let slice = |o: Organ| distances.fine_slice(distances.organ(o), k);
    let mut out: Vec<u8> = slice(Organ::Abdomen)
        .iter()
        .zip(slice(Organ::Body))
        .map(|(&d, body)| if d < 0.0 && body < 0.0 { 154 } else { 0 })
        .collect();
    let mut paint = |field: Vec<f32>, id: u8| {
        for (v, d) in out.iter_mut().zip(field) {
            if d < 0.0 {
                *v = id;
            }
        }
    };
    paint(slice(Organ::Mediastinum), 153);
    paint(slice(Organ::Aorta), 52);
    paint(slice(Organ::Heart), 51);
    for (side, fluid, air) in [
        (-1.0, Organ::RightFluid, Organ::RightAir),
        (1.0, Organ::LeftFluid, Organ::LeftAir),
    ] {
        let has = |kind| {
            thorax
                .findings
                .iter()
                .any(|f| f.kind == kind && f.side * side >= 0.0)
        };
        if has(Kind::Effusion) {
            paint(slice(fluid), finding(Kind::Effusion));
        }
        if has(Kind::Pneumothorax) {
            paint(slice(air), finding(Kind::Pneumothorax));
        }
    }
    for (side, organ) in [(-1.0, Organ::RightLung), (1.0, Organ::LeftLung)] {
        for (at, d) in slice(organ).into_iter().enumerate() {
            if d < 0.0 {
                let p = thorax.to_standard(distances.fine_point(at, k));
                out[at] = lobe(Lobe::at(thorax, p, side));
            }
        }
    }
    for (id, field) in hazes {
        for (v, d) in out.iter_mut().zip(distances.fine_slice(field, k)) {
            if d < 0.0 {
                *v = *id;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_given_once() {
        let all = structures();
        let mut ids: Vec<u8> = all.iter().map(|s| s.1).collect();
        let mut names: Vec<&String> = all.iter().map(|s| &s.0).collect();
        ids.dedup();
        names.sort();
        names.dedup();
        assert_eq!((ids.len(), names.len()), (all.len(), all.len()));
    }
}
