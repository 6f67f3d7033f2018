//! Against the published formulas, torchmetrics and statsmodels.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_metrics::calibration::*;
use hilum_metrics::classification::BinaryScores;

const T: f64 = 1e-7;

#[test]
fn calibration_errors() {
    let fixture = fixture("calibration_error.json");
    let mut slopes = 0;
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["input"].get("p").is_some_and(|p| p[0].is_number()))
    {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let d =
            BinaryScores::new(&bytes(&case["input"]["y"]), &floats(&case["input"]["p"])).unwrap();
        for n in [10, 15] {
            let width = calibration_error(&d, Binning::EqualWidth(n)).unwrap();
            close(name, width.ece, f(&e[format!("ece_width_{n}")]), T);
            close(name, width.mce, f(&e[format!("mce_width_{n}")]), T);
            close(name, width.rmsce, f(&e[format!("rmsce_width_{n}")]), T);
            let mass = calibration_error(&d, Binning::EqualMass(n)).unwrap();
            close(name, mass.ece, f(&e[format!("ece_mass_{n}")]), T);
            close(name, mass.mce, f(&e[format!("mce_mass_{n}")]), T);
        }
        let fifteen = calibration_error(&d, Binning::EqualWidth(15)).unwrap();
        // torchmetrics in single precision; netcal's ECE bins as ours does.
        close(name, fifteen.ece, f(&e["torchmetrics_l1_15"]), 1e-6);
        close(name, fifteen.rmsce, f(&e["torchmetrics_l2_15"]), 1e-6);
        close(name, fifteen.mce, f(&e["torchmetrics_max_15"]), 1e-6);
        let ten = calibration_error(&d, Binning::EqualWidth(10)).unwrap();
        close(name, ten.ece, f(&e["netcal_ECE_10"]), T);
        curves(name, &d, e);
        if let Some(z) = e.get("spiegelhalter_z") {
            close(name, spiegelhalter(&d).unwrap().z, f(z), T);
            let fit = recalibration(&d).unwrap();
            close(name, fit.slope, f(&e["calibration_slope"]), 1e-6);
            close(
                name,
                fit.intercept,
                f(&e["calibration_intercept_joint"]),
                1e-6,
            );
            close(
                name,
                fit.in_the_large,
                f(&e["calibration_in_the_large"]),
                1e-6,
            );
            slopes += 1;
        }
    }
    assert_eq!(slopes, 3);
}

fn curves(name: &str, d: &BinaryScores, e: &Value) {
    for n in [10, 15] {
        let curve = reliability_curve(d, Binning::EqualWidth(n)).unwrap();
        let want: Vec<_> = e[format!("bins_width_{n}")]
            .as_array()
            .unwrap()
            .iter()
            .filter(|b| b[0] != 0 || !(b[1].is_null() && b[2].is_null()))
            .collect();
        assert_eq!(curve.len(), want.len(), "{name}");
        for (bin, want) in curve.iter().zip(want) {
            assert_eq!(bin.count as u64, want[0].as_u64().unwrap());
            close(name, bin.mean_predicted, f(&want[1]), T);
            close(name, bin.observed, f(&want[2]), T);
        }
    }
    for (kind, binning) in [
        ("uniform", Binning::EqualWidth(10)),
        ("quantile", Binning::Quantile(10)),
    ] {
        let stored = &e[format!("sklearn_curve_{kind}_10")];
        let curve = reliability_curve(d, binning).unwrap();
        let observed: Vec<f64> = curve.iter().map(|b| b.observed).collect();
        let predicted: Vec<f64> = curve.iter().map(|b| b.mean_predicted).collect();
        all_close(name, &observed, &floats(&stored["frac_pos"]), T);
        all_close(name, &predicted, &floats(&stored["mean_pred"]), T);
    }
}

#[test]
fn several_classes() {
    let fixture = fixture("calibration_error.json");
    let case = named(&fixture, "multiclass");
    let (input, e) = (&case["input"], &case["expected"]);
    let classes = input["prob"][0].as_array().unwrap().len();
    let d = hilum_metrics::classification::MulticlassScores::new(
        &sizes(&input["y"]),
        &flat(&input["prob"]),
        classes,
    )
    .unwrap();
    let width = multiclass_calibration(&d, Binning::EqualWidth(15)).unwrap();
    let mass = multiclass_calibration(&d, Binning::EqualMass(15)).unwrap();
    close("top", width.top_label, f(&e["ece_top1_width_15"]), T);
    close("top", mass.top_label, f(&e["ace_top1_mass_15"]), T);
    close(
        "class-wise",
        width.class_wise,
        f(&e["static_classwise_ece_15"]),
        T,
    );
    close(
        "class-wise",
        mass.class_wise,
        f(&e["adaptive_classwise_ace_15"]),
        T,
    );
    close(
        "brier",
        multiclass_brier(&d).unwrap(),
        f(&e["brier_multiclass_sum"]),
        T,
    );
}

#[test]
fn no_reference_value_is_left_out() {
    calibration_errors();
    several_classes();
    let other = "netcal cuts into other bins; the pack stores it for information";
    let exceptions = [(".netcal_ACE_10", other)];
    nothing_left(&fixture("calibration_error.json"), &exceptions);
}
