//! Phantom blocks of known geometry: with their structures given, and with structures found in noise.

#![allow(clippy::unwrap_used)]

use hilum_chestct::surroundings::measure;
use hilum_chestct::vessels::VesselOptions;
use hilum_chestct::{AirwayOptions, Airways, Features, Structures, SurroundingOptions};
use hilum_phantom::block::{Block, BlockPlan, block};

fn given(b: &Block) -> Features {
    let structures = Structures {
        lungs: b.lungs.clone(),
        airways: Ok(Airways {
            mask: b.airways.clone(),
            threshold: 0.0,
            leaked: false,
        }),
        vessels: b.vessels.clone(),
    };
    let rows = measure(
        &b.ct,
        &b.nodule,
        &structures,
        &SurroundingOptions::default(),
    )
    .unwrap();
    assert_eq!(rows.len(), 1);
    rows[0].clone()
}

#[test]
fn the_geometry_is_exact_where_structures_are_given() {
    for (number, spacing) in [(1, [0.9; 3]), (2, [0.8, 0.8, 1.1])] {
        let plan = BlockPlan {
            half: [30.0; 3],
            spacing,
            radius: 6.0,
            pleura: 4.3,
            bronchus: 9.0,
            airways_touching: 1,
            airways_projecting: 1,
            vessels_touching: 2,
            vessels_projecting: 1,
            ..BlockPlan::default()
        };
        let b = block(&plan, 11, number).unwrap();
        let f = given(&b);
        let ball = 4.0 / 3.0 * std::f64::consts::PI * 216.0;
        assert!((f.volume_mm3 / ball - 1.0).abs() < 0.02, "{f:?}");
        assert!((f.pleura_mm.unwrap() - 4.3).abs() < 0.5, "{f:?}");
        let a = f.airways.unwrap();
        assert_eq!((a.touching, a.projecting), (1, 1), "{f:?}");
        assert!(a.mm.unwrap() < 0.5, "{f:?}");
        assert_eq!((f.vessels.touching, f.vessels.projecting), (2, 1), "{f:?}");
        assert_eq!(f.vessels.mm, Some(0.0), "{f:?}");
    }
}

#[test]
fn what_passes_a_nodule_neither_touches_it_nor_points_at_it() {
    for number in 0..4 {
        let plan = BlockPlan {
            half: [30.0; 3],
            spacing: [0.9, 0.9, 1.2],
            vessel: 2.5,
            passing: 6,
            ..BlockPlan::default()
        };
        let f = given(&block(&plan, 14, number).unwrap());
        let a = f.airways.unwrap();
        let counts = [
            a.touching,
            a.projecting,
            f.vessels.touching,
            f.vessels.projecting,
        ];
        assert_eq!(counts, [0; 4], "{number}: {f:?}");
    }
}

#[test]
fn gaps_are_measured_between_surfaces() {
    for number in 0..3 {
        let plan = BlockPlan {
            half: [30.0; 3],
            spacing: [0.9; 3],
            bronchus: 7.5,
            vessel: 3.2,
            pleura: 6.1,
            passing: 0,
            ..BlockPlan::default()
        };
        let b = block(&plan, 12, number).unwrap();
        let f = given(&b);
        for (seen, planted) in [
            (f.pleura_mm, b.truth.pleura_mm),
            (f.airways.unwrap().mm, b.truth.airway_mm),
            (f.vessels.mm, b.truth.vessel_mm),
        ] {
            assert!((seen.unwrap() - planted).abs() < 0.5, "{f:?} {:?}", b.truth);
        }
    }
}

#[test]
fn structures_are_found_in_noise() {
    let plan = BlockPlan {
        half: [40.0; 3],
        spacing: [1.2, 1.2, 1.5],
        noise: 20.0,
        bronchus: 10.0,
        vessels_touching: 2,
        ..BlockPlan::default()
    };
    let b = block(&plan, 13, 1).unwrap();
    let found = Structures::of(
        &b.ct,
        &b.nodule,
        Some(b.seed),
        &AirwayOptions::default(),
        &VesselOptions::default(),
    )
    .unwrap();
    let dice = |a: &hilum_volume::Volume<u8>, c: &hilum_volume::Volume<u8>| {
        let both = a
            .data
            .iter()
            .zip(&c.data)
            .filter(|(x, y)| **x != 0 && **y != 0)
            .count();
        let all = a.data.iter().chain(&c.data).filter(|v| **v != 0).count();
        2.0 * both as f64 / all as f64
    };
    assert!(dice(&found.lungs, &b.lungs) > 0.95);
    let tree = found.airways.as_ref().unwrap();
    assert!(
        dice(&tree.mask, &b.airways) > 0.75,
        "{}",
        dice(&tree.mask, &b.airways)
    );
    assert!(
        dice(&found.vessels, &b.vessels) > 0.75,
        "{}",
        dice(&found.vessels, &b.vessels)
    );
    let rows = measure(&b.ct, &b.nodule, &found, &SurroundingOptions::default()).unwrap();
    assert_eq!(rows[0].vessels.touching, 2, "{rows:?}");
    let again = measure(&b.ct, &b.nodule, &found, &SurroundingOptions::default()).unwrap();
    assert_eq!(rows, again);
    let empty = b.nodule.map(|_| 0);
    assert!(measure(&b.ct, &empty, &found, &SurroundingOptions::default()).is_err());
}
