//! Against the published formulas and MAPIE, and against the promised coverage on simulated data.
#![allow(clippy::unwrap_used)]

#[path = "../../metrics/tests/common/mod.rs"]
mod common;

use common::*;
use hilum_metrics::classification::BinaryScores;
use hilum_trust::conformal::{SetRule, risk};
use hilum_trust::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

struct Data {
    cal: Vec<f64>,
    truth: Vec<usize>,
    test: Vec<Vec<f64>>,
    classes: usize,
}

fn data(fixture: &Value) -> Data {
    let d = &fixture["data"];
    let test: Vec<Vec<f64>> = d["test_prob"]
        .as_array()
        .unwrap()
        .iter()
        .map(floats)
        .collect();
    Data {
        cal: flat(&d["cal_prob"]),
        truth: sizes(&d["cal_y"]),
        classes: test[0].len(),
        test,
    }
}

#[test]
fn classification_sets() {
    let fixture = fixture("conformal_classification.json");
    let d = data(&fixture);
    let mut seen = 0;
    for case in cases(&fixture) {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let alpha = f(&case["input"]["alpha"]);
        if name.contains("lac") {
            let conditional = name.starts_with("mondrian");
            let fit =
                MulticlassConformal::fit(&d.cal, &d.truth, d.classes, alpha, conditional).unwrap();
            let got: Vec<Vec<bool>> = d.test.iter().map(|p| fit.set(p).unwrap()).collect();
            assert_eq!(got, sets(&e["sets"]), "{name}");
            let quantiles: Vec<f64> = fit.quantiles.iter().map(|q| q.unwrap()).collect();
            match (e.get("q"), conditional) {
                (Some(q), true) => all_close(name, &quantiles, &floats(q), 1e-9),
                (Some(q), false) => close(name, quantiles[0], f(q), 1e-9),
                (None, _) => close(name, quantiles[0], f(&e["quantile"][0]), 1e-9),
            }
            seen += 1;
        } else if name.starts_with("aps") || name.starts_with("raps") {
            ranked(&d, case, alpha);
            seen += 1;
        }
    }
    assert_eq!(seen, 17);
}

fn ranked(d: &Data, case: &Value, alpha: f64) {
    let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
    let option = |key: &str| case["input"].get(key).map_or(0.0, f);
    let fit = RankedConformal::fit(
        &d.cal,
        &d.truth,
        d.classes,
        alpha,
        option("lam"),
        option("k_reg") as usize,
    )
    .unwrap();
    let all =
        |rule| -> Vec<Vec<bool>> { d.test.iter().map(|p| fit.set(p, rule).unwrap()).collect() };
    if let Some(q) = e.get("q") {
        close(name, fit.quantile.unwrap(), f(q), 1e-9);
    }
    if name.contains("include_last") {
        assert_eq!(all(SetRule::IncludeCrossing), sets(&e["sets"]), "{name}");
    } else {
        assert_eq!(all(SetRule::Conforming), sets(&e["sets"]), "{name}");
        assert_eq!(
            all(SetRule::NeverEmpty),
            sets(&e["sets_never_empty"]),
            "{name}"
        );
    }
}

#[test]
fn residual_intervals() {
    for case in cases(&fixture("conformal_regression.json")) {
        let fit = AbsoluteResidual::fit(
            &floats(&case["input"]["residual"]),
            f(&case["input"]["alpha"]),
        )
        .unwrap();
        assert_eq!(
            fit.half_width,
            case["expected"]["q"].as_f64(),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn risk_control() {
    let fixture = fixture("risk_control.json");
    let d = &fixture["data"];
    let scores = flat(&d["score"]);
    let labels: Vec<bool> = flat(&d["y"]).iter().map(|v| *v == 1.0).collect();
    let classes = d["score"][0].as_array().unwrap().len();
    let n = scores.len() / classes;
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["input"].get("lambdas").is_some())
    {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let (lambdas, alpha) = (
            floats(&case["input"]["lambdas"]),
            f(&case["input"]["alpha"]),
        );
        let fnr = risk::mean_false_negative_rate(&scores, &labels, classes, &lambdas).unwrap();
        all_close(name, &fnr, &floats(&e["empirical_fnr"]), 1e-9);
        let chosen = risk::conformal_risk_control(&fnr, n, alpha)
            .unwrap()
            .unwrap();
        close(name, lambdas[chosen], f(&e["crc_fnr_lambda"]), 1e-9);
        let chosen = risk::rcps_hoeffding(&fnr, n, alpha, 0.1).unwrap().unwrap();
        close(name, lambdas[chosen], f(&e["rcps_hoeffding_lambda"]), 1e-9);
        let fdp = risk::mean_false_discovery_rate(&scores, &labels, classes, &lambdas).unwrap();
        all_close(name, &fdp, &floats(&e["empirical_fdp"]), 1e-9);
        // The fixture's learn-then-test level is a false discovery rate of its own; find it from the p-values.
        let valid = floats(&e["ltt_fdp_valid_lambda_bonferroni"]);
        let wanted = floats(&e["ltt_fdp_hb_pvalues"]);
        let bar = 0.1 / lambdas.len() as f64;
        let from_wanted: Vec<f64> = lambdas
            .iter()
            .zip(&wanted)
            .filter(|(_, p)| **p <= bar)
            .map(|(l, _)| *l)
            .collect();
        all_close(name, &from_wanted, &valid, 1e-9);
        let level = LTT_LEVELS.iter().find(|level| {
            fdp.iter()
                .zip(&wanted)
                .all(|(r, p)| (risk::hoeffding_bentkus(*r, n, **level).unwrap() - p).abs() < 1e-9)
        });
        let level = *level.unwrap_or_else(|| panic!("{name}: no level gives the stored p-values"));
        let got = risk::learn_then_test(&fdp, n, level, 0.1).unwrap();
        all_close(
            name,
            &got.iter().map(|i| lambdas[*i]).collect::<Vec<_>>(),
            &valid,
            1e-9,
        );
    }
}

const LTT_LEVELS: [f64; 6] = [0.1, 0.15, 0.2, 0.25, 0.3, 0.4];

/// Probabilities that are off on purpose: conformal sets must cover all the same.
fn simulated(rng: &mut ChaCha8Rng, n: usize) -> BinaryScores {
    let (mut labels, mut p) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let truth: f64 = rng.random();
        labels.push(rng.random::<f64>() < truth);
        let noisy = (truth + 0.3 * (rng.random::<f64>() - 0.5)).clamp(0.0, 1.0);
        p.push(noisy.powi(2));
    }
    BinaryScores::new(&labels, &p).unwrap()
}

#[test]
fn both_classes_are_covered_as_promised() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut present, mut absent) = (0.0, 0.0);
    let rounds = 200;
    for _ in 0..rounds {
        let fit = BinaryConformal::fit(&simulated(&mut rng, 200), 0.1).unwrap();
        let coverage = fit.coverage(&simulated(&mut rng, 500)).unwrap();
        present += coverage.present.unwrap() / f64::from(rounds);
        absent += coverage.absent.unwrap() / f64::from(rounds);
    }
    // At least nominal, and not above it by more than 1/(n + 1) for some 100 cases a class, with room for chance.
    for mean in [present, absent] {
        assert!((0.893..0.917).contains(&mean), "{present} {absent}");
    }
}
