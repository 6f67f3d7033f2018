//! Against SciPy and NumPy.
#![allow(clippy::unwrap_used)]

#[path = "../../metrics/tests/common/mod.rs"]
mod common;

use common::*;
use hilum_trust::uncertainty::*;
use hilum_trust::{Mahalanobis, Shrinkage};

#[test]
fn dirichlet_evidence() {
    let fixture = fixture("uncertainty.json");
    for name in ["k3", "k14", "no_evidence"] {
        let case = named(&fixture, name);
        let e = &case["expected"];
        for (i, row) in case["input"]["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            let u = dirichlet(&floats(row)).unwrap();
            let strength = u.belief.len() as f64 / u.vacuity;
            let alpha: Vec<f64> = u.probability.iter().map(|p| p * strength).collect();
            all_close(name, &alpha, &floats(&e["alpha"][i]), 1e-8);
            close(name, u.vacuity, f(&e["uncertainty"][i]), 1e-8);
            all_close(name, &u.belief, &floats(&e["belief"][i]), 1e-8);
            all_close(name, &u.probability, &floats(&e["prob"][i]), 1e-8);
            all_close(name, &u.variance, &floats(&e["variance"][i]), 1e-8);
            close(
                name,
                u.predictive_entropy,
                f(&e["predictive_entropy"][i]),
                1e-8,
            );
            close(name, u.expected_entropy, f(&e["expected_entropy"][i]), 1e-8);
            close(
                name,
                u.mutual_information,
                f(&e["mutual_information"][i]),
                1e-8,
            );
            close(
                name,
                u.differential_entropy,
                f(&e["differential_entropy"][i]),
                1e-8,
            );
        }
    }
}

#[test]
fn ensembles() {
    let fixture = fixture("uncertainty.json");
    let case = named(&fixture, "mc_ensemble");
    let members: Vec<&Value> = case["input"]["prob"].as_array().unwrap().iter().collect();
    let e = &case["expected"];
    let samples = e["predictive_entropy"].as_array().unwrap().len();
    // An ensemble of probabilities has no logits to take an energy of.
    assert!(e["energy_score_T1"].is_null());
    for i in 0..samples {
        let rows: Vec<f64> = members.iter().flat_map(|m| floats(&m[i])).collect();
        let u = ensemble(&rows, rows.len() / members.len()).unwrap();
        close(
            "total",
            u.predictive_entropy,
            f(&e["predictive_entropy"][i]),
            1e-9,
        );
        close(
            "noise",
            u.expected_entropy,
            f(&e["expected_entropy"][i]),
            1e-9,
        );
        close(
            "disagreement",
            u.mutual_information,
            f(&e["mutual_information"][i]),
            1e-9,
        );
        close(
            "votes",
            u.variation_ratio,
            f(&e["variation_ratio"][i]),
            1e-9,
        );
    }
}

#[test]
fn logits() {
    let fixture = fixture("uncertainty.json");
    let case = named(&fixture, "ood_scores");
    let e = &case["expected"];
    for (i, row) in case["input"]["logits"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let z = floats(row);
        close(
            "energy",
            energy(&z, 1.0).unwrap(),
            f(&e["energy_T1"][i]),
            1e-9,
        );
        close(
            "energy",
            energy(&z, 2.0).unwrap(),
            f(&e["energy_T2"][i]),
            1e-9,
        );
        close(
            "max logit",
            max_logit(&z).unwrap(),
            f(&e["max_logit"][i]),
            1e-9,
        );
        close("msp", max_softmax(&z).unwrap(), f(&e["msp"][i]), 1e-9);
    }
}

#[test]
fn mahalanobis() {
    let fixture = fixture("uncertainty.json");
    let case = named(&fixture, "mahalanobis");
    let fit = Mahalanobis::fit(&flat(&case["input"]["train"]), 4, Shrinkage::None).unwrap();
    let got: Vec<f64> = case["input"]["query"]
        .as_array()
        .unwrap()
        .iter()
        .map(|q| fit.score(&floats(q)).unwrap())
        .collect();
    all_close("d2", &got, &floats(&case["expected"]["d2"]), 1e-7);
}

#[test]
fn no_reference_value_is_left_out() {
    dirichlet_evidence();
    ensembles();
    logits();
    mahalanobis();
    nothing_left(&fixture("uncertainty.json"), &[]);
}
