//! What must hold for any input.
#![allow(clippy::unwrap_used)]

use hilum_metrics::classification::*;
use hilum_metrics::segmentation::{HausdorffRule, Mask, Overlap, SurfaceDistances};
use hilum_metrics::statistics::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

fn both_classes() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    // Few distinct values, so that ties are common.
    prop::collection::vec((any::<bool>(), -20_i32..20), 2..80)
        .prop_filter("both classes", |v| {
            v.iter().any(|p| p.0) && v.iter().any(|p| !p.0)
        })
        .prop_map(|v| v.into_iter().map(|(y, s)| (y, f64::from(s) / 4.0)).unzip())
}

/// AUROC by its definition over all pairs.
fn pairs(labels: &[bool], scores: &[f64]) -> f64 {
    let (mut wins, mut all) = (0.0, 0.0);
    let of = |class: bool| {
        scores
            .iter()
            .zip(labels)
            .filter(move |(_, y)| **y == class)
            .map(|(s, _)| s)
    };
    for a in of(true) {
        for b in of(false) {
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
            all += 1.0;
        }
    }
    wins / all
}

proptest! {
    #[test]
    fn auroc_is_the_share_of_won_pairs((labels, scores) in both_classes()) {
        let data = BinaryScores::new(&labels, &scores).unwrap();
        prop_assert!((auroc(&data).unwrap() - pairs(&labels, &scores)).abs() < 1e-12);
    }

    #[test]
    fn rising_maps_change_no_ranking_score((labels, scores) in both_classes()) {
        let data = BinaryScores::new(&labels, &scores).unwrap();
        let mapped: Vec<f64> = scores.iter().map(|s| (s / 3.0).exp() - 7.0).collect();
        let mapped = BinaryScores::new(&labels, &mapped).unwrap();
        prop_assert_eq!(auroc(&data).unwrap(), auroc(&mapped).unwrap());
        prop_assert_eq!(average_precision(&data).unwrap(), average_precision(&mapped).unwrap());
        prop_assert_eq!(youden(&data).unwrap().j, youden(&mapped).unwrap().j);
    }

    #[test]
    fn turning_scores_round_mirrors_the_auroc((labels, scores) in both_classes()) {
        let turned: Vec<f64> = scores.iter().map(|s| -s).collect();
        let a = auroc(&BinaryScores::new(&labels, &scores).unwrap()).unwrap();
        let b = auroc(&BinaryScores::new(&labels, &turned).unwrap()).unwrap();
        prop_assert!((a + b - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_youden_threshold_does_what_it_says((labels, scores) in both_classes()) {
        let data = BinaryScores::new(&labels, &scores).unwrap();
        let point = youden(&data).unwrap();
        if let Some(threshold) = point.threshold {
            let table = Confusion::at_threshold(&data, threshold);
            prop_assert!((table.youden_j().unwrap() - point.j).abs() < 1e-12);
        }
    }

    #[test]
    fn any_labels_and_scores_give_a_value_or_an_error(
        labels in prop::collection::vec(prop::option::of(0_u8..3), 0..40),
        scores in prop::collection::vec(any::<f64>(), 0..40),
    ) {
        if let Ok(data) = BinaryScores::new(&labels, &scores) {
            let options = BootstrapOptions { resamples: 5, ..Default::default() };
            if let Ok(report) = binary_report(&data, 0.5, None, &options) {
                for score in report.scores {
                    prop_assert!(score.value.is_some() != score.undefined.is_some());
                    prop_assert!(score.value.is_none_or(f64::is_finite));
                }
            }
        }
    }

    #[test]
    fn masks_agree_whichever_comes_first(
        a in prop::collection::vec(any::<bool>(), 30),
        b in prop::collection::vec(any::<bool>(), 30),
    ) {
        let mask = |v: &[bool]| Mask::from_bools(v.to_vec(), &[5, 6], &[0.7, 1.3]).unwrap();
        let (a, b) = (mask(&a), mask(&b));
        let (ab, ba) = (Overlap::of(&a, &b).unwrap(), Overlap::of(&b, &a).unwrap());
        prop_assert_eq!(ab.dice(), ba.dice());
        if let (Ok(dice), Ok(iou)) = (ab.dice(), ab.iou()) {
            prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
        }
        if let (Ok(ab), Ok(ba)) = (SurfaceDistances::new(&a, &b), SurfaceDistances::new(&b, &a)) {
            let hd = |d: &SurfaceDistances, q| d.hausdorff(q, HausdorffRule::MaxOfDirected).unwrap();
            prop_assert_eq!(hd(&ab, 1.0), hd(&ba, 1.0));
            prop_assert!(hd(&ab, 0.95) <= hd(&ab, 1.0));
        }
    }
}

/// Scores whose true AUROC is 0.5 + d − d²/2 for a shift of d between unit intervals.
fn draw(rng: &mut ChaCha8Rng, n: usize, shift: f64) -> BinaryScores {
    let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let labels: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
    let scores: Vec<f64> = labels
        .iter()
        .map(|y| uniform() + if *y { shift } else { 0.0 })
        .collect();
    BinaryScores::new(&labels, &scores).unwrap()
}

#[test]
fn intervals_cover_about_as_often_as_they_say() {
    let (shift, rounds) = (0.4, 300);
    let truth = 0.5 + shift - shift * shift / 2.0;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut hits = [0_u32; 3];
    for seed in 0..rounds {
        let data = draw(&mut rng, 150, shift);
        let options = BootstrapOptions {
            resamples: 400,
            seed,
            level: 0.9,
        };
        let b = bootstrap_rank(&data, RankScore::Auroc, None, &options).unwrap();
        let jack = jackknife_rank(&data, RankScore::Auroc, None).unwrap();
        let intervals = [
            b.percentile(0.9).unwrap(),
            b.bca(0.9, &jack).unwrap(),
            delong_ci(&data, 0.9).unwrap(),
        ];
        for (hit, ci) in hits.iter_mut().zip(intervals) {
            *hit += u32::from(ci.low <= truth && truth <= ci.high);
        }
    }
    // 0.9 with three standard errors of 300 draws is 0.848 to 0.952.
    for hit in hits {
        assert!(
            (0.848..0.952).contains(&(f64::from(hit) / 300.0)),
            "{hits:?}"
        );
    }
}
