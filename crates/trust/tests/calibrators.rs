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
        let isotonic = Isotonic::fit_binary(&data).unwrap();
        all_close(name, &isotonic.x, &floats(&e["isotonic_x"]), 1e-9);
        all_close(name, &isotonic.y, &floats(&e["isotonic_y"]), 1e-9);
        let got: Vec<f64> = query.iter().map(|q| isotonic.value(*q)).collect();
        all_close(name, &got, &floats(&e["isotonic_at_query"]), 1e-9);
    }
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
