use super::statistics::{Structure, association, auc};
use super::*;
use crate::claims::ClaimRow;
use cohort::Case;
use hilum_chestct::{Features, Near};
use hilum_phantom::block::BlockTruth;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn context<'a>(folder: &Path, stop: &'a AtomicBool) -> Context<'a> {
    Context {
        data: folder.join("data"),
        runs: folder.join("runs"),
        results: folder.join("results"),
        models: folder.join("models"),
        device: "cpu".into(),
        seed: 3,
        tiny: true,
        federation: Default::default(),
        stop,
    }
}

fn case(malignant: bool, touching: usize, mm: f64) -> Case {
    let near = Near {
        mm: Some(mm),
        touching,
        projecting: 0,
        share: 0.0,
    };
    Case {
        malignant,
        truth: BlockTruth {
            pleura_mm: mm,
            airway_mm: mm,
            vessel_mm: mm,
            airways: [touching, 0],
            vessels: [touching, 0],
        },
        features: Features {
            nodule: 1,
            centre: [0.0; 3],
            volume_mm3: 1.0,
            diameter_mm: 1.0,
            pleura_mm: Some(mm),
            airways: Some(near),
            vessels: near,
        },
    }
}

/// Hosmer and Lemeshow's table of age and coronary disease: 21 and 22 against 6 and 51, odds ratio 8.11, Pearson's chi-square 18.25.
#[test]
fn a_textbook_table_is_reproduced() {
    let mut cases = Vec::new();
    for (malignant, has, n) in [(true, 1, 21), (true, 0, 22), (false, 1, 6), (false, 0, 51)] {
        cases.extend((0..n).map(|_| case(malignant, has, 1.0)));
    }
    let a = association(&cases, |c| Structure::Airways.touching(c).map(|n| n > 0)).unwrap();
    assert!((a.ratio.value - 21.0 * 51.0 / (22.0 * 6.0)).abs() < 1e-12);
    assert!((a.ratio.value - 8.11).abs() < 0.01);
    assert!(
        (a.chi.statistic - 18.25).abs() < 0.01,
        "{}",
        a.chi.statistic
    );
    assert!(
        (a.ratio.interval.low - 2.88).abs() < 0.02 && (a.ratio.interval.high - 22.9).abs() < 0.1
    );
}

#[test]
fn the_area_is_that_of_counted_pairs() {
    // One predictor whose sign every fold agrees on: scores are in the order of the distances.
    let cases: Vec<Case> = (0..40)
        .map(|n| {
            case(
                n % 2 == 1,
                0,
                f64::from((n * 7) % 23) - if n % 2 == 1 { 6.0 } else { 0.0 },
            )
        })
        .collect();
    let found = auc(&cases, Structure::Pleura, 2).unwrap();
    let (mut wins, mut pairs) = (0.0, 0.0);
    for a in cases.iter().filter(|c| c.malignant) {
        for b in cases.iter().filter(|c| !c.malignant) {
            let (x, y) = (
                Structure::Pleura.mm(a).unwrap(),
                Structure::Pleura.mm(b).unwrap(),
            );
            wins += if x < y {
                1.0
            } else if x == y {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    assert!(
        (found.value - wins / pairs).abs() < 0.08,
        "{} {}",
        found.value,
        wins / pairs
    );
    assert!(found.interval.0 < found.value && found.value < found.interval.1);
}

#[test]
fn the_tiny_run_goes_through_and_is_the_same_twice() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let ctx = context(dir.path(), &stop);
    let a = NoduleSurroundings.reproduce(&ctx).unwrap();
    assert!(a.tiny && a.rows.len() > 15, "{}", a.table());
    let defined = |r: &&ClaimRow| r.here.is_some();
    assert!(a.rows.iter().filter(defined).count() > 8, "{}", a.table());
    assert_eq!(a, NoduleSurroundings.reproduce(&ctx).unwrap());
}

#[test]
fn a_stop_is_seen_and_without_a_run_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(true);
    let ctx = context(dir.path(), &stop);
    let error = NoduleSurroundings.train(&ctx).unwrap_err();
    assert!(matches!(error, crate::MethodError::Stopped));
    assert!(NoduleSurroundings.eval(&ctx).is_err());
}
