//! Counts and gaps over many phantom blocks of known geometry, their structures given.

#![allow(clippy::unwrap_used)]

use hilum_chestct::surroundings::measure;
use hilum_chestct::vessels::VesselOptions;
use hilum_chestct::{AirwayOptions, Airways, Features, Structures, SurroundingOptions};
use hilum_phantom::block::{Block, BlockPlan, block};
use hilum_phantom::random::{Draws, Purpose};

/// Blocks of the sweep.
const BLOCKS: u64 = 36;
const SPACINGS: [[f64; 3]; 3] = [[0.8; 3], [0.7, 0.7, 1.0], [1.0, 1.0, 1.5]];

fn plan(number: u64) -> BlockPlan {
    let mut d = Draws::new(5, Purpose::Block, number, 7);
    let projecting = d.below(2);
    BlockPlan {
        half: [30.0; 3],
        spacing: SPACINGS[number as usize % SPACINGS.len()],
        radius: d.range(5.0, 7.0),
        pleura: d.range(2.5, 10.0),
        // A branch that ends before the nodule needs room between the two.
        bronchus: d.range(7.0, 10.0) + 4.0 * projecting as f64,
        airways_touching: d.below(2),
        airways_projecting: projecting,
        vessels_touching: d.below(4),
        vessels_projecting: d.below(2),
        vessel: d.range(2.0, 6.0),
        passing: 2,
        noise: 0.0,
    }
}

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
    let options = SurroundingOptions::default();
    measure(&b.ct, &b.nodule, &structures, &options)
        .unwrap()
        .remove(0)
}

#[test]
fn branches_are_counted_and_gaps_measured_in_every_block() {
    let (mut made, mut wrong) = (0, Vec::new());
    for number in 0..BLOCKS {
        let plan = plan(number);
        // A plan that finds no room is no block.
        let Ok(b) = block(&plan, 5, number) else {
            continue;
        };
        made += 1;
        let f = given(&b);
        let a = f.airways.unwrap();
        let (t, v) = (&b.truth, &f.vessels);
        let counts = [a.touching, a.projecting, v.touching, v.projecting];
        let planted = [t.airways[0], t.airways[1], t.vessels[0], t.vessels[1]];
        if counts != planted {
            wrong.push(format!(
                "block {number}: airways and vessels touching, projecting {counts:?}, planted {planted:?}; radius {:.1}, {:?}",
                plan.radius, plan.spacing
            ));
        }
        let half = 0.5 * plan.spacing.iter().copied().fold(0.0, f64::max);
        for (what, seen, planted) in [
            ("pleura", f.pleura_mm, t.pleura_mm),
            ("airway", a.mm, t.airway_mm),
            ("vessel", v.mm, t.vessel_mm),
        ] {
            let seen = seen.unwrap_or(f64::INFINITY);
            if (seen - planted).abs() > half.max(0.5) {
                wrong.push(format!(
                    "block {number}: {what} {seen:.2} mm, planted {planted:.2}; {:?}",
                    plan.spacing
                ));
            }
        }
    }
    assert!(made > 30, "{made} blocks");
    assert!(wrong.is_empty(), "of {made}:\n{}", wrong.join("\n"));
}

/// The pipeline's own structures in noise: what is touched is counted right in most blocks, and gaps stay within a voxel.
#[test]
fn most_blocks_are_counted_right_from_found_structures() {
    let (mut made, mut right, mut off) = (0, [0usize; 2], Vec::new());
    let mut said = String::new();
    for number in 100..112 {
        let plan = BlockPlan {
            half: [36.0; 3],
            spacing: [1.2, 1.2, 1.5],
            noise: 20.0,
            ..plan(number)
        };
        let Ok(b) = block(&plan, 5, number) else {
            continue;
        };
        made += 1;
        let found = Structures::of(
            &b.ct,
            &b.nodule,
            Some(b.seed),
            &AirwayOptions::default(),
            &VesselOptions::default(),
        )
        .unwrap();
        let f = measure(&b.ct, &b.nodule, &found, &SurroundingOptions::default())
            .unwrap()
            .remove(0);
        let (a, v, t) = (f.airways.unwrap(), f.vessels, &b.truth);
        right[0] += usize::from(a.touching == t.airways[0]);
        right[1] += usize::from(v.touching == t.vessels[0]);
        off.push((f.pleura_mm.unwrap() - t.pleura_mm).abs());
        said += &format!(
            "{number}: airways {} {} of {:?} at {:.2} of {:.2}; vessels {} {} of {:?}; pleura {:.2} of {:.2}\n",
            a.touching,
            a.projecting,
            t.airways,
            a.mm.unwrap(),
            t.airway_mm,
            v.touching,
            v.projecting,
            t.vessels,
            f.pleura_mm.unwrap(),
            t.pleura_mm
        );
    }
    off.sort_by(f64::total_cmp);
    assert!(made >= 10 && off[off.len() / 2] < 0.5, "{said}");
    assert!(
        right.iter().all(|r| 10 * r >= 9 * made),
        "{right:?} of {made}:\n{said}"
    );
}
