//! Against scikit-learn, SciPy and venn-abers.
#![allow(clippy::unwrap_used)]

#[path = "../../metrics/tests/common/mod.rs"]
mod common;

use common::*;
use hilum_metrics::classification::BinaryScores;
use hilum_trust::*;

#[test]
fn platt_and_isotonic() {
    for case in cases(&fixture("platt_isotonic.json")) {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        if let Some(weight) = input.get("weight") {
            let x = floats(&input["x"]);
            let fit = Isotonic::fit(&x, &floats(&input["y"]), Some(&floats(weight))).unwrap();
            let got: Vec<f64> = x.iter().map(|x| fit.value(*x)).collect();
            all_close(name, &got, &floats(&e["fitted_at_x"]), 1e-9);
            continue;
        }
        let data = BinaryScores::new(&bytes(&input["y"]), &floats(&input["score"])).unwrap();
        let query = floats(&input["query"]);
        let platt = Platt::fit(&data).unwrap();
        close(name, platt.a, f(&e["platt_A"]), 1e-4);
        close(name, platt.b, f(&e["platt_B"]), 1e-4);
        let got: Vec<f64> = query.iter().map(|q| platt.probability(*q)).collect();
        all_close(name, &got, &floats(&e["platt_at_query"]), 1e-4);
        plain_fit(name, input, e);
        let isotonic = Isotonic::fit_binary(&data).unwrap();
        all_close(name, &isotonic.x, &floats(&e["isotonic_x"]), 1e-9);
        all_close(name, &isotonic.y, &floats(&e["isotonic_y"]), 1e-9);
        let got: Vec<f64> = query.iter().map(|q| isotonic.value(*q)).collect();
        all_close(name, &got, &floats(&e["isotonic_at_query"]), 1e-9);
    }
}

/// Logistic regression without Platt's smoothed targets.
fn plain_fit(name: &str, input: &Value, e: &Value) {
    let y: Vec<bool> = bytes(&input["y"]).iter().map(|v| *v == 1).collect();
    let options = hilum_metrics::statistics::LogisticOptions::default();
    let scores = floats(&input["score"]);
    let fit = hilum_metrics::statistics::logistic_regression(&scores, 1, &y, &options).unwrap();
    close(name, fit.coefficients[0], f(&e["plain_logit_slope"]), 1e-4);
    close(name, fit.intercept, f(&e["plain_logit_intercept"]), 1e-4);
}

/// Mean loss of logits that nothing was done to.
fn loss_before(logits: &[f64], truth: &[usize], classes: usize) -> f64 {
    let of = |(row, t): (&[f64], &usize)| match classes {
        1 => (1.0 + (if *t == 1 { -row[0] } else { row[0] }).exp()).ln(),
        _ => row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[*t],
    };
    let all = logits.chunks_exact(classes).zip(truth);
    all.map(of).sum::<f64>() / truth.len() as f64
}

#[test]
fn temperature() {
    for case in cases(&fixture("temperature.json")) {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let (logits, truth) = (flat(&case["input"]["logits"]), sizes(&case["input"]["y"]));
        let classes = logits.len() / truth.len();
        let (fit, after) = if classes == 1 {
            let data = BinaryScores::new(&bytes(&case["input"]["y"]), &logits).unwrap();
            let fit = Temperature::fit_binary(&data).unwrap();
            let p: Vec<f64> = logits.iter().map(|z| fit.probability(*z)).collect();
            (
                fit,
                truth
                    .iter()
                    .zip(&p)
                    .map(|(y, p)| -if *y == 1 { *p } else { 1.0 - p }.ln())
                    .sum::<f64>(),
            )
        } else {
            let fit = Temperature::fit_multiclass(&logits, &truth, classes).unwrap();
            let rows = logits.chunks_exact(classes).zip(&truth);
            (
                fit,
                rows.map(|(row, t)| -fit.softmax(row)[*t].ln()).sum::<f64>(),
            )
        };
        close(name, fit.temperature, f(&e["T"]), 1e-5);
        let before = loss_before(&logits, &truth, classes);
        close(name, before, f(&e["nll_before"]), 1e-9);
        assert!(after / truth.len() as f64 <= before);
        close(name, after / truth.len() as f64, f(&e["nll_after"]), 1e-9);
        if let Some(want) = e.get("vector_scaling_nll") {
            let fit = VectorScaling::fit(&logits, &truth, classes).unwrap();
            close(name, fit.loss(&logits, &truth), f(want), 1e-5);
        }
    }
}

#[test]
fn venn_abers() {
    for case in cases(&fixture("venn_abers.json")) {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        let fit = VennAbers::fit(
            &BinaryScores::new(&bytes(&input["cal_y"]), &floats(&input["cal_score"])).unwrap(),
        )
        .unwrap();
        let got: Vec<VennAbersInterval> = floats(&input["test_score"])
            .iter()
            .map(|s| fit.interval(*s))
            .collect();
        for (suffix, tolerance) in [("", 1e-6), ("_definition", 1e-9)] {
            let want = |key: &str| floats(&e[format!("{key}{suffix}")]);
            all_close(
                name,
                &got.iter().map(|i| i.p0).collect::<Vec<_>>(),
                &want("p0"),
                tolerance,
            );
            all_close(
                name,
                &got.iter().map(|i| i.p1).collect::<Vec<_>>(),
                &want("p1"),
                tolerance,
            );
            all_close(
                name,
                &got.iter().map(|i| i.probability()).collect::<Vec<_>>(),
                &want("p"),
                tolerance,
            );
        }
    }
}

#[test]
fn no_reference_value_is_left_out() {
    platt_and_isotonic();
    temperature();
    venn_abers();
    for name in ["platt_isotonic.json", "temperature.json", "venn_abers.json"] {
        nothing_left(&fixture(name), &[]);
    }
}
